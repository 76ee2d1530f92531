//! Every bound and waiting time of the engine, with its default. All settable through the plan.

use std::time::Duration;

use crate::buffer::Rope;

/// Bounds on what a peer can make grow, and on how long it can make us wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that one engine holds at most, connections and what waits for them; `None` is no budget.
    /// A process divides what it may hold by its threads.
    pub memory: Option<usize>,
    /// Bytes of one HTTP request or response head.
    pub head: usize,
    /// Fields of one HTTP head.
    pub fields: usize,
    /// Output waiting for one link: above `high` its source pauses, below `low` it goes on.
    pub high: usize,
    pub low: usize,
    /// What is sent over a websocket, and by a mux session, is put into frames only while less than this waits
    /// below, in bytes, and about half a second of a slow link, but four times as much of one from which that has
    /// left in 30 ms: control frames go before all the rest.
    pub ahead: usize,
    /// Input kept before the relay starts, in bytes.
    pub early: usize,
    /// One read from a socket, in bytes.
    pub read: usize,
    /// Payload of one websocket message that we send, in bytes, and a header more where that spares cutting a smux
    /// frame; of what is spliced, a message is what there is.
    pub ws_payload: usize,
    /// A read of this many bytes is a large one. After two of them in a row, payload of which nobody here looks
    /// at the rest, and that is as long, is offered to be spliced.
    pub splice: usize,
    /// Bytes of datagrams that wait for one end of an association.
    pub datagrams: usize,
    /// Clients of one udp listener.
    pub associations: usize,
    /// Each stage of an incoming handshake: TLS, upgrade, proxy negotiation.
    pub handshake: Duration,
    /// A whole dial through all hops.
    pub dial: Duration,
    /// After a half-close, the other direction may be silent this long.
    pub half_close: Duration,
    /// Of what has ended, a reader that has not yet taken all may take nothing for this long: about as long as
    /// a system itself waits for the reader of a socket that is closed.
    pub stall: Duration,
    /// However slowly its reader takes it: the rest of a connection that ended in order.
    pub rest: Duration,
    /// A half-close that a mux peer would take for a full one is held back until the other
    /// direction has been silent this long.
    pub fin_hold: Duration,
    /// Time for the end of a closing connection whose last bytes have left; with some that wait, `stall`.
    pub linger: Duration,
    /// A connection to the site in front of a listener, between two requests.
    pub http_keep: Duration,
    /// An HTTP upstream connection kept for the next request of the same client.
    pub http_idle: Duration,
}

impl Limits {
    /// For devices with little memory: what waits and what is read at once is an eighth to a quarter, at the
    /// price of more system calls.
    pub fn small() -> Self {
        Self {
            high: 64 * 1024,
            low: 16 * 1024,
            ahead: 32 * 1024,
            early: 32 * 1024,
            read: 16 * 1024,
            ws_payload: 16 * 1024,
            splice: 16 * 1024,
            ..Self::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: None,
            head: 16 * 1024,
            fields: 100,
            high: 256 * 1024,
            low: 64 * 1024,
            ahead: 64 * 1024,
            early: 64 * 1024,
            read: 256 * 1024,
            ws_payload: 64 * 1024,
            splice: 32 * 1024,
            datagrams: 1024 * 1024,
            associations: 16 * 1024,
            handshake: Duration::from_secs(10),
            dial: Duration::from_secs(15),
            half_close: Duration::from_secs(60),
            stall: Duration::from_secs(300),
            rest: Duration::from_secs(3600),
            fin_hold: Duration::from_secs(10),
            linger: Duration::from_secs(5),
            http_keep: Duration::from_secs(65),
            http_idle: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// How long a closing connection may make no progress. The peer may be cut off for a while, or its
    /// process stopped, and what it has not yet taken would be lost.
    pub(crate) fn patience(&self, waits: &Rope) -> Duration {
        match waits.is_empty() {
            true => self.linger,
            false => self.stall,
        }
    }
}
