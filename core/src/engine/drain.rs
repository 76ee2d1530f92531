//! The end of an engine in order: what is idle ends at once, what is under way may finish until a deadline.
//!
//! ```text
//! serving ── handle_drain ─► draining ── nothing left, or the deadline ─► drained ── handle_stop ─► empty
//! ```

use super::link::Top;
use super::mux_session::Side;
use super::{Action, Engine, Key, LinkId, MuxId};
use crate::error::{Cause, Fail};
use crate::event::Event;
use crate::time::Time;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Drain {
    #[default]
    No,
    Until(Time),
    Done,
}

/// What an idle peer and a cut one are told.
pub(super) fn going() -> Fail {
    Fail::new(Cause::Local, "shutting down")
}

impl Engine {
    /// Ends what is idle, lets the rest go on until `until` and ends it then. Returns how many connections of
    /// clients are left. Accept no more before; [`Action::Drained`] says that all is over, now or later.
    pub fn handle_drain(&mut self, until: Time, now: Time) -> usize {
        self.tick(now);
        if self.drain != Drain::No {
            return self.sessions.len();
        }
        let until = self.own_time(until);
        self.drain = Drain::Until(until);
        let mut armed = None;
        self.timers.arm(Key::Drain, &mut armed, Some(until));
        for id in self.links.keys().collect::<Vec<_>>() {
            match self.links.get(id).map(|link| (link.top, link.heard)) {
                Some((Top::Incoming(_), false)) => self.remove_link(id, false),
                Some((Top::Client(session), _)) if self.is_idle(session) => {
                    self.end_session(session, Some(going()));
                }
                _ => {}
            }
        }
        self.leave_reverses();
        self.leave_senders();
        for mux in self.muxes.keys().collect::<Vec<_>>() {
            self.leave_mux(mux);
        }
        let left = self.sessions.len();
        self.settle();
        left
    }

    /// Ends everything, in order where a layer has words for it.
    pub fn handle_stop(&mut self, now: Time) {
        self.tick(now);
        self.end_all();
        self.hurry();
        self.unbind_all();
        self.settle();
    }

    /// Who has not taken the rest of what has ended has no more time than all others.
    fn hurry(&mut self) {
        let latest = self.now + self.plan.limits.linger;
        for id in self.links.keys().collect::<Vec<LinkId>>() {
            if let Some(link) = self.links.get_mut(id)
                && link.closing.is_some()
            {
                link.closing_by = Some(latest);
                link.deadline = link.deadline.map(|at| at.min(latest));
                self.link_timer(id);
            }
        }
    }

    pub(super) fn is_draining(&self) -> bool {
        self.drain != Drain::No
    }

    /// The deadline has come.
    pub(super) fn drain_timeout(&mut self) {
        self.drained(self.sessions.len());
        self.end_all();
    }

    /// To be called when an input has been worked off.
    pub(super) fn check_drained(&mut self) {
        let Drain::Until(until) = self.drain else {
            return;
        };
        let under_way = |top| !matches!(top, Top::Closing);
        let left = !self.sessions.is_empty()
            || !self.dials.is_empty()
            || !self.muxes.is_empty()
            || self
                .links
                .values()
                .any(|link| under_way(link.top) || !link.out.is_empty());
        if !left {
            self.timers.arm(Key::Drain, &mut Some(until), None);
            self.drained(0);
        }
    }

    fn drained(&mut self, cut: usize) {
        self.drain = Drain::Done;
        self.events.push_back(Event::Drained { cut });
        self.actions.push_back(Action::Drained);
    }

    fn end_all(&mut self) {
        self.leave_reverses();
        for id in self.links.keys().collect::<Vec<LinkId>>() {
            let link = self.links.get(id);
            if link.is_some_and(|link| link.closing.is_none()) {
                self.link_failed(id, going());
            }
        }
        for id in self.dials.keys().collect::<Vec<_>>() {
            self.give_up(id, going());
        }
    }

    /// No new streams on this session; it ends with its last one.
    pub(super) fn leave_mux(&mut self, id: MuxId) {
        self.close_bound_port(id);
        if self.serves_mux(id)
            && let Some(session) = self.muxes.get_mut(id)
            && !session.smux.is_empty()
        {
            session.smux.go_away();
        }
        self.retire(id);
    }

    /// The peer of this session takes no new streams: dials go to another one.
    pub(super) fn mux_away(&mut self, id: MuxId) {
        if self.serves_mux(id) {
            return;
        }
        self.close_bound_port(id);
        let waiting = self.take_waiting(id);
        self.retire(id);
        for dial in waiting {
            self.enter(dial);
        }
    }

    fn serves_mux(&self, id: MuxId) -> bool {
        let session = self.muxes.get(id);
        session
            .is_some_and(|session| matches!(session.side, Side::Server(_) | Side::Reverse { .. }))
    }
}
