//! What a client speaks, by its first bytes: HTTP, TLS or SSH, and whom it asks for.

use crate::addr::{Host, Target};
use crate::wire::http1::{HeadLimits, HeadSearch, Request};

/// A method is one of these and of this length at most.
const METHOD: usize = 16;

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Http {
        /// `Host`, or the authority of the target.
        host: Option<String>,
        path: String,
    },
    Tls {
        /// Server name indication (RFC 6066 3).
        name: Option<String>,
    },
    Ssh,
    Unknown,
}

impl Seen {
    /// gost's word for it.
    pub fn protocol(&self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::Tls { .. } => "tls",
            Self::Ssh => "ssh",
            Self::Unknown => "",
        }
    }

    /// Whom the client asks for.
    pub fn target(&self) -> Option<Target> {
        let (name, port) = match self {
            Self::Http { host, .. } => (host.as_ref()?, 80),
            Self::Tls { name } => (name.as_ref()?, 443),
            Self::Ssh | Self::Unknown => return None,
        };
        let target = Target::parse(name);
        Some(target.unwrap_or_else(|| Target::new(Host::parse(name), port)))
    }
}

/// `None`: more bytes are needed.
pub fn detect(bytes: &[u8], limits: HeadLimits) -> Option<Seen> {
    match bytes.first()? {
        0x16 => client_hello(bytes),
        b'A'..=b'Z' => match b"SSH-".iter().zip(bytes).all(|(a, b)| a == b) {
            true if bytes.len() >= 4 => Some(Seen::Ssh),
            true => None,
            false => http(bytes, limits),
        },
        _ => Some(Seen::Unknown),
    }
}

fn http(bytes: &[u8], limits: HeadLimits) -> Option<Seen> {
    let line = &bytes[..bytes.len().min(METHOD + 1)];
    match line.iter().position(|byte| !byte.is_ascii_uppercase()) {
        Some(end) if bytes[end] == b' ' => {}
        None if bytes.len() <= METHOD => return None,
        _ => return Some(Seen::Unknown),
    }
    let unknown = Some(Seen::Unknown);
    let Ok(found) = HeadSearch::default().find(bytes, limits) else {
        return unknown;
    };
    let Ok(request) = Request::parse(&bytes[..found?], limits) else {
        return unknown;
    };
    let host = request.fields.get("host");
    let host = host.and_then(|host| str::from_utf8(host).ok());
    let (authority, path) = split(&request.target);
    Some(Seen::Http {
        host: authority.or(host).map(str::to_owned),
        path: path.to_owned(),
    })
}

/// Authority and path of a request's target.
fn split(target: &str) -> (Option<&str>, &str) {
    let Some((_, rest)) = target.split_once("://") else {
        return (None, target);
    };
    match rest.find('/') {
        Some(at) => (Some(&rest[..at]), &rest[at..]),
        None => (Some(rest), "/"),
    }
}

/// A ClientHello in one record (RFC 8446 4.1.2).
fn client_hello(bytes: &[u8]) -> Option<Seen> {
    let header: &[u8; 5] = bytes.first_chunk()?;
    let len = usize::from(u16::from_be_bytes([header[3], header[4]]));
    if header[1] != 3 || len > 1 << 14 {
        return Some(Seen::Unknown);
    }
    let record = bytes[5..].get(..len)?;
    if record.first() != Some(&1) {
        return Some(Seen::Unknown);
    }
    Some(Seen::Tls {
        name: server_name(record),
    })
}

fn server_name(hello: &[u8]) -> Option<String> {
    // Type, length, version and random.
    let rest = hello.get(4 + 2 + 32..)?;
    let (_session, rest) = counted(rest, 1)?;
    let (_ciphers, rest) = counted(rest, 2)?;
    let (_compression, rest) = counted(rest, 1)?;
    let (mut extensions, _) = counted(rest, 2)?;
    loop {
        let (kind, rest) = extensions.split_first_chunk::<2>()?;
        let (body, rest) = counted(rest, 2)?;
        if *kind == [0, 0] {
            let (list, _) = counted(body, 2)?;
            let (0, name) = list.split_first()? else {
                return None;
            };
            let (name, _) = counted(name, 2)?;
            return str::from_utf8(name).ok().map(str::to_owned);
        }
        extensions = rest;
    }
}

/// What stands behind its length, and the rest.
fn counted(bytes: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_at_checked(size)?;
    let len = len
        .iter()
        .fold(0, |len, byte| len << 8 | usize::from(*byte));
    rest.split_at_checked(len)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const LIMITS: HeadLimits = HeadLimits {
        bytes: 16 * 1024,
        fields: 100,
    };

    /// Every shorter piece is either too short to tell, or tells the same.
    fn seen(bytes: &[u8]) -> Seen {
        let whole = detect(bytes, LIMITS).expect("enough bytes");
        for n in 0..bytes.len() {
            let early = detect(&bytes[..n], LIMITS);
            assert!(
                early.is_none() || early == Some(whole.clone()),
                "{n}: {early:?}"
            );
        }
        whole
    }

    #[test]
    fn requests_name_their_host_and_path() {
        for (request, host, path) in [
            (
                "GET /a?b HTTP/1.1\r\nHost: a.example:8080\r\n\r\n",
                Some("a.example:8080"),
                "/a?b",
            ),
            (
                "POST http://b.example/x HTTP/1.1\r\nHost: a\r\n\r\n",
                Some("b.example"),
                "/x",
            ),
            ("GET / HTTP/1.0\r\n\r\n", None, "/"),
        ] {
            let expected = Seen::Http {
                host: host.map(str::to_owned),
                path: path.to_owned(),
            };
            assert_eq!(seen(request.as_bytes()), expected);
        }
    }

    #[test]
    fn a_client_hello_names_its_server() {
        let roots = rustls::RootCertStore::empty();
        let provider = Arc::new(crate::crypto::library::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let config = Arc::new(config);
        for (server, name) in [("a.example", Some("a.example")), ("10.0.0.1", None)] {
            let server = server.try_into().unwrap();
            let mut client = rustls::ClientConnection::new(config.clone(), server).unwrap();
            let mut hello = Vec::new();
            client.write_tls(&mut hello).unwrap();
            let name = name.map(str::to_owned);
            assert_eq!(seen(&hello), Seen::Tls { name });
        }
    }

    #[test]
    fn other_bytes_are_unknown() {
        for bytes in [
            &b"\0"[..],
            b"hello",
            b"GET\r\n",
            b"\x16\x02\x01\0\x01\x01",
            b"ABCDEFGHIJKLMNOPQRST",
            b"GET / HTTP/1.1\r\nbad\r\n\r\n",
        ] {
            assert_eq!(seen(bytes), Seen::Unknown, "{bytes:?}");
        }
        assert_eq!(seen(b"SSH-2.0-x\r\n"), Seen::Ssh);
        assert_eq!(detect(b"", LIMITS), None);
    }

    #[test]
    fn whom_a_client_asks_for_has_a_port() {
        let http = |host: &str| Seen::Http {
            host: Some(host.to_owned()),
            path: String::new(),
        };
        for (seen, target) in [
            (http("a.example"), "a.example:80"),
            (http("10.0.0.1:8080"), "10.0.0.1:8080"),
            (http("[::1]"), "[::1]:80"),
            (
                Seen::Tls {
                    name: Some("b.example".to_owned()),
                },
                "b.example:443",
            ),
        ] {
            assert_eq!(seen.target().unwrap().to_string(), target);
        }
    }
}
