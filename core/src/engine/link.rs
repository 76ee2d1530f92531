//! Links: a transport, its layers, and what sits on top. Input rises, output sinks, ends are told once.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;

use super::{Action, ConnMeta, DialId, Engine, Key, LinkId, MuxId, SessionId, Work};
use crate::buffer::Rope;
use crate::error::{Cause, Eof, Fail};
use crate::event::Event;
use crate::layer::tls::Tls;
use crate::layer::ws::Ws;
use crate::layer::{AnyLayer, Cx, Info, Io, Layer, Up};
use crate::mux::Smux;
use crate::plan::{Dialer, Listener, Node};
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
    pub(super) meta: ConnMeta,
    pub(super) connected: bool,
    pub(super) layers: Vec<AnyLayer>,
    pub(super) top: Top,
    /// Output of the lowest layer, for the socket or for the mux session below.
    pub(super) out: Rope,
    /// The layers said their end: nothing is sent any more.
    pub(super) said_end: bool,
    /// The transport is to say its end behind what is queued.
    pub(super) finished: bool,
    /// The top was told that input has ended.
    pub(super) ended: bool,
    /// The other side of the session is over high water.
    pub(super) paused: bool,
    pub(super) closing: Option<Closing>,
    /// A stream's input that waits for the top to take it.
    pub(super) inbox: VecDeque<BytesMut>,
    pub(super) inbox_fin: bool,
    /// End of a handshake, or of lingering.
    pub(super) deadline: Option<Time>,
    pub(super) armed: Option<Time>,
    pub(super) read_size: usize,
    pub(super) encrypted: bool,
    pub(super) waking: bool,
    /// The nodes an upstream link goes through, for the log.
    pub(super) route: Vec<Arc<Node>>,
}

impl Engine {
    pub(super) fn new_link(&mut self, base: Base, meta: ConnMeta, top: Top) -> LinkId {
        self.links.insert(Link {
            base,
            meta,
            connected: true,
            layers: Vec::new(),
            top,
            out: Rope::default(),
            said_end: false,
            finished: false,
            ended: false,
            paused: false,
            closing: None,
            inbox: VecDeque::new(),
            inbox_fin: false,
            deadline: None,
            armed: None,
            read_size: self.plan.limits.read,
            encrypted: false,
            waking: false,
            route: Vec::new(),
        })
    }

    /// A client's socket, or a stream it opened.
    pub(super) fn accept(&mut self, base: Base, service: usize, meta: ConnMeta) -> LinkId {
        let id = self.new_link(base, meta, Top::Incoming(service));
        let plan = self.plan.clone();
        if base == Base::Socket
            && let Some(service) = plan.services.get(service)
        {
            if let Err(fail) = self.push_server_layers(id, &service.listener) {
                self.link_failed(id, fail);
                return id;
            }
            if !self.links[id].layers.is_empty() {
                self.links[id].deadline = Some(self.now + plan.limits.handshake);
            }
        }
        self.rise(id, 0, Up::Ready(Info::default()));
        self.link_timer(id);
        id
    }

    fn push_server_layers(&mut self, id: LinkId, listener: &Listener) -> Result<(), Fail> {
        let link = &mut self.links[id];
        if let Some(config) = &listener.tls {
            link.layers
                .push(AnyLayer::Tls(Tls::server(config.clone())?));
            link.encrypted = true;
        }
        if let Some(ws) = &listener.ws {
            link.read_size = ws.read.unwrap_or(link.read_size);
            let layer = Ws::server(ws.clone(), listener.mux.is_some());
            link.layers.push(AnyLayer::Ws(Box::new(layer)));
        }
        Ok(())
    }

    pub(super) fn push_client_layers(&mut self, id: LinkId, dialer: &Dialer) -> Result<(), Fail> {
        let link = &mut self.links[id];
        if let Some(tls) = &dialer.tls {
            link.layers.push(AnyLayer::Tls(Tls::client(tls)?));
            link.encrypted = true;
        }
        if let Some(ws) = &dialer.ws {
            link.read_size = ws.read.unwrap_or(link.read_size);
            let layer = Ws::client(ws.clone(), dialer.mux.is_some());
            link.layers.push(AnyLayer::Ws(Box::new(layer)));
        }
        Ok(())
    }

    /// A link, and what its layers may ask for: two borrows of different parts.
    fn parts(&mut self, id: LinkId) -> Option<(&mut Link, Cx<'_>)> {
        let link = self.links.get_mut(id)?;
        let cx = Cx {
            now: self.now,
            entropy: &mut self.entropy,
            limits: &self.plan.limits,
            deflate: &mut self.deflate,
        };
        Some((link, cx))
    }

