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
pub(super) struct Gate {
    plain: u64,
    packed: u64,
    /// Bytes that still go plainly.
    rest: u64,
    next_rest: u64,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            plain: 0,
            packed: 0,
            rest: 0,
            next_rest: FIRST_REST,
        }
    }
}

impl Gate {
    pub(super) fn is_open(&self) -> bool {
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
    fn without_gain_it_closes_for_longer_and_longer() {
        let mut gate = Gate::default();
        let mut rest = FIRST_REST as usize;
        for _ in 0..10 {
            gate.report(60_000, 60_100);
            assert!(gate.is_open());
            gate.report(60_000, 60_100);
            assert!(!gate.is_open());
            gate.pass(rest - 1);
            assert!(!gate.is_open());
            gate.pass(1);
            assert!(gate.is_open());
            rest = (rest * 2).min(MAX_REST as usize);
        }
        gate.report(100_000, 10_000);
        assert!(gate.is_open());
        gate.report(100_000, 99_000);
        gate.pass(FIRST_REST as usize);
        assert!(gate.is_open(), "a gain begins anew");
    }

    #[test]
    fn small_gains_over_a_sample_count_together() {
        let mut gate = Gate::default();
        for _ in 0..200 {
            gate.report(1000, 900);
            assert!(gate.is_open());
        }
    }
}
