//! The client of an HTTP proxy: CONNECT (RFC 9110, 9.3.6).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;

use super::{Cx, Negotiate, Step, Way};
use crate::addr::{Carries, Host, Target};
use crate::error::{Cause, Fail};
use crate::wire::datagram::Framing;
use crate::wire::http1::{Fields, HeadLimits, HeadSearch, Request, Response, reason};

/// gost is recognised by what Go's client sends.
const USER_AGENT: &str = "Go-http-client/1.1";

const HEAD: HeadLimits = HeadLimits {
    bytes: 16 * 1024,
    fields: 100,
};

/// gost: with the value `udp`, the tunnel carries datagrams.
pub(crate) const UDP: &str = "X-Gost-Protocol";
/// In request and response: who sends it takes a frame without data for an empty datagram. A gost loses
/// its place with one.
pub(crate) const EMPTIES: &str = "X-Empty-Datagrams";

/// Characters of a reason phrase that are worth a line in a log.
const MAX_REASON: usize = 64;

#[derive(Debug, Default)]
pub struct Http {
    asked: bool,
    search: HeadSearch,
}

impl Http {
    pub fn new() -> Self {
        Self::default()
    }
}

impl Negotiate for Http {
    fn step(&mut self, cx: &Cx, rx: &mut BytesMut, out: &mut BytesMut) -> Result<Step, Fail> {
        if !self.asked {
            let mut head = Vec::new();
            request(cx)?.write(&mut head);
            out.extend_from_slice(&head);
            self.asked = true;
        }
        while let Some(len) = self.search.find(rx, HEAD)? {
            let response = Response::parse(&rx.split_to(len), HEAD)?;
            match response.status {
                // Without an Upgrade in the request, 101 answers nothing (RFC 9110, 15.2.2).
                100 | 102..=199 => {}
                200..=299 if cx.carries == Carries::Bytes => return Ok(Step::Done),
                200..=299 => {
                    let empties = response.fields.get(EMPTIES).is_some();
                    return Ok(Step::Datagrams(Way::Framed(Framing::Tunnel { empties })));
                }
                _ => return Err(refusal(&response)),
            }
        }
        Ok(Step::More)
    }
}

/// Host and User-Agent, then the other fields by name, as Go writes them. Configured fields replace
/// those of the same name or join the sorted ones.
fn request(cx: &Cx) -> Result<Request, Fail> {
    let authority = match cx.carries {
        // As gost says it, against all grammar.
        Carries::Anywhere | Carries::Clients | Carries::Senders => String::new(),
        _ => authority(cx.target)?,
    };
    let mut fields = vec![
        ("Host".to_owned(), authority.clone().into_bytes()),
        ("User-Agent".to_owned(), USER_AGENT.into()),
        ("Proxy-Connection".to_owned(), b"keep-alive".to_vec()),
    ];
    if cx.carries != Carries::Bytes {
        fields.push((UDP.to_owned(), b"udp".to_vec()));
        fields.push((EMPTIES.to_owned(), b"1".to_vec()));
    }
    if let Some((user, password)) = &cx.plan.auth {
        let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        fields.push(("Proxy-Authorization".to_owned(), basic.into_bytes()));
    }
    for (name, value) in &cx.plan.headers {
        if frames_a_body(name) {
            continue;
        }
        let value = value.clone().into_bytes();
        let same = fields
            .iter_mut()
            .find(|(field, _)| field.eq_ignore_ascii_case(name));
        match same {
            Some(field) => field.1 = value,
            None => fields.push((name.clone(), value)),
        }
    }
    fields[2..].sort_by_key(|(name, _)| name.to_ascii_lowercase());
    Ok(Request {
        method: "CONNECT".to_owned(),
        target: authority,
        minor: 1,
        fields: Fields(fields),
    })
}

/// A CONNECT has no body: these would make tunnel data of it or the reverse. gost drops them too.
fn frames_a_body(name: &str) -> bool {
    ["Content-Length", "Transfer-Encoding", "Trailer"]
        .iter()
        .any(|field| field.eq_ignore_ascii_case(name))
}

/// `host:port`. Errors: `Unsupported`, an address with a zone; `Protocol`, a name that would end the authority or the line it stands in.
fn authority(target: &Target) -> Result<String, Fail> {
    if let Host::Zoned(..) = &target.host {
        let text = format!(
            "{target}: an http node is told no zone (RFC 6874, section 4): use socks5 or relay"
        );
        return Err(Fail::new(Cause::Unsupported, text));
    }
    if let Host::Name(name) = &target.host
        && name.contains(|c: char| {
            c.is_control()
                || c.is_whitespace()
                || matches!(c, ':' | '/' | '?' | '#' | '@' | '[' | ']')
        })
    {
        return Err(Fail::protocol(format!(
            "expected a host name for CONNECT, got \"{}\"",
            name.escape_debug()
        )));
    }
    Ok(target.to_string())
}

fn refusal(response: &Response) -> Fail {
    let cause = match response.status {
        403 => Cause::Denied,
        407 => Cause::Auth,
        502 | 503 => Cause::HostUnreachable,
        504 => Cause::TimedOut,
        _ => Cause::Protocol,
    };
    let phrase = match response.reason.as_str() {
        "" => reason(response.status).to_owned(),
        phrase => phrase.chars().take(MAX_REASON).collect(),
    };
    Fail::new(
        cause,
        format!("proxy answered {} {phrase} to CONNECT", response.status),
    )
}
