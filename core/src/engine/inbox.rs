//! A stream's input: pieces that its top takes at once, or that wait for it here.

use std::collections::VecDeque;

use bytes::BytesMut;

use super::link::{Base, Link};
use super::{Engine, LinkId, SessionId};
use crate::buffer::Seg;
use crate::layer::Up;

/// Pieces of input that wait are joined up to this.
const GLUED: usize = 4096;

/// A stream's input that waits for the top to take it.
#[derive(Default)]
pub(super) struct Inbox {
    pub(super) pieces: VecDeque<BytesMut>,
    pub(super) len: usize,
    /// The peer's end is behind it.
    pub(super) fin: bool,
}

impl Link {
    /// Bytes in the inbox, and in how many pieces.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let inbox = self.inbox.as_ref();
        inbox.map_or((0, 0), |inbox| (inbox.len, inbox.pieces.len()))
    }

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

impl Engine {
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
        debug_assert!(inbox.pieces.is_empty(), "more came from below meanwhile");
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
        while !run.is_empty()
            && let Some(link) = self.links.get(id)
            && self.accepts(link)
        {
            if let Some((session, to)) = self.straight(link) {
                taken += self.pass_run(id, session, to, run);
            } else if let Some(piece) = run.pop_front() {
                taken += piece.len();
                self.take_in(id, piece);
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

    fn stream_end(&mut self, id: LinkId) {
        let half_close = match self.links[id].base {
            Base::Stream { mux, .. } => self.muxes.get(mux).is_some_and(|mux| mux.half_close),
            Base::Socket | Base::Port => true,
        };
        self.rise(id, 0, Up::End { both: !half_close });
    }
}
