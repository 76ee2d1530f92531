//! SOCKS4 and SOCKS4a messages (Ying-Da Lee, "SOCKS: A protocol for TCP proxy across firewalls" and
//! "SOCKS 4A: A simple extension to SOCKS 4 protocol").
//!
//! ```text
//! request  04 CD DSTPORT(2) DSTIP(4) USERID 00 [HOST 00]     HOST if DSTIP is 0.0.0.x, x not 0
//! reply    00 CODE 00 00 00 00 00 00
//! ```

use std::net::{IpAddr, Ipv4Addr};

use bytes::{BufMut, BytesMut};

use super::{Parsed, hint};
use crate::addr::{Host, Target};
use crate::error::{Cause, Fail};

pub const VERSION: u8 = 4;

/// Bytes of USERID and of HOST, each without its zero.
pub const MAX_TEXT: usize = 255;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Connect,
    Bind,
    Other(u8),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub command: Command,
    pub target: Target,
    pub user: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    Granted,
    Rejected,
    /// No connection to the client's identd; gost's answer when a rule forbids the target.
    NoIdentd,
    /// The USERID is not accepted.
    WrongUser,
    Other(u8),
}

impl Request<'_> {
    /// Errors: `Protocol` for another version, `Limit` for a USERID or HOST over [`MAX_TEXT`],
    /// `NameNotFound` for a HOST that is no UTF-8.
    pub fn parse(buf: &[u8]) -> Parsed<Request<'_>> {
        let Some(&version) = buf.first() else {
            return Ok(None);
        };
        if version != VERSION {
            return Err(Fail::protocol(format!(
                "expected SOCKS version 4, got {version}{}",
                hint(version)
            )));
        }
        let Some((&[_, command, p0, p1, a, b, c, d], rest)) = buf.split_first_chunk() else {
            return Ok(None);
        };
        let Some((user, len)) = text(rest, "USERID")? else {
            return Ok(None);
        };
        let rest = &rest[len..];
        let ip = Ipv4Addr::new(a, b, c, d);
        let (host, rest) = if names_follow(ip) {
            let Some((name, len)) = text(rest, "HOST")? else {
                return Ok(None);
            };
            let name = std::str::from_utf8(name).map_err(|_| {
                Fail::new(Cause::NameNotFound, "expected a HOST in UTF-8, got bytes")
            })?;
            (Host::parse(name), &rest[len..])
        } else {
            (Host::from(ip), rest)
        };
        let request = Request {
            command: Command::from(command),
            target: Target::new(host, u16::from_be_bytes([p0, p1])),
            user,
        };
        Ok(Some((request, buf.len() - rest.len())))
    }

    /// IPv4 goes out in the plain form, names in the 4a form. Errors: `Unsupported` for IPv6, `Limit`
    /// and `Protocol` for texts that do not fit. Nothing is written then.
    pub fn write(&self, out: &mut BytesMut) -> Result<(), Fail> {
        let (ip, name) = match &self.target.host {
            // Such an address would be read as the announcement of a name.
            Host::Ip(IpAddr::V4(ip)) if names_follow(*ip) => (NAME_FOLLOWS, Some(ip.to_string())),
            Host::Ip(IpAddr::V4(ip)) => (*ip, None),
            Host::Ip(IpAddr::V6(ip)) => {
                return Err(Fail::new(
                    Cause::Unsupported,
                    format!("SOCKS4 has no IPv6 addresses, got {ip}"),
                ));
            }
            // gost, too, spells addresses that have a zone.
            host => (NAME_FOLLOWS, Some(host.spelled().into_owned())),
        };
        check(self.user, "USERID")?;
        check(name.as_deref().unwrap_or_default().as_bytes(), "HOST")?;

        out.put_slice(&[VERSION, self.command.code()]);
        out.put_u16(self.target.port);
        out.put_slice(&ip.octets());
        out.put_slice(self.user);
        out.put_u8(0);
        if let Some(name) = name {
            out.put_slice(name.as_bytes());
            out.put_u8(0);
        }
        Ok(())
    }
}

