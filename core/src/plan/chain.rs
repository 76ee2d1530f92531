//! Chains: hops, their nodes, and what speaks to a node.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Dialer, HopPolicy, NodePolicy, Selector, TlsClient};
use crate::addr::Target;

#[derive(Clone, Debug)]
pub struct Chain {
    pub name: String,
    pub hops: Vec<Hop>,
}

/// One of its nodes is taken for each connection.
#[derive(Clone, Debug)]
pub struct Hop {
    pub name: String,
    pub nodes: Vec<Arc<Node>>,
    pub selector: Selector,
    pub policy: HopPolicy,
}

#[derive(Clone, Debug)]
pub struct Node {
    pub name: String,
    pub addr: Target,
    pub dialer: Dialer,
    pub connector: Connector,
    pub weight: u32,
    pub backup: bool,
    pub policy: NodePolicy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectorKind {
    /// Dials the target itself; the node's address is not used.
    Direct,
    Http,
    Socks4,
    Socks5,
    Relay,
    /// Passes bytes on: the far end chooses the target.
    Forward,
}

impl ConnectorKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Http => "http",
            Self::Socks4 => "socks4",
            Self::Socks5 => "socks5",
            Self::Relay => "relay",
            Self::Forward => "forward",
        }
    }
}

/// What speaks to a node to reach the next one or the target.
#[derive(Clone)]
pub struct Connector {
    pub kind: ConnectorKind,
    pub auth: Option<(String, String)>,
    /// Added to an HTTP CONNECT.
    pub headers: Vec<(String, String)>,
    /// For TLS inside SOCKS5; offered only on a channel that is not encrypted. `None` is `notls`.
    pub socks_tls: Option<TlsClient>,
    /// SOCKS4: resolve here and send the plain form.
    pub disable_4a: bool,
    /// Relay: wait for the response before the tunnel counts as open.
    pub nodelay: bool,
    /// SOCKS5: carry datagrams outside the channel (UDP ASSOCIATE), not in it (UDP-TUN).
    pub associate: bool,
    /// For the exchange with the node.
    pub timeout: Duration,
}

impl Connector {
    pub fn new(kind: ConnectorKind) -> Self {
        Self {
            kind,
            auth: None,
            headers: Vec::new(),
            socks_tls: None,
            disable_4a: false,
            nodelay: false,
            associate: false,
            timeout: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("kind", &self.kind)
            .field("user", &self.auth.as_ref().map(|(user, _)| user))
            .finish_non_exhaustive()
    }
}
