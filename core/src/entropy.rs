//! Chance as the engine sees it: one generator per engine, seeded by the driver.

use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

/// A buffered cryptographic generator: mask keys and nonces must be unpredictable (RFC 6455, 5.3),
/// and a run with a given seed must be repeatable.
pub struct Entropy(ChaCha12Rng);

impl Entropy {
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    pub fn mask_key(&mut self) -> [u8; 4] {
        self.0.next_u32().to_ne_bytes()
    }

    /// The 16 random bytes behind a `Sec-WebSocket-Key` (RFC 6455, 4.1).
    pub fn nonce(&mut self) -> [u8; 16] {
        let mut nonce = [0; 16];
        self.0.fill_bytes(&mut nonce);
        nonce
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // Widening multiplication: the bias is below 2^-32 for every bound that occurs here.
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Up to a fifth less: what started together does not stay in step.
    pub fn shortened(&mut self, duration: Duration) -> Duration {
        let fifth = u64::try_from(duration.as_nanos() / 5).unwrap_or(u64::MAX);
        duration.saturating_sub(Duration::from_nanos(self.below(fifth)))
    }
}
