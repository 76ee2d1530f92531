//! The accepting side of an upgrade (RFC 6455, 4.2).

use std::fmt::Write as _;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use tungstenite::handshake::derive_accept_key;

use super::{
    Agreed, Carries, ENDS, HALF_CLOSE, HOPS, MOST_HOPS, MUX_VERSION, SIGNALS, canonical, deflate,
    head_limits, hops, offers_ends, offers_half_close, offers_signals, offers_v2, one_line,
    printable,
};
use crate::error::{Cause, Fail};
use crate::limits::Limits;
use crate::plan::WsServer;
use crate::route::client;
use crate::wire::deflate::Deflate;
use crate::wire::http1::{Fields, HeadSearch, Request, reason};
use crate::wire::looks_like;

/// Waits for a request that is an upgrade, and answers those that are not.
#[derive(Debug, Default)]
pub struct Server {
    deflate: Option<Deflate>,
    search: HeadSearch,
    /// The first request that was answered, and how, until it is told.
    refused: Option<Fail>,
    answered: bool,
    /// smux version 2 may be agreed on.
    pub takes_v2: bool,
}

/// Why a request is no upgrade of ours.
struct Refusal {
    status: u16,
    why: String,
}

impl Server {
    /// `deflate`: what it would agree to.
    pub fn new(deflate: Option<Deflate>) -> Self {
        Self {
            deflate,
            ..Self::default()
        }
    }

