//! permessage-deflate payloads (RFC 7692, 7.2), with and without context takeover.
//!
//! Without takeover nothing is kept between messages, so compressors belong to the thread and not to
//! connections: an idle connection holds none. With it a connection keeps what it was lent: about 330 KiB
//! to compress with a window of 15 bits (200 KiB with 9) and 45 KiB to inflate, each from its first
//! compressed message on. Inflation goes in steps of at most [`STEP`] bytes, and whoever pulls them
//! decides how many: a small message that inflates a thousandfold allocates nothing by itself.

use std::fmt;

use bytes::{Buf, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::error::Fail;

/// The largest piece of inflated payload, in bytes.
pub const STEP: usize = 64 * 1024;

/// The largest window, 32 KiB, as a power of two.
pub const BITS: u8 = 15;

/// Ends every sync flush; not sent (RFC 7692, 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Compressors of either kind kept for the next messages.
const SPARE: usize = 4;

/// How far one direction of a connection refers back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Into earlier messages (RFC 7692, 7.1.1).
    pub takeover: bool,
    /// At most 2 to this power bytes, 8 to 15 (7.1.2).
    pub bits: u8,
}

/// What compression one end wishes, or both agreed on: of what it sends, and of what it receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    pub tx: Window,
    pub rx: Window,
}

impl Default for Deflate {
    /// gost's: each message by itself, full windows.
    fn default() -> Self {
        let window = Window {
            takeover: false,
            bits: BITS,
        };
        Self {
            tx: window,
            rx: window,
        }
    }
}

impl Deflate {
    /// What RFC 7692 leaves to both ends if nothing is said: contexts are kept, windows are full.
    pub fn with_takeover() -> Self {
        let window = Window {
            takeover: true,
            bits: BITS,
        };
        Self {
            tx: window,
            rx: window,
        }
    }
}

/// Compressors for one thread: those that keep no context between messages belong to nobody else.
#[derive(Default)]
pub struct Pool {
    deflaters: Vec<Deflater>,
    inflaters: Vec<Decompress>,
    /// Output of either kind before it is copied to its size.
    scratch: Vec<u8>,
}

/// Compresses one message after the other.
pub struct Deflater {
    stream: Compress,
    bits: u8,
}

impl Deflater {
    /// Bytes in use: zlib's own figure, rounded up.
    pub fn held(&self) -> usize {
        (136 << 10) + (4 << self.bits.max(9))
    }
}

impl Pool {
    /// Lends a compressor with an empty window of `bits` bits.
    pub fn deflater(&mut self, bits: u8) -> Deflater {
        if let Some(at) = self.deflaters.iter().position(|spare| spare.bits == bits) {
            return self.deflaters.swap_remove(at);
        }
        // zlib has no window of 8 bits for raw deflate. With one of 9 it looks back at most 512 - 262 bytes,
        // which is within 8 bits as well.
        let window = bits.clamp(9, BITS);
        Deflater {
            // Level 1: more costs several times as much and gains little on what tunnels carry.
            stream: Compress::new_with_window_bits(Compression::fast(), false, window),
            bits,
        }
    }

