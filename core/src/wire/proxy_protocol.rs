//! The PROXY protocol, versions 1 and 2 (HAProxy's `proxy-protocol.txt`, 2.1 and 2.2): one header in front of
//! a connection, in which a proxy says for whom it speaks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Parsed, looks_like};
use crate::error::{Cause, Fail};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const START: &[u8; 6] = b"PROXY ";
/// The longest line of version 1, CR LF included (2.1).
const LINE: usize = 107;
/// Addresses and extensions of version 2; what is longer does not come from a proxy that we want to hear.
const PAYLOAD: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Nothing about a client: a health check (`LOCAL`), or addresses that are none of TCP (`UNKNOWN`).
    Unknown,
    /// The client, and the address that it connected to.
    Proxied {
        source: SocketAddr,
        destination: SocketAddr,
    },
}

/// Reads a header of either version. The first byte that cannot belong to one is an error at once.
pub fn parse(bytes: &[u8]) -> Parsed<Header> {
    let begins = |start: &[u8]| {
        let n = start.len().min(bytes.len());
        bytes[..n] == start[..n]
    };
    if begins(SIGNATURE) {
        return parse_v2(bytes);
    }
    if begins(START) {
        return parse_v1(bytes);
    }
    Err(Fail::protocol(format!(
        "{}, expected a PROXY header in front of it",
        looks_like(bytes)
    )))
}

fn parse_v1(bytes: &[u8]) -> Parsed<Header> {
    let head = &bytes[..bytes.len().min(LINE)];
    let Some(end) = memchr::memchr(b'\n', head) else {
        return match bytes.len() < LINE {
            true => Ok(None),
            false => Err(Fail::new(
                Cause::Limit,
                format!("PROXY line over {LINE} bytes"),
            )),
        };
    };
    let line = head[..end].strip_suffix(b"\r");
    let line = line.and_then(|line| str::from_utf8(line).ok());
    let header = line.and_then(read_line);
    let header = header.ok_or_else(|| {
        let text = String::from_utf8_lossy(&head[..end]);
        Fail::protocol(format!(
            "PROXY line \"{}\", expected TCP4, TCP6 or UNKNOWN, two addresses and two ports",
            text.trim_end().escape_debug()
        ))
    })?;
    Ok(Some((header, end + 1)))
}

fn read_line(line: &str) -> Option<Header> {
    let words: Vec<&str> = line.split(' ').collect();
    let [_, family, rest @ ..] = words.as_slice() else {
        return None;
    };
    if *family == "UNKNOWN" {
        // Whatever follows is to be ignored (2.1).
        return Some(Header::Unknown);
    }
    let [source, destination, source_port, destination_port] = rest else {
        return None;
    };
    let ip = |text: &str| -> Option<IpAddr> {
        match *family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::from),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::from),
            _ => None,
        }
    };
    Some(Header::Proxied {
        source: SocketAddr::new(ip(source)?, read_port(source_port)?),
        destination: SocketAddr::new(ip(destination)?, read_port(destination_port)?),
    })
}

/// Decimal, without zeros in front.
fn read_port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = text == "0" || !text.starts_with('0');
    text.parse().ok().filter(|_| digits && plain)
}

fn parse_v2(bytes: &[u8]) -> Parsed<Header> {
    let Some((head, rest)) = bytes.split_at_checked(16) else {
        return Ok(None);
    };
    let (version, family) = (head[12], head[13]);
    let len = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if len > PAYLOAD {
        return Err(Fail::new(
            Cause::Limit,
            format!("PROXY header of {len} bytes, expected at most {PAYLOAD}"),
        ));
    }
    let local = match version {
        0x20 => true,
        0x21 => false,
        other => {
            return Err(Fail::protocol(format!(
                "PROXY header with version and command 0x{other:02x}, expected 0x20 or 0x21"
            )));
        }
    };
    let Some(payload) = rest.get(..len) else {
        return Ok(None);
    };
    let header = match (local, family) {
        (true, _) | (false, 0x00) => Header::Unknown,
        // Unix sockets have no address that we could use.
        (false, 0x31 | 0x32) => Header::Unknown,
        (false, 0x11 | 0x12) => addresses::<4>(payload)?,
        (false, 0x21 | 0x22) => addresses::<16>(payload)?,
        (false, other) => {
            return Err(Fail::protocol(format!(
                "PROXY header with address family 0x{other:02x}"
            )));
        }
    };
    Ok(Some((header, 16 + len)))
}

