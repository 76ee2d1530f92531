//! A client's request: who asks, for what, and what the origin gets to see of it.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BytesMut};

use super::fields::{Hop, end_head, write_field};
use super::site::Turn;
use crate::addr::{Host, Target};
use crate::connector::http::{EMPTIES, UDP};
use crate::error::{Cause, Fail};
use crate::handler::Cx;
use crate::plan::{Probe, Site};
use crate::wire::http1::{Fields, HeadLimits, HeadSearch, Request, is_token};
use crate::wire::http1_body::Framing;

/// What `Via` says of us in a request whose target is that of its `Host` (RFC 9110, 7.6.3).
const VIA: &[u8] = b"1.1 ginnel";

/// A `Host` may lead back to us, and the request that comes back looks like the first. So many times it may pass: Ginnels
/// in a row are no circle.
const PASSES: usize = 4;

/// What a request asks of the proxy.
#[derive(Debug)]
pub(super) enum Order {
    Connect(Target),
    /// gost's UDP over HTTP, wherever it says it goes. Whether the client takes empty frames.
    Datagrams {
        empties: bool,
    },
    Forward(Forward),
    /// `Max-Forwards` is used up: we are the one to answer (RFC 9110, 7.6.2).
    Options,
    /// An answer of the site that hides us, or a request for the server that has it.
    Site(Arc<Site>, Turn),
    /// The upgrade that the listener waits for.
    Upgrade,
}

/// A request on its way to an origin.
#[derive(Debug)]
pub(super) struct Forward {
    pub(super) target: Target,
    /// As the origin gets it, with the empty line.
    pub(super) head: Vec<u8>,
    pub(super) framing: Framing,
    /// The client's connection may persist (RFC 9112, 9.3).
    pub(super) keep: bool,
    /// The tokens of `Upgrade`, as sent; empty when none is asked for.
    pub(super) upgrade: Vec<u8>,
    /// May be sent a second time when the first got no answer (RFC 9110, 9.2.2).
    pub(super) repeatable: bool,
}

/// Takes one request head. Its first byte is checked at once: whoever speaks another protocol is told
/// so without waiting for an empty line that never comes.
pub(super) fn take(
    search: &mut HeadSearch,
    rx: &mut BytesMut,
    limits: HeadLimits,
) -> Result<Option<Request>, Fail> {
    // Empty lines in front of a request are ignored (RFC 9112, 2.2).
    while rx.starts_with(b"\r\n") {
        rx.advance(2);
        *search = HeadSearch::default();
    }
    if rx
        .first()
        .is_some_and(|byte| *byte != b'\r' && !is_token(*byte))
    {
        return Err(Fail::protocol(
            "expected an HTTP request, got something else",
        ));
    }
    let Some(len) = search.find(rx, limits)? else {
        return Ok(None);
    };
    let head = rx.split_to(len);
    // gost asks for datagrams to anywhere with a CONNECT to nothing, which is no request line.
    if let Some(rest) = head.strip_prefix(b"CONNECT  HTTP/1.") {
        let mended = [b"CONNECT :0 HTTP/1.", rest].concat();
        return Request::parse(&mended, limits).map(Some);
    }
    Request::parse(&head, limits).map(Some)
}

/// Causes: `Auth` (407), `Denied` (403), `Unsupported` (501), everything else is a bad request (400).
pub(super) fn read(cx: &Cx, request: &Request) -> Result<Order, Fail> {
    authenticate(cx, &request.fields)?;
    if request.fields.all("host").count() > 1 {
        return Err(Fail::protocol("request with more than one Host"));
    }
    let framing = Framing::of_request(request)?;
    if request
        .fields
        .get(UDP)
        .is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"udp"))
    {
        if !cx.plan.udp.enabled {
            return Err(Fail::new(Cause::Denied, "UDP over HTTP needs udp=true"));
        }
        let empties = request.fields.get(EMPTIES).is_some();
        return Ok(Order::Datagrams { empties });
    }
    if request.method == "CONNECT" {
        return connect(request, framing).map(Order::Connect);
    }
    let traced = matches!(request.method.as_str(), "OPTIONS" | "TRACE");
    if traced && request.fields.get("max-forwards") == Some(b"0") {
        return match request.method.as_str() {
            "OPTIONS" => Ok(Order::Options),
            _ => Err(Fail::new(
                Cause::Unsupported,
                "this proxy does not answer TRACE itself",
            )),
        };
    }
    forward(request, framing).map(Order::Forward)
}

