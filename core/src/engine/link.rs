//! Links: a transport, its layers, and what sits on top. Input rises, output sinks, ends are told once.

mod layers;
mod timer;

use super::ends::Ends;
use super::inbox::Inbox;
use super::pace::Pace;
use super::splice::Inflow;
use super::{ConnMeta, DialId, Engine, LinkId, MuxId, PortId, SessionId};
use crate::buffer::Rope;
use crate::layer::{AnyLayer, Info, Up};
use crate::limits::Limits;
use crate::plan::Counted;
use crate::time::Time;

/// What carries the bytes of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Socket,
    /// Stream `id` of a mux session.
    Stream {
        mux: MuxId,
        id: u32,
    },
    /// No bytes at all: datagrams go by its port.
    Port,
}

/// What sits on top of the layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Top {
    /// Accepted by this service, still in its handshakes.
    Incoming(usize),
    Client(SessionId),
    Upstream(SessionId),
    Dial(DialId),
    Mux(MuxId),
    /// A port at the node, for datagrams.
    Port(PortId),
    /// Only the rest of the output matters.
    Closing,
}

/// How a link ends once its output is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// With a FIN; then input is discarded until the peer's end, so that no RST destroys the last bytes.
    Fin,
    Reset,
}

pub(super) struct Link {
    pub(super) base: Base,
    pub(super) ends: Ends,
    /// See [`Link::client`], where that is not `ends`.
    named: Option<Box<Ends>>,
    pub(super) connected: bool,
    pub(super) layers: Vec<AnyLayer>,
    pub(super) top: Top,
    /// Output of the lowest layer, for the socket or for the mux session below.
    pub(super) out: Rope,
    /// What the top sends, as long as enough of it is in frames already (see `lane`); never empty.
    pub(super) later: Option<Box<Rope>>,
    pub(super) pace: Pace,
    /// The layers said their end: nothing is sent any more.
    pub(super) said_end: bool,
    /// After that, so many layers from below can still say something at the end of both directions.
    pub(super) unsaid: u32,
    /// The transport is to say its end behind what is queued.
    pub(super) finished: bool,
    /// Something was received.
    pub(super) heard: bool,
    /// The transport takes nothing more.
    pub(super) broken: bool,
    /// The transport has nothing more to read.
    pub(super) input_over: bool,
    /// The top was told that input has ended.
    pub(super) ended: bool,
    /// The other side of the session is over high water.
    pub(super) paused: bool,
    /// The session that has to have room before this link is read.
    pub(super) waits_for: Option<MuxId>,
    pub(super) closing: Option<Closing>,
    /// However slowly the rest of the output leaves.
    pub(super) closing_by: Option<Time>,
    /// When output left for the last time.
    pub(super) moved: Time,
    /// Of a stream, while there is something in it.
    pub(super) inbox: Option<Box<Inbox>>,
    /// End of a handshake, or of lingering.
    pub(super) deadline: Option<Time>,
    pub(super) armed: Option<Time>,
    pub(super) read_size: usize,
    pub(super) inflow: Inflow,
    pub(super) encrypted: bool,
    /// What is said about the number of proxies when something is dialed for this client: 0 is nothing.
    pub(super) hops: u8,
    /// A request was refused, and that was told.
    pub(super) refused: bool,
    pub(super) waking: bool,
    /// It is known who the client is, and that it may come in.
    pub(super) admitted: bool,
    /// Under the caps of its service.
    pub(super) counted: Option<Box<Counted>>,
    /// What it counts for in the byte budget: at any time, and for what waits; and whether that may be old.
    pub(super) fixed: u32,
    pub(super) held: usize,
    pub(super) touched: bool,
    /// The socket of its datagrams.
    pub(super) port: Option<PortId>,
}

impl Link {
    /// Of a client's link: who the client is, and where it connected to. That is `ends` until a trusted proxy in
    /// front says for whom it speaks, and what everything goes by: the log, limits, the choice of nodes, what
    /// others are told.
    pub(super) fn client(&self) -> ConnMeta {
        self.client_ends().meta()
    }

    pub(super) fn client_ends(&self) -> Ends {
        self.named.as_deref().unwrap_or(&self.ends).clone()
    }

    pub(super) fn client_is(&mut self, client: ConnMeta) {
        self.named = (client != self.ends.meta()).then(|| Box::new(client.into()));
    }

    /// Puts a layer on top. There is a second one with TLS only, and room for four would be kept for good.
    pub(super) fn add(&mut self, layer: AnyLayer) {
        self.layers.reserve_exact(1);
        self.layers.push(layer);
    }

    /// Output left. A slow reader gets all of it, as long as it reads.
    pub(super) fn progress(&mut self, limits: &Limits, now: Time) {
        self.moved = now;
        if self.closing.is_some() {
            let by = now + limits.patience(&self.out);
            self.deadline = Some(self.closing_by.map_or(by, |latest| latest.min(by)));
        }
    }

    /// Whether pieces go straight to its transport, without layers.
    pub(super) fn takes_pieces(&self) -> bool {
        let over = self.said_end || self.finished || self.broken || self.closing.is_some();
        self.layers.is_empty() && !over
    }
}

impl Engine {
    pub(super) fn new_link(&mut self, base: Base, ends: impl Into<Ends>, top: Top) -> LinkId {
        let id = self.links.insert(Link {
            base,
            ends: ends.into(),
            named: None,
            connected: true,
            layers: Vec::new(),
            top,
            out: Rope::default(),
            later: None,
            pace: Pace::new(self.now),
            said_end: false,
            unsaid: 0,
            finished: false,
            heard: false,
            broken: false,
            input_over: false,
            ended: false,
            paused: false,
            waits_for: None,
            closing: None,
            closing_by: None,
            moved: self.now,
            inbox: None,
            deadline: None,
            armed: None,
            read_size: self.plan.limits.read,
            inflow: Inflow::default(),
            encrypted: false,
            hops: 0,
            refused: false,
            waking: false,
            admitted: true,
            counted: None,
            fixed: 0,
            held: 0,
            touched: false,
            port: None,
        });
        if let Base::Stream { .. } = base {
            self.count_stream();
        }
        self.touch(id);
        id
    }

    /// A client's socket, or a stream it opened.
    pub(super) fn accept(&mut self, base: Base, service: usize, meta: ConnMeta) -> LinkId {
        let id = self.new_link(base, meta, Top::Incoming(service));
        let plan = self.plan.clone();
        if base == Base::Socket && !self.comes_in(id, service) {
            return id;
        }
        if base == Base::Socket
            && let Some(service) = plan.services.get(service)
        {
            if service.listener.edge.expects_header(meta.remote.ip()) {
                let layer = AnyLayer::Proxied(Box::default());
                self.links[id].add(layer);
            }
            if let Err(fail) = self.push_server_layers(id, &service.listener) {
                self.link_failed(id, fail);
                return id;
            }
            if !self.links[id].layers.is_empty() {
                self.links[id].deadline = Some(self.now + service.listener.handshake_timeout);
            }
        }
        self.rise(id, 0, Up::Ready(Info::default()));
        self.link_timer(id);
        id
    }
}
