//! Handlers: what speaks to the client of a service until the relay starts.

use std::net::SocketAddr;

use bytes::BytesMut;

use crate::addr::{Host, Target};
use crate::error::{Cause, Fail};
use crate::plan;
use crate::time::Time;
use crate::wire::datagram::Framing;

pub mod auto;
pub mod http;
pub mod relay;
pub mod socks4;
pub mod socks5;

/// What a handler may know about its connection.
pub struct Cx<'a> {
    pub plan: &'a plan::Handler,
    pub remote: SocketAddr,
    /// The channel is encrypted already (TLS below).
    pub encrypted: bool,
    pub now: Time,
    /// The service has targets of its own (`forward` and relay's forward mode).
    pub forwards: bool,
    /// Where the client's datagrams are awaited (SOCKS5 UDP ASSOCIATE), or connections for it.
    pub bound: Option<SocketAddr>,
}

impl Cx<'_> {
    /// Who may use the service; `None` asks this client for nothing.
    pub fn users(&self) -> Option<&plan::Users> {
        let skipped = &self.plan.skip_auth.0;
        let ip = self.remote.ip();
        let asked = !skipped.iter().any(|net| net.contains(ip));
        self.plan.users.as_ref().filter(|_| asked)
    }
}

/// Where the client wants to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// What the client named.
    Target(Target),
    /// One of the service's own targets.
    Forward,
    /// A port of this machine, for the client.
    Bind(Bind),
    /// Datagrams, with the client's framing.
    Datagrams(Framing, Receiver),
}

/// What a client wants to have bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    pub addr: Target,
    pub what: Bound,
    /// The client is one of our kind ([`Target::spelled`]).
    pub ours: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Connections: each is a stream of the client's mux session.
    Clients,
    /// One connection, which goes on in the client's (SOCKS5 BIND).
    Client,
    /// Datagrams, in frames with the sender's address.
    Senders,
}

impl Bind {
    /// The address for the reply.
    fn told(&self, addr: SocketAddr) -> Target {
        match self.ours {
            true => Target::from(addr).spelled(),
            false => Target::from(addr),
        }
    }
}

/// Who gets the datagrams of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receiver {
    Target(Target),
    /// One of the service's own targets.
    Forward,
    /// Each says it itself.
    Each,
}

/// What a handler wants next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// More bytes from the client; `rx` holds an incomplete unit, of which nothing was taken.
    More,
    /// Server TLS on top of the channel, then `step` again with what it yields.
    Tls,
    /// A connection to the goal; `dialed` is called with the result. What is left in `rx` belongs to it.
    Dial(Goal),
}

/// A negotiation with one client: SOCKS4, SOCKS5, relay. An error's reply is already in `out`.
pub trait Negotiate {
    fn step(&mut self, cx: &Cx, rx: &mut BytesMut, out: &mut BytesMut) -> Result<Step, Fail>;
    /// The reply for the result of the dial. After a failure the connection is closed behind it.
    fn dialed(&mut self, cx: &Cx, result: Result<(), &Fail>, out: &mut BytesMut);
}

/// The handlers that negotiate by [`Negotiate`], without a box.
#[derive(Debug)]
pub enum Handler {
    Socks4(socks4::Socks4),
    Socks5(socks5::Socks5),
    Relay(relay::Relay),
}

impl Handler {
    /// `None` for kinds that work otherwise: `auto` picks another kind, `http` is more than a
    /// negotiation, `forward` has none.
    pub fn new(kind: plan::HandlerKind) -> Option<Self> {
        match kind {
            plan::HandlerKind::Socks4 => Some(Self::Socks4(socks4::Socks4::new())),
            plan::HandlerKind::Socks5 => Some(Self::Socks5(socks5::Socks5::new())),
            plan::HandlerKind::Relay => Some(Self::Relay(relay::Relay::new())),
            plan::HandlerKind::Auto | plan::HandlerKind::Http | plan::HandlerKind::Forward => None,
        }
    }
}

impl Handler {
    /// What the client had bound, if that was its request.
    pub fn binds(&self) -> Option<&Bind> {
        match self {
            Self::Socks5(handler) => handler.binds.as_ref(),
            Self::Relay(handler) => handler.binds.as_ref(),
            Self::Socks4(_) => None,
        }
    }
}

impl Negotiate for Handler {
    fn step(&mut self, cx: &Cx, rx: &mut BytesMut, out: &mut BytesMut) -> Result<Step, Fail> {
        match self {
            Self::Socks4(handler) => handler.step(cx, rx, out),
            Self::Socks5(handler) => handler.step(cx, rx, out),
            Self::Relay(handler) => handler.step(cx, rx, out),
        }
    }

    fn dialed(&mut self, cx: &Cx, result: Result<(), &Fail>, out: &mut BytesMut) {
        match self {
            Self::Socks4(handler) => handler.dialed(cx, result, out),
            Self::Socks5(handler) => handler.dialed(cx, result, out),
            Self::Relay(handler) => handler.dialed(cx, result, out),
        }
    }
}

/// A name travels on into the resolver, the log and the next proxy's request, where blanks and
/// control characters mean something else. Error: `NameNotFound`.
fn printable(target: Target) -> Result<Target, Fail> {
    match &target.host {
        Host::Name(name) if name.contains(|c: char| c.is_control() || c.is_whitespace()) => {
            Err(Fail::new(
                Cause::NameNotFound,
                format!("expected a host name, got \"{}\"", name.escape_debug()),
            ))
        }
        _ => Ok(target),
    }
}
