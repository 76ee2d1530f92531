//! How much may be in frames: about half a second of what the transport takes, or as much as has left soon.

use std::time::Duration;

use crate::time::Time;

/// As long as this is counted, or up to [`MUCH`].
const SPAN: Duration = Duration::from_millis(250);
/// More bytes than a system takes for a slow link.
const MUCH: usize = 8 * 1024 * 1024;
/// A sixteenth of half a second is soon.
const SOON: usize = 16;
/// How much more than usual may be in frames of a fast link.
const MORE: usize = 4;
/// The answers of handshakes fit.
const LEAST: usize = 4 * 1024;

/// What one transport takes. One that never refuses takes everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    since: Time,
    taken: usize,
    /// Something was left over.
    refused: bool,
    ahead: usize,
    /// What leaves in so little time that nobody minds waiting for it.
    soon: usize,
}

impl Pace {
    pub(super) fn new(now: Time) -> Self {
        Self {
            since: now,
            taken: 0,
            refused: false,
            ahead: usize::MAX,
            soon: 0,
        }
    }

    /// `n` bytes left; `more` were to.
    pub(super) fn took(&mut self, n: usize, more: bool, now: Time) {
        self.taken += n;
        self.refused |= more;
        let span = now.since(self.since);
        if span < SPAN && self.taken < MUCH {
            return;
        }
        let half_a_second = self.taken as u128 * 500_000 / span.as_micros().max(1);
        let half_a_second = usize::try_from(half_a_second).unwrap_or(usize::MAX);
        self.ahead = match self.refused {
            true => half_a_second.max(LEAST),
            false => usize::MAX,
        };
        self.soon = half_a_second / SOON;
        (self.since, self.taken, self.refused) = (now, 0, more);
    }

    /// Bytes that may be in frames, at most `most`; and more if all of that has left soon, for it takes fewer
    /// writes.
    pub(super) fn ahead(&self, most: usize) -> usize {
        self.ahead.min(most).max(self.soon.min(MORE * most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn it_is_half_a_second_of_what_leaves() {
        let mut pace = Pace::new(at(0));
        assert_eq!(pace.ahead(65_536), 65_536);
        for tick in 1..20 {
            pace.took(2000, true, at(100 * tick));
        }
        assert_eq!(pace.ahead(65_536), 10_000);
        for tick in 1..20 {
            pace.took(200_000, tick % 3 != 0, at(2000 + 100 * tick));
        }
        assert_eq!(pace.ahead(65_536), 65_536);
    }

    #[test]
    fn a_fast_link_takes_more_at_once() {
        let mut pace = Pace::new(at(0));
        pace.took(MUCH - 1, true, at(10));
        assert_eq!(pace.ahead(65_536), 65_536);
        pace.took(1, true, at(20));
        assert_eq!(pace.ahead(65_536), 4 * 65_536);
        pace.took(1_500_000, false, at(600));
        assert!((65_537..4 * 65_536).contains(&pace.ahead(65_536)));
        pace.took(1000, false, at(900));
        assert_eq!(pace.ahead(65_536), 65_536);
    }

    /// A system that takes a third of its buffer at once, and then nothing for a while, is as slow as it is.
    #[test]
    fn bursts_are_counted_with_the_time_between_them() {
        let mut pace = Pace::new(at(0));
        for second in 1..10 {
            for _ in 0..10 {
                pace.took(1000, false, at(1000 * second));
            }
            pace.took(0, true, at(1000 * second));
        }
        assert_eq!(pace.ahead(65_536), LEAST.max(5000));
    }

    #[test]
    fn a_link_that_stands_still_has_little_in_frames() {
        let mut pace = Pace::new(at(0));
        pace.took(1_000_000, true, at(10));
        pace.took(10, true, at(60_000));
        assert_eq!(pace.ahead(65_536), 8333);
        pace.took(10, true, at(120_000));
        assert_eq!(pace.ahead(65_536), LEAST);
    }

    #[test]
    fn who_refuses_nothing_is_not_slow() {
        let mut pace = Pace::new(at(0));
        pace.took(10, true, at(300));
        assert_eq!(pace.ahead(65_536), LEAST);
        pace.took(10, false, at(310));
        pace.took(10, false, at(600));
        pace.took(10, false, at(900));
        assert_eq!(pace.ahead(65_536), 65_536);
    }
}