    /// Compresses the next parts of a message, and with `last` ends it. What is not the last may all
    /// be held back.
    pub fn deflate<'a>(
        &mut self,
        deflater: &mut Deflater,
        parts: impl Iterator<Item = &'a [u8]>,
        last: bool,
    ) -> BytesMut {
        let out = &mut self.scratch;
        out.clear();
        for part in parts {
            feed(&mut deflater.stream, part, FlushCompress::None, out);
        }
        if last {
            feed(&mut deflater.stream, &[], FlushCompress::Sync, out);
            out.truncate(out.strip_suffix(&TAIL).unwrap_or(out).len());
            if out.is_empty() {
                // Behind a flush the library sees nothing to flush in an empty message (7.2.3.6).
                out.push(0);
            }
        }
        let packed = BytesMut::from(&out[..]);
        out.shrink_to(2 * STEP);
        packed
    }

    /// Takes a compressor back.
    pub fn recycle_deflater(&mut self, mut deflater: Deflater) {
        if self.deflaters.len() < SPARE {
            deflater.stream.reset();
            self.deflaters.push(deflater);
        }
    }

    /// Lends an inflater with an empty window, which is full-sized: it reads any smaller one's messages.
    pub fn inflater(&mut self) -> Inflater {
        Inflater {
            stream: self
                .inflaters
                .pop()
                .unwrap_or_else(|| Decompress::new(false)),
            input: BytesMut::new(),
            complete: false,
            ended: false,
        }
    }

    /// The next piece of a message, at most [`STEP`] bytes. `None`: all input so far is used up.
    pub fn inflate(&mut self, inflater: &mut Inflater) -> Result<Option<BytesMut>, Fail> {
        self.scratch.resize(STEP, 0);
        inflater.step(&mut self.scratch)
    }

    /// Takes an inflater back.
    pub fn recycle(&mut self, mut inflater: Inflater) {
        if self.inflaters.len() < SPARE {
            inflater.stream.reset(false);
            self.inflaters.push(inflater.stream);
        }
    }
}

/// Inflates one message after the other: feed a piece, take steps until there are no more, feed the next.
pub struct Inflater {
    stream: Decompress,
    input: BytesMut,
    /// The whole message was fed.
    complete: bool,
    /// The message has had a final block (RFC 7692, 7.2.3.4 allows it).
    ended: bool,
}

impl Inflater {
    /// Adds a piece of the message. Steps should have used up what was fed before.
    pub fn feed(&mut self, piece: BytesMut) {
        crate::buffer::stash(&mut self.input, piece);
    }

    /// The message ends behind what was fed.
    pub fn complete(&mut self) {
        self.feed(BytesMut::from(&TAIL[..]));
        self.complete = true;
    }

    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Begins the next message, which may refer to the ones before.
    pub fn renew(&mut self) {
        if self.ended {
            // What a sender behind a final block did not complete with an empty one.
            self.stream.reset(false);
        }
        self.input = BytesMut::new();
        (self.complete, self.ended) = (false, false);
    }

    /// Bytes in use: the window with its tables (zlib's own figure, rounded up), and what was fed.
    pub fn held(&self) -> usize {
        44 * 1024 + self.input.len()
    }

    fn step(&mut self, out: &mut [u8]) -> Result<Option<BytesMut>, Fail> {
        loop {
            let (before_in, before_out) = (self.stream.total_in(), self.stream.total_out());
            let status = self
                .stream
                .decompress(&self.input, out, FlushDecompress::None)
                .map_err(|error| Fail::protocol(format!("bad compressed message: {error}")))?;
            let taken = (self.stream.total_in() - before_in) as usize;
            let made = (self.stream.total_out() - before_out) as usize;
            self.input.advance(taken);
            if status == Status::StreamEnd {
                // Behind a final block comes another beginning, with an empty window.
                self.stream.reset(false);
                self.ended = true;
            }
            if made > 0 {
                return Ok(Some(BytesMut::from(&out[..made])));
            }
            if taken == 0 || self.input.is_empty() {
                if self.input.is_empty() {
                    // Used up, but still pinning its receive buffer.
                    self.input = BytesMut::new();
                }
                return Ok(None);
            }
        }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("input", &self.input.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater")
            .field("bits", &self.bits)
            .finish_non_exhaustive()
    }
}

fn feed(deflater: &mut Compress, part: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
    let start = deflater.total_in();
    loop {
        let rest = &part[(deflater.total_in() - start) as usize..];
        out.reserve(rest.len() + 64);
        // The only error is a stream in a wrong state, which a reset stream without dictionary is not.
        if deflater.compress_vec(rest, out, flush).is_err() {
            return;
        }
        let all_taken = deflater.total_in() - start == part.len() as u64;
        if all_taken && out.len() < out.capacity() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
