//! The HTTP upgrade that opens a websocket (RFC 6455, 4): byte for byte as gost speaks it, and behind that what two
//! Ginnels agree on, in fields that anybody else ignores.

use std::net::SocketAddr;

use crate::error::Fail;
use crate::limits::Limits;
use crate::wire::deflate::Deflate;
use crate::wire::http1::{Fields, HeadLimits, is_token};

mod client;
mod deflate;
mod server;

pub use client::Client;
pub use server::Server;
pub(crate) use server::is_upgrade;

/// Said by both ends if both take a smux FIN for a half-close. gost, and whatever else stands
/// between, ignores it.
const HALF_CLOSE: &str = "X-Mux-Half-Close";

/// Said by both ends of a websocket without smux if both say the end of their direction by an empty text message: all
/// payload is binary. A web server in between passes that on, as it does every message; the end of a direction of TCP
/// it takes for the end of both, as it does a close frame if it reads frames.
const ENDS: &str = "X-Websocket-Half-Close";

/// Said by both ends if both know the smux commands RST and AWAY.
const SIGNALS: &str = "X-Mux-Signals";

/// Said by both ends if neither is configured to another version of smux: `2`, with its windows.
const MUX_VERSION: &str = "X-Mux-Version";

/// Said by a proxy whose own client came by a websocket: how many such proxies there are, it included. Whatever
/// stands between ignores it. Nodes that lead in a circle would otherwise go round it until all descriptors are
/// used up.
const HOPS: &str = "X-Proxy-Hops";

/// More than a route has, and few enough for a circle that branches.
const MOST_HOPS: u8 = 8;

/// What a connection is to carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    Smux,
    /// One stream of bytes.
    Stream,
    /// The messages of a program.
    Messages,
}

/// What the two ends agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    /// What messages may be compressed with, from our side.
    pub deflate: Option<Deflate>,
    /// Both ends take a smux FIN for a half-close.
    pub half_close: bool,
    /// Each direction of the websocket ends with a message, both with a close frame.
    pub ends: bool,
    /// The client that the request names, for a request of a proxy that may name one.
    pub client: Option<SocketAddr>,
    /// Both ends know RST and AWAY.
    pub signals: bool,
    /// Both ends take smux version 2.
    pub mux_v2: bool,
    /// At a server: the proxies that the client came through, without this one.
    pub hops: u8,
}

pub(super) fn head_limits(limits: &Limits) -> HeadLimits {
    HeadLimits {
        bytes: limits.head,
        fields: limits.fields,
    }
}

fn offers_half_close(fields: &Fields) -> bool {
    fields.has_token(HALF_CLOSE, "1")
}

fn offers_ends(fields: &Fields) -> bool {
    fields.has_token(ENDS, "1")
}

fn offers_signals(fields: &Fields) -> bool {
    fields.has_token(SIGNALS, "1")
}

fn offers_v2(fields: &Fields) -> bool {
    fields.has_token(MUX_VERSION, "2")
}

/// The number of proxies that a request came through; an error is what came instead.
fn hops(fields: &Fields) -> Result<u8, String> {
    match fields.get(HOPS) {
        None => Ok(0),
        Some(value) => str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| got(fields, HOPS)),
    }
}

/// Go's spelling of a field name, and gorilla's of the websocket names: `X-Forwarded-For`.
fn canonical(name: &str) -> Result<String, Fail> {
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(Fail::protocol(format!(
            "header name {name:?}, expected letters, digits and hyphens"
        )));
    }
    let mut upper = true;
    let name: String = name
        .chars()
        .map(|letter| {
            let spelled = if upper {
                letter.to_ascii_uppercase()
            } else {
                letter.to_ascii_lowercase()
            };
            upper = letter == '-';
            spelled
        })
        .collect();
    Ok(match name.strip_prefix("Sec-Websocket-") {
        Some(rest) => format!("Sec-WebSocket-{rest}"),
        None => name,
    })
}

/// A field value that cannot end its line.
fn one_line(value: &str) -> String {
    let value = value.replace(|letter: char| letter.is_ascii_control(), " ");
    value.trim_matches(' ').to_owned()
}

/// A peer's text as an error message may carry it: short, printable.
fn printable(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(120)];
    let text = String::from_utf8_lossy(bytes.trim_ascii());
    text.replace(|letter: char| letter.is_control(), "?")
}

/// What came in place of an expected field.
fn got(fields: &Fields, name: &str) -> String {
    match fields.get(name) {
        Some(value) => format!("`{name}: {}`", printable(value)),
        None => format!("no `{name}`"),
    }
}
