//! Websocket messages, text and binary, streamed in pieces (RFC 6455): for programs that speak websocket
//! themselves. Upgrade, frames and compression are those of the proxy's channel ([`layer::ws`](crate::layer::ws)),
//! in which messages mean nothing.
//!
//! ```text
//! Upgrade ── 101: Open ──► Begin, Data…, End, Begin, … ──► Closed, or Failed
//! ```
//!
//! Bytes of a socket go in with [`Connection::handle_input`], what they say comes out of [`Connection::poll_event`],
//! and what is to be written lies in [`Connection::transmit`]. A message is never held as a whole, in either
//! direction, and its length has no limit. Events are decoded one at a time, so whatever is sent in answer to one
//! goes out before what the next one causes, such as the close frame behind a violation.
//!
//! ```
//! use ginnel_core::message::{Connection, Event, Kind, Shared};
//!
//! let shared = &mut Shared::new([0; 32]);
//! let mut client = Connection::client("localhost", "/chat?room=1", None, shared).unwrap();
//! let mut server = Connection::server(None);
//!
//! let mut said = String::new();
//! for _ in 0..3 {
//!     for (from, to) in [(&mut client, &mut server)] {
//!         to.handle_input(from.take_output());
//!         while let Some(event) = to.poll_event(shared) {
//!             if let Event::Data(piece) = event {
//!                 said.push_str(str::from_utf8(&piece).unwrap());
//!             }
//!         }
//!         from.handle_input(to.take_output());
//!         while let Some(event) = from.poll_event(shared) {
//!             if matches!(event, Event::Open) {
//!                 from.begin(Kind::Text);
//!                 from.write(b"hello", shared);
//!                 from.end(shared);
//!             }
//!         }
//!     }
//! }
//! assert_eq!(said, "hello");
//! ```

use std::io::IoSlice;

use bytes::BytesMut;
use tungstenite::protocol::frame::coding::Control;

use crate::buffer::{Rope, Seg, stash};
use crate::entropy::Entropy;
use crate::error::{Cause, Fail};
use crate::layer::Cx;
use crate::layer::upgrade::{self, Carries};
use crate::layer::ws::{Incoming, News, Outgoing, Stop};
use crate::limits::Limits;
use crate::plan::{WsClient, WsServer};
use crate::time::Time;
pub use crate::wire::deflate::{Deflate, Window};
use crate::wire::{deflate, websocket};

/// What is written is gathered to frames of this many bytes, before compression.
const FRAME: usize = 64 * 1024;

/// What one thread's connections share: chance, limits, and compressors that none of them keeps.
pub struct Shared {
    entropy: Entropy,
    limits: Limits,
    pool: deflate::Pool,
}

impl Shared {
    /// `seed` must be secret and new: the masking keys (RFC 6455, 10.3) follow from it.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            entropy: Entropy::new(seed),
            limits: Limits::default(),
            pool: deflate::Pool::default(),
        }
    }

    fn cx(&mut self) -> Cx<'_> {
        Cx {
            // Nothing here depends on time; who drives a connection sets its own limits.
            now: Time::ZERO,
            entropy: &mut self.entropy,
            limits: &self.limits,
            deflate: &mut self.pool,
            room: usize::MAX,
        }
    }
}

/// What a message says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its bytes are UTF-8, whatever pieces they come in.
    Text,
    Binary,
}

/// What the peer did.
#[derive(Debug)]
pub enum Event {
    /// The upgrade is done: messages may be sent.
    Open,
    /// A message begins.
    Begin(Kind),
    /// Bytes of it, never none. A character of a text may be cut.
    Data(BytesMut),
    /// It is complete.
    End,
    /// It closed the connection in order, with this code, if any, and reason. Nothing comes behind it.
    Closed(Option<u16>, String),
    /// The connection failed; the peer was told, if there are words for it. Nothing comes behind it.
    Failed(Fail),
}

/// One end of a websocket connection.
#[derive(Debug)]
pub struct Connection {
    stage: Stage,
    client: bool,
    /// Input that is not decoded yet.
    rest: BytesMut,
    /// The peer's direction of the transport ended.
    eof: bool,
    incoming: Incoming,
    outgoing: Outgoing,
    /// Of the message that is being sent, what makes no frame yet.
    part: BytesMut,
    /// A message was begun and not ended.
    sending: bool,
    /// A close frame was sent: nothing may follow it.
    mute: bool,
    out: Rope,
}

