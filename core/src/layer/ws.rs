//! The websocket layer: an HTTP upgrade, then a byte stream in binary messages (RFC 6455).
//!
//! ```text
//! Upgrade ── 101 ──► Open ── close frame, violation, abort ──► Over
//! ```
//!
//! In `Open` each direction ends on its own (a close frame would end both, and gost would drop the response). Where the
//! upgrade agreed on that, an empty text message is its end, the second one is a close frame, and an end of the
//! transport without that is a cut. Otherwise it ends with the transport's. Message boundaries carry no meaning.

mod alive;
mod close;
mod gain;
mod heartbeat;
mod incoming;
mod opaque;
mod opening;
mod receive;
mod send;

use std::sync::Arc;

use bytes::BytesMut;
use tungstenite::protocol::frame::coding::Control;

use self::close::goodbye;
use self::heartbeat::Heartbeat;
pub(crate) use self::incoming::{Incoming, News, Stop};
use self::opening::deflate;
pub(crate) use self::send::Outgoing;
use super::upgrade::{self, Carries};
use super::{Cx, Io, Layer};
use crate::buffer::{Rope, stash};
use crate::error::{Cause, Eof, Fail};
use crate::flood::Flood;
use crate::plan::{WsClient, WsServer};
use crate::time::Time;
use crate::wire::websocket::{close_payload, control};

/// A websocket connection in either role.
#[derive(Debug)]
pub struct Ws {
    role: Role,
    on_top: Carries,
    /// The version of smux may be agreed on.
    mux_v2: bool,
    /// The request is one of so many proxies.
    hops: u8,
    stage: Stage,
    /// Of the upgrade, an incomplete head; of an open connection, what waits for the next turn.
    rest: BytesMut,
    incoming: Incoming,
    outgoing: Outgoing,
    own: Own,
    peer: Peer,
    /// Directions end by messages.
    ends: bool,
    heartbeat: Heartbeat,
    flood: Flood,
    /// By when a request head must be complete.
    head_at: Option<Time>,
    turn: Option<InflationTurn>,
}

#[derive(Debug)]
enum Role {
    Client(Arc<WsClient>),
    Server(Arc<WsServer>),
}

#[derive(Debug)]
enum Stage {
    Client(Box<upgrade::Client>),
    Server(Box<upgrade::Server>),
    Open,
    Over,
}

/// Our direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Own {
    Sends,
    /// Its end is said: only a close frame may follow. A pong might find the peer gone, after all that it had to
    /// say, and the reset for that would take the rest of it.
    Ended,
    /// Nothing follows: behind a close frame, or with the end of the transport.
    Mute,
}

/// The peer's direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Sends,
    /// We end both directions: its end is not waited for.
    Dismissed,
    /// In order.
    Ended,
}

/// Input waits for its turn.
#[derive(Clone, Copy, Debug)]
struct InflationTurn {
    /// When it begins, unless we are paused.
    at: Time,
    /// The peer's direction of the transport ends behind it.
    last: bool,
}

impl Ws {
    /// `mux`: smux runs on top.
    pub fn client(plan: Arc<WsClient>, mux: bool) -> Self {
        Self::new(Role::Client(plan), mux)
    }

    pub fn server(plan: Arc<WsServer>, mux: bool) -> Self {
        Self::new(Role::Server(plan), mux)
    }

    /// Offers smux version 2, or takes that offer.
    pub fn offering_v2(mut self, offer: bool) -> Self {
        self.mux_v2 = offer;
        self
    }

    /// A client that speaks for one who came through so many proxies.
    pub fn after(mut self, hops: u8) -> Self {
        self.hops = hops;
        self
    }

    /// Whether input waits for the next turn of inflation.
    pub fn is_busy(&self) -> bool {
        self.turn.is_some()
    }

    fn new(role: Role, mux: bool) -> Self {
        let on_top = match mux {
            true => Carries::Smux,
            false => Carries::Stream,
        };
        let stage = match role {
            // Replaced when `start` knows the nonce.
            Role::Client(_) => Stage::Client(Box::new(upgrade::Client::new([0; 16], on_top, None))),
            Role::Server(ref plan) => {
                Stage::Server(Box::new(upgrade::Server::new(deflate(plan.compression))))
            }
        };
        let ping = match &role {
            Role::Client(plan) => plan.ping,
            Role::Server(plan) => plan.ping,
        };
        Self {
            role,
            on_top,
            mux_v2: false,
            hops: 0,
            stage,
            rest: BytesMut::new(),
            // Replaced when the upgrade is done.
            incoming: Incoming::new(false, None, false),
            outgoing: Outgoing::new(false, None, None),
            own: Own::Sends,
            peer: Peer::Sends,
            ends: false,
            heartbeat: Heartbeat::new(ping),
            flood: Flood::default(),
            head_at: None,
            turn: None,
        }
    }

    fn turn_at(&self) -> Option<Time> {
        let turn = self.turn.filter(|_| !self.heartbeat.is_paused());
        turn.map(|turn| turn.at)
    }

    fn max_frame(&self) -> Option<usize> {
        match &self.role {
            Role::Client(plan) => plan.max_frame,
            Role::Server(plan) => plan.max_frame,
        }
    }

