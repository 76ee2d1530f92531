//! What the engine has to say to an operator: structured, so that the program decides on wording.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::error::Fail;

/// A connection's number, unique within an engine.
pub type ConnectionNo = u64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A client's connection (or mux stream) came in: gost's `REMOTE <> LOCAL`.
    Opened {
        no: ConnectionNo,
        service: usize,
        remote: SocketAddr,
        local: SocketAddr,
    },
    /// The way to its target is open: gost's `REMOTE <-> TARGET`.
    Connected {
        no: ConnectionNo,
        service: usize,
        remote: SocketAddr,
        target: String,
        /// Names of the nodes on the way; empty when direct.
        route: String,
    },
    /// It is over: gost's `REMOTE >< LOCAL`. Bytes count payload.
    Closed {
        no: ConnectionNo,
        service: usize,
        remote: SocketAddr,
        local: SocketAddr,
        target: Option<String>,
        /// The way to the target was open.
        connected: bool,
        duration: Duration,
        /// From the client to the target.
        input: u64,
        output: u64,
        /// Datagrams that found a queue full.
        dropped: u64,
        /// Absent when both sides ended in order.
        fail: Option<Fail>,
    },
    /// An incoming connection failed before it became a client of the service.
    Rejected {
        service: usize,
        remote: SocketAddr,
        fail: Fail,
    },
    /// Wrong credentials, answered as if there were none to give (`probeResist`).
    LoginFailed {
        no: ConnectionNo,
        service: usize,
        remote: SocketAddr,
        fail: Fail,
    },
    /// The port of a service that listens at the far end of its chain is open there, or it did not open or is
    /// lost: then it is tried again and again.
    PortOpened {
        service: usize,
        addr: String,
        place: String,
    },
    PortLost {
        service: usize,
        fail: Fail,
    },
    /// A mux session to a node (or from a client) is up.
    SessionUp {
        place: String,
        remote: Option<SocketAddr>,
        /// The one before was lost.
        again: bool,
    },
    SessionDown {
        place: String,
        streams: usize,
        /// To a node; otherwise it is a client's.
        dialed: bool,
        /// Absent when it was closed on purpose.
        fail: Option<Fail>,
    },
    /// A step on the way, if [`Plan::trace`](crate::plan::Plan::trace) asks for it.
    Trace {
        no: Option<ConnectionNo>,
        remote: Option<SocketAddr>,
        step: Traced,
    },
    /// Nobody is accepted while there are no descriptors. Told with each attempt.
    Exhausted,
    /// A drain is over.
    Drained {
        /// Connections that were not finished in time.
        cut: usize,
    },
    /// One attempt to reach a node or target failed; another may follow.
    DialFailed {
        no: Option<ConnectionNo>,
        place: String,
        fail: Fail,
    },
}

/// What happened on the way to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Traced {
    /// A name is asked for, or what it stands for is known.
    Resolving {
        host: String,
    },
    Resolved {
        addrs: Vec<IpAddr>,
    },
    /// An attempt to connect begins, or has succeeded.
    Connecting,
    Connected,
    /// A handshake is over.
    Ready {
        layer: &'static str,
    },
    /// A stream of a mux session begins or ends.
    StreamOpened {
        stream: u32,
    },
    StreamClosed {
        stream: u32,
    },
}
