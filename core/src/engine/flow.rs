//! Back-pressure: who may be read now, and what waits while its top does not take it.

use std::collections::VecDeque;

use bytes::BytesMut;

use super::link::{Base, Link, Top};
use super::splice::Inflow;
use super::{Engine, LinkId, MuxId, SessionId, Work};
use crate::buffer::Seg;
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

    /// Data of a stream: a run of pieces. What the top does not take now waits, and is not yet counted as consumed.
    pub(super) fn stream_data(&mut self, id: LinkId, run: &mut VecDeque<BytesMut>) {
        if self.links.get(id).is_some_and(|link| link.inbox.is_none()) {
            self.take_run(id, run);
        }
        let tight = self.is_tight();
        if let Some(link) = self.links.get_mut(id)
            && !run.is_empty()
        {
            for piece in run.drain(..) {
                link.keep(piece, tight);
            }
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
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let Some(inbox) = &mut link.inbox else {
            return;
        };
        let mut run = std::mem::take(&mut inbox.pieces);
        let len = std::mem::take(&mut inbox.len);
        let taken = self.take_run(id, &mut run);
        self.touch(id);
        let Some(link) = self.links.get(id) else {
            return;
        };
        let accepts = self.accepts(link);
        let Some(inbox) = &mut self.links[id].inbox else {
            return;
        };
        inbox.pieces = run;
        inbox.len = len - taken;
        if inbox.pieces.is_empty() && (accepts || !inbox.fin) {
            let fin = inbox.fin;
            self.links[id].inbox = None;
            if fin {
                self.stream_end(id);
            }
        }
    }

    /// Takes pieces from the front of a run as long as the top takes them; returns their bytes.
    fn take_run(&mut self, id: LinkId, run: &mut VecDeque<BytesMut>) -> usize {
        let mut taken = 0;
        while let Some(link) = self.links.get(id)
            && self.accepts(link)
        {
            if let Some((session, to)) = self.straight(link) {
                taken += self.pass_run(id, session, to, run);
            } else if let Some(piece) = run.pop_front() {
                taken += piece.len();
                self.take_in(id, piece);
            }
            if run.is_empty() {
                break;
            }
        }
        taken
    }

    fn take_in(&mut self, id: LinkId, data: BytesMut) {
        self.consumed(id, data.len());
        self.heard(id);
        self.rise(id, 0, Up::Data(data));
        self.link_timer(id);
    }

    fn consumed(&mut self, id: LinkId, len: usize) {
        if let Base::Stream { mux, id: stream } = self.links[id].base {
            let now = self.now;
            self.free_budget(mux, |smux| smux.consumed(stream, len, now));
        }
    }

    /// Where the bytes of a stream go as they are, with nothing to be done about each piece.
    fn straight(&self, link: &Link) -> Option<(SessionId, LinkId)> {
        let (session, to) = self.relays_to(link)?;
        let sink = self.links.get(to)?;
        (link.layers.is_empty() && sink.takes_pieces()).then_some((session, to))
    }

    /// Passes a run on until the sink is over high water; returns how many bytes.
    fn pass_run(
        &mut self,
        from: LinkId,
        session: SessionId,
        to: LinkId,
        run: &mut VecDeque<BytesMut>,
    ) -> usize {
        let high = self.high();
        let out = &mut self.links[to].out;
        let before = out.len();
        while out.len() <= high
            && let Some(piece) = run.pop_front()
        {
            out.push(Seg::new(piece));
        }
        let len = out.len() - before;
        self.touch(to);
        self.wake(to);
        self.carried(session, from, len);
        self.heard(from);
        self.consumed(from, len);
        self.press_back(from, to);
        len
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
