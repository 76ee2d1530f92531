//! How much may be in frames: about half a second of what the transport takes, or as much as has left soon.

use std::time::Duration;

use crate::time::Time;

/// As long as this is counted, or up to [`MUCH`].
const SPAN: Duration = Duration::from_millis(250);
/// More bytes than a system takes for a slow link.
const MUCH: u32 = 8 * 1024 * 1024;
/// A sixteenth of half a second is soon.
const SOON: u32 = 16;
/// How much more than usual may be in frames of a fast link.
const MORE: usize = 4;
/// The answers of handshakes fit.
const LEAST: u32 = 4 * 1024;
/// As fast as it comes.
const EVERYTHING: u32 = u32::MAX;

/// What one transport takes. One that never refuses takes everything. Every link has one: 4 GiB are enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    since: Time,
    taken: u32,
    ahead: u32,
    /// What leaves in so little time that nobody minds waiting for it.
    soon: u32,
    /// Something was left over.
    refused: bool,
}

impl Pace {
    pub(super) fn new(now: Time) -> Self {
        Self {
            since: now,
            taken: 0,
            ahead: EVERYTHING,
            soon: 0,
            refused: false,
        }
    }

    /// `n` bytes left; `more` were to.
    pub(super) fn took(&mut self, n: usize, more: bool, now: Time) {
        self.taken = self
            .taken
            .saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
        self.refused |= more;
        let span = now.since(self.since);
        if span < SPAN && self.taken < MUCH {
            return;
        }
        let half_a_second = u128::from(self.taken) * 500_000 / span.as_micros().max(1);
        let half_a_second = u32::try_from(half_a_second).unwrap_or(EVERYTHING);
        self.ahead = match self.refused {
            true => half_a_second.max(LEAST),
            false => EVERYTHING,
        };
        self.soon = half_a_second / SOON;
        (self.since, self.taken, self.refused) = (now, 0, more);
    }

    /// Bytes that may be in frames, at most `most`; and more if all of that has left soon, for it takes fewer
    /// writes.
    pub(super) fn ahead(&self, most: usize) -> usize {
        let ahead = match self.ahead {
            EVERYTHING => most,
            ahead => most.min(ahead as usize),
        };
        ahead.max((MORE * most).min(self.soon as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn it_is_small_and_counts_no_further_than_it_can() {
        assert_eq!(size_of::<Pace>(), 24);
        let mut pace = Pace::new(at(0));
        pace.took(u32::MAX as usize, true, at(0));
        pace.took(usize::MAX, true, at(300));
        assert_eq!(pace.ahead(65_536), 4 * 65_536);
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
        pace.took(MUCH as usize - 1, true, at(10));
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
        assert_eq!(pace.ahead(65_536), LEAST.max(5000) as usize);
    }

    #[test]
    fn a_link_that_stands_still_has_little_in_frames() {
        let mut pace = Pace::new(at(0));
        pace.took(1_000_000, true, at(10));
        pace.took(10, true, at(60_000));
        assert_eq!(pace.ahead(65_536), 8333);
        pace.took(10, true, at(120_000));
        assert_eq!(pace.ahead(65_536), LEAST as usize);
    }

    #[test]
    fn who_refuses_nothing_is_not_slow() {
        let mut pace = Pace::new(at(0));
        pace.took(10, true, at(300));
        assert_eq!(pace.ahead(65_536), LEAST as usize);
        pace.took(10, false, at(310));
        pace.took(10, false, at(600));
        pace.took(10, false, at(900));
        assert_eq!(pace.ahead(65_536), 65_536);
    }
}
