//! Dials that failed: another session, another node or target, and when.
//!
//! A dial that loses its mux session begins again on a new one. Nothing of its client's bytes was sent, so
//! that no one notices; it costs none of the `retries`. Whatever begins again at the same node does so at
//! once the first time, and then after a growing pause.

use std::time::Duration;

use super::dial::Purpose;
use super::{DialId, Engine, Key};
use crate::error::{Cause, Fail};
use crate::event::Event;

/// Before the second repetition; doubled for each further one.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Engine {
    /// An attempt failed: a new mux session, another node or target, the same again, or the end.
    pub(super) fn dial_failed(&mut self, id: DialId, fail: Fail) {
        self.leave_lookup(id);
        self.drop_attempts(id);
        self.drop_racers(id, None);
        let Some(dial) = self.dials.get_mut(id) else {
            return;
        };
        dial.link = None;
        dial.connector = None;
        dial.rx.clear();
        dial.stage_until = None;
        if fail.cause == Cause::Local {
            return self.give_up(id, fail);
        }
        let expired = dial.until <= self.now;
        if let Some(mux) = dial.mux.take()
            && !expired
            && (self.muxes.get(mux)).is_none_or(|session| session.trust.retired)
        {
            return self.lost_session(id, &fail);
        }
        let (place, fail) = dial.located(fail);
        let answered = dial.is_answer(&fail);
        let detour = self.note_failure(id, &fail);
        let no = self.dial_no(id);
        let dial = &mut self.dials[id];
        let chooses = matches!(
            dial.purpose,
            Purpose::Session(_) | Purpose::NameServer(_) | Purpose::Port(_)
        );
        let recovers = dial.lost > 0 && !answered && is_passing(fail.cause) && !expired;
        if chooses && detour && dial.detours > 0 {
            dial.detours -= 1;
            dial.lost = 0;
        } else if chooses && dial.retries > 0 {
            dial.retries -= 1;
            dial.lost = 0;
        } else if !recovers {
            // The end of a connection tells of other causes, and of these only that a side left.
            if chooses
                && !answered
                && let Cause::Closed | Cause::Reset = fail.cause
            {
                let fail = fail.clone();
                self.events.push_back(Event::DialFailed { no, place, fail });
            }
            return self.give_up(id, fail);
        }
        self.events.push_back(Event::DialFailed { no, place, fail });
        match chooses {
            true => self.attempt(id),
            // The way to a session, or of a race, is given.
            false => self.enter_in_time(id),
        }
    }

    pub(super) fn give_up(&mut self, id: DialId, fail: Fail) {
        self.leave_lookup(id);
        let Some(mut dial) = self.dials.remove(id) else {
            return;
        };
        self.timers.arm(Key::Dial(id), &mut dial.armed, None);
        self.hub.forget(id);
        match dial.purpose {
            Purpose::Session(session) => self.dialed(session, Err(fail), &[]),
            Purpose::Mux(key) => self.mux_dial_failed(&key, fail),
            Purpose::NameServer(lookup) => self.lookup_failed(lookup, fail),
            Purpose::Race(waits, _) => self.race_lost(id, waits, dial, fail),
            Purpose::Port(service) => self.port_lost(service, fail),
            Purpose::Lookup(session) => {
                self.name_resolved(session, dial.target.host, Err(fail));
            }
        }
    }

    /// The session that a dial was on, or waited for, is gone: it begins again with another one.
    pub(super) fn lost_session(&mut self, id: DialId, fail: &Fail) {
        let Some(dial) = self.dials.get_mut(id) else {
            return;
        };
        if !is_passing(fail.cause) {
            return self.dial_failed(id, fail.clone());
        }
        dial.lost = dial.lost.saturating_add(1);
        let times = dial.lost;
        self.enter_after(id, times);
    }

    /// Enters a route that was just chosen, later if its nodes have failed this dial before.
    pub(super) fn enter_in_time(&mut self, id: DialId) {
        let dial = &self.dials[id];
        let fails = |pick| dial.failed.iter().filter(|failed| **failed == pick).count();
        let picks = (0..dial.route.picks.len()).filter_map(|at| dial.route.pick(at));
        let most = picks.map(fails).max().unwrap_or(0);
        self.enter_after(id, u32::try_from(most).unwrap_or(u32::MAX));
    }

    /// Enters the route for the time after `times` failures.
    fn enter_after(&mut self, id: DialId, times: u32) {
        if times < 2 {
            return self.enter(id);
        }
        let pause = self.retry_pause(times - 1);
        let dial = &mut self.dials[id];
        dial.stage = "waiting to try again";
        dial.retry_at = Some(self.now + pause);
        self.dial_timer(id);
    }

    /// Before an attempt that follows `times` others: growing, and shortened by chance.
    pub(super) fn retry_pause(&mut self, times: u32) -> Duration {
        let pause = PAUSE.saturating_mul(1 << times.saturating_sub(1).min(10));
        self.entropy.shortened(pause.min(LONGEST_PAUSE))
    }
}

/// What may be over at the next attempt.
fn is_passing(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::Reset
            | Cause::Closed
            | Cause::TimedOut
            | Cause::Refused
            | Cause::HostUnreachable
            | Cause::NetUnreachable
            | Cause::NameNotFound
    )
}
