//! Links: a transport, its layers, and what sits on top. Input rises, output sinks, ends are told once.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;

use super::ends::Ends;
use super::pace::Pace;
use super::session::rope;
use super::splice::Inflow;
use super::{Action, ConnMeta, DialId, Engine, Key, LinkId, MuxId, PortId, SessionId};
use crate::buffer::{Rope, Seg};
use crate::error::{Cause, Eof, Fail};
use crate::layer::tls::Tls;
use crate::layer::upgrade_or_site::UpgradeOrSite;
use crate::layer::ws::Ws;
use crate::layer::{AnyLayer, Cx, Info, Io, Layer, Up};
use crate::limits::Limits;
use crate::plan::{Counted, Dialer, Listener};
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

/// A stream's input that waits for the top to take it.
#[derive(Default)]
pub(super) struct Inbox {
    pub(super) pieces: VecDeque<BytesMut>,
    pub(super) len: usize,
    /// The peer's end is behind it.
    pub(super) fin: bool,
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

    /// Bytes in the inbox, and in how many pieces.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let inbox = self.inbox.as_ref();
        inbox.map_or((0, 0), |inbox| (inbox.len, inbox.pieces.len()))
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

    fn push_server_layers(&mut self, id: LinkId, listener: &Listener) -> Result<(), Fail> {
        let link = &mut self.links[id];
        if let Some(config) = &listener.tls {
            link.add(AnyLayer::Tls(Box::new(Tls::server(config.clone())?)));
            link.encrypted = true;
        }
        if let Some(ws) = &listener.ws {
            link.read_size = ws.read.unwrap_or(link.read_size);
            if listener.edge.fallback.is_some() {
                let choice = UpgradeOrSite::new(ws.clone());
                link.add(AnyLayer::UpgradeOrSite(Box::new(choice)));
            }
            let layer = Ws::server(ws.clone(), listener.mux.is_some())
                .offering_v2(listener.mux.as_ref().is_some_and(|mux| mux.agree));
            link.add(AnyLayer::Ws(Box::new(layer)));
        }
        Ok(())
    }

    pub(super) fn push_client_layers(
        &mut self,
        id: LinkId,
        dialer: &Dialer,
        hops: u8,
    ) -> Result<(), Fail> {
        let link = &mut self.links[id];
        if let Some(tls) = &dialer.tls {
            link.add(AnyLayer::Tls(Box::new(Tls::client(tls)?)));
            link.encrypted = true;
        }
        if let Some(ws) = &dialer.ws {
            link.read_size = ws.read.unwrap_or(link.read_size);
            let layer = Ws::client(ws.clone(), dialer.mux.is_some())
                .offering_v2(dialer.mux.as_ref().is_some_and(|mux| mux.agree))
                .after(hops);
            link.add(AnyLayer::Ws(Box::new(layer)));
        }
        Ok(())
    }

    /// A link, and what its layers may ask for: two borrows of different parts.
    pub(super) fn parts(&mut self, id: LinkId) -> Option<(&mut Link, Cx<'_>)> {
        let room = self.memory.share().unwrap_or(usize::MAX);
        let link = self.links.get_mut(id)?;
        let cx = Cx {
            now: self.now,
            entropy: &mut self.entropy,
            limits: &self.plan.limits,
            deflate: &mut self.deflate,
            room,
        };
        Some((link, cx))
    }