/// Reads a reply; its port and address mean nothing for CONNECT. Error: `Protocol` if the first byte
/// is not 0.
pub fn parse_reply(buf: &[u8]) -> Parsed<Code> {
    let Some(&version) = buf.first() else {
        return Ok(None);
    };
    if version != 0 {
        return Err(Fail::protocol(format!(
            "expected a SOCKS4 reply starting with 0, got {version}"
        )));
    }
    Ok(buf.get(..8).map(|reply| (Code::from(reply[1]), 8)))
}

pub fn write_reply(code: Code, out: &mut BytesMut) {
    out.put_slice(&[0, code.code(), 0, 0, 0, 0, 0, 0]);
}

impl From<u8> for Command {
    fn from(code: u8) -> Self {
        match code {
            1 => Self::Connect,
            2 => Self::Bind,
            other => Self::Other(other),
        }
    }
}

impl Command {
    pub fn code(self) -> u8 {
        match self {
            Self::Connect => 1,
            Self::Bind => 2,
            Self::Other(other) => other,
        }
    }
}

impl From<u8> for Code {
    fn from(code: u8) -> Self {
        match code {
            90 => Self::Granted,
            91 => Self::Rejected,
            92 => Self::NoIdentd,
            93 => Self::WrongUser,
            other => Self::Other(other),
        }
    }
}

impl Code {
    pub fn code(self) -> u8 {
        match self {
            Self::Granted => 90,
            Self::Rejected => 91,
            Self::NoIdentd => 92,
            Self::WrongUser => 93,
            Self::Other(other) => other,
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Rejected => "rejected or failed",
            Self::NoIdentd => "forbidden, or no identd",
            Self::WrongUser => "wrong user",
            Self::Other(_) => "unknown code",
        }
    }
}

const NAME_FOLLOWS: Ipv4Addr = Ipv4Addr::new(0, 0, 0, 1);

fn names_follow(ip: Ipv4Addr) -> bool {
    matches!(ip.octets(), [0, 0, 0, last] if last != 0)
}

/// A text without its zero; the length counts the zero.
fn text<'a>(buf: &'a [u8], what: &str) -> Parsed<&'a [u8]> {
    let window = &buf[..buf.len().min(MAX_TEXT + 1)];
    match memchr::memchr(0, window) {
        Some(end) => Ok(Some((&buf[..end], end + 1))),
        None if window.len() > MAX_TEXT => Err(too_long(what)),
        None => Ok(None),
    }
}

fn check(text: &[u8], what: &str) -> Result<(), Fail> {
    if text.len() > MAX_TEXT {
        return Err(too_long(what));
    }
    if text.contains(&0) {
        return Err(Fail::protocol(format!(
            "SOCKS4 {what} with a zero byte inside"
        )));
    }
    Ok(())
}

