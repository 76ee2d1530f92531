//! The way through the layers of a link: input rises to its top, output sinks to its transport.

use std::sync::Arc;

use bytes::BytesMut;

use super::{Base, Link, Top};
use crate::buffer::{Rope, Seg};
use crate::engine::session::rope;
use crate::engine::{Action, Engine, LinkId};
use crate::error::{Cause, Eof, Fail};
use crate::layer::tls::Tls;
use crate::layer::upgrade_or_site::UpgradeOrSite;
use crate::layer::ws::Ws;
use crate::layer::{AnyLayer, Cx, Info, Io, Layer, Up};
use crate::plan::{Dialer, Listener};

impl Engine {
    pub(super) fn push_server_layers(
        &mut self,
        id: LinkId,
        listener: &Listener,
    ) -> Result<(), Fail> {
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

    pub(in crate::engine) fn push_client_layers(
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

    /// Adds server or client TLS on top of a link (SOCKS5 methods 0x80 and 0x82) and starts it.
    pub(in crate::engine) fn push_tls(&mut self, id: LinkId, layer: Result<Tls, Fail>) {
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

    pub(in crate::engine) fn service_tls(
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

    /// A link, and what its layers may ask for: two borrows of different parts.
    pub(in crate::engine) fn parts(&mut self, id: LinkId) -> Option<(&mut Link, Cx<'_>)> {
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
    pub(in crate::engine) fn rise(&mut self, id: LinkId, level: usize, up: Up) {
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
                // Frames of one read are acted upon together.
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

    fn top(&mut self, id: LinkId, up: Up) {
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
    pub(in crate::engine) fn send(&mut self, id: LinkId, data: &mut Rope) {
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
    pub(in crate::engine) fn send_piece(&mut self, id: LinkId, piece: BytesMut) {
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
    pub(in crate::engine) fn sink(&mut self, id: LinkId, level: usize, data: &mut Rope) {
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
    pub(in crate::engine) fn wake(&mut self, id: LinkId) {
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
}
