//! Time in which the process did not run: it was stopped, or its machine was. Nobody was heard then because
//! nobody listened, so that this time counts for no deadline.

use std::time::Duration;

use super::Engine;
use crate::time::Time;

/// A deadline noticed this late was missed by more than a busy thread explains. In this time, too, peers may
/// have given up on us.
const LATE: Duration = Duration::from_secs(2);

/// So much of it counts, so that a thread that is always late gets on.
const LEAST: Duration = Duration::from_millis(250);

#[derive(Debug, Default)]
pub(super) struct Away {
    /// How far the engine's time is behind the driver's.
    lost: Duration,
}

impl Engine {
    /// Takes the driver's time.
    pub(super) fn tick(&mut self, now: Time) {
        let now = self.own_time(now);
        let due = self.timers.first().unwrap_or(now);
        if now.since(due) <= LATE {
            self.now = now;
            return;
        }
        self.now = self.now + LEAST;
        self.away.lost += now.since(self.now);
        for session in self.muxes.values_mut() {
            session.trust.doubted = true;
        }
    }

    /// The next deadline, in the driver's time.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.timers.first().map(|at| at + self.away.lost)
    }

    /// The engine's time for one of the driver's.
    pub(super) fn own_time(&self, time: Time) -> Time {
        Time::ZERO + time.since(Time::ZERO + self.away.lost)
    }
}
