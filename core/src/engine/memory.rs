//! The byte budget of an engine: everything that a peer can make grow is counted here, link by link.
//!
//! A link costs a fixed amount from its first to its last moment; a [`FRAME`] for what waits at it is part
//! of that. What waits beyond the frame is counted when the input that changed it is done: O(1) a touched
//! link, nothing a byte. Two rules keep the sum below the budget without anybody waiting for ever:
//!
//! - New connections wait while the fixed costs are half of the budget; the other half is for what waits.
//! - The more links hold something, the less one more may hold: with `k` of them, half the budget / 16 `k`.
//!   The sum of that is a harmonic one, so stalled connections never use it up, and one that drains (or that
//!   holds nothing) always has a frame for itself, whatever the others do.

use super::link::{Base, Link, Top};
use super::session::Session;
use super::{Engine, LinkId};
use crate::layer::{AnyLayer, Layer};

/// Of a link itself, with its share of a session, of tables and of the driver's socket.
const LINK: usize = 1024;
/// What may wait at each link without being counted once more: a read above the least share, both ways.
pub(super) const FRAME: usize = 2048;
/// A mux session: its tables, beside its link.
const MUX: usize = 2048;
/// One read when there is little room left, or the share of one among very many.
const MIN: usize = 512;
/// So many of the largest reads are a budget.
const READS: usize = 512;
/// A queued piece, beside its bytes.
pub(super) const PIECE: usize = 64;

/// What an engine may hold, and what it holds.
#[derive(Debug)]
pub(super) struct Memory {
    limit: Option<usize>,
    /// The fixed costs of all links and mux sessions.
    fixed: usize,
    /// What waits beyond the frames.
    waiting: usize,
    /// Links that hold more than their frame.
    holders: usize,
    /// So little is left that only what drains is read. Has a hysteresis.
    short: bool,
    touched: Vec<LinkId>,
    /// Links on streams of mux sessions.
    streams: usize,
}

impl Memory {
    pub(super) fn new(limit: Option<usize>) -> Self {
        Self {
            limit,
            fixed: 0,
            waiting: 0,
            holders: 0,
            short: false,
            touched: Vec::new(),
            streams: 0,
        }
    }

    pub(super) fn set_limit(&mut self, limit: Option<usize>) {
        self.limit = limit;
    }

    pub(super) fn used(&self) -> usize {
        self.fixed + self.waiting
    }

    fn free(&self, limit: usize) -> usize {
        limit.saturating_sub(self.used())
    }

    /// What may wait at one link, in bytes; `None` without a budget.
    pub(super) fn share(&self) -> Option<usize> {
        let limit = self.limit?;
        Some((limit / 2 / (16 * (self.holders + 1))).max(MIN))
    }

    /// The window that may be told to a stream: bytes that come, if its reader stops.
    pub(super) fn promise(&self) -> Option<usize> {
        let limit = self.limit?;
        Some((limit / 2 / (16 * (self.streams + 1))).max(FRAME))
    }

    fn add(&mut self, fixed: usize) {
        self.fixed += fixed;
    }
}

impl Engine {
    /// Whether new connections are to be accepted. It becomes true again with any input.
    pub fn accepting(&self) -> bool {
        self.has_room(4)
    }

    /// Whether a mux peer may open a stream, which cannot be made to wait: it is refused otherwise.
    pub(super) fn accepts_streams(&self) -> bool {
        self.has_room(5)
    }

    /// Whether the fixed costs are below so many eighths of the budget.
    fn has_room(&self, eighths: usize) -> bool {
        let memory = &self.memory;
        memory
            .limit
            .is_none_or(|limit| memory.fixed + 2 * (LINK + FRAME) <= limit / 8 * eighths)
    }

    /// Bytes that count against the budget.
    pub fn memory(&self) -> usize {
        self.memory.used()
    }

    /// A link above this pauses its source.
    pub(super) fn high(&self) -> usize {
        let high = self.plan.limits.high;
        self.memory.share().map_or(high, |share| share.min(high))
    }

    /// At this its source goes on.
    pub(super) fn low(&self) -> usize {
        let low = self.plan.limits.low;
        let share = self.memory.share();
        share.map_or(low, |share| (share / 4).min(low))
    }

