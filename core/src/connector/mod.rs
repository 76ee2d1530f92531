//! Connectors: what speaks to a node to reach the next one or the target.

use bytes::BytesMut;

use crate::addr::Target;
use crate::error::Fail;
use crate::plan;

pub mod http;
pub mod relay;
pub mod socks4;
pub mod socks5;

/// What a connector may know.
pub struct Cx<'a> {
    pub plan: &'a plan::Connector,
    /// Where the node is to connect to.
    pub target: &'a Target,
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
    /// The tunnel may be used, but its first bytes from the node are still a response: feed them to
    /// `response` until it says `Done`.
    Lazy,
}

/// A negotiation with one node. `step` is first called with an empty `rx` and writes the request.
pub trait Negotiate {
    fn step(&mut self, cx: &Cx, rx: &mut BytesMut, out: &mut BytesMut) -> Result<Step, Fail>;
}