fn too_long(what: &str) -> Fail {
    Fail::new(Cause::Limit, format!("SOCKS4 {what} over {MAX_TEXT} bytes"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::testing::{hex, unit};

    fn target(text: &str) -> Target {
        Target::parse(text).unwrap()
    }

    #[test]
    fn captured_requests_are_read_and_written() {
        for (bytes, to, user) in [
            ("04 01 00 50 c0 00 02 01 6d 65 00", "192.0.2.1:80", "me"),
            (
                "04 01 01 bb 00 00 00 01 6d 65 00 65 78 61 6d 70 6c 65 2e 63 6f 6d 00",
                "example.com:443",
                "me",
            ),
        ] {
            let bytes = hex(bytes);
            let request = unit(&bytes, Request::parse);
            assert_eq!(
                request,
                Request {
                    command: Command::Connect,
                    target: target(to),
                    user: user.as_bytes()
                }
            );
            let mut out = BytesMut::new();
            request.write(&mut out).unwrap();
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn an_address_sent_as_a_name_is_an_address() {
        let bytes = hex("04 01 00 50 00 00 00 01 00 31 39 32 2e 30 2e 32 2e 31 00");
        assert_eq!(unit(&bytes, Request::parse).target, target("192.0.2.1:80"));
    }

    #[test]
    fn replies_are_read_and_written() {
        for (bytes, code) in [
            ("00 5a 00 00 00 00 00 00", Code::Granted),
            ("00 5b 00 00 00 00 00 00", Code::Rejected),
            ("00 5c 00 00 00 00 00 00", Code::NoIdentd),
            ("00 5d 00 00 00 00 00 00", Code::WrongUser),
        ] {
            let bytes = hex(bytes);
            assert_eq!(unit(&bytes, parse_reply), code);
            let mut out = BytesMut::new();
            write_reply(code, &mut out);
            assert_eq!(out, bytes);
        }
        assert_eq!(parse_reply(&[4, 0x5a]).unwrap_err().cause, Cause::Protocol);
        assert_eq!(Code::NoIdentd.text(), "forbidden, or no identd");
    }

    #[test]
    fn texts_are_bounded() {
        let mut bytes = hex("04 01 00 50 00 00 00 01");
        bytes.resize(8 + MAX_TEXT, b'u');
        assert_eq!(Request::parse(&bytes), Ok(None));
        bytes.push(b'u');
        assert_eq!(Request::parse(&bytes).unwrap_err().cause, Cause::Limit);
        bytes[8 + MAX_TEXT] = 0;
        bytes.resize(9 + 2 * MAX_TEXT, b'h');
        assert_eq!(Request::parse(&bytes), Ok(None));
        bytes.push(b'h');
        assert_eq!(Request::parse(&bytes).unwrap_err().cause, Cause::Limit);
        bytes[9 + 2 * MAX_TEXT] = 0;
        assert!(Request::parse(&bytes).unwrap().is_some());
    }

    #[test]
    fn what_the_protocol_cannot_say_is_not_written() {
        let long = "n".repeat(256);
        for (to, user, cause) in [
            ("[2001:db8::1]:80", "", Cause::Unsupported),
            ("example.com:80", "a\0b", Cause::Protocol),
            ("exa\0mple.com:80", "", Cause::Protocol),
            ("example.com:80", long.as_str(), Cause::Limit),
            (&format!("{long}:80"), "", Cause::Limit),
        ] {
            let request = Request {
                command: Command::Connect,
                target: target(to),
                user: user.as_bytes(),
            };
            let mut out = BytesMut::new();
            assert_eq!(request.write(&mut out).unwrap_err().cause, cause, "{to}");
            assert!(out.is_empty());
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            command: u8,
            host in prop_oneof![
                "[a-z]{1,255}".prop_map(Host::Name),
                Just(Host::Name(String::new())),
                any::<u32>().prop_map(|bits| Host::from(Ipv4Addr::from(bits))),
                any::<u8>().prop_map(|last| Host::from(Ipv4Addr::new(0, 0, 0, last))),
            ],
            port: u16,
            user in prop::collection::vec(1..=255u8, 0..=255),
        ) {
            let request = Request {
                command: command.into(),
                target: Target::new(host, port),
                user: &user,
            };
            let mut out = BytesMut::new();
            request.write(&mut out).unwrap();
            prop_assert_eq!(unit(&out, Request::parse), request);
        }

        #[test]
        fn garbage_is_refused_or_incomplete(mut bytes in prop::collection::vec(any::<u8>(), 0..700)) {
            let _ = parse_reply(&bytes);
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            if let Ok(Some((_, used))) = Request::parse(&bytes) {
                prop_assert!(used <= bytes.len());
            } else if bytes.len() > 8 + 2 * (MAX_TEXT + 1) {
                prop_assert!(Request::parse(&bytes).is_err());
            }
        }
    }
}
