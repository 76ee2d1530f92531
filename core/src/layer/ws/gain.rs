//! Whether compressing is worth its cost, learned from what it has gained.

/// So many bytes are compressed before the gain is judged.
const SAMPLE: u64 = 64 * 1024;

/// They must have lost at least this part of their size, as a divisor: one in sixteen.
const GAIN: u64 = 16;

/// Bytes that go plainly after a sample without gain; twice as many after each further one.
const FIRST_REST: u64 = 1024 * 1024;
const MAX_REST: u64 = 64 * 1024 * 1024;

/// Compression gives itself up on data that does not shrink, and tries again rarely: ciphertext and what
/// is compressed already cost many times the whole tunnel otherwise, and all but 0.1 % of that is saved.
#[derive(Debug)]
pub(super) struct Gain {
    plain: u64,
    packed: u64,
    /// Bytes that still go plainly.
    rest: u64,
    next_rest: u64,
}

impl Default for Gain {
    fn default() -> Self {
        Self {
            plain: 0,
            packed: 0,
            rest: 0,
            next_rest: FIRST_REST,
        }
    }
}

impl Gain {
    pub(super) fn is_worth_it(&self) -> bool {
        self.rest == 0
    }

    /// So many bytes went plainly.
    pub(super) fn pass(&mut self, len: usize) {
        self.rest = self.rest.saturating_sub(len as u64);
    }

    /// `plain` bytes became `packed`.
    pub(super) fn report(&mut self, plain: usize, packed: usize) {
        self.plain += plain as u64;
        self.packed += packed as u64;
        if self.plain < SAMPLE {
            return;
        }
        if self.packed > self.plain - self.plain / GAIN {
            self.rest = self.next_rest;
            self.next_rest = (self.next_rest * 2).min(MAX_REST);
        } else {
            self.next_rest = FIRST_REST;
        }
        (self.plain, self.packed) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_gain_it_rests_for_longer_and_longer() {
        let mut gain = Gain::default();
        let mut rest = FIRST_REST as usize;
        for _ in 0..10 {
            gain.report(60_000, 60_100);
            assert!(gain.is_worth_it());
            gain.report(60_000, 60_100);
            assert!(!gain.is_worth_it());
            gain.pass(rest - 1);
            assert!(!gain.is_worth_it());
            gain.pass(1);
            assert!(gain.is_worth_it());
            rest = (rest * 2).min(MAX_REST as usize);
        }
        gain.report(100_000, 10_000);
        assert!(gain.is_worth_it());
        gain.report(100_000, 99_000);
        gain.pass(FIRST_REST as usize);
        assert!(gain.is_worth_it(), "a gain begins anew");
    }

    #[test]
    fn small_gains_over_a_sample_count_together() {
        let mut gain = Gain::default();
        for _ in 0..200 {
            gain.report(1000, 900);
            assert!(gain.is_worth_it());
        }
    }
}