#[derive(Debug)]
enum Stage {
    Client(Box<upgrade::Client>),
    Server(Box<upgrade::Server>),
    Open,
    Over,
}

impl Connection {
    /// Asks `host` for `target`, a path with its query. `deflate`: the compression to offer.
    pub fn client(
        host: &str,
        target: &str,
        deflate: Option<Deflate>,
        shared: &mut Shared,
    ) -> Result<Self, Fail> {
        let upgrade = upgrade::Client::new(shared.entropy.nonce(), Carries::Messages, deflate);
        let plan = WsClient {
            headers: vec![("User-Agent".to_owned(), "ginnel".to_owned())],
            ..WsClient::new(host, "")
        };
        let request = upgrade.request_for(target, &plan)?;
        let mut connection = Self::new(Stage::Client(Box::new(upgrade)), true);
        connection.out.push_slice(&request);
        Ok(connection)
    }

    /// Waits for an upgrade to any path. `deflate`: the compression to agree to.
    pub fn server(deflate: Option<Deflate>) -> Self {
        Self::new(
            Stage::Server(Box::new(upgrade::Server::new(deflate))),
            false,
        )
    }

    /// Bytes from the socket, uniquely owned: they are unmasked in place.
    pub fn handle_input(&mut self, bytes: BytesMut) {
        if !matches!(self.stage, Stage::Over) {
            stash(&mut self.rest, bytes);
        }
    }

    /// The socket sends no more.
    pub fn handle_eof(&mut self) {
        self.eof = true;
    }

    /// The next thing the peer did. `None`: more input is needed. Between two calls of this, write what has
    /// gathered: a small compressed message may cause a long sequence of events.
    pub fn poll_event(&mut self, shared: &mut Shared) -> Option<Event> {
        loop {
            let event = match self.stage {
                Stage::Over => return None,
                Stage::Open => self.next_event(shared),
                Stage::Client(_) | Stage::Server(_) => self.upgrade(shared),
            };
            match event {
                Ok(None) if !self.eof => return None,
                Ok(None) => {
                    self.over(shared);
                    return Some(Event::Failed(Fail::new(
                        Cause::Closed,
                        "websocket: ended without a close frame",
                    )));
                }
                Ok(Some(None)) => {}
                Ok(Some(Some(event))) => return Some(event),
                Err(fail) => {
                    self.over(shared);
                    return Some(Event::Failed(fail));
                }
            }
        }
    }

    /// Begins a message. One that was begun before is ended by [`Self::end`] first.
    pub fn begin(&mut self, kind: Kind) {
        debug_assert!(!self.sending, "a message inside a message");
        self.outgoing.begin(kind == Kind::Text);
        self.sending = true;
    }

    /// Adds to the message. What it costs is memory until it is written: see [`Self::queued`].
    pub fn write(&mut self, mut bytes: &[u8], shared: &mut Shared) {
        while !bytes.is_empty() {
            let (piece, more) = bytes.split_at(bytes.len().min(FRAME - self.part.len()));
            self.part.extend_from_slice(piece);
            bytes = more;
            if self.part.len() == FRAME {
                self.part(false, shared);
            }
        }
    }

    /// Ends the message.
    pub fn end(&mut self, shared: &mut Shared) {
        self.part(true, shared);
        self.sending = false;
    }

    /// Asks whether the peer lives; its pong is no event.
    pub fn ping(&mut self, payload: &[u8], shared: &mut Shared) {
        self.control(Control::Ping, payload, shared);
    }

    /// Begins to close: nothing can be sent any more, and the peer's answer is [`Event::Closed`].
    pub fn close(&mut self, code: u16, reason: &str, shared: &mut Shared) {
        let payload = websocket::close_payload(code, reason);
        self.control(Control::Close, &payload, shared);
        self.mute = true;
    }

