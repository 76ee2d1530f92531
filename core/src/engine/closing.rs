//! How links end: half by half, in order, cut, or by a failure that is told once.

use super::link::{Base, Closing, Link, Top};
use super::{Action, Engine, Key, LinkId};
use crate::buffer::Rope;
use crate::error::{Cause, Eof, Fail};
use crate::event::Traced;
use crate::layer::{AnyLayer, Layer, Up};

impl Engine {
    /// No more output: each layer says its end, the transport its own if the layers want it.
    pub(super) fn finish(&mut self, id: LinkId) {
        if self.finish_layers(id) {
            self.finish_transport(id);
        }
    }

    /// Each layer from the top says its end, or those that have not yet; true if the transport is to say its own.
    fn finish_layers(&mut self, id: LinkId) -> bool {
        self.frame_all(id);
        for level in (0..self.take_unsaid(id)).rev() {
            let Some((link, mut cx)) = self.parts(id) else {
                return false;
            };
            let mut goodbye = Rope::default();
            let lower = link.layers[level].finish(&mut cx, &mut goodbye);
            if !lower {
                link.unsaid = level as u32 + 1;
            }
            self.sink(id, level, &mut goodbye);
            if !lower {
                return false;
            }
        }
        true
    }

    /// So many layers, from below, can still say that they end. Nothing is sent any more.
    fn take_unsaid(&mut self, id: LinkId) -> usize {
        let Some(link) = self.links.get_mut(id) else {
            return 0;
        };
        let unsaid = std::mem::take(&mut link.unsaid);
        match std::mem::replace(&mut link.said_end, true) {
            true => unsaid as usize,
            false => link.layers.len(),
        }
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
            Base::Port => {}
        }
    }

    /// Ends a link in order: what is queued leaves, then the end, then the peer's end is awaited.
    pub(super) fn close(&mut self, id: LinkId) {
        self.start_closing(id, Closing::Fin, true);
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
        // Our direction has ended in order: an RST would take the rest of it from a slow reader.
        let owed = link.said_end;
        self.say_why(id, why);
        let how = match spoken || owed {
            true => Closing::Fin,
            false => Closing::Reset,
        };
        self.start_closing(id, how, owed);
    }

    /// The highest layer says why both directions end, and those below it that nothing follows.
    fn say_why(&mut self, id: LinkId, why: &Fail) {
        self.frame_all(id);
        let level = self.take_unsaid(id);
        let Some(link) = self.links.get(id).filter(|_| level > 0) else {
            return;
        };
        let spoken = matches!(link.layers[level - 1], AnyLayer::Ws(_));
        for at in (0..level).rev() {
            let Some((link, mut cx)) = self.parts(id) else {
                return;
            };
            let mut goodbye = Rope::default();
            if at + 1 == level {
                link.layers[at].abort(&mut cx, why, &mut goodbye);
            } else if !spoken || !link.layers[at].finish(&mut cx, &mut goodbye) {
                return;
            }
            self.sink(id, at, &mut goodbye);
        }
    }

    /// Ends a link on which nothing is under way, because we go: a websocket peer is told so.
    pub(super) fn go_away(&mut self, id: LinkId, why: &Fail) {
        let spoken = self
            .links
            .get(id)
            .is_some_and(|link| matches!(link.layers.last(), Some(AnyLayer::Ws(_))));
        match spoken {
            true => self.abort(id, why),
            false => self.close(id),
        }
    }

    fn start_closing(&mut self, id: LinkId, how: Closing, orderly: bool) {
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
        let (port, remote) = (link.port.take(), link.ends.remote());
        if how == Closing::Fin {
            for layer in &mut link.layers {
                if let AnyLayer::Ws(ws) = layer {
                    ws.end_both();
                }
            }
        }
        // An association ends with the connection that it belongs to.
        if let Some(port) = port {
            self.leave_port(port, id, remote);
        }
        if how == Closing::Fin {
            self.finish_layers(id);
            self.finish_transport(id);
        }
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.closing = Some(how);
        link.paused = false;
        // After a failure nobody may be there.
        let limits = &self.plan.limits;
        let patience = match orderly {
            true => limits.patience(&link.out),
            false => limits.linger,
        };
        let latest = match orderly {
            true => limits.rest,
            false => limits.half_close,
        };
        link.deadline = Some(self.now + patience);
        link.closing_by = Some(self.now + latest);
        self.touch(id);
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
            // A layer may have said the end (TLS in a websocket), and what is below goes on: pongs that came for
            // a closed socket would be answered with an RST.
            Closing::Fin if link.input_over || stream => self.remove_link(id, false),
            Closing::Fin => {}
        }
    }

    pub(super) fn remove_link(&mut self, id: LinkId, reset: bool) {
        if let Some(&Base::Stream { id: stream, .. }) = self.links.get(id).map(|link| &link.base) {
            self.trace(id, || Traced::StreamClosed { stream });
        }
        let Some(mut link) = self.drop_link(id) else {
            return;
        };
        self.timers.arm(Key::Link(id), &mut link.armed, None);
        self.let_out(id);
        if let Some(port) = link.port {
            self.leave_port(port, id, link.ends.remote());
        }
        match link.base {
            Base::Port => {}
            Base::Socket => self.actions.push_back(Action::Close { id, reset }),
            Base::Stream { mux, id: stream } => {
                self.free_budget(mux, |smux| match reset {
                    true => smux.reset(stream),
                    false => smux.release(stream),
                });
            }
        }
    }

    pub(super) fn drop_link(&mut self, id: LinkId) -> Option<Link> {
        let link = self.links.remove(id)?;
        self.uncount(&link);
        Some(link)
    }

    /// The system takes no more output, for good: the peer has closed, or is gone. What came before that is still
    /// there to be read (a tunnel's reader may be slow), and is followed by what counts as a reset.
    pub(super) fn broken(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let (Top::Client(session) | Top::Upstream(session)) = link.top else {
            return self.lower_end(id, Eof::Reset);
        };
        let relays = self.is_relaying(session);
        let link = &mut self.links[id];
        if !relays || link.input_over || link.base != Base::Socket {
            return self.lower_end(id, Eof::Reset);
        }
        if std::mem::replace(&mut link.broken, true) {
            return;
        }
        link.out.clear();
        link.later = None;
        self.touch(id);
        self.relay_timer(session);
        // Who sends to it is not to wait.
        self.sent(id);
        self.reread(id);
    }

    /// The transport of a link ended.
    pub(super) fn lower_end(&mut self, id: LinkId, how: Eof) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.input_over = true;
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
        // Who was refused and then leaves has been told of.
        let left = matches!(fail.cause, Cause::Closed | Cause::Reset | Cause::TimedOut);
        let told = link.refused && left;
        if top == Top::Closing {
            if fail.cause == Cause::Reset {
                self.remove_link(id, true);
            }
            return;
        }
        if fail.cause == Cause::Reset {
            // Nobody reads what is queued.
            link.out.clear();
            link.later = None;
            link.ended = true;
            link.input_over = true;
            self.touch(id);
        }
        match fail.cause {
            // A layer that found it out has said so; what is above the layers has not.
            Cause::Protocol | Cause::Limit | Cause::Tls => {
                // Nothing follows a goodbye.
                self.links[id].later = None;
                if let Top::Mux(_) | Top::Port(_) = top {
                    self.say_why(id, &fail);
                }
                self.start_closing(id, Closing::Fin, false);
            }
            _ => self.abort(id, &fail),
        }
        match top {
            Top::Incoming(_) if told => {}
            Top::Incoming(_) => self.rejected(id, top, fail),
            Top::Client(session) => self.session_failed(session, id, fail),
            Top::Upstream(session) => self.upstream_failed(session, fail),
            Top::Dial(dial) => self.dial_link_failed(dial, id, fail),
            Top::Mux(mux) => self.mux_failed(mux, fail),
            Top::Port(port) => self.far_port_lost(port, fail),
            Top::Closing => {}
        }
    }
}