    /// Takes request heads off `rx` until one is an upgrade; what follows it is websocket data.
    /// `None`: more bytes are needed. The answers, that of an error too, are in `out`.
    pub fn recv(
        &mut self,
        plan: &WsServer,
        carries: Carries,
        rx: &mut BytesMut,
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result<Option<Agreed>, Fail> {
        let limits = head_limits(limits);
        loop {
            // A TLS hello would otherwise be waited for as an endless request line.
            if rx.first().is_some_and(|byte| !byte.is_ascii_alphabetic()) {
                malformed(400, "", out);
                return Err(Fail::protocol(format!(
                    "{}, expected an HTTP/1 request",
                    looks_like(rx)
                )));
            }
            let parsed = match self.search.find(rx, limits) {
                Ok(None) => return Ok(None),
                Ok(Some(len)) => Request::parse(&rx.split_to(len), limits),
                Err(fail) => Err(fail),
            };
            let request = parsed.inspect_err(|fail| {
                let limit = fail.cause == Cause::Limit;
                malformed(if limit { 431 } else { 400 }, "", out);
            })?;
            let hosts = request.fields.all("Host").count();
            if hosts > 1 || (hosts == 0 && request.minor == 1) {
                let detail = match hosts {
                    0 => "missing required Host header",
                    _ => "too many Host headers",
                };
                malformed(400, detail, out);
                return Err(Fail::protocol(format!("HTTP request: {detail}")));
            }
            let Err(refusal) = judge(plan, &request) else {
                let offers = (carries, self.takes_v2);
                return Ok(Some(accept(plan, self.deflate, offers, &request, out)));
            };
            let text = format!(
                "{} {} answered with {}, {}",
                request.method,
                printable(request.target.as_bytes()),
                refusal.status,
                refusal.why
            );
            let keep = is_reusable(&request);
            refuse(&refusal, keep, request.method == "HEAD", out);
            if !keep {
                return Err(Fail::protocol(text));
            }
            if !std::mem::replace(&mut self.answered, true) {
                self.refused = Some(Fail::protocol(text));
            }
        }
    }

    /// The first request that was refused, once.
    pub fn refused(&mut self) -> Option<Fail> {
        self.refused.take()
    }

    /// Why there was no upgrade, when the connection or its time ended (`end` says which) while
    /// `rx` was all that had come of a request.
    pub fn unfinished(&self, end: &str, rx: &[u8]) -> String {
        let next = if self.answered { "the next" } else { "an HTTP" };
        format!("{end} after {} bytes of {next} request head", rx.len())
    }
}

/// Whether a listener with this plan would switch.
pub(crate) fn is_upgrade(plan: &WsServer, request: &Request) -> bool {
    let hosts = request.fields.all("Host").count();
    let hosts_fit = hosts == 1 || (hosts == 0 && request.minor == 0);
    hosts_fit && judge(plan, request).is_ok()
}

/// gost's checks in gost's order, and the host.
fn judge(plan: &WsServer, request: &Request) -> Result<(), Refusal> {
    let fields = &request.fields;
    let fail = |status, why: String| Err(Refusal { status, why });
    let (authority, path) = split_target(&request.target);
    if !path_matches(&plan.path, path) {
        return fail(404, format!("expected path {}", plan.path));
    }
    let host = authority.map(str::as_bytes).or_else(|| fields.get("Host"));
    if let Some(expected) = &plan.host
        && !host_matches(expected, host.unwrap_or_default())
    {
        let host = printable(host.unwrap_or_default());
        return fail(404, format!("host `{host}`, expected {expected}"));
    }
    for (name, token) in [("Connection", "upgrade"), ("Upgrade", "websocket")] {
        if !fields.has_token(name, token) {
            let got = super::got(fields, name);
            return fail(400, format!("{got}, expected `{name}: {token}`"));
        }
    }
    if request.method != "GET" {
        return fail(405, "expected GET".to_owned());
    }
    if !fields.has_token("Sec-WebSocket-Version", "13") {
        let got = super::got(fields, "Sec-WebSocket-Version");
        return fail(400, format!("{got}, expected version 13"));
    }
    let key = fields.get("Sec-WebSocket-Key").unwrap_or_default();
    if STANDARD.decode(key).map(|key| key.len()) != Ok(16) {
        let got = super::got(fields, "Sec-WebSocket-Key");
        return fail(400, format!("{got}, expected 16 bytes in base64"));
    }
    if has_body(fields) {
        return fail(400, "expected no body".to_owned());
    }
    match hops(fields) {
        Ok(hops) if hops <= MOST_HOPS => Ok(()),
        Ok(hops) => fail(
            508,
            format!(
                "came through {hops} proxies, expected at most {MOST_HOPS}: the nodes lead in a circle"
            ),
        ),
        Err(got) => fail(400, format!("{got}, expected a number")),
    }
}

/// The 101, with the field order of gost.
fn accept(
    plan: &WsServer,
    wish: Option<Deflate>,
    (carries, takes_v2): (Carries, bool),
    request: &Request,
    out: &mut Vec<u8>,
) -> Agreed {
    let fields = &request.fields;
    let (deflate, extension) = wish.and_then(|wish| deflate::accept(wish, fields)).unzip();
    let mux = carries == Carries::Smux;
    let agreed = Agreed {
        deflate,
        half_close: mux && offers_half_close(fields),
        ends: carries == Carries::Stream && offers_ends(fields),
        client: named_client(plan, fields),
        signals: mux && offers_signals(fields),
        mux_v2: takes_v2 && offers_v2(fields),
        hops: hops(fields).unwrap_or(0),
    };
    let key = fields.get("Sec-WebSocket-Key").unwrap_or_default();
    let mut head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n",
        derive_accept_key(key)
    );
    let mut add = |name: &str, value: &str| {
        let _ = write!(head, "{name}: {value}\r\n");
    };
    // A name that is none was refused with the configuration; a client must not suffer for it.
    let custom: Vec<_> = plan
        .headers
        .iter()
        .filter_map(|(name, value)| Some((canonical(name).ok()?, one_line(value))))
        .collect();
    if let Some((name, value)) = custom
        .iter()
        .find(|(name, _)| name == "Sec-WebSocket-Protocol")
    {
        add(name, value);
    }
    if let Some(extension) = extension {
        add("Sec-WebSocket-Extensions", &extension);
    }
    if agreed.half_close {
        add(HALF_CLOSE, "1");
    }
    if agreed.ends {
        add(ENDS, "1");
    }
    if agreed.signals {
        add(SIGNALS, "1");
    }
    if agreed.mux_v2 {
        add(MUX_VERSION, "2");
    }
    for (name, value) in &custom {
        match name.as_str() {
            "Upgrade"
            | "Connection"
            | "Sec-WebSocket-Accept"
            | "Sec-WebSocket-Protocol"
            | "Sec-WebSocket-Extensions"
            | "Content-Length"
            | "Transfer-Encoding"
            | HALF_CLOSE
            | ENDS
            | SIGNALS
            | MUX_VERSION
            | HOPS => {}
            _ => add(name, value),
        }
    }
    head.push_str("\r\n");
    out.extend_from_slice(head.as_bytes());
    agreed
}