/// Whether the request names one of the hosts for which a proxy shows itself.
pub(super) fn knocks(probe: &Probe, request: &Request) -> bool {
    let authority = match request.target.split_once("://") {
        Some((_, rest)) => rest.split(['/', '?']).next().unwrap_or_default(),
        None if request.method == "CONNECT" => request.target.as_str(),
        None => return false,
    };
    let place = authority.rsplit('@').next().unwrap_or_default();
    let host = split_authority(place).map_or("", |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    probe.knock.iter().any(|one| one.eq_ignore_ascii_case(host))
}

fn authenticate(cx: &Cx, fields: &Fields) -> Result<(), Fail> {
    let Some(users) = cx.users() else {
        return Ok(());
    };
    let Some(value) = fields.get("proxy-authorization") else {
        return Err(Fail::new(Cause::Auth, "this proxy requires a user"));
    };
    let single = fields.all("proxy-authorization").count() == 1;
    let pair = basic(value).filter(|_| single).unwrap_or_default();
    let colon = pair.iter().position(|byte| *byte == b':');
    if let Some(colon) = colon
        && users.accepts(&pair[..colon], &pair[colon + 1..])
    {
        return Ok(());
    }
    let user = &pair[..colon.unwrap_or(pair.len())];
    Err(Fail::login("wrong user or password", user))
}

/// The `user:password` of Basic credentials (RFC 7617): any case of the scheme, any blanks behind it.
fn basic(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, rest) = value.split_at_checked(b"basic".len())?;
    if !scheme.eq_ignore_ascii_case(b"basic") || !matches!(rest.first(), Some(b' ' | b'\t')) {
        return None;
    }
    STANDARD.decode(rest.trim_ascii()).ok()
}

fn connect(request: &Request, framing: Framing) -> Result<Target, Fail> {
    if !matches!(framing, Framing::None | Framing::Length(0)) {
        return Err(Fail::protocol("CONNECT with a body"));
    }
    let target = split_authority(&request.target)
        .and_then(|(host, port)| Some(Target::new(read_host(host)?, read_port(port?)?)));
    target.ok_or_else(|| Fail::protocol("CONNECT needs host:port"))
}

fn forward(request: &Request, framing: Framing) -> Result<Forward, Fail> {
    let fields = &request.fields;
    let by_host = request.target.starts_with('/');
    let uri = if by_host {
        by_host_of(request)?
    } else {
        Uri::read(&request.target)?
    };
    let hop = Hop::new(fields);
    let modern = request.minor > 0;
    let keep = modern && !hop.has("close") && !fields.has_token("proxy-connection", "close");
    // Ignored in HTTP/1.0 (RFC 9110, 7.8 and 10.1.1).
    let upgrade = if modern && hop.has("upgrade") {
        upgrade_tokens(fields)
    } else {
        Vec::new()
    };
    let trailers = modern && fields.has_token("te", "trailers");

    let path = match uri.path {
        "" if request.method == "OPTIONS" => "*".to_owned(),
        path if path.starts_with('/') => path.to_owned(),
        query => format!("/{query}"),
    };
    let mut head = format!("{} {path} HTTP/1.1\r\n", request.method).into_bytes();
    if fields.get("host").is_none() {
        write_field(&mut head, "Host", uri.host.as_bytes());
    }
    let mut framed = false;
    for (name, value) in &fields.0 {
        match name.to_ascii_lowercase().as_str() {
            "host" => write_field(&mut head, name, uri.host.as_bytes()),
            "content-length" | "transfer-encoding" => {
                if !std::mem::replace(&mut framed, true) {
                    write_framing(&mut head, name, framing);
                }
            }
            "max-forwards" if matches!(request.method.as_str(), "OPTIONS" | "TRACE") => {
                write_field(&mut head, name, &decremented(value)?);
            }
            "expect" if !modern => {}
            "te" | "upgrade" | "proxy-authorization" => {}
            lower if hop.ends_here(lower) => {}
            _ => write_field(&mut head, name, value),
        }
    }
    if by_host {
        write_field(&mut head, "Via", VIA);
    }
    let mut options = Vec::new();
    if trailers {
        write_field(&mut head, "TE", b"trailers");
        options.push("TE");
    }
    end_head(&mut head, options, &upgrade, keep);

    let idempotent = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"];
    Ok(Forward {
        target: uri.target,
        head,
        framing,
        keep,
        upgrade,
        repeatable: idempotent.contains(&request.method.as_str())
            && matches!(framing, Framing::None | Framing::Length(0)),
    })
}