/// Two addresses of `N` bytes and two ports; extensions behind them are ignored.
fn addresses<const N: usize>(payload: &[u8]) -> Result<Header, Fail>
where
    IpAddr: From<[u8; N]>,
{
    let read = || {
        let (source, rest) = payload.split_first_chunk::<N>()?;
        let (destination, rest) = rest.split_first_chunk::<N>()?;
        let (source_port, rest) = rest.split_first_chunk::<2>()?;
        let (destination_port, _) = rest.split_first_chunk::<2>()?;
        let port = |bytes: &[u8; 2]| u16::from_be_bytes(*bytes);
        Some(Header::Proxied {
            source: SocketAddr::new((*source).into(), port(source_port)),
            destination: SocketAddr::new((*destination).into(), port(destination_port)),
        })
    };
    read().ok_or_else(|| {
        Fail::protocol(format!(
            "PROXY header with {} bytes of addresses, expected {}",
            payload.len(),
            2 * N + 4
        ))
    })
}

/// The header for a client. Of IPv4 and IPv6 together, the one is written as the other.
pub fn write(
    version: Version,
    source: SocketAddr,
    destination: SocketAddr,
    out: &mut impl Extend<u8>,
) {
    let ips = match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => Ok((source, destination)),
        (source, destination) => Err((as_v6(source), as_v6(destination))),
    };
    let ports = (source.port(), destination.port());
    match version {
        Version::V1 => {
            let (source_port, destination_port) = ports;
            let line = match ips {
                Ok((source, destination)) => format!("PROXY TCP4 {source} {destination}"),
                Err((source, destination)) => format!("PROXY TCP6 {source} {destination}"),
            };
            out.extend(format!("{line} {source_port} {destination_port}\r\n").into_bytes());
        }
        Version::V2 => {
            out.extend(*SIGNATURE);
            match ips {
                Ok((source, destination)) => {
                    out.extend([0x21, 0x11, 0, 12]);
                    out.extend(source.octets());
                    out.extend(destination.octets());
                }
                Err((source, destination)) => {
                    out.extend([0x21, 0x21, 0, 36]);
                    out.extend(source.octets());
                    out.extend(destination.octets());
                }
            }
            out.extend(ports.0.to_be_bytes());
            out.extend(ports.1.to_be_bytes());
        }
    }
}

