//! Dials that failed: another address, another session, another node, and when.
//!
//! A dial that loses its mux session begins again on a new one. Nothing of its client's bytes was sent, so
//! that no one notices; it costs none of the `retries`. Whatever begins again at the same node does so at
//! once the first time, and then after a growing pause.

use std::time::Duration;

use super::dial::{LATE, Purpose, WAITING};
use super::{DialId, Engine, Key};
use crate::error::{Cause, Fail};
use crate::event::Event;

/// Before the second repetition; doubled for each further one.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Engine {
    /// An attempt failed: another address, a new mux session, another node, or the end.
    pub(super) fn dial_failed(&mut self, id: DialId, fail: Fail) {
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
        if !dial.addrs.is_empty() && !expired {
            return self.connect_next(id);
        }
        if let Some(mux) = dial.mux.take()
            && !expired
            && (self.muxes.get(mux)).is_none_or(|session| session.trust.retired)
        {
            return self.lost_session(id, &fail);
        }
        // A node that reached us an answer about the target is not to blame.
        let from_target = matches!(
            fail.cause,
            Cause::Refused | Cause::Denied | Cause::NameNotFound
        ) && dial.stage == "waiting for the node's answer";
        let place = match dial.route.nodes.get(dial.at) {
            Some(node) => format!("{} ({})", node.name, node.addr),
            None => dial.target.to_string(),
        };
        let text = match (fail.cause, dial.stage) {
            // The dial for the session has named the node already.
            (cause, WAITING) if cause != Cause::TimedOut || fail.text != LATE => fail.text.clone(),
            (Cause::TimedOut, stage) => format!("{place}: {stage}: {}", fail.text),
            _ => format!("{place}: {}", fail.text),
        };
        let fail = Fail::new(fail.cause, text);
        if let Some(pick) = dial.route.picks.get(dial.at).copied()
            && !from_target
        {
            dial.failed.push(pick);
            let chain = dial.route.chain;
            self.hub.pool(chain, pick.0).failed(pick.1, self.now);
        }
        let dial = &mut self.dials[id];
        let recovers = dial.lost > 0 && !from_target && is_passing(fail.cause);
        if (dial.retries > 0 || recovers) && !expired {
            dial.retries = dial.retries.saturating_sub(1);
            let no = self.dial_no(id);
            self.events.push_back(Event::DialFailed { no, place, fail });
            return match no {
                Some(_) => self.attempt(id),
                // The way to a session is given.
                None => self.enter_in_time(id),
            };
        }
        self.give_up(id, fail);
    }

    pub(super) fn give_up(&mut self, id: DialId, fail: Fail) {
        let Some(mut dial) = self.dials.remove(id) else {
            return;
        };
        self.timers.arm(Key::Dial(id), &mut dial.armed, None);
        match dial.purpose {
            Purpose::Session(session) => {
                self.hub.forget(id);
                self.dialed(session, Err(fail));
            }
            Purpose::Mux(key) => self.mux_dial_failed(&key, fail),
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
        let fails = |pick| dial.failed.iter().filter(|failed| *failed == pick).count();
        let most = dial.route.picks.iter().map(fails).max().unwrap_or(0);
        self.enter_after(id, u32::try_from(most).unwrap_or(u32::MAX));
    }

    /// Enters the route for the time after `times` failures.
    fn enter_after(&mut self, id: DialId, times: u32) {
        if times < 2 {
            return self.enter(id);
        }
        let pause = PAUSE.saturating_mul(1 << (times - 2).min(10));
        let pause = self.entropy.shortened(pause.min(LONGEST_PAUSE));
        let dial = &mut self.dials[id];
        dial.stage = "waiting to try again";
        dial.retry_at = Some(self.now + pause);
        self.dial_timer(id);
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
