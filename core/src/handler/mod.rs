//! Handlers: what speaks to the client of a service until the relay starts.

use std::net::SocketAddr;

use bytes::BytesMut;

use crate::addr::Target;
use crate::error::Fail;
use crate::plan;

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
    /// The service has targets of its own (`forward` and relay's forward mode).
    pub forwards: bool,
}

/// Where the client wants to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// What the client named.
    Target(Target),
    /// One of the service's own targets.
    Forward,
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
