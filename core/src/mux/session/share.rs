//! What a stream may hold, so that one that nobody reads does not stop the others.
//!
//! Version 2 has windows. Between peers that agreed on it in the upgrade they follow bandwidth and delay
//! ([`super::window`]), up to half of what the session may hold, or a fair part of that among many. Version 1 has none: a stream
//! that holds more than its share keeps the session from being read, which slows down the sender of a slow
//! reader, and everybody else as well. So a reader that takes nothing at all is given up after a while.

use std::time::Duration;

use super::window::{self, RoundTrip};
use super::{Control, INITIAL_WINDOW, Smux, Stream};
use crate::time::Time;
use crate::wire::smux::Update;

/// How long a stream over its share may hold up others while its reader takes nothing.
pub(super) const STALL: Duration = Duration::from_secs(5);

/// Of peers that agreed on version 2: what may come before the first window, which each end tells at once.
const AGREED_WINDOW: u32 = 2048;
/// So long after payload of another stream a session counts as shared.
const MIXED: Duration = Duration::from_millis(500);
/// Who says no more than this at a time, in bytes, waits for an answer, as a rule.
const LITTLE: usize = 2048;
/// Who has said little counts as waiting for so long.
const WAITING: Duration = Duration::from_millis(200);
/// The least window without a byte budget.
const LEAST_WINDOW: usize = 32 * 1024;

#[derive(Default)]
pub(super) struct Share {
    /// Both peers said in the upgrade that they take version 2.
    agreed: bool,
    /// What the byte budget leaves to a stream.
    limit: Option<usize>,
    /// What it lets us promise to a stream.
    promise: Option<usize>,
    /// Streams that hold more than their share.
    over: Vec<u32>,
    /// Streams that hold something.
    holders: usize,
    round_trip: RoundTrip,
    /// The stream of the last payload in either direction, and when that was.
    recent: Option<(u32, Time)>,
    /// When it last was another one than just before.
    changed: Option<Time>,
    /// When we last sent a little of a stream, and that was all it had.
    little: Option<Time>,
}

impl Share {
    pub(super) fn is_agreed(&self) -> bool {
        self.agreed
    }

    pub(super) fn is_kept(&self) -> bool {
        self.over.is_empty()
    }

    /// A stream's payload came or left.
    pub(super) fn carried(&mut self, id: u32, now: Time) {
        if let Some((before, at)) = self.recent.replace((id, now))
            && before != id
            && now.since(at) < MIXED
        {
            self.changed = Some(now);
        }
    }

    /// `len` bytes of a stream's payload left, and it has no more.
    pub(super) fn said_all(&mut self, len: usize, now: Time) {
        if len <= LITTLE {
            self.little = Some(now);
        }
    }

    /// Whether one of several streams waits for an answer.
    fn somebody_waits(&self, now: Time) -> bool {
        let within = |span, at: Option<Time>| at.is_some_and(|at| now.since(at) < span);
        within(MIXED, self.changed) && within(WAITING, self.little)
    }
}

impl<K: Copy + PartialEq> Smux<K> {
    /// Both peers take version 2, whatever the plan says. To be called before the first frame.
    pub fn agree(&mut self) {
        self.plan.version = 2;
        self.share.agreed = true;
        self.budget = self.capacity() as i64;
    }

    /// What the byte budget of the engine leaves to one stream, held and as a window, in bytes; `None` without
    /// a budget.
    pub fn limit_share(&mut self, held: Option<usize>, window: Option<usize>) {
        self.share.limit = held;
        self.share.promise = window;
    }

