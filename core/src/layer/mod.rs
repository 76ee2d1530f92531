//! Layers between a transport and what it carries: TLS and websocket, both roles, one interface.

pub mod proxied;
pub mod tls;
pub mod upgrade;
pub mod upgrade_or_site;
pub mod ws;

use std::net::SocketAddr;

use bytes::BytesMut;

use crate::buffer::Rope;
use crate::entropy::Entropy;
use crate::error::{Eof, Fail};
use crate::limits::Limits;
use crate::time::Time;
use crate::wire::deflate::Pool;
use crate::wire::proxy_protocol;

/// What a layer may ask of its surroundings.
pub struct Cx<'a> {
    pub now: Time,
    pub entropy: &'a mut Entropy,
    pub limits: &'a Limits,
    pub deflate: &'a mut Pool,
    /// Bytes that a small input may become at once; what would be more waits in its small form.
    pub room: usize,
}

/// Where a layer puts what it produces: plain data and news upwards, wire bytes downwards.
pub struct Io<'a> {
    pub up: &'a mut Vec<Up>,
    pub down: &'a mut Rope,
}

#[derive(Debug)]
pub enum Up {
    /// The handshake is over; said once, before any data.
    Ready(Info),
    Data(BytesMut),
    /// What the peer asked was refused, for this reason; it may ask again.
    Refused(Fail),
    /// The peer sends no more. `both`: it does not read any more either.
    End {
        both: bool,
    },
}

/// What a handshake found out about the peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// The peer takes a smux FIN for a half-close.
    pub half_close: bool,
    /// Both ends take smux version 2.
    pub mux_v2: bool,
    /// The peer knows the smux commands RST and AWAY.
    pub signals: bool,
    /// Of a server's websocket: what its proxy says to the next one about how many there are.
    pub hops: u8,
    /// Who the client is, by the fields of its request. Whether the peer may say so, the engine knows.
    pub client: Option<SocketAddr>,
    /// Of a layer that only looks at the beginning of a connection, and is taken away then.
    pub found: Option<Found>,
}

/// What such a layer found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Proxied(proxy_protocol::Header),
    /// The node that listens for us told who came, unless it does not know.
    Peer(Option<SocketAddr>),
    /// The right upgrade.
    Upgrade,
    /// Anything else.
    Stranger,
}

/// A layer in either role. A violation is an error with its goodbye already in `down`; nothing is
/// said upwards after it. What is not said here otherwise is that of a layer that changes nothing and knows no time.
pub trait Layer {
    /// The transport below is ready: say what the role says first.
    fn start(&mut self, _cx: &mut Cx, _io: &mut Io) -> Result<(), Fail> {
        Ok(())
    }
    fn recv(&mut self, cx: &mut Cx, wire: BytesMut, io: &mut Io) -> Result<(), Fail>;
    /// The transport below ended. In order, where the layer allows it, it is an [`Up::End`].
    fn lower_end(&mut self, cx: &mut Cx, how: Eof, io: &mut Io) -> Result<(), Fail>;
    /// Takes all of `data`: called only after `Ready`, never after `finish`.
    fn send(&mut self, _cx: &mut Cx, data: &mut Rope, down: &mut Rope) -> Result<(), Fail> {
        down.append(data);
        Ok(())
    }
    /// No more data will be sent. True: the transport below is to end its direction as well. Otherwise it is called
    /// again when the peer's direction has ended, too.
    fn finish(&mut self, _cx: &mut Cx, _down: &mut Rope) -> bool {
        true
    }
    /// Both directions end because of `why`: say so, if the layer has words for it.
    fn abort(&mut self, _cx: &mut Cx, _why: &Fail, _down: &mut Rope) {}
    fn timeout(&mut self, _cx: &mut Cx, _io: &mut Io) -> Result<(), Fail> {
        Ok(())
    }
    fn next_timeout(&self) -> Option<Time> {
        None
    }
    /// Bytes of input that wait in the layer for more, or for their turn.
    fn held(&self) -> usize;
}

/// The layers there are: one byte of tag instead of a pointer to functions. Boxed, since room for the largest would
/// be kept four times in the list of each link.
pub enum AnyLayer {
    Proxied(Box<proxied::Proxied>),
    UpgradeOrSite(Box<upgrade_or_site::UpgradeOrSite>),
    Tls(Box<tls::Tls>),
    Ws(Box<ws::Ws>),
}

impl Layer for AnyLayer {
    fn start(&mut self, cx: &mut Cx, io: &mut Io) -> Result<(), Fail> {
        match self {
            Self::Proxied(layer) => layer.start(cx, io),
            Self::UpgradeOrSite(layer) => layer.start(cx, io),
            Self::Tls(layer) => layer.start(cx, io),
            Self::Ws(layer) => layer.start(cx, io),
        }
    }