    /// Below this, what waits above the frames of a link is put into frames.
    pub(super) fn ahead(&self, link: &Link) -> usize {
        let ahead = link.pace.ahead(self.plan.limits.ahead);
        self.memory
            .share()
            .map_or(ahead, |share| share.max(2 * MIN).min(ahead))
    }

    /// The longest a piece of input may wait in one place before anybody takes it.
    pub(super) fn early(&self) -> usize {
        let limits = &self.plan.limits;
        // A head must fit, or it would never be complete.
        let least = limits.head + MIN;
        let share = self.memory.share();
        share.map_or(limits.early, |share| share.max(least).min(limits.early))
    }

    /// What may wait of datagrams at one link: the rest is dropped.
    pub(super) fn datagrams(&self) -> usize {
        let datagrams = self.plan.limits.datagrams;
        match self.memory.share() {
            Some(_) if self.memory.short => FRAME / 2,
            share => share.map_or(datagrams, |share| share.min(datagrams)),
        }
    }

    /// Whether pieces that wait are to let go of larger buffers at any price.
    pub(super) fn is_tight(&self) -> bool {
        let high = self.plan.limits.high;
        self.memory.share().is_some_and(|share| share < high)
    }

    pub(super) fn is_short(&self) -> bool {
        self.memory.short
    }

    /// How much of a link to read at once, which accepts input otherwise.
    pub(super) fn read_room(&self, link: &Link) -> usize {
        let (Some(limit), Some(share)) = (self.memory.limit, self.memory.share()) else {
            return link.read_size;
        };
        if link.top == Top::Closing {
            // It is thrown away.
            return link.read_size.min(16 * 1024);
        }
        if !self.memory.short {
            let room = self.memory.free(limit) / 4;
            // What waits of a large read holds all of its buffer, which is not counted.
            let most = (limit / READS).max(16 * 1024);
            return link.read_size.min(share).min(most).min(room.max(MIN));
        }
        let drained = match link.top {
            Top::Client(session) | Top::Upstream(session) => self.drained_of(session, link),
            // What it brings waits with its streams, and these have shares of their own; but for the first
            // windows of peers that are configured to version 2, which they choose.
            Top::Mux(_) => self.memory.free(limit) >= 4 * MIN,
            _ => link.held <= FRAME,
        };
        if drained { MIN.min(link.read_size) } else { 0 }
    }

    /// What else may wait at one link for sure; `None` without a budget.
    pub(super) fn free_share(&self) -> Option<usize> {
        let free = self.memory.free(self.memory.limit?);
        Some(self.memory.share()?.min(free / 4))
    }

    /// Whether nothing waits for the reader of what this link brings.
    fn drained_of(&self, session: super::SessionId, link: &Link) -> bool {
        let Some(session) = self.sessions.get(session) else {
            return true;
        };
        let sink = match link.top {
            Top::Client(_) => session.upstream,
            _ => Some(session.client),
        };
        let waits = sink.and_then(|sink| self.links.get(sink));
        link.held <= FRAME && waits.is_none_or(|sink| sink.queued() == 0)
    }

    /// What waits at this link may have changed: it is counted when the input is done.
    pub(super) fn touch(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(id)
            && !std::mem::replace(&mut link.touched, true)
        {
            self.memory.touched.push(id);
        }
    }

    /// Counts the touched links. True if there is room again where there was none: everybody is asked.
    pub(super) fn count(&mut self) {
        while let Some(id) = self.memory.touched.pop() {
            let Some(link) = self.links.get(id) else {
                continue;
            };
            let held = self.waits_at(link);
            let fixed = fixed(link);
            let link = &mut self.links[id];
            link.touched = false;
            let memory = &mut self.memory;
            let before = std::mem::replace(&mut link.fixed, fixed);
            memory.fixed = memory.fixed + fixed as usize - before as usize;
            let before = std::mem::replace(&mut link.held, held);
            memory.waiting = memory.waiting + beyond(held) - beyond(before);
            memory.holders =
                memory.holders + usize::from(held > FRAME) - usize::from(before > FRAME);
        }
        let Some(limit) = self.memory.limit else {
            self.memory.short = false;
            return;
        };
        let free = self.memory.free(limit);
        if free < limit / 16 {
            self.memory.short = true;
        } else if self.memory.short && free > limit / 8 {
            self.memory.short = false;
            for id in self.links.keys().collect::<Vec<_>>() {
                self.reread(id);
            }
        }
    }

