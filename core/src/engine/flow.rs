//! Back-pressure: who may be read now, and what waits while its top does not take it.

use super::link::{Base, Link, Top};
use super::splice::Inflow;
use super::{Engine, LinkId, MuxId, Work};
use crate::layer::AnyLayer;
use crate::mux::Smux;

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
