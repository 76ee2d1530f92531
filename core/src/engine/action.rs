//! What passes between an engine and its driver, beside bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{PortId, QueryId, SocketId};
use crate::addr::canonical;
use crate::plan::{Endpoint, SocketOptions};

/// The two ends of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnMeta {
    pub remote: SocketAddr,
    pub local: SocketAddr,
}

impl ConnMeta {
    /// IPv4 clients of a dual-stack listener are named as IPv4.
    pub fn new(remote: SocketAddr, local: SocketAddr) -> Self {
        Self {
            remote: canonical(remote),
            local: canonical(local),
        }
    }
}

/// What the driver has to do. After each input all of them are to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect a new socket; answer with `handle_connected`.
    Connect {
        id: SocketId,
        to: Endpoint,
        options: Arc<SocketOptions>,
    },
    /// Resolve a name, or the zone of an address (`fe80::1%eth0`); answer with `handle_resolved`. Addresses in the
    /// order in which to try them.
    Resolve {
        query: QueryId,
        host: String,
        port: u16,
    },
    /// There is something to write, or reading is wanted again.
    Wake(SocketId),
    /// Find out whether the peer's system still acknowledges what this socket sends, and did so within
    /// `within`; answer with `handle_reach`.
    Probe {
        id: SocketId,
        meta: ConnMeta,
        within: Duration,
    },
    /// Close the socket and forget the id. `reset`: with an RST, so that the peer does not take it for an end.
    Close { id: SocketId, reset: bool },
    /// After [`Engine::handle_drain`](super::Engine::handle_drain): nothing is left but closing sockets. Stop.
    Drained,
    /// Bind a socket; answer with `handle_bound`.
    Bind { id: PortId, ask: Ask },
    /// There are datagrams to send.
    WakePort(PortId),
    /// Close the socket and forget the id.
    Unbind(PortId),
}

/// What is to be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A listener: `handle_door` with its id tells who comes. At `[::]`, it is for IPv4 as well.
    Connections { local: SocketAddr },
    /// A UDP socket. At `[::]`, it is for IPv4 as well. With a `peer` it is connected.
    Datagrams {
        local: SocketAddr,
        peer: Option<SocketAddr>,
        options: Arc<SocketOptions>,
    },
}

/// What the engine wants of a socket now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Bytes to read at most; 0 is not to read.
    pub read: usize,
    /// Shut down writing once nothing is left to transmit.
    pub fin: bool,
}
