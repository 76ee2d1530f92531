//! Pseudo-random bytes that both ends can compute, and a hash to compare them by.

/// An endless stream of bytes that is a function of its seed (splitmix64).
pub struct Payload {
    state: u64,
    word: [u8; 8],
    used: usize,
}

impl Payload {
    pub fn new(seed: u64) -> Self {
        Self {
            state: seed,
            word: [0; 8],
            used: 8,
        }
    }

    pub fn fill(&mut self, into: &mut [u8]) {
        for byte in into {
            if self.used == 8 {
                self.word = self.next().to_le_bytes();
                self.used = 0;
            }
            *byte = self.word[self.used];
            self.used += 1;
        }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The first `len` bytes of a seed's payload.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut all = vec![0; len];
    Payload::new(seed).fill(&mut all);
    all
}

/// FNV-1a, 64 bits, fed piece by piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash(pub u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    pub fn of(bytes: &[u8]) -> Self {
        let mut hash = Self::default();
        hash.update(bytes);
        hash
    }

    pub fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_does_not_depend_on_the_cuts() {
        let whole = bytes(7, 100);
        let mut cut = vec![0; 100];
        let mut payload = Payload::new(7);
        for piece in cut.chunks_mut(7) {
            payload.fill(piece);
        }
        assert_eq!(whole, cut);
        assert_ne!(whole, bytes(8, 100));
    }

    #[test]
    fn hash_is_fnv_1a() {
        assert_eq!(Hash::of(b"foobar"), Hash(0x85944171f73967e8));
    }
}