    /// Takes news to layer `level`, or to the top when there is none.
    ///
    /// A layer pushed by the top on the way (the next hop of a chain, TLS in SOCKS5) gets what follows.
    pub(super) fn rise(&mut self, id: LinkId, level: usize, up: Up) {
        self.touch(id);
        let Some(link) = self.links.get(id) else {
            return;
        };
        if level >= link.layers.len() {
            return self.top(id, up);
        }
        let mut ups = self.ups.pop().unwrap_or_default();
        let mut down = Rope::default();
        let Some((link, mut cx)) = self.parts(id) else {
            return;
        };
        let layer = &mut link.layers[level];
        let result = {
            let mut io = Io {
                up: &mut ups,
                down: &mut down,
            };
            match up {
                Up::Ready(_) => layer.start(&mut cx, &mut io),
                Up::Data(wire) => layer.recv(&mut cx, wire, &mut io),
                Up::End { .. } => layer.lower_end(&mut cx, Eof::Fin, &mut io),
                Up::Refused(fail) => {
                    io.up.push(Up::Refused(fail));
                    Ok(())
                }
            }
        };
        self.sink(id, level, &mut down);
        let mut above = level + 1;
        let mut read = None;
        for up in ups.drain(..) {
            if let Up::Data(data) = up {
                match self.mux_on(id, above) {
                    Some(mux) => {
                        self.mux_read(mux, data);
                        read = Some(mux);
                    }
                    None => self.rise(id, above, Up::Data(data)),
                }
                continue;
            }
            if let Some(mux) = read.take() {
                self.mux_settle(mux);
            }
            match up {
                Up::Ready(info) => {
                    self.trace_ready(id, level);
                    above = self.ready(id, level, info);
                }
                up => self.rise(id, above, up),
            }
        }
        if let Some(mux) = read {
            self.mux_settle(mux);
        }
        self.ups.push(ups);
        if let Err(fail) = result {
            self.link_failed(id, fail);
        }
    }

