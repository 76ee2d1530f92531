//! Proof of life: a ping when nothing came for a period, death when nothing came for another.

use std::time::Duration;

use crate::time::Time;

/// When to ping. What comes in between moves no deadline: the silence is measured when one fires.
#[derive(Debug)]
pub(super) struct Heartbeat {
    /// `None` never pings.
    period: Option<Duration>,
    last_rx: Time,
    /// A ping was sent, and nothing came since.
    asked: bool,
    paused: bool,
    at: Option<Time>,
}

/// What is to be done at a deadline.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    None,
    Ping,
    /// Without being asked: we do not read, but say that we live.
    Pong,
    /// A ping had no answer of any kind for this long.
    Dead(Duration),
}

impl Heartbeat {
    /// Stopped; a period of zero never starts.
    pub(super) fn new(period: Option<Duration>) -> Self {
        Self {
            period: period.filter(|period| !period.is_zero()),
            last_rx: Time::ZERO,
            asked: false,
            paused: false,
            at: None,
        }
    }

    pub(super) fn start(&mut self, now: Time) {
        self.last_rx = now;
        self.at = self.period.map(|period| now + period);
    }

    pub(super) fn stop(&mut self) {
        self.at = None;
    }

    /// Anything at all came.
    pub(super) fn heard(&mut self, now: Time) {
        self.last_rx = now;
        self.asked = false;
    }

    /// While paused we do not listen, so silence proves nothing.
    pub(super) fn pause(&mut self, paused: bool, now: Time) {
        self.paused = paused;
        self.heard(now);
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.at
    }

    pub(super) fn beat(&mut self, now: Time) -> Beat {
        let (Some(period), Some(at)) = (self.period, self.at) else {
            return Beat::None;
        };
        if at > now {
            return Beat::None;
        }
        self.at = Some(now + period);
        if self.paused {
            return Beat::Pong;
        }
        if self.asked {
            self.at = None;
            return Beat::Dead(period);
        }
        if now.since(self.last_rx) < period {
            self.at = Some(self.last_rx + period);
            return Beat::None;
        }
        self.asked = true;
        Beat::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(15);

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn started() -> Heartbeat {
        let mut heartbeat = Heartbeat::new(Some(PERIOD));
        heartbeat.start(at(0));
        heartbeat
    }

    #[test]
    fn silence_is_asked_once_and_then_death() {
        let mut heartbeat = started();
        assert_eq!(heartbeat.next(), Some(at(15)));
        assert_eq!(heartbeat.beat(at(14)), Beat::None);
        assert_eq!(heartbeat.beat(at(15)), Beat::Ping);
        assert_eq!(heartbeat.next(), Some(at(30)));
        assert_eq!(heartbeat.beat(at(30)), Beat::Dead(PERIOD));
        assert_eq!(heartbeat.next(), None);
    }

    #[test]
    fn any_byte_is_life_and_moves_no_deadline() {
        let mut heartbeat = started();
        heartbeat.heard(at(10));
        assert_eq!(heartbeat.next(), Some(at(15)));
        assert_eq!(heartbeat.beat(at(15)), Beat::None);
        assert_eq!(heartbeat.next(), Some(at(25)));
        assert_eq!(heartbeat.beat(at(25)), Beat::Ping);
        heartbeat.heard(at(39));
        assert_eq!(heartbeat.beat(at(40)), Beat::None);
        assert_eq!(heartbeat.next(), Some(at(54)));
    }

    #[test]
    fn while_we_do_not_read_nobody_dies() {
        let mut heartbeat = started();
        assert_eq!(heartbeat.beat(at(15)), Beat::Ping);
        heartbeat.pause(true, at(16));
        assert_eq!(heartbeat.beat(at(30)), Beat::Pong);
        assert_eq!(heartbeat.beat(at(45)), Beat::Pong);
        heartbeat.pause(false, at(50));
        assert_eq!(heartbeat.beat(at(60)), Beat::None);
        assert_eq!(heartbeat.beat(at(65)), Beat::Ping);
    }

    #[test]
    fn no_period_and_a_zero_one_never_beat() {
        for period in [None, Some(Duration::ZERO)] {
            let mut heartbeat = Heartbeat::new(period);
            heartbeat.start(at(0));
            assert_eq!(heartbeat.next(), None);
            assert_eq!(heartbeat.beat(at(100)), Beat::None);
        }
    }
}