    fn key(&self, cx: &mut Cx) -> Option<[u8; 4]> {
        matches!(self.role, Role::Client(_)).then(|| cx.entropy.mask_key())
    }

    fn over(&mut self, cx: &mut Cx) {
        self.stage = Stage::Over;
        self.own = Own::Mute;
        self.rest = BytesMut::new();
        self.incoming.recycle(cx.deflate);
        self.outgoing.recycle(cx);
        self.heartbeat.stop();
        (self.head_at, self.turn) = (None, None);
    }

    fn close(&mut self, cx: &mut Cx, code: u16, reason: &str, down: &mut Rope) {
        self.control(cx, Control::Close, &close_payload(code, reason), down);
    }

    fn control(&mut self, cx: &mut Cx, kind: Control, payload: &[u8], down: &mut Rope) {
        let speaks = match self.own {
            Own::Sends => true,
            Own::Ended => kind == Control::Close,
            Own::Mute => false,
        };
        if !speaks {
            return;
        }
        let key = self.key(cx);
        down.push_slice(control(kind, payload, key).as_ref());
    }
}

impl Layer for Ws {
    fn start(&mut self, cx: &mut Cx, io: &mut Io) -> Result<(), Fail> {
        self.start_opening(cx, io)
    }

    fn recv(&mut self, cx: &mut Cx, wire: BytesMut, io: &mut Io) -> Result<(), Fail> {
        self.heartbeat.heard(cx.now);
        match self.stage {
            Stage::Over => Ok(()),
            Stage::Open => {
                stash(&mut self.rest, wire);
                if self.turn.is_some() {
                    return Ok(());
                }
                self.decode(cx, io)
            }
            Stage::Client(_) | Stage::Server(_) => {
                // Copied: an incomplete head would pin its receive buffer.
                self.rest.extend_from_slice(&wire);
                let result = self.upgrade(cx, io);
                if result.is_err() {
                    self.over(cx);
                }
                result
            }
        }
    }

    fn lower_end(&mut self, cx: &mut Cx, how: Eof, io: &mut Io) -> Result<(), Fail> {
        self.heartbeat.stop();
        let fail = match (&self.stage, how) {
            (Stage::Over, _) => return Ok(()),
            (Stage::Client(client), _) => Fail::new(Cause::Closed, client.ended(&self.rest)),
            (Stage::Server(server), _) => {
                Fail::new(Cause::Closed, server.unfinished("closed", &self.rest))
            }
            (Stage::Open, Eof::Reset) => Fail::new(Cause::Reset, "websocket: connection reset"),
            (Stage::Open, Eof::Fin) => match &mut self.turn {
                Some(turn) => {
                    turn.last = true;
                    return Ok(());
                }
                None => return self.all_read(cx, io.up),
            },
        };
        self.over(cx);
        Err(fail)
    }

    fn send(&mut self, cx: &mut Cx, data: &mut Rope, down: &mut Rope) -> Result<(), Fail> {
        if self.own != Own::Sends {
            data.clear();
            return Ok(());
        }
        self.heartbeat.sent();
        let payload = cx.limits.ws_payload;
        while !data.is_empty() {
            let len = match (data.outside(), self.outgoing.max_frame()) {
                (0, None) => data.about(payload),
                // A configured frame size outranks the message size.
                (0, Some(frame)) => data.len().min(payload.max(frame)),
                (outside, _) => outside,
            };
            self.outgoing.message(cx, data, len, down);
        }
        Ok(())
    }

    fn finish(&mut self, cx: &mut Cx, down: &mut Rope) -> bool {
        self.heartbeat.stop();
        let open = matches!(self.stage, Stage::Open);
        // While the peer still sends, a close frame would end its direction as well.
        let both = self.peer != Peer::Sends;
        if open && self.ends && !both {
            if self.own == Own::Sends {
                self.outgoing.end(cx, down);
                self.own = Own::Ended;
            }
            return false;
        }
        if open && both {
            self.close(cx, 1000, "", down);
        }
        self.own = Own::Mute;
        true
    }

    fn abort(&mut self, cx: &mut Cx, why: &Fail, down: &mut Rope) {
        if matches!(self.stage, Stage::Open) {
            let (code, reason) = goodbye(why.cause);
            self.close(cx, code, reason, down);
        }
        self.over(cx);
    }

    fn timeout(&mut self, cx: &mut Cx, io: &mut Io) -> Result<(), Fail> {
        let due = |at: Option<Time>| at.is_some_and(|at| at <= cx.now);
        if due(self.head_at) {
            let text = match (&self.stage, &self.role) {
                (Stage::Server(server), Role::Server(plan)) => {
                    let end = format!("{:?} for an upgrade passed", plan.read_header_timeout);
                    server.unfinished(&end, &self.rest)
                }
                _ => "the time for an upgrade passed".to_owned(),
            };
            self.over(cx);
            return Err(Fail::new(Cause::TimedOut, text));
        }
        if due(self.turn_at()) {
            self.decode(cx, io)?;
        }
        self.beat(cx, io.down)
    }

    fn next_timeout(&self) -> Option<Time> {
        [self.head_at, self.heartbeat.next(), self.turn_at()]
            .into_iter()
            .flatten()
            .min()
    }

    fn held(&self) -> usize {
        self.rest.len() + self.incoming.held() + self.outgoing.held()
    }
}
