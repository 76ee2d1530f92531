//! Payload that nobody here has to see: a driver may move it from one socket to the other without bringing it
//! into the process. What has been moved, and is not yet written, waits in the sink's output by its length, so
//! that order, high water, counters and ends are those of bytes that were read.
//!
//! ```text
//!           large reads               splice: taken                   header of a large frame
//! Small ──► Large ──► Bulk ─────────────────────────────► Spliced ◄───────────────────────────┐
//!   ▲                  │ a small read                       │  └──► only a header is read ────┘
//!   └──────────────────┴───── little was taken, a small frame, or anything else was read
//! ```

use super::link::{Base, Link, Top};
use super::session::Stage;
use super::{Engine, LinkId, SessionId, SocketId};
use crate::buffer::{Rope, Seg};
use crate::layer::AnyLayer;
use crate::time::Time;
use crate::wire::websocket;

/// What an engine offers at once, in bytes: more than most systems let a pipe hold.
const MOST: usize = 1024 * 1024;

/// What may go from one socket to another without being looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Splice {
    pub to: SocketId,
    /// Bytes at most; never 0.
    pub max: usize,
}

/// How the input of a link comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Inflow {
    #[default]
    Small,
    Large,
    Bulk,
    Spliced,
}

impl Engine {
    /// Whether the next bytes of this socket may go straight to another one. Whoever makes use of it says so
    /// at once, by [`Self::handle_spliced`]; reading instead is always right.
    pub fn splice(&self, id: SocketId) -> Option<Splice> {
        let link = self.links.get(id)?;
        let begun = match link.inflow {
            Inflow::Small | Inflow::Large => return None,
            Inflow::Bulk => false,
            Inflow::Spliced => true,
        };
        let (_, to) = self.outlet(link)?;
        let sink = &self.links[to];
        if sink.queued() > 0 || !self.accepts(link) {
            return None;
        }
        let opaque = opaque(link);
        // Control frames wait for the end of a frame.
        let most = match sink.has_lane() {
            true => sink.pace.ahead(MOST).min(MOST),
            false => MOST,
        };
        let room = self.splice_room().min(self.admission.room_in(id, self.now));
        let max = opaque.min(most).min(room);
        // The rest of a frame is taken as well, however small.
        let least = match begun {
            true => self.plan.limits.splice.min(opaque),
            false => self.plan.limits.splice,
        };
        (max >= least.max(1)).then_some(Splice { to, max })
    }

    /// `n` bytes of what [`Self::splice`] offered were taken off the socket. They wait behind what `transmit` shows
    /// of the other one, until `handle_sent` tells of them: see [`Self::outside`].
    pub fn handle_spliced(&mut self, id: SocketId, n: usize, now: Time) {
        self.tick(now);
        let Some((session, to)) = self.links.get(id).and_then(|link| self.outlet(link)) else {
            return;
        };
        if n == 0 {
            return;
        }
        self.heard(id);
        self.count_in(id, n);
        let (now, few) = (self.now, self.plan.limits.splice / 2);
        let link = &mut self.links[id];
        for layer in &mut link.layers {
            layer.passed(n, now);
        }
        link.inflow = match n < few && opaque(link) > 0 {
            true => Inflow::Small,
            false => Inflow::Spliced,
        };
        let from_client = matches!(link.top, Top::Client(_));
        let session = &mut self.sessions[session];
        session.active = now;
        match from_client {
            true => session.input += n as u64,
            false => session.output += n as u64,
        }
        let mut rope = Rope::default();
        rope.push(Seg::outside(n));
        let level = self.links[to].layers.len();
        self.sink(to, level, &mut rope);
        self.link_timer(id);
        self.settle();
    }

    /// Bytes that are to be written next and were spliced: the driver has them. `transmit` shows nothing then.
    pub fn outside(&self, id: SocketId) -> usize {
        let link = self.links.get(id);
        link.map_or(0, |link| link.out.outside())
            .min(self.admission.room_out(id, self.now))
    }

    /// A read brought so much.
    pub(super) fn note_inflow(&mut self, id: LinkId, n: usize) {
        let large = n >= self.plan.limits.splice;
        if let Some(link) = self.links.get_mut(id) {
            link.inflow = match (link.inflow, large) {
                (Inflow::Spliced, _) if n <= websocket::HEAD => Inflow::Spliced,
                (_, false) => Inflow::Small,
                (Inflow::Small, true) => Inflow::Large,
                (_, true) => Inflow::Bulk,
            };
        }
    }

    /// After a read: what came may have been the header of a small frame.
    pub(super) fn keep_inflow(&mut self, id: LinkId) {
        let few = self.plan.limits.splice / 2;
        if let Some(link) = self.links.get_mut(id)
            && link.inflow == Inflow::Spliced
            && opaque(link) < few.max(1)
            && !(1..websocket::HEAD - 4).contains(&next_head(link))
        {
            link.inflow = Inflow::Small;
        }
    }

    /// Whether this link is not to be read, because what went before did not leave yet: it would have to be
    /// copied.
    pub(super) fn waits_for_pipe(&self, link: &Link, session: SessionId) -> bool {
        if link.inflow != Inflow::Spliced {
            return false;
        }
        let sink = self.sink_of(link, session);
        sink.and_then(|sink| self.links.get(sink))
            .is_some_and(|sink| sink.queued() > 0)
    }

    pub(super) fn sink_of(&self, link: &Link, session: SessionId) -> Option<LinkId> {
        let session = self.sessions.get(session)?;
        match link.top {
            Top::Client(_) => session.upstream,
            _ => Some(session.client),
        }
    }

    /// Where what reaches the top of a link goes as it is, if it does.
    pub(super) fn relays_to(&self, link: &Link) -> Option<(SessionId, LinkId)> {
        let (Top::Client(id) | Top::Upstream(id)) = link.top else {
            return None;
        };
        let session = self.sessions.get(id)?;
        let looks = session.lazy || session.watch.is_some();
        if !matches!(session.stage, Stage::Relay) || looks {
            return None;
        }
        Some((id, self.sink_of(link, id)?))
    }

    /// Where a link's input may be spliced to, if it may.
    fn outlet(&self, link: &Link) -> Option<(SessionId, LinkId)> {
        if link.layers.len() > 1 {
            return None;
        }
        let (id, to) = self.relays_to(link)?;
        let sink = self.links.get(to)?;
        let open = sink.connected && !sink.said_end && !sink.broken && sink.closing.is_none();
        let sockets = link.base == Base::Socket && sink.base == Base::Socket;
        let plain = sink.layers.len() < 2 && sink.layers.iter().all(AnyLayer::sends_plainly);
        (open && sockets && plain).then_some((id, to))
    }

    fn splice_room(&self) -> usize {
        match self.is_short() {
            true => 0,
            false => self.free_share().unwrap_or(MOST),
        }
    }
}

/// Bytes of a link's input that come next and reach its top unchanged.
fn opaque(link: &Link) -> usize {
    match link.layers.first() {
        None => usize::MAX,
        Some(layer) => layer.opaque(),
    }
}

/// What to read at most of a link whose payload is spliced: a header, but not what comes behind it. 0: no matter.
pub(super) fn next_head(link: &Link) -> usize {
    match (link.inflow, link.layers.first()) {
        (Inflow::Spliced, Some(layer)) => layer.next_head(),
        _ => 0,
    }
}
