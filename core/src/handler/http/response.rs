//! An origin's response: what the client gets to see of it, and what it says about both connections.

use bytes::BytesMut;

use super::fields::{Hop, write_field};
use crate::error::Fail;
use crate::wire::http1::{HeadLimits, HeadSearch, Response};
use crate::wire::http1_body::{Framing, content_length};

/// What the request determines about its response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) to_head: bool,
    /// The client speaks HTTP/1.0: no interim responses, no chunks.
    pub(super) legacy: bool,
    /// The client's connection may persist.
    pub(super) keep: bool,
}

/// A final response, ready to go on.
#[derive(Debug)]
pub(super) struct Forward {
    pub(super) head: Vec<u8>,
    pub(super) framing: Framing,
    /// The chunks of the body are unwrapped.
    pub(super) unwrap: bool,
    /// The client's connection still may persist.
    pub(super) keep: bool,
    /// The origin's connection may take another request.
    pub(super) reuse: bool,
}

/// Takes one response head.
pub(super) fn take(
    search: &mut HeadSearch,
    rx: &mut BytesMut,
    limits: HeadLimits,
) -> Result<Option<Response>, Fail> {
    let Some(len) = search.find(rx, limits)? else {
        return Ok(None);
    };
    let response = Response::parse(&rx.split_to(len), limits)?;
    if response.status < 100 {
        return Err(Fail::protocol("response with a status below 100"));
    }
    Ok(Some(response))
}

pub(super) fn finalize(response: &Response, asked: Asked) -> Result<Forward, Fail> {
    let framing = Framing::of_response(response, asked.to_head)?;
    let hop = Hop::new(&response.fields);
    let coded = response.fields.get("transfer-encoding").is_some();
    let persistent = match response.minor {
        // Chunks of an HTTP/1.0 origin are faulty framing (RFC 9112, 6.1).
        0 => hop.has("keep-alive") && !hop.has("close") && !coded,
        _ => !hop.has("close"),
    };
    let doubtful = coded && response.fields.get("content-length").is_some();
    let unwrap = framing == Framing::Chunked && asked.legacy;
    let keep = asked.keep && framing != Framing::UntilEnd;

    let length = match framing {
        Framing::Length(length) => Some(length),
        // What a GET would have got (RFC 9110, 9.3.2 and 15.4.5).
        Framing::None if response.status != 204 && !coded => {
            content_length(&response.fields).ok().flatten()
        }
        _ => None,
    };
    let chunked = framing == Framing::Chunked && !unwrap;
    let mut head = start(response, &hop, length, chunked);
    match (response.status, response.fields.get("upgrade")) {
        // 426 is about the client's protocol and must say which (RFC 9110, 15.5.22).
        (426, Some(protocol)) => {
            write_field(&mut head, "Upgrade", protocol);
            let options: &[u8] = if keep { b"Upgrade" } else { b"Upgrade, close" };
            write_field(&mut head, "Connection", options);
        }
        _ if !keep => write_field(&mut head, "Connection", b"close"),
        _ => {}
    }
    head.extend_from_slice(b"\r\n");
    Ok(Forward {
        head,
        framing,
        unwrap,
        keep,
        reuse: persistent && !doubtful && framing != Framing::UntilEnd,
    })
}

pub(super) fn interim(response: &Response) -> Vec<u8> {
    let mut head = start(response, &Hop::new(&response.fields), None, false);
    head.extend_from_slice(b"\r\n");
    head
}

/// The head of a 101, if it agrees to one of the protocols that were `asked` for (RFC 9110, 7.8).
pub(super) fn switching(response: &Response, asked: &[u8]) -> Result<Vec<u8>, Fail> {
    let hop = Hop::new(&response.fields);
    let protocol = response
        .fields
        .get("upgrade")
        .filter(|_| hop.has("upgrade"))
        .ok_or_else(|| Fail::protocol("101 without Upgrade"))?;
    let offered = |token: &[u8]| {
        asked
            .split(|byte| *byte == b',')
            .any(|have| have.trim_ascii().eq_ignore_ascii_case(token.trim_ascii()))
    };
    if !protocol.split(|byte| *byte == b',').all(offered) {
        return Err(Fail::protocol("101 to a protocol that was not asked for"));
    }
    let mut head = start(response, &hop, None, false);
    write_field(&mut head, "Upgrade", protocol);
    write_field(&mut head, "Connection", b"Upgrade");
    head.extend_from_slice(b"\r\n");
    Ok(head)
}

/// Status line and fields, framing in the place where the origin had it; without the empty line.
fn start(response: &Response, hop: &Hop, length: Option<u64>, chunked: bool) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {:03} {}\r\n", response.status, response.reason).into_bytes();
    let (mut length, mut chunked) = (length, chunked);
    for (name, value) in &response.fields.0 {
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                if let Some(length) = length.take() {
                    write_field(&mut head, name, length.to_string().as_bytes());
                }
            }
            "transfer-encoding" => {
                if std::mem::take(&mut chunked) {
                    write_field(&mut head, name, b"chunked");
                }
            }
            "upgrade" => {}
            "proxy-authenticate" if response.status != 407 => {}
            lower if hop.ends_here(lower) => {}
            _ => write_field(&mut head, name, value),
        }
    }
    head
}