fn as_v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hex, unit};
    use super::*;

    fn proxied(source: &str, destination: &str) -> Header {
        Header::Proxied {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        }
    }

    /// The examples and worst cases of the specification, 2.1.
    #[test]
    fn lines_of_the_specification_are_read() {
        let widest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        for (line, expected) in [
            (
                "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n".to_owned(),
                proxied("192.168.0.1:56324", "192.168.0.11:443"),
            ),
            (
                "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n".to_owned(),
                proxied("255.255.255.255:65535", "255.255.255.255:65535"),
            ),
            (
                format!("PROXY TCP6 {widest} {widest} 65535 65535\r\n"),
                proxied(&format!("[{widest}]:65535"), &format!("[{widest}]:65535")),
            ),
            (
                "PROXY TCP6 2001:db8::1 ::ffff:10.0.0.1 0 80\r\n".to_owned(),
                proxied("[2001:db8::1]:0", "[::ffff:10.0.0.1]:80"),
            ),
            ("PROXY UNKNOWN\r\n".to_owned(), Header::Unknown),
            (
                format!("PROXY UNKNOWN {widest} {widest} 65535 65535\r\n"),
                Header::Unknown,
            ),
        ] {
            assert!(line.len() <= LINE, "{}", line.len());
            assert_eq!(unit(line.as_bytes(), parse), expected, "{line}");
        }
    }

    #[test]
    fn what_follows_is_left() {
        let bytes = b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET / HTTP/1.1\r\n";
        assert_eq!(parse(bytes).unwrap().unwrap().1, 34);
    }

    #[test]
    fn other_lines_are_refused() {
        for line in [
            "GET / HTTP/1.1\r\n",
            "PROXY  TCP4 10.0.0.1 10.0.0.2 1 2\r\n",
            "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\n",
            "PROXY TCP4 10.0.0.1 10.0.0.2 1 2 \r\n",
            "PROXY TCP4 10.0.0.1 10.0.0.2 1\r\n",
            "PROXY TCP4 10.0.0.1 10.0.0.2 1 2 3\r\n",
            "PROXY TCP4 10.0.0.01 10.0.0.2 1 2\r\n",
            "PROXY TCP4 ::1 10.0.0.2 1 2\r\n",
            "PROXY TCP6 10.0.0.1 ::1 1 2\r\n",
            "PROXY TCP4 10.0.0.1 10.0.0.2 65536 2\r\n",
            "PROXY TCP4 10.0.0.1 10.0.0.2 01 2\r\n",
            "PROXY TCP4 10.0.0.1 10.0.0.2 +1 2\r\n",
            "PROXY UDP4 10.0.0.1 10.0.0.2 1 2\r\n",
            "PROXY tcp4 10.0.0.1 10.0.0.2 1 2\r\n",
            "PROXY TCP4\t10.0.0.1 10.0.0.2 1 2\r\n",
            "PROXX",
            "\r\n\r\nGET",
            "\u{16}\u{3}\u{1}",
        ] {
            let fail = parse(line.as_bytes()).unwrap_err();
            assert_eq!(fail.cause, Cause::Protocol, "{line}: {fail}");
        }
        let endless = format!("PROXY TCP6 {}", "f".repeat(LINE - 11));
        assert_eq!(parse(&endless.as_bytes()[..LINE - 1]), Ok(None));
        assert_eq!(parse(endless.as_bytes()).unwrap_err().cause, Cause::Limit);
    }

    const V2: &str = "0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a";

    fn v2(rest: &str) -> Vec<u8> {
        hex(&format!("{V2} {rest}"))
    }

    #[test]
    fn version_2_is_read() {
        let four = "cb 00 71 07 c0 00 02 01 c7 38 1f 90";
        let client = proxied("203.0.113.7:51000", "192.0.2.1:8080");
        for (rest, expected) in [
            (format!("21 11 00 0c {four}"), client),
            (format!("21 12 00 0c {four}"), client),
            // An extension: PP2_TYPE_NOOP.
            (format!("21 11 00 10 {four} 04 00 01 00"), client),
            (format!("20 11 00 0c {four}"), Header::Unknown),
            ("20 00 00 00".to_owned(), Header::Unknown),
            ("21 00 00 02 ff ff".to_owned(), Header::Unknown),
            ("21 31 00 00".to_owned(), Header::Unknown),
            (
                format!(
                    "21 21 00 24 20 01 0d b8 {} 20 01 0d b8 {} 00 01 01 bb",
                    "00 ".repeat(11) + "01",
                    "00 ".repeat(11) + "02"
                ),
                proxied("[2001:db8::1]:1", "[2001:db8::2]:443"),
            ),
        ] {
            assert_eq!(unit(&v2(&rest), parse), expected, "{rest}");
        }
    }

    #[test]
    fn other_binary_headers_are_refused() {
        for (rest, cause) in [
            ("11 11 00 0c", Cause::Protocol),
            ("22 11 00 0c", Cause::Protocol),
            ("21 11 10 01", Cause::Limit),
            ("21 11 00 04 01 02 03 04", Cause::Protocol),
            ("21 41 00 00", Cause::Protocol),
            ("21 13 00 00", Cause::Protocol),
        ] {
            assert_eq!(parse(&v2(rest)).unwrap_err().cause, cause, "{rest}");
        }
        assert_eq!(parse(&v2("21 11 10 00")), Ok(None));
    }

    #[test]
    fn what_is_written_is_read() {
        let addr = |text: &str| text.parse::<SocketAddr>().unwrap();
        for (source, destination, read) in [
            (
                "203.0.113.7:51000",
                "192.0.2.1:8080",
                proxied("203.0.113.7:51000", "192.0.2.1:8080"),
            ),
            (
                "[2001:db8::1]:1",
                "[2001:db8::2]:443",
                proxied("[2001:db8::1]:1", "[2001:db8::2]:443"),
            ),
            (
                "10.0.0.1:0",
                "[2001:db8::2]:443",
                proxied("[::ffff:10.0.0.1]:0", "[2001:db8::2]:443"),
            ),
        ] {
            for version in [Version::V1, Version::V2] {
                let mut out = Vec::new();
                write(version, addr(source), addr(destination), &mut out);
                assert_eq!(unit(&out, parse), read);
            }
        }
        let mut out = Vec::new();
        let (source, destination) = (addr("203.0.113.7:51000"), addr("192.0.2.1:8080"));
        write(Version::V1, source, destination, &mut out);
        assert_eq!(out, b"PROXY TCP4 203.0.113.7 192.0.2.1 51000 8080\r\n");
        out.clear();
        write(Version::V2, source, destination, &mut out);
        assert_eq!(out, v2("21 11 00 0c cb 00 71 07 c0 00 02 01 c7 38 1f 90"));
    }
}