    /// A link is gone, with what it held.
    pub(super) fn uncount(&mut self, link: &Link) {
        let memory = &mut self.memory;
        memory.streams -= usize::from(matches!(link.base, Base::Stream { .. }));
        memory.fixed -= link.fixed as usize;
        memory.waiting -= beyond(link.held);
        memory.holders -= usize::from(link.held > FRAME);
    }

    pub(super) fn count_stream(&mut self) {
        self.memory.streams += 1;
    }

    pub(super) fn count_mux(&mut self) {
        self.memory.add(MUX);
    }

    pub(super) fn uncount_mux(&mut self) {
        self.memory.fixed -= MUX;
    }

    /// All that waits at a link: output, a stream's input, a layer's rest, and what its top has not used.
    fn waits_at(&self, link: &Link) -> usize {
        let layers: usize = link.layers.iter().map(Layer::held).sum();
        let top = match link.top {
            Top::Client(session) => self.sessions.get(session).map(|session| {
                let held = session.udp.as_ref().map_or(0, |udp| {
                    let early = session.upstream.map_or(udp.held(1), |_| 0);
                    udp.held(0) + early
                });
                session.rx.len() + held + watched(session, 0)
            }),
            Top::Upstream(session) => self.sessions.get(session).map(|session| {
                let udp = session.udp.as_ref();
                let held = udp.map_or(0, |udp| udp.held(1));
                session.upstream_rx.len() + held + watched(session, 1)
            }),
            Top::Dial(dial) => Some(self.dial_holds(dial)),
            Top::Port(port) => Some(self.far_holds(port)),
            _ => None,
        };
        let (inbox, pieces) = link.waiting();
        let later = link.later.as_ref().map_or(0, |later| later.pieces());
        let pieces = link.out.pieces() + later + pieces;
        link.queued() + inbox + PIECE * pieces + layers + top.unwrap_or(0)
    }

    /// The counters are what counting everything gives, and below the budget.
    pub(super) fn check_memory(&self) {
        let links = self.links.values();
        let fixed: usize = links
            .clone()
            .map(fixed)
            .map(|fixed| fixed as usize)
            .sum::<usize>()
            + MUX * self.muxes.len();
        let held = links.map(|link| self.waits_at(link));
        let (waiting, holders) = held.fold((0, 0), |(waiting, holders), held| {
            (waiting + beyond(held), holders + usize::from(held > FRAME))
        });
        assert_eq!(self.memory.fixed, fixed, "fixed costs");
        assert_eq!(self.memory.waiting, waiting, "bytes that wait");
        assert_eq!(self.memory.holders, holders, "links that hold something");
        assert!(self.memory.touched.is_empty(), "somebody is not counted");
        if let Some(limit) = self.memory.limit {
            let used = self.memory.used();
            assert!(used <= limit, "{used} bytes in use, more than {limit}");
        }
    }
}

fn beyond(held: usize) -> usize {
    held.saturating_sub(FRAME)
}

/// Of a direction that is followed.
fn watched(session: &Session, side: usize) -> usize {
    session.watch.as_ref().map_or(0, |watch| watch.held()[side])
}

fn fixed(link: &Link) -> u32 {
    let layers: usize = link.layers.iter().map(AnyLayer::cost).sum();
    // Who is accepted pays for the link to the target as well, which must not fail for want of room.
    let links = match link.top {
        Top::Incoming(_) | Top::Client(_) => 2,
        Top::Upstream(_) | Top::Dial(_) => 0,
        Top::Mux(_) | Top::Port(_) | Top::Closing => 1,
    };
    (links * (LINK + FRAME) + layers) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mux::Smux;

    /// In both processes together, an idle tunnel over a mux session has four links, two sessions and two streams:
    /// 1.6 KiB of the 2 KiB that it may hold, the rest being tables and what the allocator adds.
    #[test]
    fn the_parts_of_an_idle_tunnel_are_small() {
        let (link, session) = (size_of::<Link>(), size_of::<Session>());
        let stream = Smux::<LinkId>::STREAM;
        let sizes = format!("a link has {link} bytes, a session {session}, a stream {stream}");
        assert!(link <= 256 && session <= 192 && stream <= 104, "{sizes}");
    }
}
