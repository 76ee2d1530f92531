//! Back-pressure: who may be read now, and what waits while its top does not take it.

use bytes::BytesMut;

use super::link::{Base, Link, Top};
use super::splice::Inflow;
use super::{Engine, LinkId, MuxId, Work};
use crate::layer::{AnyLayer, Up};
use crate::mux::Smux;

/// Pieces of input that wait are joined up to this.
const GLUED: usize = 4096;

impl Engine {
    /// Output left: more frames, a paused source, or the end of the link.
    pub(super) fn sent(&mut self, id: LinkId) {
        self.frame(id);
        let Some(link) = self.links.get(id) else {
            return;
        };
        let len = link.queued();
        match link.top {
            Top::Mux(mux) if len < self.ahead(link) => self.want_pump(mux),
            Top::Client(session) | Top::Upstream(session) if len <= self.low() => {
                self.resume_source(session, id);
            }
            Top::Port(port) if len <= self.low() => self.far_flush(port),
            Top::Closing => self.try_close(id),
            _ => {}
        }
    }

    /// Whether the top takes input now.
    pub(super) fn accepts(&self, link: &Link) -> bool {
        if !link.connected || link.paused || link.input_over {
            return false;
        }
        if link.layers.iter().any(AnyLayer::is_busy) {
            return false;
        }
        // Replies to what is read (pongs, errors) must not pile up; data alone never gets this far.
        if link.out.len() > 4 * self.plan.limits.high {
            return false;
        }
        match link.top {
            Top::Closing => true,
            Top::Client(session) | Top::Upstream(session) if self.waits_for_pipe(link, session) => {
                false
            }
            Top::Client(session) => self.client_accepts(session),
            Top::Upstream(session) => self.upstream_accepts(session),
            Top::Mux(mux) => self
                .muxes
                .get(mux)
                .is_none_or(|session| session.smux.readable()),
            Top::Dial(dial) => self.dial_accepts(dial),
            Top::Incoming(_) | Top::Port(_) => true,
        }
    }

    /// Whether a source that brings much is not read now, because the mux session that it goes into has no room for
    /// frames: what is read long before it leaves is not in the cache any more. [`Self::go_on`] when there is room.
    pub(super) fn waits_for_room(&mut self, id: LinkId) -> bool {
        let Some(mux) = self.links.get(id).and_then(|link| self.full_session(link)) else {
            return false;
        };
        if self.links[id].waits_for.replace(mux) != Some(mux) {
            self.muxes[mux].held_back.push(id);
        }
        true
    }

    /// The session that takes what this link brings, if that is much and there is no room for it.
    fn full_session(&self, link: &Link) -> Option<MuxId> {
        let (Top::Client(session) | Top::Upstream(session)) = link.top else {
            return None;
        };
        if link.inflow == Inflow::Small {
            return None;
        }
        let sink = self.links.get(self.sink_of(link, session)?)?;
        let Base::Stream { mux, .. } = sink.base else {
            return None;
        };
        self.muxes.get(mux)?.full.then_some(mux)
    }

    /// Those who waited for this session are read again, in the order in which they came.
    pub(super) fn go_on(&mut self, mux: MuxId, held_back: Vec<LinkId>) {
        for id in held_back {
            if let Some(link) = self.links.get_mut(id)
                && link.waits_for == Some(mux)
            {
                link.waits_for = None;
                self.reread(id);
            }
        }
    }

    /// Data of a stream. What the top does not take now waits, and is not yet counted as consumed.
    pub(super) fn stream_data(&mut self, id: LinkId, data: BytesMut) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        if link.waiting().1 == 0 && self.accepts(link) {
            self.take_in(id, data);
        } else {
            let tight = self.is_tight();
            self.links[id].keep(data, tight);
            self.touch(id);
        }
    }

    pub(super) fn stream_fin(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.inbox.get_or_insert_default().fin = true;
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
            let Some(inbox) = &mut link.inbox else {
                return;
            };
            let Some(data) = inbox.pieces.pop_front() else {
                debug_assert_eq!(inbox.len, 0);
                let fin = inbox.fin;
                link.inbox = None;
                if fin {
                    self.stream_end(id);
                }
                return;
            };
            inbox.len -= data.len();
            if inbox.pieces.is_empty() && !inbox.fin {
                link.inbox = None;
            }
            self.take_in(id, data);
        }
    }

    fn take_in(&mut self, id: LinkId, data: BytesMut) {
        if let Base::Stream { mux, id: stream } = self.links[id].base {
            let now = self.now;
            self.free_budget(mux, |smux| smux.consumed(stream, data.len(), now));
        }
        self.heard(id);
        self.rise(id, 0, Up::Data(data));
        self.link_timer(id);
    }

    /// Calls what gives room back to a mux session, and has it read again if it had none.
    pub(super) fn free_budget(&mut self, mux: MuxId, free: impl FnOnce(&mut Smux<LinkId>)) {
        let (share, promise) = (self.memory.share(), self.memory.promise());
        let Some(session) = self.muxes.get_mut(mux) else {
            return;
        };
        session.smux.limit_share(share, promise);
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

    fn stream_end(&mut self, id: LinkId) {
        let half_close = match self.links[id].base {
            Base::Stream { mux, .. } => self.muxes.get(mux).is_some_and(|mux| mux.half_close),
            Base::Socket | Base::Port => true,
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
            Base::Port => {}
        }
    }
}

impl Link {
    /// Keeps input for later. A piece must not pin its receive buffer, and many tiny ones become one.
    fn keep(&mut self, data: BytesMut, tight: bool) {
        let inbox = self.inbox.get_or_insert_default();
        inbox.len += data.len();
        if let Some(last) = inbox.pieces.back_mut()
            && last.len() + data.len() <= GLUED
        {
            return last.extend_from_slice(&data);
        }
        let copied = tight || data.len() < 16 * 1024;
        inbox.pieces.push_back(match copied {
            true => BytesMut::from(&data[..]),
            false => data,
        });
    }
}