    fn recv(&mut self, cx: &mut Cx, wire: BytesMut, io: &mut Io) -> Result<(), Fail> {
        match self {
            Self::Proxied(layer) => layer.recv(cx, wire, io),
            Self::UpgradeOrSite(layer) => layer.recv(cx, wire, io),
            Self::Tls(layer) => layer.recv(cx, wire, io),
            Self::Ws(layer) => layer.recv(cx, wire, io),
        }
    }

    fn lower_end(&mut self, cx: &mut Cx, how: Eof, io: &mut Io) -> Result<(), Fail> {
        match self {
            Self::Proxied(layer) => layer.lower_end(cx, how, io),
            Self::UpgradeOrSite(layer) => layer.lower_end(cx, how, io),
            Self::Tls(layer) => layer.lower_end(cx, how, io),
            Self::Ws(layer) => layer.lower_end(cx, how, io),
        }
    }

    fn send(&mut self, cx: &mut Cx, data: &mut Rope, down: &mut Rope) -> Result<(), Fail> {
        match self {
            Self::Proxied(layer) => layer.send(cx, data, down),
            Self::UpgradeOrSite(layer) => layer.send(cx, data, down),
            Self::Tls(layer) => layer.send(cx, data, down),
            Self::Ws(layer) => layer.send(cx, data, down),
        }
    }

    fn finish(&mut self, cx: &mut Cx, down: &mut Rope) -> bool {
        match self {
            Self::Proxied(layer) => layer.finish(cx, down),
            Self::UpgradeOrSite(layer) => layer.finish(cx, down),
            Self::Tls(layer) => layer.finish(cx, down),
            Self::Ws(layer) => layer.finish(cx, down),
        }
    }

    fn abort(&mut self, cx: &mut Cx, why: &Fail, down: &mut Rope) {
        match self {
            Self::Proxied(layer) => layer.abort(cx, why, down),
            Self::UpgradeOrSite(layer) => layer.abort(cx, why, down),
            Self::Tls(layer) => layer.abort(cx, why, down),
            Self::Ws(layer) => layer.abort(cx, why, down),
        }
    }

    fn timeout(&mut self, cx: &mut Cx, io: &mut Io) -> Result<(), Fail> {
        match self {
            Self::Proxied(layer) => layer.timeout(cx, io),
            Self::UpgradeOrSite(layer) => layer.timeout(cx, io),
            Self::Tls(layer) => layer.timeout(cx, io),
            Self::Ws(layer) => layer.timeout(cx, io),
        }
    }

    fn next_timeout(&self) -> Option<Time> {
        match self {
            Self::Proxied(layer) => layer.next_timeout(),
            Self::UpgradeOrSite(layer) => layer.next_timeout(),
            Self::Tls(layer) => layer.next_timeout(),
            Self::Ws(layer) => layer.next_timeout(),
        }
    }

    fn held(&self) -> usize {
        match self {
            Self::Tls(layer) => layer.held(),
            Self::Ws(layer) => layer.held(),
            Self::Proxied(layer) => layer.held(),
            Self::UpgradeOrSite(layer) => layer.held(),
        }
    }
}

impl AnyLayer {
    /// Whether input waits in it for its turn: more would only pile up.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Ws(ws) if ws.is_busy())
    }

    /// Bytes of input that come next and rise through it unchanged: they may pass by it, which is to be told
    /// by [`Self::passed`].
    pub(crate) fn opaque(&self) -> usize {
        match self {
            Self::Ws(ws) => ws.opaque(),
            _ => 0,
        }
    }

    pub(crate) fn passed(&mut self, n: usize, now: Time) {
        if let Self::Ws(ws) = self {
            ws.passed(n, now);
        }
    }

    /// The rest of the header in front of such bytes, if one comes next.
    pub(crate) fn next_head(&self) -> usize {
        match self {
            Self::Ws(ws) => ws.next_head(),
            _ => 0,
        }
    }

    /// Whether it sends what it is given unchanged, behind a header at most.
    pub(crate) fn sends_plainly(&self) -> bool {
        matches!(self, Self::Ws(ws) if ws.sends_plainly())
    }

    /// What it costs at rest, in bytes: measured, and rounded up.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Self::Tls(tls) if tls.is_ready() => 4 * 1024,
            // rustls, and certificates.
            Self::Tls(_) => 16 * 1024,
            Self::Ws(_) | Self::UpgradeOrSite(_) => 512,
            Self::Proxied(_) => 0,
        }
    }
}
