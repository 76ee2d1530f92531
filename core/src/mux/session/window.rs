//! The window of a stream between peers that agreed on version 2: it follows bandwidth times delay.
//!
//! What a window lets a sender have on its way, others wait for, so it is no larger than needed. It needs
//! twice what arrives in a round trip, since news of it leaves when half of it was read. So a window of which
//! half was read in less than a round trip was too small, and the next one is twice as large.
//!
//! The round trip is that from the telling of a window to the first byte that only this window allows. A
//! sender may take its time for that: the shortest one counts, and counts less with time, as a path may change.

use std::time::Duration;

use crate::time::Time;

/// The first window: more than any path brings in its first round trip.
pub(super) const FIRST: usize = 128 * 1024;

/// A round trip that was measured is forgotten by this part with each longer one.
const FORGET: u32 = 64;

/// The shortest round trip of late, of all streams of a session.
#[derive(Default)]
pub(super) struct RoundTrip(Option<Duration>);

impl RoundTrip {
    fn sample(&mut self, taken: Duration) {
        self.0 = Some(match self.0 {
            Some(shortest) if taken > shortest => taken.min(shortest + shortest / FORGET),
            _ => taken,
        });
    }
}

/// What is known of one stream's reader, and of the way to its sender.
pub(super) struct Growth {
    size: usize,
    /// When a window was told last.
    told: Time,
    /// The byte that shows that a window has arrived, and when that was told.
    probe: Option<(u32, Time)>,
}

impl Growth {
    pub(super) fn new() -> Self {
        Self {
            size: FIRST,
            told: Time::ZERO,
            probe: None,
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

    /// The window to tell now, at most `most`. Until now the peer may send as far as `end`; since the last
    /// time, `read` bytes were read.
    pub(super) fn tell(
        &mut self,
        end: u32,
        read: usize,
        most: usize,
        now: Time,
        trip: &RoundTrip,
    ) -> usize {
        let elapsed = now.since(self.told);
        if read >= self.size / 2 && trip.0.is_some_and(|trip| elapsed < trip) {
            self.size *= 2;
        }
        self.size = self.size.min(most);
        self.told = now;
        self.probe.get_or_insert((end, now));
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn at(micros: u64) -> Time {
        Time::ZERO + Duration::from_micros(micros)
    }

    /// A reader of `rate` bytes a microsecond on a path with this round trip, its sender always having more.
    /// The window in the end.
    fn settled(rate: usize, trip: u64) -> usize {
        let (mut growth, mut round) = (Growth::new(), RoundTrip::default());
        let (mut now, mut count, mut end) = (1, 0u32, 2048u32);
        let mut read = 2048;
        for _ in 0..400 {
            let window = growth.tell(end, read, 8 * MIB, at(now), &round);
            // What is beyond the old end comes a round trip later, all before it at the reader's pace.
            let next_end = count.wrapping_add(window as u32);
            read = window / 2;
            let pace = (read / rate) as u64;
            let first_beyond = now + trip;
            growth.arrived(end.wrapping_add(1), at(first_beyond), &mut round);
            now += pace.max(trip / 2);
            count = count.wrapping_add(read as u32);
            end = next_end;
        }
        growth.size
    }

    #[test]
    fn a_window_holds_twice_what_arrives_in_a_round_trip() {
        // 1 GB/s over 100 us, 100 MB/s over 20 ms, 1 MB/s over 80 ms.
        for (rate, trip) in [(1000, 100), (100, 20_000), (1, 80_000)] {
            let product = rate * trip as usize;
            let size = settled(rate, trip);
            assert!(size >= (2 * product).max(FIRST), "{rate} {trip}: {size}");
            assert!(size <= (4 * product).max(FIRST), "{rate} {trip}: {size}");
        }
        assert_eq!(settled(1000, 80_000), 8 * MIB);
    }

    #[test]
    fn the_shortest_round_trip_counts_and_is_forgotten_in_time() {
        let mut round = RoundTrip::default();
        round.sample(Duration::from_secs(10));
        round.sample(Duration::from_millis(1));
        round.sample(Duration::from_secs(10));
        assert!(round.0 < Some(Duration::from_micros(1020)));
        for _ in 0..500 {
            round.sample(Duration::from_millis(80));
        }
        assert_eq!(round.0, Some(Duration::from_millis(80)));
    }

    #[test]
    fn fewer_bytes_than_half_a_window_prove_nothing() {
        let (mut growth, mut round) = (Growth::new(), RoundTrip::default());
        round.sample(Duration::from_secs(1));
        for n in 1..100 {
            let window = growth.tell(2048, 100, 8 * MIB, at(n), &round);
            assert_eq!(window, FIRST);
        }
        assert_eq!(growth.tell(2048, 0, 4096, at(100), &round), 4096);
    }
}
