//! When a dial fails: who is to blame, and whether another way is left.

use super::dial::{ANSWER, Dial, LATE, RACING, WAITING};
use super::pick::{Pick, Wish};
use super::{DialId, Engine};
use crate::error::{Cause, Fail};
use crate::plan::Forward;

impl Dial {
    /// Where it failed, and the failure with that in front.
    pub(super) fn located(&self, fail: Fail) -> (String, Fail) {
        let place = match self.route.nodes.get(self.at) {
            Some(node) => format!("{} ({})", node.name, node.addr),
            None => self.target.to_string(),
        };
        let text = match (fail.cause, self.stage) {
            // The dial for the session, or the last of the race, has named the node already.
            (cause, WAITING | RACING) if cause != Cause::TimedOut || fail.text != LATE => fail.text,
            (Cause::TimedOut, stage) => format!("{place}: {stage}: {}", fail.text),
            _ => format!("{place}: {}", fail.text),
        };
        (place, Fail::new(fail.cause, text))
    }

    /// A node that reached us an answer about the target is not to blame.
    pub(super) fn is_answer(&self, fail: &Fail) -> bool {
        let about_target = matches!(
            fail.cause,
            Cause::Refused | Cause::Denied | Cause::NameNotFound
        );
        about_target && self.stage == ANSWER
    }
}

impl Engine {
    /// Remembers who is to blame. Returns whether another way or target is left to try.
    pub(super) fn note_failure(&mut self, id: DialId, fail: &Fail) -> bool {
        let dial = &mut self.dials[id];
        let answered = dial.is_answer(fail);
        let pick = dial.route.pick(dial.at);
        if let (true, Some(Some(index))) = (answered || dial.route.nodes.is_empty(), dial.forward) {
            dial.failed_targets.push(index);
            let tried = dial.failed_targets.len();
            self.hub.targets(dial.service).failed(index, self.now);
            let forward = self.plan.services[dial.service].forward.as_ref();
            let seen = self
                .dial_session(id)
                .and_then(|id| self.sessions.get(id)?.seen.as_deref());
            let fitting = |forward: &Forward| {
                let nodes = forward.nodes.iter();
                nodes.filter(|node| node.rules.fits(seen)).count()
            };
            return forward.is_some_and(|forward| tried < fitting(forward));
        }
        let (false, Some(pick)) = (answered, pick) else {
            // Those of a race have been noted.
            let dial = &self.dials[id];
            let last = dial.failed.last().filter(|_| dial.stage == RACING).copied();
            return last.is_some_and(|pick| self.dial_has_detour(id, pick));
        };
        dial.failed.push(pick);
        let (service, member) = (dial.service, dial.route.member);
        // The dial for the session has counted the failure, for all that waited.
        if dial.stage != WAITING || fail.cause == Cause::TimedOut {
            self.hub.pool(pick.0, pick.1).failed(pick.2, self.now);
        }
        if let Some(member) = member {
            self.hub.group(service).failed(member, self.now);
        }
        self.dial_has_detour(id, pick)
    }

    fn dial_has_detour(&self, id: DialId, pick: Pick) -> bool {
        let dial = &self.dials[id];
        let wish = Wish {
            service: dial.service,
            chain: self.own_chain(id),
            source: "",
            target: &dial.target,
            failed: &dial.failed,
        };
        self.has_detour(&wish, pick)
    }
}
