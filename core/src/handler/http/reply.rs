//! What the proxy itself says.

use super::fields::write_field;
use super::response::Asked;
use crate::addr::Target;
use crate::buffer::Rope;
use crate::connector::http::EMPTIES;
use crate::error::{Cause, Fail};
use crate::handler::Cx;
use crate::wire::http1::{self, Request};

/// The status for a fault of the client.
pub(super) fn refusal_status(cause: Cause) -> u16 {
    match cause {
        Cause::Auth => 407,
        Cause::Denied => 403,
        Cause::Limit => 431,
        Cause::TimedOut => 408,
        Cause::Unsupported => 501,
        _ => 400,
    }
}

/// The status for a failure behind the proxy (RFC 9110, 15.6). HTTP/1.0 has no 504, and 502 for invalid responses
/// alone (RFC 1945, 9.5): a target that is not reached is 503 there, as it is with gost.
pub(super) fn upstream_status(cause: Cause, legacy: bool) -> u16 {
    match cause {
        Cause::Denied => 403,
        Cause::Protocol | Cause::Limit | Cause::Reset | Cause::Closed => 502,
        _ if legacy => 503,
        Cause::TimedOut => 504,
        _ => 502,
    }
}

/// What a client may know of a failure: not the names and addresses of our nodes.
pub(super) fn upstream_text(target: &Target, cause: Cause) -> String {
    let what = match cause {
        Cause::Refused => "connection refused",
        Cause::HostUnreachable => "host unreachable",
        Cause::NetUnreachable => "network unreachable",
        Cause::NameNotFound => "name not found",
        Cause::TimedOut => "timed out",
        Cause::Reset => "connection reset",
        Cause::Closed => "connection closed",
        Cause::Denied => "not allowed",
        Cause::Auth => "an upstream proxy refused our credentials",
        Cause::Protocol => "invalid response",
        Cause::Tls => "TLS failed",
        Cause::Limit => "a limit was exceeded",
        Cause::Unsupported => "not supported",
        Cause::Local => "the proxy is shutting down",
    };
    format!("{target}: {what}")
}

pub(super) fn established(cx: &Cx, out: &mut Rope) {
    let mut head = b"HTTP/1.1 200 Connection established\r\n".to_vec();
    write_agent(cx, &mut head);
    head.extend_from_slice(b"\r\n");
    out.push_slice(&head);
}

/// The way for datagrams is open. gost adds a `Content-Length: 0`, which RFC 9110, 8.6 forbids.
pub(super) fn datagrams(cx: &Cx, out: &mut Rope) {
    let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
    write_field(&mut head, EMPTIES, b"1");
    for (name, value) in &cx.plan.http.headers {
        write_field(&mut head, name, value.as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    out.push_slice(&head);
}

/// Refuses a request; `request` is unknown when its head could not be read. As in gost, this does not
/// name the agent: it may be a stranger who asks.
pub(super) fn refuse(cx: &Cx, fail: &Fail, request: Option<&Request>, out: &mut Rope) {
    let mut head = start(refusal_status(fail.cause));
    if fail.cause == Cause::Auth {
        let realm = cx
            .plan
            .http
            .realm
            .replace('\\', "\\\\")
            .replace('"', "\\\"");
        let challenge = format!("Basic realm=\"{realm}\"");
        write_field(&mut head, "Proxy-Authenticate", challenge.as_bytes());
        if request.is_some_and(|r| r.fields.has_token("proxy-connection", "keep-alive")) {
            write_field(&mut head, "Proxy-Connection", b"close");
        }
    }
    let to_head = request.is_some_and(|request| request.method == "HEAD");
    // gost's clients ask for UDP and expect an empty refusal.
    let text = match fail.cause {
        Cause::Denied => "",
        _ => &fail.text,
    };
    end(cx, head, text, to_head, out);
}

/// Reports a failure behind the proxy.
pub(super) fn bad_gateway(cx: &Cx, target: &Target, cause: Cause, asked: Asked, out: &mut Rope) {
    let mut head = start(upstream_status(cause, asked.legacy));
    write_agent(cx, &mut head);
    end(cx, head, &upstream_text(target, cause), asked.to_head, out);
}

/// The answer to an `OPTIONS` that may not go further.
pub(super) fn options(cx: &Cx, out: &mut Rope) {
    let mut head = start(200);
    write_agent(cx, &mut head);
    end(cx, head, "", false, out);
}

fn start(status: u16) -> Vec<u8> {
    let reason = http1::reason(status);
    format!("HTTP/1.1 {status} {reason}\r\nConnection: close\r\n").into_bytes()
}

fn write_agent(cx: &Cx, head: &mut Vec<u8>) {
    let agent = &cx.plan.http.agent;
    if !agent.is_empty() {
        write_field(head, "Proxy-Agent", agent.as_bytes());
    }
}

fn end(cx: &Cx, mut head: Vec<u8>, text: &str, to_head: bool, out: &mut Rope) {
    for (name, value) in &cx.plan.http.headers {
        write_field(&mut head, name, value.as_bytes());
    }
    if text.is_empty() {
        head.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    } else {
        let length = text.len() + 1;
        head.extend_from_slice(b"Content-Type: text/plain; charset=utf-8\r\n");
        head.extend_from_slice(format!("Content-Length: {length}\r\n\r\n").as_bytes());
        if !to_head {
            head.extend_from_slice(text.as_bytes());
            head.push(b'\n');
        }
    }
    out.push_slice(&head);
}
