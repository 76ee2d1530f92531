//! The dialing side of an upgrade (RFC 6455, 4.1).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BytesMut};
use tungstenite::handshake::derive_accept_key;

use super::{
    Agreed, Carries, ENDS, HALF_CLOSE, HOPS, MUX_VERSION, SIGNALS, canonical, deflate, got,
    head_limits, offers_ends, offers_half_close, offers_signals, offers_v2, one_line, printable,
};
use crate::error::{Cause, Fail};
use crate::limits::Limits;
use crate::plan::WsClient;
use crate::wire::deflate::Deflate;
use crate::wire::http1::{HeadSearch, Response};
use crate::wire::looks_like;

/// gost's, which is Go's.
const USER_AGENT: &str = "Go-http-client/1.1";

/// Waits for the response to one request.
#[derive(Debug)]
pub struct Client {
    key: String,
    carries: Carries,
    offered_deflate: Option<Deflate>,
    offered_v2: bool,
    hops: u8,
    search: HeadSearch,
}

impl Client {
    /// `nonce` becomes the key.
    pub fn new(nonce: [u8; 16], carries: Carries, deflate: Option<Deflate>) -> Self {
        Self {
            key: STANDARD.encode(nonce),
            carries,
            offered_deflate: deflate,
            offered_v2: false,
            hops: 0,
            search: HeadSearch::default(),
        }
    }

    pub fn offering_v2(mut self, offer: bool) -> Self {
        self.offered_v2 = offer;
        self
    }

    /// The request is one of so many proxies; 0 says nothing.
    pub fn after(mut self, hops: u8) -> Self {
        self.hops = hops;
        self
    }

    /// The request. An error if a configured header cannot be sent; gost fails such dials as well.
    pub fn request(&self, plan: &WsClient) -> Result<Vec<u8>, Fail> {
        self.request_for(&escape(&plan.path), plan)
    }

    /// The same for a target that is sent as it is: a path with its escapes and its query.
    pub fn request_for(&self, target: &str, plan: &WsClient) -> Result<Vec<u8>, Fail> {
        let mut host = one_line(&plan.host);
        let mut agent = USER_AGENT.to_owned();
        let mut fields = vec![
            ("Connection".to_owned(), "Upgrade".to_owned()),
            ("Sec-WebSocket-Key".to_owned(), self.key.clone()),
            ("Sec-WebSocket-Version".to_owned(), "13".to_owned()),
            ("Upgrade".to_owned(), "websocket".to_owned()),
        ];
        if let Some(wish) = self.offered_deflate {
            let offer = deflate::offer(wish);
            fields.push(("Sec-WebSocket-Extensions".to_owned(), offer));
        }
        let offers: &[&str] = match self.carries {
            Carries::Smux => &[HALF_CLOSE, SIGNALS],
            Carries::Stream => &[ENDS],
            Carries::Messages => &[],
        };
        for name in offers {
            fields.push(((*name).to_owned(), "1".to_owned()));
        }
        if self.offered_v2 {
            fields.push((MUX_VERSION.to_owned(), "2".to_owned()));
        }
        if self.hops > 0 {
            fields.push((HOPS.to_owned(), self.hops.to_string()));
        }
        for (name, value) in &plan.headers {
            let name = canonical(name)?;
            let value = one_line(value);
            match name.as_str() {
                "Host" if !value.is_empty() => host = value,
                "Host" => {}
                "User-Agent" => agent = value,
                "Upgrade"
                | "Connection"
                | "Sec-WebSocket-Key"
                | "Sec-WebSocket-Version"
                | "Sec-WebSocket-Extensions" => {
                    return Err(Fail::protocol(format!(
                        "duplicate header not allowed: {name}"
                    )));
                }
                "Content-Length" | "Transfer-Encoding" | "Trailer" | HALF_CLOSE | ENDS
                | SIGNALS | MUX_VERSION | HOPS => {}
                _ => fields.push((name, value)),
            }
        }
        // Stable: equal names keep their order.
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        if !agent.is_empty() {
            fields.insert(0, ("User-Agent".to_owned(), agent));
        }
        fields.insert(0, ("Host".to_owned(), host));

        let mut text = format!("GET {target} HTTP/1.1\r\n");
        for (name, value) in fields {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text.push_str("\r\n");
        Ok(text.into_bytes())
    }

    /// Takes the response head off `rx`; what follows it is websocket data. `None`: incomplete.
    pub fn recv(&mut self, rx: &mut BytesMut, limits: &Limits) -> Result<Option<Agreed>, Fail> {
        const START: &[u8] = b"HTTP/1.";
        let seen = rx.len().min(START.len());
        if rx[..seen] != START[..seen] {
            return Err(Fail::protocol(format!(
                "{}, expected an HTTP/1 response",
                looks_like(rx)
            )));
        }
        let limits = head_limits(limits);
        let Some(len) = self.search.find(rx, limits)? else {
            return Ok(None);
        };
        let response = Response::parse(&rx[..len], limits)?;
        rx.advance(len);
        self.check(&response).map(Some)
    }

    /// For the error when the connection ends and `rx` is all that came of the response.
    pub fn ended(&self, rx: &[u8]) -> String {
        format!("closed after {} bytes of an HTTP response head", rx.len())
    }

    fn check(&self, response: &Response) -> Result<Agreed, Fail> {
        if response.status != 101 {
            return Err(refused(response));
        }
        let fields = &response.fields;
        for (name, token) in [("Upgrade", "websocket"), ("Connection", "upgrade")] {
            if !fields.has_token(name, token) {
                return Err(Fail::protocol(format!(
                    "101 with {}, expected `{name}: {token}`",
                    got(fields, name)
                )));
            }
        }
        let accept = derive_accept_key(self.key.as_bytes());
        if fields.get("Sec-WebSocket-Accept") != Some(accept.as_bytes()) {
            return Err(Fail::protocol(format!(
                "101 with {}, expected `Sec-WebSocket-Accept: {accept}`",
                got(fields, "Sec-WebSocket-Accept")
            )));
        }
        let mux = self.carries == Carries::Smux;
        Ok(Agreed {
            deflate: deflate::check(self.offered_deflate, fields)?,
            half_close: mux && offers_half_close(fields),
            ends: self.carries == Carries::Stream && offers_ends(fields),
            client: None,
            signals: mux && offers_signals(fields),
            mux_v2: self.offered_v2 && offers_v2(fields),
            hops: 0,
        })
    }
}

fn refused(response: &Response) -> Fail {
    let mut text = response.status.to_string();
    let mut add = |word: &str, value: &[u8]| {
        let value = printable(value);
        if !value.is_empty() {
            text.push_str(word);
            text.push_str(&value);
        }
    };
    add(" ", response.reason.as_bytes());
    add(" from ", response.fields.get("Server").unwrap_or_default());
    add(" to ", response.fields.get("Location").unwrap_or_default());
    let cause = match response.status {
        401 | 407 => Cause::Auth,
        403 | 508 => Cause::Denied,
        504 => Cause::TimedOut,
        _ => Cause::Protocol,
    };
    if response.status == 508 {
        text.push_str(": the nodes lead in a circle");
    }
    Fail::new(cause, format!("{text}, expected 101"))
}

/// Go's escaping of a path in which nothing is escaped yet (RFC 3986, 3.3, short of `!'()*[]`).
fn escape(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len() + 1);
    if !path.starts_with('/') {
        escaped.push('/');
    }
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