    /// Tells the first window of a stream that was opened.
    pub(super) fn greet(&mut self, id: u32) {
        if !self.share.agreed {
            return;
        }
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.update = true;
            self.control.push_back((id, Control::Upd));
        }
    }

    /// Streams that hold up the session and whose readers have taken nothing for 5 s. They are told
    /// again only after another one: what they hold may go later.
    pub fn stalled(&mut self, now: Time) -> Vec<K> {
        if self.streams.len() < 2 {
            return Vec::new();
        }
        let mut owners = Vec::new();
        for id in &self.share.over {
            if let Some(stream) = self.streams.get_mut(id)
                && now >= stream.moved + STALL
            {
                stream.moved = now;
                owners.extend(stream.owner);
            }
        }
        owners
    }

    /// When [`stalled`](Self::stalled) may have something to say.
    pub fn next_stall(&self) -> Option<Time> {
        if self.streams.len() < 2 {
            return None;
        }
        let over = self.share.over.iter().filter_map(|id| self.streams.get(id));
        over.map(|stream| stream.moved + STALL).min()
    }

    pub(super) fn stream(&self, owner: Option<K>) -> Box<Stream<K>> {
        let window = match self.share.agreed {
            true => AGREED_WINDOW,
            false => INITIAL_WINDOW,
        };
        Box::new(Stream::new(owner, window))
    }

    /// Unread bytes of all streams at most. Windows bound those of peers that agreed: what counts is that
    /// streams which nobody reads leave room for others.
    pub(super) fn capacity(&self) -> usize {
        match self.share.agreed {
            true => self.plan.max_agreed,
            false => self.plan.max_receive,
        }
    }

    /// The largest window that may be announced now.
    pub(super) fn window(&self) -> usize {
        let limit = self.share.promise.unwrap_or(usize::MAX);
        if !self.share.agreed {
            return self.plan.max_stream.min(limit);
        }
        let part = self.capacity() / (2 * self.share.holders.max(1));
        let least = LEAST_WINDOW.min(self.plan.max_agreed);
        part.max(least).min(limit)
    }

    /// The news of a window, which is sent now.
    pub(super) fn update(&mut self, id: u32, now: Time) -> Option<Update> {
        let most = self.window();
        let somebody_waits = self.share.somebody_waits(now);
        let stream = self.streams.get_mut(&id)?;
        let mut window = most;
        if self.share.agreed {
            let end = stream.end;
            let read = stream.unreported as usize;
            let least = window::least(stream.read as usize, somebody_waits);
            let trip = &self.share.round_trip;
            window = stream.growth.tell(end, read, (least, most), now, trip);
        }
        stream.update = false;
        stream.unreported = 0;
        let window = window::narrow(window);
        stream.granted = window;
        stream.ceiling = stream.ceiling.max(window);
        let end = stream.read.wrapping_add(window);
        if (end.wrapping_sub(stream.end) as i32) > 0 {
            stream.end = end;
        }
        Some(Update {
            consumed: stream.read,
            window,
        })
    }

    /// What a stream may hold. A window that was told is kept, however little is left now.
    fn most(&self, id: u32) -> usize {
        let limit = self.share.limit.unwrap_or(usize::MAX);
        let told = self
            .streams
            .get(&id)
            .map_or(0, |stream| stream.ceiling as usize);
        match self.plan.version {
            1 => limit.min(self.plan.max_receive / 4),
            // A session that is not read brings no windows for the other direction either: both could stop.
            _ => limit.max(told),
        }
    }

    /// `n` bytes of a stream will come.
    pub(super) fn announced(&mut self, id: u32, n: usize) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        self.share.holders += usize::from(stream.unread == 0 && n > 0);
        stream.unread += n;
        self.budget -= n as i64;
    }

    /// Bytes of the present frame that are announced and not here.
    pub(super) fn to_come(&self) -> usize {
        self.payload_of.map_or(0, |_| self.payload)
    }

    /// Some of them came: `id` is their stream.
    pub(super) fn arrived(&mut self, id: u32, now: Time) {
        let (most, to_come) = (self.most(id), self.to_come());
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let here = stream.unread - to_come;
        let count = stream.read.wrapping_add(here as u32);
        stream
            .growth
            .arrived(count, now, &mut self.share.round_trip);
        if here > most && !stream.over {
            stream.over = true;
            stream.moved = now;
            self.share.over.push(id);
        }
    }

    /// `n` bytes of a stream (at most what there is) are not held any more.
    pub(super) fn returned(&mut self, id: u32, n: usize) {
        let most = self.most(id);
        let to_come = match self.payload_of {
            Some(of) if of == id => self.payload,
            _ => 0,
        };
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        debug_assert!(
            n <= stream.unread || n == usize::MAX,
            "more consumed than received"
        );
        if n == usize::MAX && to_come > 0 {
            self.payload_of = None;
        }
        let n = n.min(stream.unread);
        stream.unread -= n;
        self.budget += n as i64;
        self.share.holders -= usize::from(stream.unread == 0 && n > 0);
        if stream.over && stream.unread.saturating_sub(to_come) <= most / 2 {
            stream.over = false;
            self.share.over.retain(|over| *over != id);
        }
    }

    pub(super) fn check_shares(&self) {
        let holders = self.streams.values().filter(|stream| stream.unread > 0);
        assert_eq!(
            self.share.holders,
            holders.count(),
            "streams that hold something"
        );
        let over = self.streams.values().filter(|stream| stream.over).count();
        assert_eq!(self.share.over.len(), over, "streams over their share");
    }
}