    /// What is to be written next, without taking it. The number of slices used.
    pub fn transmit<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.out.slices(slices, usize::MAX)
    }

    /// So many bytes were written.
    pub fn handle_sent(&mut self, n: usize) {
        self.out.consume(n);
    }

    /// All that is to be written, taken.
    pub fn take_output(&mut self) -> BytesMut {
        let bytes = BytesMut::from(&self.out.to_vec()[..]);
        self.out.clear();
        bytes
    }

    /// Bytes that wait to be written.
    pub fn queued(&self) -> usize {
        self.out.len()
    }

    /// There will be no more events, and what is queued is the last. A server shuts the socket down then; a
    /// client waits a moment for the server to do it (RFC 6455, 7.1.1).
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    pub fn is_client(&self) -> bool {
        self.client
    }

    fn new(stage: Stage, client: bool) -> Self {
        Self {
            stage,
            client,
            rest: BytesMut::new(),
            eof: false,
            // Replaced when the upgrade is done.
            incoming: Incoming::new(false, None, true),
            outgoing: Outgoing::new(false, None, None),
            part: BytesMut::new(),
            sending: false,
            mute: false,
            out: Rope::default(),
        }
    }

    /// `None`: more input is needed. `Some(None)`: what came is nobody's business.
    fn next_event(&mut self, shared: &mut Shared) -> Result<Option<Option<Event>>, Fail> {
        let news = match self.incoming.next(&mut shared.pool, &mut self.rest) {
            Ok(Some(news)) => news,
            Ok(None) => return Ok(None),
            Err(Stop { code, text }) => {
                if let Some(code) = code {
                    self.close(code, &text, shared);
                }
                return Err(Fail::protocol(format!("websocket: {text}")));
            }
        };
        Ok(Some(match news {
            News::Begin { text: true } => Some(Event::Begin(Kind::Text)),
            News::Begin { text: false } => Some(Event::Begin(Kind::Binary)),
            News::Data(piece) => Some(Event::Data(piece)),
            News::End => Some(Event::End),
            News::Ping(payload) => {
                self.control(Control::Pong, &payload, shared);
                None
            }
            News::Pong(_) => None,
            News::Close(code, reason) => {
                let payload = code.map(|code| websocket::close_payload(code, ""));
                self.control(Control::Close, &payload.unwrap_or_default(), shared);
                self.over(shared);
                Some(Event::Closed(code, reason))
            }
        }))
    }

    fn upgrade(&mut self, shared: &mut Shared) -> Result<Option<Option<Event>>, Fail> {
        let agreed = match &mut self.stage {
            Stage::Client(client) => client.recv(&mut self.rest, &shared.limits)?,
            Stage::Server(server) => {
                let mut out = Vec::new();
                let (plan, carries) = (WsServer::new("/"), Carries::Messages);
                let agreed = server.recv(&plan, carries, &mut self.rest, &shared.limits, &mut out);
                self.out.push_slice(&out);
                agreed?
            }
            Stage::Open | Stage::Over => None,
        };
        let Some(agreed) = agreed else {
            return Ok(None);
        };
        let (rx, tx) = agreed.deflate.map(|both| (both.rx, both.tx)).unzip();
        self.incoming = Incoming::new(!self.client, rx, true);
        self.outgoing = Outgoing::new(self.client, tx, None);
        self.stage = Stage::Open;
        Ok(Some(Some(Event::Open)))
    }

    fn part(&mut self, last: bool, shared: &mut Shared) {
        let part = std::mem::take(&mut self.part);
        if self.mute {
            return;
        }
        let mut rope = Rope::default();
        if !part.is_empty() {
            rope.push(Seg::new(part));
        }
        self.outgoing
            .part(&mut shared.cx(), &mut rope, last, &mut self.out);
    }

    fn control(&mut self, kind: Control, payload: &[u8], shared: &mut Shared) {
        if self.mute || !matches!(self.stage, Stage::Open) {
            return;
        }
        let key = self.client.then(|| shared.entropy.mask_key());
        let frame = websocket::control(kind, payload, key);
        self.out.push_slice(frame.as_ref());
    }

    fn over(&mut self, shared: &mut Shared) {
        self.stage = Stage::Over;
        self.mute = true;
        self.rest = BytesMut::new();
        self.part = BytesMut::new();
        self.incoming.recycle(&mut shared.pool);
        self.outgoing.recycle(&mut shared.cx());
    }
}