    /// Takes news to layer `level`, or to the top when there is none.
    ///
    /// A layer pushed by the top on the way (the next hop of a chain, TLS in SOCKS5) gets what follows.
    pub(super) fn rise(&mut self, id: LinkId, level: usize, up: Up) {
        let mut ups = self.ups.pop().unwrap_or_default();
        let mut down = Rope::default();
        let Some((link, mut cx)) = self.parts(id) else {
            return;
        };
        let Some(layer) = link.layers.get_mut(level) else {
            self.ups.push(ups);
            return self.top(id, up);
        };
        let result = {
            let mut io = Io {
                up: &mut ups,
                down: &mut down,
            };
            match up {
                Up::Ready(_) => layer.start(&mut cx, &mut io),
                Up::Data(wire) => layer.recv(&mut cx, wire, &mut io),
                Up::End { .. } => layer.lower_end(&mut cx, Eof::Fin, &mut io),
            }
        };
        self.sink(id, level, &mut down);
        for up in ups.drain(..) {
            self.rise(id, level + 1, up);
        }
        self.ups.push(ups);
        if let Err(fail) = result {
            self.link_failed(id, fail);
        }
    }

    fn top(&mut self, id: LinkId, up: Up) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let top = link.top;
        match up {
            Up::Ready(info) => self.link_up(id, top, info),
            Up::Data(data) => match top {
                Top::Client(session) => self.client_data(session, data),
                Top::Upstream(session) => self.upstream_data(session, data),
                Top::Dial(dial) => self.dial_data(dial, data),
                Top::Mux(mux) => self.mux_data(mux, data),
                Top::Incoming(_) | Top::Closing => {}
            },
            Up::End { both } => {
                if std::mem::replace(&mut link.ended, true) {
                    return;
                }
                match top {
                    Top::Client(session) => self.client_end(session, both),
                    Top::Upstream(session) => self.upstream_end(session, both),
                    Top::Dial(_) | Top::Mux(_) | Top::Incoming(_) => {
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
            Top::Client(_) | Top::Upstream(_) | Top::Mux(_) | Top::Closing => {}
        }
    }

    /// Sends on top of all layers: one call is one websocket message, one run of TLS records.
    pub(super) fn send(&mut self, id: LinkId, data: &mut Rope) {
        let Some(link) = self.links.get(id) else {
            return data.clear();
        };
        if link.said_end || link.closing.is_some() {
            return data.clear();
        }
        let level = link.layers.len();
        self.sink(id, level, data);
    }

    /// Takes output down through the layers below `level` to the transport.
    fn sink(&mut self, id: LinkId, level: usize, data: &mut Rope) {
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
        if link.finished {
            // A lower layer that still reads may answer to what it reads, but nothing follows the end.
            data.clear();
        }
        link.out.append(data);
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
        }
    }

    /// No more output: each layer says its end, the transport its own if the layers want it.
    pub(super) fn finish(&mut self, id: LinkId) {
        if self.finish_layers(id) {
            self.finish_transport(id);
        }
    }

    /// Each layer from the top says its end; true if the transport is to say its own.
    fn finish_layers(&mut self, id: LinkId) -> bool {
        let Some(link) = self.links.get_mut(id) else {
            return false;
        };
        if std::mem::replace(&mut link.said_end, true) {
            return false;
        }
        for level in (0..link.layers.len()).rev() {
            let Some((link, mut cx)) = self.parts(id) else {
                return false;
            };
            let mut goodbye = Rope::default();
            let lower = link.layers[level].finish(&mut cx, &mut goodbye);
            self.sink(id, level, &mut goodbye);
            if !lower {
                return false;
            }
        }
        true
    }

    fn finish_transport(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if std::mem::replace(&mut link.finished, true) {
            return;
        }
        match link.base {
            Base::Socket => self.wake(id),
            Base::Stream { mux, id: stream } => {
                if let Some(session) = self.muxes.get_mut(mux) {
                    session.smux.finish(stream);
                    self.want_pump(mux);
                }
            }
        }
    }

    /// Ends a link in order: what is queued leaves, then the end, then the peer's end is awaited.
    pub(super) fn close(&mut self, id: LinkId) {
        self.start_closing(id, Closing::Fin);
    }

    /// Ends a link so that the peer cannot take it for an orderly end, where the transport can say so.
    pub(super) fn abort(&mut self, id: LinkId, why: &Fail) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if link.closing.is_some() {
            return;
        }
        let spoken = link
            .layers
            .iter()
            .any(|layer| matches!(layer, AnyLayer::Ws(_)));
        let level = link.layers.len();
        if level > 0
            && !std::mem::replace(&mut link.said_end, true)
            && let Some((link, mut cx)) = self.parts(id)
        {
            let mut goodbye = Rope::default();
            link.layers[level - 1].abort(&mut cx, why, &mut goodbye);
            self.sink(id, level - 1, &mut goodbye);
        }
        let how = if spoken { Closing::Fin } else { Closing::Reset };
        self.start_closing(id, how);
    }

