//! Reading operations off fuzzer input, and cutting bytes at places that the input chooses.

/// What is left of the input. Every read returns `None` at its end, which ends the script.
pub(super) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Up to `n` bytes: the last piece of a script may be short.
    pub(super) fn bytes(&mut self, n: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// The next byte, zero at the end: for the options in front of a script.
    pub(super) fn option(&mut self) -> u8 {
        self.byte().unwrap_or(0)
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// Sizes of pieces. Seed 0 is one piece, seed 1 single bytes.
#[derive(Clone, Copy)]
pub(super) struct Cuts(u8, u32);

pub(super) const WHOLE: Cuts = Cuts(0, 0);

impl Cuts {
    pub(super) fn new(seed: u8) -> Self {
        Self(seed, u32::from(seed).wrapping_mul(0x9e37_79b9) | 1)
    }

    pub(super) fn next(&mut self) -> usize {
        match self.0 {
            0 => return usize::MAX,
            1 => return 1,
            _ => {}
        }
        // xorshift32
        self.1 ^= self.1 << 13;
        self.1 ^= self.1 >> 17;
        self.1 ^= self.1 << 5;
        let most = [2, 7, 30, 300][usize::from(self.0 % 4)];
        1 + (self.1 >> 8) as usize % most
    }

    /// Gives `bytes` to `feed` piece by piece, until it says stop.
    pub(super) fn feed<'a>(&mut self, mut bytes: &'a [u8], mut feed: impl FnMut(&'a [u8]) -> bool) {
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(self.next().min(bytes.len()));
            if !feed(piece) {
                return;
            }
            bytes = rest;
        }
    }
}
