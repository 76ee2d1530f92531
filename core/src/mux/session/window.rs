//! The window of a stream between peers that agreed on version 2: it follows bandwidth times delay.
//!
//! What a window lets a sender have on its way, others wait for, so it is no larger than needed while there are
//! others. News of it leave when a quarter of it was read, so it needs a third more than what is read in a round
//! trip. It has from twice to four times that. While it is too small, most of it is read in each round trip, and
//! the next one is larger; when less is read, it shrinks, by at most half in a round trip. Who brings much and reads
//! fast has a larger one than it needs, and news when half of that was read: news cost a write here and a wake-up
//! there, and so do the short runs of frames that small windows leave to many streams. On a slow way whoever comes
//! next would wait for all of it. While somebody else says little and waits for answers, it has no more than it
//! needs.
//!
//! The round trip is that from the telling of a window to the first byte that only this window allows. A sender
//! may take its time for that, and what waits in queues adds to it, so the shortest one of the session counts. On the
//! loopback that is some ten microseconds, and the least sizes below are what counts.

use std::time::Duration;

use crate::time::Time;

/// The first window: more than any path brings in its first round trip.
pub(super) const FIRST: usize = 256 * 1024;
/// The least one of a stream that brings much.
const MUCH: usize = 1024 * 1024;
/// The least one while another stream waits for answers.
const POLITE: usize = 64 * 1024;
/// Within this it has been read, or it is not told.
const SOON: Duration = Duration::from_millis(50);

/// The least window of a stream that has brought so many bytes, while another one waits for answers or none does.
pub(super) fn least(read: usize, somebody_waits: bool) -> usize {
    match somebody_waits {
        true => POLITE,
        false if read >= FIRST / 2 => MUCH,
        false => FIRST,
    }
}

/// The shortest round trip of all streams of a session.
#[derive(Default)]
pub(super) struct RoundTrip(Option<Duration>);

impl RoundTrip {
    fn sample(&mut self, taken: Duration) {
        self.0 = Some(self.0.map_or(taken, |shortest| shortest.min(taken)));
    }
}

/// What is known of one stream's reader, and of the way to its sender.
pub(super) struct Growth {
    /// What it needs, or 0 until that was measured.
    size: u32,
    /// What was read since then: a rate, once that is a round trip ago.
    read: u32,
    since: Time,
    /// When the last window was told.
    told: Time,
    /// The byte that shows that a window has arrived, and when that was told.
    probe: Option<(u32, Time)>,
}

impl Growth {
    pub(super) fn new() -> Self {
        Self {
            size: 0,
            read: 0,
            since: Time::ZERO,
            told: Time::ZERO,
            probe: None,
        }
    }

    /// How much of a window that was told is read before the next one.
    pub(super) fn news(&self, window: usize) -> usize {
        let size = match self.size {
            0 => FIRST,
            size => size as usize,
        };
        match size <= window / 2 {
            true => window / 2,
            false => window / 4,
        }
    }

    /// So many bytes came, counted from the beginning.
    pub(super) fn arrived(&mut self, count: u32, now: Time, trip: &mut RoundTrip) {
        if let Some((mark, told)) = self.probe
            && (count.wrapping_sub(mark) as i32) > 0
        {
            trip.sample(now.since(told));
            self.probe = None;
        }
    }

    /// The window to tell now, of at least `least` bytes if `most` allows it, and those are read soon. Until now the
    /// peer may send as far as `end`; since the last time, `read` bytes were read.
    pub(super) fn tell(
        &mut self,
        end: u32,
        read: usize,
        (least, most): (usize, usize),
        now: Time,
        trip: &RoundTrip,
    ) -> usize {
        self.probe.get_or_insert((end, now));
        let pause = now.since(std::mem::replace(&mut self.told, now));
        let least = match least as u128 * pause.as_nanos() <= read as u128 * SOON.as_nanos() {
            true => least,
            false => least.min(FIRST),
        };
        self.read = self.read.saturating_add(narrow(read));
        let elapsed = now.since(self.since);
        if let Some(trip) = trip.0
            && elapsed >= trip
        {
            let read = u128::from(self.read) * trip.as_nanos() / elapsed.as_nanos().max(1);
            let size = u128::from(self.size);
            let needed = u32::try_from(3 * read).unwrap_or(u32::MAX);
            if size < 2 * read {
                self.size = needed;
            } else if size > 4 * read {
                // The sender may only have paused.
                self.size = needed.max(self.size / 2);
            }
            (self.read, self.since) = (0, now);
        }
        self.size = self.size.min(narrow(most));
        (self.size as usize).max(least).min(most)
    }
}