    fn start_closing(&mut self, id: LinkId, how: Closing) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if link.closing.is_some() {
            return;
        }
        if !link.connected {
            return self.remove_link(id, true);
        }
        link.top = Top::Closing;
        if how == Closing::Fin {
            self.finish_layers(id);
            self.finish_transport(id);
        }
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.closing = Some(how);
        link.paused = false;
        link.deadline = Some(self.now + self.plan.limits.linger);
        self.link_timer(id);
        self.try_close(id);
        // Whatever held input back before, it is read and discarded now.
        self.reread(id);
    }

    /// Removes a closing link when nothing is left to do for it.
    pub(super) fn try_close(&mut self, id: LinkId) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        let Some(closing) = link.closing else {
            return;
        };
        if !link.out.is_empty() {
            return;
        }
        let stream = link.base != Base::Socket;
        match closing {
            Closing::Reset => self.remove_link(id, true),
            Closing::Fin if link.ended || stream => self.remove_link(id, false),
            Closing::Fin => {}
        }
    }

    pub(super) fn remove_link(&mut self, id: LinkId, reset: bool) {
        let Some(mut link) = self.links.remove(id) else {
            return;
        };
        self.timers.arm(Key::Link(id), &mut link.armed, None);
        match link.base {
            Base::Socket => self.actions.push_back(Action::Close { id, reset }),
            Base::Stream { mux, id: stream } => {
                self.free_budget(mux, |smux| smux.release(stream));
            }
        }
    }

    /// Calls what gives room back to a mux session, and has it read again if it had none.
    fn free_budget(&mut self, mux: MuxId, free: impl FnOnce(&mut Smux<LinkId>)) {
        let Some(session) = self.muxes.get_mut(mux) else {
            return;
        };
        let was_readable = session.smux.readable();
        free(&mut session.smux);
        let now_readable = session.smux.readable();
        session.smux.pause(!now_readable, self.now);
        let below = session.link;
        self.want_pump(mux);
        if !was_readable && now_readable {
            self.reread(below);
        }
    }

    /// The transport of a link ended.
    pub(super) fn lower_end(&mut self, id: LinkId, how: Eof) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if link.top == Top::Closing {
            link.ended = true;
            if how == Eof::Reset {
                return self.remove_link(id, true);
            }
            return self.try_close(id);
        }
        match how {
            Eof::Fin => self.rise(id, 0, Up::End { both: false }),
            Eof::Reset => {
                self.link_failed(id, Fail::new(Cause::Reset, "connection reset by the peer"))
            }
        }
        self.link_timer(id);
    }

    /// A link cannot go on. Its owner is told, its goodbye (already queued by the layer, if any) leaves.
    pub(super) fn link_failed(&mut self, id: LinkId, fail: Fail) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let top = std::mem::replace(&mut link.top, Top::Closing);
        let meta = link.meta;
        if top == Top::Closing {
            if fail.cause == Cause::Reset {
                self.remove_link(id, true);
            }
            return;
        }
        if fail.cause == Cause::Reset {
            // Nobody reads what is queued.
            link.out.clear();
            link.ended = true;
        }
        match fail.cause {
            Cause::Protocol | Cause::Limit | Cause::Tls => self.start_closing(id, Closing::Fin),
            _ => self.abort(id, &fail),
        }
        match top {
            Top::Incoming(service) => {
                let remote = meta.remote;
                self.events.push_back(Event::Rejected {
                    service,
                    remote,
                    fail,
                });
            }
            Top::Client(session) => self.session_failed(session, id, fail),
            Top::Upstream(session) => self.upstream_failed(session, fail),
            Top::Dial(dial) => self.dial_failed(dial, fail),
            Top::Mux(mux) => self.mux_failed(mux, fail),
            Top::Closing => {}
        }
    }

    /// Output left: more frames, a paused source, or the end of the link.
    pub(super) fn drained(&mut self, id: LinkId) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        let len = link.out.len();
        match link.top {
            Top::Mux(mux) if len < self.plan.limits.mux_ahead => self.want_pump(mux),
            Top::Client(session) | Top::Upstream(session) if len <= self.plan.limits.low => {
                self.resume_source(session, id);
            }
            Top::Closing => self.try_close(id),
            _ => {}
        }
    }

    /// Whether the top takes input now.
    pub(super) fn accepts(&self, link: &Link) -> bool {
        if !link.connected || link.paused {
            return false;
        }
        // Replies to what is read (pongs, errors) must not pile up; data alone never gets this far.
        if link.out.len() > 4 * self.plan.limits.high {
            return false;
        }
        match link.top {
            Top::Closing => !link.ended,
            Top::Client(session) => self.client_accepts(session),
            Top::Upstream(session) => self.upstream_accepts(session),
            Top::Mux(mux) => self
                .muxes
                .get(mux)
                .is_none_or(|session| session.smux.readable()),
            Top::Dial(dial) => self.dial_accepts(dial),
            Top::Incoming(_) => true,
        }
    }

    /// Data of a stream. What the top does not take now waits, and is not yet counted as consumed.
    pub(super) fn stream_data(&mut self, id: LinkId, data: BytesMut) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        if link.inbox.is_empty() && self.accepts(link) {
            self.take_in(id, data);
        } else {
            // A waiting piece must not pin its receive buffer.
            let data = if data.len() < 16 * 1024 {
                BytesMut::from(&data[..])
            } else {
                data
            };
            self.links[id].inbox.push_back(data);
        }
    }

    pub(super) fn stream_fin(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.inbox_fin = true;
        self.drain_inbox(id);
    }

    pub(super) fn drain_inbox(&mut self, id: LinkId) {
        loop {
            let Some(link) = self.links.get(id) else {
                return;
            };
            if !self.accepts(link) {
                return;
            }
            let link = &mut self.links[id];
            let Some(data) = link.inbox.pop_front() else {
                link.inbox = VecDeque::new();
                if std::mem::take(&mut link.inbox_fin) {
                    self.stream_end(id);
                }
                return;
            };
            self.take_in(id, data);
        }
    }

    fn take_in(&mut self, id: LinkId, data: BytesMut) {
        if let Base::Stream { mux, id: stream } = self.links[id].base {
            self.free_budget(mux, |smux| smux.consumed(stream, data.len()));
        }
        self.rise(id, 0, Up::Data(data));
        self.link_timer(id);
    }

    fn stream_end(&mut self, id: LinkId) {
        let half_close = match self.links[id].base {
            Base::Stream { mux, .. } => self.muxes.get(mux).is_some_and(|mux| mux.half_close),
            Base::Socket => true,
        };
        if self.links[id].layers.is_empty() {
            self.top(id, Up::End { both: !half_close });
        } else {
            self.rise(id, 0, Up::End { both: !half_close });
        }
    }

    /// The other side of its session is over high water, or below low water again.
    pub(super) fn pause(&mut self, id: LinkId, paused: bool) {
        let now = self.now;
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if link.paused == paused {
            return;
        }
        link.paused = paused;
        for layer in &mut link.layers {
            if let AnyLayer::Ws(ws) = layer {
                ws.pause(paused, now);
            }
        }
        self.link_timer(id);
        if !paused {
            self.reread(id);
        }
    }

    /// Input is wanted again.
    pub(super) fn reread(&mut self, id: LinkId) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        match link.base {
            Base::Socket => self.wake(id),
            Base::Stream { .. } => self.work.push_back(Work::Inbox(id)),
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
            let seconds = self.plan.limits.handshake.as_secs();
            let fail = Fail::new(
                Cause::TimedOut,
                format!("handshake not finished after {seconds} s"),
            );
            return self.link_failed(id, fail);
        }
        for level in 0..link.layers.len() {
            self.layer_timeout(id, level);
        }
        self.link_timer(id);
    }

    fn layer_timeout(&mut self, id: LinkId, level: usize) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if link.layers[level]
            .next_timeout()
            .is_none_or(|at| at > self.now)
        {
            return;
        }
        let mut ups = Vec::new();
        let mut down = Rope::default();
        let Some((link, mut cx)) = self.parts(id) else {
            return;
        };
        let layer = &mut link.layers[level];
        let mut io = Io {
            up: &mut ups,
            down: &mut down,
        };
        let result = layer.timeout(&mut cx, &mut io);
        self.sink(id, level, &mut down);
        for up in ups {
            self.rise(id, level + 1, up);
        }
        if let Err(fail) = result {
            self.link_failed(id, fail);
        }
    }

    /// Adds server or client TLS on top of a link (SOCKS5 methods 0x80 and 0x82) and starts it.
    pub(super) fn push_tls(&mut self, id: LinkId, layer: Result<Tls, Fail>) {
        let layer = match layer {
            Ok(layer) => layer,
            Err(fail) => return self.link_failed(id, fail),
        };
        let link = &mut self.links[id];
        let level = link.layers.len();
        link.layers.push(AnyLayer::Tls(layer));
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