/// The form for an origin server: somebody who takes us for one, such as a web server that passes its requests on. The
/// target is then that of `Host` (RFC 9112, 3.3).
fn by_host_of(request: &Request) -> Result<Uri<'_>, Fail> {
    let passed = |value: &[u8]| {
        value
            .split(|b| *b == b',')
            .filter(|one| one.trim_ascii() == VIA)
            .count()
    };
    if request.fields.all("via").map(passed).sum::<usize>() >= PASSES {
        return Err(Fail::protocol(
            "this request goes in a circle: its Host leads back to this proxy",
        ));
    }
    let host = request
        .fields
        .get("host")
        .and_then(|host| std::str::from_utf8(host).ok());
    let uri = host.and_then(|host| Uri::at(host, &request.target));
    uri.filter(|_| !request.target.contains('#')).ok_or_else(|| {
        Fail::protocol(
            "this is a proxy: expected an absolute http:// URI, CONNECT, or a Host that says where to",
        )
    })
}

pub(super) fn write_framing(head: &mut Vec<u8>, name: &str, framing: Framing) {
    match framing {
        Framing::Length(length) => write_field(head, name, length.to_string().as_bytes()),
        Framing::Chunked => write_field(head, name, b"chunked"),
        Framing::None | Framing::UntilEnd => {}
    }
}

fn upgrade_tokens(fields: &Fields) -> Vec<u8> {
    fields.all("upgrade").collect::<Vec<_>>().join(&b", "[..])
}

fn decremented(value: &[u8]) -> Result<Vec<u8>, Fail> {
    let number: Option<u32> = std::str::from_utf8(value)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok());
    match number {
        Some(number) => Ok(number.saturating_sub(1).to_string().into_bytes()),
        None => Err(Fail::protocol("Max-Forwards is not a number")),
    }
}

/// An absolute `http` URI (RFC 9112, 3.2.2).
#[derive(Debug)]
struct Uri<'a> {
    target: Target,
    /// The `Host` that the origin gets: the authority without userinfo (RFC 9110, 4.2.4).
    host: String,
    /// Path and query; may be empty or begin with the query.
    path: &'a str,
}

impl<'a> Uri<'a> {
    fn read(text: &'a str) -> Result<Self, Fail> {
        if text == "*" {
            return Err(Fail::protocol(
                "this is a proxy: expected an absolute http:// URI or CONNECT, got a request to a server itself",
            ));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(Fail::protocol("expected an absolute http:// URI"));
        };
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(Fail::protocol(
                "only http:// URIs are served; use CONNECT for others",
            ));
        }
        if rest.contains('#') {
            return Err(Fail::protocol("request target with a fragment"));
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let bad = || Fail::protocol("URI without a valid host and port");
        let place = match authority.split_once('@') {
            // Where the host begins must not be a matter of opinion (`\`, a second `@`).
            Some((user, place)) if user.bytes().all(is_userinfo) => place,
            Some(_) => return Err(bad()),
            None => authority,
        };
        Self::at(place, path).ok_or_else(bad)
    }

    /// `place` is a host with or without a port.
    fn at(place: &str, path: &'a str) -> Option<Self> {
        let (host, port) = split_authority(place)?;
        let port = port.filter(|port| !port.is_empty());
        let target = Target::new(read_host(host)?, port.map_or(Some(80), read_port)?);
        // The zone is none of the origin's business (RFC 6874, 4).
        let host = match host.split_once('%') {
            Some((ip, _)) => Cow::from(format!("{ip}]")),
            None => Cow::from(host),
        };
        let host = match port {
            Some(port) => format!("{host}:{port}"),
            None => host.into_owned(),
        };
        Some(Self { target, host, path })
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`; the parts are not checked yet.
fn split_authority(text: &str) -> Option<(&str, Option<&str>)> {
    if !text.starts_with('[') {
        return Some(match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        });
    }
    let (host, rest) = text.split_at(text.find(']')? + 1);
    match rest.strip_prefix(':') {
        Some(port) => Some((host, Some(port))),
        None => rest.is_empty().then_some((host, None)),
    }
}

/// RFC 3986, 3.2.1.
fn is_userinfo(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:".contains(&byte)
}

/// Never empty: an empty name would mean our own machine.
fn read_host(text: &str) -> Option<Host> {
    if text.starts_with('[') {
        let host = Host::parse(text);
        return host.ip().is_some_and(|ip| ip.is_ipv6()).then_some(host);
    }
    let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if text.is_empty() || text.len() > 255 || !text.bytes().all(name) {
        return None;
    }
    Some(Host::parse(text))
}

fn read_port(text: &str) -> Option<u16> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|port| *port != 0)
}
