//! Connectors: what speaks to a node to reach the next one or the target.

use bytes::BytesMut;

use crate::addr::{Carries, Target};
use crate::error::Fail;
use crate::plan;
use crate::wire::datagram::Framing;

pub mod dns;
pub mod http;
pub mod relay;
pub mod socks4;
pub mod socks5;

/// What a connector may know.
pub struct Cx<'a> {
    pub plan: &'a plan::Connector,
    /// Where the node is to connect to.
    pub target: &'a Target,
    pub carries: Carries,
    /// The channel is encrypted already (TLS below).
    pub encrypted: bool,
}

/// What a connector wants next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    More,
    /// Client TLS on top of the channel (`plan.socks_tls`), then `step` again with an empty `rx`.
    Tls,
    /// The tunnel is open. What is left in `rx` belongs to it: nothing may be lost.
    Done,
    /// Datagrams go this way. What is left in `rx` belongs to it.
    Datagrams(Way),
    /// The node listens. What is left in `rx` belongs to its mux session, or is frames of datagrams.
    Bound(Bound),
    /// The tunnel may be used, but its first bytes from the node are still a response: feed them to
    /// `response` until it says `Done`.
    Lazy,
}

/// What a node listens at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    pub addr: Target,
    /// The node is one of our kind ([`Target::spelled`]).
    pub ours: bool,
}

/// How a node takes datagrams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// In the tunnel.
    Framed(Framing),
    /// Outside, at this address; the tunnel stays open for as long.
    Socket(Target),
}

/// A negotiation with one node. `step` is first called with an empty `rx` and writes the request.
pub trait Negotiate {
    fn step(&mut self, cx: &Cx, rx: &mut BytesMut, out: &mut BytesMut) -> Result<Step, Fail>;
}

/// The connectors that negotiate, without a box.
#[derive(Debug)]
pub enum Connector {
    Http(http::Http),
    Socks4(socks4::Socks4),
    Socks5(socks5::Socks5),
    Relay(relay::Relay),
}

impl Connector {
    /// `None` for the kinds that say nothing: `direct` and `forward`.
    pub fn new(kind: plan::ConnectorKind) -> Option<Self> {
        match kind {
            plan::ConnectorKind::Http => Some(Self::Http(http::Http::new())),
            plan::ConnectorKind::Socks4 => Some(Self::Socks4(socks4::Socks4::new())),
            plan::ConnectorKind::Socks5 => Some(Self::Socks5(socks5::Socks5::new())),
            plan::ConnectorKind::Relay => Some(Self::Relay(relay::Relay::new())),
            plan::ConnectorKind::Direct | plan::ConnectorKind::Forward => None,
        }
    }
}

impl Negotiate for Connector {
    fn step(&mut self, cx: &Cx, rx: &mut BytesMut, out: &mut BytesMut) -> Result<Step, Fail> {
        match self {
            Self::Http(connector) => connector.step(cx, rx, out),
            Self::Socks4(connector) => connector.step(cx, rx, out),
            Self::Socks5(connector) => connector.step(cx, rx, out),
            Self::Relay(connector) => connector.step(cx, rx, out),
        }
    }
}
