//! Pure codecs: functions on values, one file per message family. `None` means that more bytes are
//! needed and nothing was taken.

pub mod datagram;
pub mod deflate;
pub mod dns;
pub mod http1;
pub mod http1_body;
pub mod http1_chunked;
pub mod http1_follow;
pub mod http_date;
pub mod proxy_protocol;
pub mod relay;
pub mod smux;
pub mod socks4;
pub mod socks5;
pub mod tls_record;
pub mod utf8;
pub mod websocket;

use crate::error::Fail;

/// A value and how many bytes it took. `None`: more bytes are needed, nothing was taken.
pub type Parsed<T> = Result<Option<(T, usize)>, Fail>;

#[cfg(test)]
pub(crate) mod testing {
    use std::fmt::Debug;

    use super::Parsed;

    /// Reads `05 01 00` or `050100`, as captures are written.
    pub(crate) fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// `bytes` are exactly one unit: every shorter piece is incomplete, the whole is taken whole.
    pub(crate) fn unit<'a, T: Debug>(bytes: &'a [u8], parse: impl Fn(&'a [u8]) -> Parsed<T>) -> T {
        for n in 0..bytes.len() {
            let early = parse(&bytes[..n]).unwrap();
            assert!(early.is_none(), "{n} bytes gave {early:?}");
        }
        let (value, used) = parse(bytes).unwrap().expect("a whole unit");
        assert_eq!(used, bytes.len());
        value
    }
}

/// What a peer seems to speak, by its first bytes, in words for a log: at most 24 characters of
/// its text, never control characters.
pub(crate) fn looks_like(bytes: &[u8]) -> String {
    match bytes {
        [0x14..=0x17, 0x03, ..] => return "a TLS record".to_owned(),
        [5, n, ..] if *n > 0 => return "a SOCKS5 greeting".to_owned(),
        [4, 1 | 2, ..] => return "a SOCKS4 request".to_owned(),
        // A SETTINGS frame, the first of a server.
        [0, 0, _, 4, 0, 0, 0, 0, 0, ..] => return "HTTP/2 (alpn has h2)".to_owned(),
        _ => {}
    }
    let bytes = &bytes[..bytes.len().min(24)];
    let printable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    let text = bytes.iter().position(|byte| !printable(byte));
    match text.unwrap_or(bytes.len()) {
        0 => {
            let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("bytes {}", hex[..hex.len().min(8)].join(" "))
        }
        len => format!("`{}`", String::from_utf8_lossy(&bytes[..len])),
    }
}

/// The same by a single byte, where a protocol begins with its version: `: this looks like TLS`,
/// or nothing.
pub(crate) fn hint(first: u8) -> &'static str {
    match first {
        1 | 2 => ": this looks like smux (mws instead of ws) or relay",
        4 => ": this looks like SOCKS4",
        5 => ": this looks like SOCKS5",
        0x16 => ": this looks like TLS",
        b'A'..=b'Z' | b'a'..=b'z' => ": this looks like HTTP",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_described_without_raw_bytes() {
        for (bytes, text) in [
            (&b"\x16\x03\x01\x02\0"[..], "a TLS record"),
            (b"\x05\x02\x00\x80", "a SOCKS5 greeting"),
            (b"\x05\x00\x00", "bytes 05 00 00"),
            (b"\x04\x01\x00\x50", "a SOCKS4 request"),
            (b"SSH-2.0-x\r\n", "`SSH-2.0-x`"),
            (b"\0\0\x12\x04\0\0\0\0\0\0\x03", "HTTP/2 (alpn has h2)"),
            (b"\x00\xff\n", "bytes 00 ff 0a"),
            (b"", "bytes "),
        ] {
            assert_eq!(looks_like(bytes), text);
        }
        assert_eq!(looks_like(&[0; 100]), "bytes 00 00 00 00 00 00 00 00");
        assert_eq!(looks_like(&[b'a'; 100]).len(), 26);
    }

    #[test]
    fn a_first_byte_tells_the_protocol() {
        for (first, protocol) in [
            (1, "smux"),
            (2, "smux"),
            (4, "SOCKS4"),
            (5, "SOCKS5"),
            (0x16, "TLS"),
            (b'G', "HTTP"),
            (b'g', "HTTP"),
        ] {
            let hint = hint(first);
            assert!(hint.contains(&format!("looks like {protocol}")), "{hint}");
        }
        assert_eq!((hint(0), hint(3)), ("", ""));
    }
}