/// Windows are told in 32 bits.
pub(super) fn narrow(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn at(micros: u64) -> Time {
        Time::ZERO + Duration::from_micros(micros)
    }

    /// A reader of `rate` bytes a microsecond on a path with this round trip, its sender always having more.
    /// The window in the end, of at least `least`.
    fn settled(rate: usize, trip: u64, least: usize) -> usize {
        let (mut growth, mut round) = (Growth::new(), RoundTrip::default());
        let (mut now, mut count, mut end) = (1, 0u32, 2048u32);
        let (mut read, mut window) = (2048, 0);
        for _ in 0..100 {
            window = growth.tell(end, read, (least, 8 * MIB), at(now), &round);
            end = count.wrapping_add(window as u32);
            growth.arrived(end.wrapping_add(1), at(now + trip), &mut round);
            // The sender waits for news of each quarter, or the reader is slower than that.
            read = growth.news(window);
            now += (trip / 3).max((read / rate) as u64);
            count = count.wrapping_add(read as u32);
        }
        window
    }

    #[test]
    fn a_window_is_two_to_three_times_what_is_read_in_a_round_trip() {
        // 1 GB/s over 100 us and 1 ms, 100 MB/s over 20 ms, 1 MB/s over 80 ms.
        for (rate, trip) in [(1000, 100), (1000, 1000), (100, 20_000), (1, 80_000)] {
            for least in [FIRST, POLITE] {
                let product = rate * trip as usize;
                let size = settled(rate, trip, least);
                assert!(size >= (2 * product).max(least), "{rate} {trip}: {size}");
                // The first bytes came before anything was timed.
                let most = (3 * (product + 2048)).max(least);
                assert!(size <= most + most / 100, "{rate} {trip}: {size}");
            }
        }
        assert_eq!(settled(1000, 80_000, FIRST), 8 * MIB);
    }

    #[test]
    fn a_slow_reader_has_a_small_window() {
        let (mut growth, mut round) = (Growth::new(), RoundTrip::default());
        round.sample(Duration::from_secs(1));
        for n in 1..100 {
            let window = growth.tell(2048, 100, (FIRST, 8 * MIB), at(n), &round);
            assert_eq!(window, FIRST);
        }
        assert_eq!(growth.tell(2048, 0, (FIRST, 4096), at(100), &round), 4096);
    }

    #[test]
    fn who_brings_much_has_a_larger_window_and_fewer_news() {
        assert_eq!(least(FIRST / 2 - 1, false), FIRST);
        assert_eq!(least(FIRST / 2, false), MUCH);
        assert_eq!(least(FIRST, true), POLITE);
        let (mut growth, mut round) = (Growth::new(), RoundTrip::default());
        let mut tell =
            |read, least, micros| growth.tell(0, read, (least, 8 * MIB), at(micros), &round);
        // 4 MiB a second are too slow, 256 are not.
        assert_eq!(tell(MIB, MUCH, 250_000), FIRST);
        assert_eq!(tell(MIB / 4, MUCH, 251_000), MUCH);
        assert_eq!(growth.news(MUCH), MUCH / 2);
        // It is gone with what called for it.
        assert_eq!(
            growth.tell(0, 0, (FIRST, 8 * MIB), at(251_001), &round),
            FIRST
        );
        assert_eq!(growth.news(FIRST), FIRST / 4);
        // One that it needs is told as early as ever.
        round.sample(Duration::from_millis(1));
        (growth.read, growth.since) = (0, at(251_001));
        let window = growth.tell(0, MIB, (MUCH, 8 * MIB), at(252_002), &round);
        assert!(window > 2 * MIB, "{window}");
        assert_eq!(growth.news(window), window / 4);
    }

    #[test]
    fn twice_what_is_read_in_a_round_trip_is_enough() {
        let mut round = RoundTrip::default();
        round.sample(Duration::from_secs(1));
        for (read, expected) in [(150_000, 300_000), (150_001, 450_003)] {
            let mut growth = Growth::new();
            let mut tell = |read, seconds: u64| {
                growth.tell(0, read, (0, 8 * MIB), at(seconds * 1_000_000), &round)
            };
            assert_eq!(tell(100_000, 1), 300_000);
            assert_eq!(tell(read, 2), expected);
        }
    }

    #[test]
    fn a_window_shrinks_with_what_is_read_by_half_at_a_time() {
        let mut round = RoundTrip::default();
        round.sample(Duration::from_secs(1));
        let mut growth = Growth::new();
        let mut tell = |read, seconds: u64| {
            growth.tell(0, read, (0, 8 * MIB), at(seconds * 1_000_000), &round)
        };
        assert_eq!(tell(1_000_000, 1), 3_000_000);
        assert_eq!(tell(750_000, 2), 3_000_000);
        assert_eq!(tell(749_999, 3), 2_249_997);
        assert_eq!(tell(0, 4), 1_124_998);
        assert_eq!(tell(100_000, 5), 562_499);
        assert_eq!(tell(100_000, 6), 300_000);
        assert_eq!(tell(150_001, 7), 450_003);
    }

    #[test]
    fn only_a_byte_behind_the_old_window_shows_that_the_new_one_has_arrived() {
        let (mut growth, mut round) = (Growth::new(), RoundTrip::default());
        growth.tell(2048, 1000, (FIRST, 8 * MIB), at(1), &round);
        growth.arrived(2048, at(2), &mut round);
        assert_eq!(round.0, None);
        growth.arrived(2049, at(11), &mut round);
        assert_eq!(round.0, Some(Duration::from_micros(10)));
        // Of the next window; counts wrap.
        growth.tell(u32::MAX, 1000, (FIRST, 8 * MIB), at(20), &round);
        growth.arrived(4, at(24), &mut round);
        assert_eq!(round.0, Some(Duration::from_micros(4)));
    }
}
