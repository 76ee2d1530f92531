//! Who the client is, by what a proxy in front of us writes into a request.

use std::net::{IpAddr, SocketAddr};

use super::Net;
use crate::wire::http1::Fields;

/// The client of a request that came from one of the `trusted`: `CF-Connecting-IP`, else the last address of
/// `X-Forwarded-For` that is none of theirs, else `X-Real-IP`. A field that is there but no address says
/// nothing, and the next one is not asked. Without a port it is 0. For requests of others, do not ask.
pub fn forwarded(fields: &Fields, trusted: &[Net]) -> Option<SocketAddr> {
    if let Some(value) = fields.get("CF-Connecting-IP") {
        return address(value);
    }
    if fields.get("X-Forwarded-For").is_some() {
        return last_stranger(fields, trusted);
    }
    address(fields.get("X-Real-IP")?)
}

/// Each proxy appends whom it got the request from: read backwards, everything in front of the first stranger
/// is what that one claims. With none, it is the first of all.
fn last_stranger(fields: &Fields, trusted: &[Net]) -> Option<SocketAddr> {
    let lines: Vec<&[u8]> = fields.all("X-Forwarded-For").collect();
    let mut client = None;
    for item in lines.join(&b","[..]).rsplit(|byte| *byte == b',') {
        let addr = address(item);
        let Some(addr) = addr else {
            // Not to be seen behind: the last one we could make out.
            return client;
        };
        client = Some(addr);
        if !trusted.iter().any(|net| net.contains(addr.ip())) {
            break;
        }
    }
    client
}

/// An address, with or without a port.
fn address(value: &[u8]) -> Option<SocketAddr> {
    let text = str::from_utf8(value.trim_ascii()).ok()?;
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let addr = match bare.unwrap_or(text).parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, 0),
        Err(_) => text.parse().ok()?,
    };
    Some(SocketAddr::new(addr.ip().to_canonical(), addr.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(fields: &[(&str, &str)]) -> Option<String> {
        let fields = fields.iter();
        let fields = fields.map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        let trusted = ["10.0.0.0/8", "2001:db8::/32"].map(|net| Net::parse(net).unwrap());
        forwarded(&Fields(fields.collect()), &trusted).map(|addr| addr.to_string())
    }

    #[test]
    fn the_last_stranger_is_the_client() {
        for (value, expected) in [
            ("198.51.100.9", Some("198.51.100.9:0")),
            ("1.1.1.1, 198.51.100.9", Some("198.51.100.9:0")),
            ("1.1.1.1,198.51.100.9, 10.1.2.3", Some("198.51.100.9:0")),
            (
                "198.51.100.9, 2001:db8::7 ,10.0.0.1",
                Some("198.51.100.9:0"),
            ),
            ("10.9.9.9, 10.0.0.1", Some("10.9.9.9:0")),
            ("198.51.100.9:4711", Some("198.51.100.9:4711")),
            ("[2a00::1]:80", Some("[2a00::1]:80")),
            ("[2a00::1]", Some("[2a00::1]:0")),
            ("::ffff:198.51.100.9", Some("198.51.100.9:0")),
            ("198.51.100.9, unknown", None),
            ("198.51.100.9, unknown, 10.0.0.1", Some("10.0.0.1:0")),
            ("198.51.100.9,", None),
            ("", None),
            ("a.example", None),
        ] {
            let got = client(&[("x-forwarded-for", value)]);
            assert_eq!(got.as_deref(), expected, "{value}");
        }
        let lines = [
            ("X-Forwarded-For", "1.1.1.1"),
            ("X-Forwarded-For", "2.2.2.2, 10.0.0.1"),
        ];
        assert_eq!(client(&lines).as_deref(), Some("2.2.2.2:0"));
    }

    #[test]
    fn fields_are_asked_in_order() {
        let all = [
            ("X-Real-IP", "3.3.3.3"),
            ("X-Forwarded-For", "2.2.2.2"),
            ("CF-Connecting-IP", "1.1.1.1"),
        ];
        assert_eq!(client(&all).as_deref(), Some("1.1.1.1:0"));
        assert_eq!(client(&all[..2]).as_deref(), Some("2.2.2.2:0"));
        assert_eq!(client(&all[..1]).as_deref(), Some("3.3.3.3:0"));
        assert_eq!(client(&[]), None);
        let broken = [("X-Real-IP", "3.3.3.3"), ("CF-Connecting-IP", "me")];
        assert_eq!(client(&broken), None);
    }
}
