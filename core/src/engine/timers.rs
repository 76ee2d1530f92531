//! Deadlines: at most one for each link, session, dial and mux session; earliest first.

use std::collections::BTreeSet;

use super::{DialId, LinkId, MuxId, SessionId};
use crate::time::Time;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// A layer's deadline, or the end of a handshake or of lingering.
    Link(LinkId),
    /// The client's negotiation, a half-closed or idle tunnel, a stage of the http handler.
    Session(SessionId),
    Dial(DialId),
    /// smux keep-alive.
    Mux(MuxId),
    /// The end of a drain.
    Drain,
    /// Empty buckets of a service.
    Traffic(usize),
    /// The next attempt to open a service's port.
    Reverse(usize),
}

#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Time, Key)>);

impl Timers {
    /// Moves the deadline of `key`, whose present one is kept in `armed` by its owner.
    pub(super) fn arm(&mut self, key: Key, armed: &mut Option<Time>, at: Option<Time>) {
        if *armed == at {
            return;
        }
        if let Some(old) = armed.take() {
            self.0.remove(&(old, key));
        }
        if let Some(at) = at {
            self.0.insert((at, key));
        }
        *armed = at;
    }

    pub(super) fn first(&self) -> Option<Time> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes the first deadline that has come. Its owner's `armed` is stale until it arms again.
    pub(super) fn pop(&mut self, now: Time) -> Option<Key> {
        let (at, _) = self.0.first()?;
        if *at > now {
            return None;
        }
        self.0.pop_first().map(|(_, key)| key)
    }

    pub(super) fn contains(&self, at: Time, key: Key) -> bool {
        self.0.contains(&(at, key))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