    pub(super) fn top(&mut self, id: LinkId, up: Up) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let top = link.top;
        match up {
            Up::Ready(info) => self.link_up(id, top, info),
            Up::Refused(fail) => {
                link.refused = true;
                self.rejected(id, top, fail);
            }
            Up::Data(data) => match top {
                Top::Client(session) => self.client_data(session, data),
                Top::Upstream(session) => self.upstream_data(session, data),
                Top::Dial(dial) => self.dial_data(dial, data),
                Top::Mux(mux) => self.mux_data(mux, data),
                Top::Port(port) => self.far_data(port, data),
                Top::Incoming(_) | Top::Closing => {}
            },
            Up::End { both } => {
                if std::mem::replace(&mut link.ended, true) {
                    return;
                }
                match top {
                    Top::Client(session) => self.client_end(session, both),
                    Top::Upstream(session) => self.upstream_end(session, both),
                    Top::Dial(_) | Top::Mux(_) | Top::Port(_) | Top::Incoming(_) => {
                        let fail = Fail::new(Cause::Closed, "the peer closed the connection");
                        self.link_failed(id, fail);
                    }
                    Top::Closing => self.try_close(id),
                }
            }
        }
    }

    fn link_up(&mut self, id: LinkId, top: Top, info: Info) {
        match top {
            Top::Incoming(service) => {
                if !self.is_admitted(id, service) {
                    return;
                }
                let plan = self.plan.clone();
                let Some(planned) = plan.services.get(service) else {
                    return self.close(id);
                };
                let stream = self.links[id].base != Base::Socket;
                self.links[id].deadline = None;
                match &planned.listener.mux {
                    Some(mux) if !stream => self.mux_accepted(id, service, mux, info),
                    _ => self.open_session(id, service),
                }
            }
            Top::Dial(dial) => self.dial_up(dial, info),
            // TLS inside SOCKS5 is up: what it yields goes on with the negotiation.
            Top::Client(_) | Top::Upstream(_) | Top::Mux(_) | Top::Port(_) | Top::Closing => {}
        }
    }

    /// Sends on top of all layers: one call is one websocket message, one run of TLS records.
    pub(super) fn send(&mut self, id: LinkId, data: &mut Rope) {
        let Some(link) = self.links.get(id) else {
            return data.clear();
        };
        if link.said_end || link.broken || link.closing.is_some() {
            return data.clear();
        }
        if link.has_lane() {
            self.touch(id);
            return self.queue(id, data);
        }
        let level = link.layers.len();
        self.sink(id, level, data);
    }

    /// The same with a single piece, which goes straight to a transport without layers.
    pub(super) fn send_piece(&mut self, id: LinkId, piece: BytesMut) {
        if let Some(link) = self.links.get_mut(id)
            && link.takes_pieces()
        {
            link.out.push(Seg::new(piece));
            self.touch(id);
            return self.wake(id);
        }
        self.send(id, &mut rope(piece));
    }

    /// Takes output down through the layers below `level` to the transport.
    pub(super) fn sink(&mut self, id: LinkId, level: usize, data: &mut Rope) {
        if data.is_empty() {
            return;
        }
        let Some((link, mut cx)) = self.parts(id) else {
            return;
        };
        let mut failed = None;
        let mut below = Rope::default();
        for layer in link.layers[..level].iter_mut().rev() {
            if let Err(fail) = layer.send(&mut cx, data, &mut below) {
                failed = Some(fail);
                break;
            }
            data.clear();
            std::mem::swap(data, &mut below);
        }
        if link.finished || link.broken {
            // A lower layer that still reads may answer to what it reads, but nothing follows the end.
            data.clear();
        }
        link.out.append(data);
        self.touch(id);
        self.wake(id);
        if let Some(fail) = failed {
            self.link_failed(id, fail);
        }
    }

    /// Tells whoever empties `out` that there is something to do.
    pub(super) fn wake(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        match link.base {
            Base::Socket => {
                if link.connected && !std::mem::replace(&mut link.waking, true) {
                    self.actions.push_back(Action::Wake(id));
                }
            }
            Base::Stream { mux, id: stream } => {
                if let Some(session) = self.muxes.get_mut(mux) {
                    session.smux.wants_send(stream);
                    self.want_pump(mux);
                }
            }
            Base::Port => {}
        }
    }

    pub(super) fn link_timer(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let layers = link.layers.iter().filter_map(Layer::next_timeout).min();
        let at = match (link.deadline, layers) {
            (Some(a), Some(b)) if link.closing.is_none() => Some(a.min(b)),
            (Some(a), _) => Some(a),
            (None, b) => b,
        };
        self.timers.arm(Key::Link(id), &mut link.armed, at);
    }

    pub(super) fn link_timeout(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.armed = None;
        if link.deadline.is_some_and(|deadline| deadline <= self.now) {
            link.deadline = None;
            if link.closing.is_some() {
                let reset = !link.out.is_empty() || link.closing == Some(Closing::Reset);
                return self.remove_link(id, reset);
            }
            let fail = Fail::new(Cause::TimedOut, "handshake not finished in time");
            return self.link_failed(id, fail);
        }
        for level in 0..link.layers.len() {
            self.layer_timeout(id, level);
        }
        self.link_timer(id);
    }

    fn layer_timeout(&mut self, id: LinkId, level: usize) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        if link.layers[level]
            .next_timeout()
            .is_none_or(|at| at > self.now)
        {
            return;
        }
        self.touch(id);
        let Some(link) = self.links.get(id) else {
            return;
        };
        let listens = self.accepts(link) && self.read_room(link) > 0;
        let mut ups = Vec::new();
        let mut down = Rope::default();
        let Some((link, mut cx)) = self.parts(id) else {
            return;
        };
        let layer = &mut link.layers[level];
        if let AnyLayer::Ws(ws) = layer {
            ws.listens(listens);
        }
        let was_busy = layer.is_busy();
        let mut io = Io {
            up: &mut ups,
            down: &mut down,
        };
        let result = layer.timeout(&mut cx, &mut io);
        let was_busy = was_busy && !layer.is_busy();
        self.sink(id, level, &mut down);
        for up in ups {
            self.rise(id, level + 1, up);
        }
        match result {
            Ok(()) => {
                self.probe_if_in_doubt(id, level);
                if was_busy {
                    self.reread(id);
                }
            }
            Err(fail) => self.link_failed(id, fail),
        }
    }

    /// Adds server or client TLS on top of a link (SOCKS5 methods 0x80 and 0x82) and starts it.
    pub(super) fn push_tls(&mut self, id: LinkId, layer: Result<Tls, Fail>) {
        let layer = match layer {
            Ok(layer) => layer,
            Err(fail) => return self.link_failed(id, fail),
        };
        self.frame_all(id);
        let link = &mut self.links[id];
        let level = link.layers.len();
        link.add(AnyLayer::Tls(Box::new(layer)));
        link.encrypted = true;
        self.rise(id, level, Up::Ready(Info::default()));
    }

    pub(super) fn service_tls(
        &self,
        config: Option<&Arc<rustls::ServerConfig>>,
    ) -> Result<Tls, Fail> {
        let Some(config) = config else {
            return Err(Fail::new(
                Cause::Unsupported,
                "TLS in SOCKS5 is off (notls)",
            ));
        };
        Tls::server(config.clone())
    }
}