fn named_client(plan: &WsServer, fields: &Fields) -> Option<SocketAddr> {
    match plan.trusted.is_empty() {
        true => None,
        false => client::forwarded(fields, &plan.trusted),
    }
}

/// An answer after which the connection may carry another request, if `keep`.
fn refuse(refusal: &Refusal, keep: bool, head_only: bool, out: &mut Vec<u8>) {
    let status = refusal.status;
    let (version, body) = match status {
        404 => ("", "404 page not found"),
        _ => ("Sec-Websocket-Version: 13\r\n", reason(status)),
    };
    let close = if keep { "" } else { "Connection: close\r\n" };
    let head = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: text/plain; charset=utf-8\r\n{version}\
         X-Content-Type-Options: nosniff\r\nContent-Length: {}\r\n{close}\r\n",
        reason(status),
        body.len() + 1
    );
    out.extend_from_slice(head.as_bytes());
    if !head_only {
        out.extend_from_slice(body.as_bytes());
        out.push(b'\n');
    }
}

/// The answer to what is no request; the connection ends behind it.
fn malformed(status: u16, detail: &str, out: &mut Vec<u8>) {
    let mut line = format!("{status} {}", reason(status));
    if !detail.is_empty() {
        let _ = write!(line, ": {detail}");
    }
    let text = format!(
        "HTTP/1.1 {line}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{line}",
        line.len()
    );
    out.extend_from_slice(text.as_bytes());
}

/// A body would have to be skipped before the next request.
fn is_reusable(request: &Request) -> bool {
    request.minor == 1
        && !request.fields.has_token("Connection", "close")
        && !has_body(&request.fields)
}

fn has_body(fields: &Fields) -> bool {
    fields.get("Transfer-Encoding").is_some()
        || fields.all("Content-Length").any(|length| length != b"0")
}

/// Authority (of an absolute target, RFC 9112, 3.2.2) and path, without the query.
fn split_target(target: &str) -> (Option<&str>, &str) {
    let (authority, rest) = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => {
            let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            (Some(authority), path)
        }
        _ => (None, target),
    };
    let path = rest.split('?').next().unwrap_or_default();
    match (authority, path) {
        (Some(_), "") => (authority, "/"),
        _ => (authority, path),
    }
}

/// `pattern` with a trailing slash matches everything below it. Escapes are resolved in `path`.
fn path_matches(pattern: &str, path: &str) -> bool {
    let path = unescape(path);
    if pattern.ends_with('/') {
        path.starts_with(pattern.as_bytes())
    } else {
        path == pattern.as_bytes()
    }
}

/// What is no escape stays as it is.
fn unescape(path: &str) -> Vec<u8> {
    let mut bytes = path.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    while let [first, rest @ ..] = bytes {
        let escaped = match (first, rest) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                plain.push(high << 4 | low);
                bytes = &rest[2..];
            }
            None => {
                plain.push(*first);
                bytes = rest;
            }
        }
    }
    plain
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// Without case; the port counts only if `expected` names one.
fn host_matches(expected: &str, host: &[u8]) -> bool {
    let Ok(host) = str::from_utf8(host) else {
        return false;
    };
    let expected = split_port(expected);
    let host = split_port(host);
    expected.0.eq_ignore_ascii_case(host.0) && (expected.1.is_none() || expected.1 == host.1)
}

fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        // A bare IPv6 address has no port.
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    }
}

#[cfg(test)]
mod tests;
