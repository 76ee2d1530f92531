//! permessage-deflate payloads without context takeover (RFC 7692, 7.2).
//!
//! Nothing is kept between messages, so compressors belong to the thread and not to connections: an
//! idle connection holds none. Inflation goes in steps of at most [`STEP`] bytes, and whoever pulls
//! them decides how many: a small message that inflates a thousandfold allocates nothing by itself.

use std::fmt;

use bytes::{Buf, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::error::Fail;

/// The largest piece of inflated payload, in bytes.
pub const STEP: usize = 64 * 1024;

/// Ends every sync flush; not sent (RFC 7692, 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Inflaters kept for the next messages. One is in use only while a message is unfinished.
const SPARE: usize = 4;

/// Compressors for one thread: no context is kept between messages, so none belongs to a connection.
#[derive(Default)]
pub struct Pool {
    deflater: Option<Compress>,
    inflaters: Vec<Decompress>,
    /// Output of either kind before it is copied to its size.
    scratch: Vec<u8>,
}

impl Pool {
    /// Compresses one whole message, given in parts.
    pub fn deflate<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>) -> BytesMut {
        // Level 1: more costs several times as much and gains little on what tunnels carry.
        let deflater = self
            .deflater
            .get_or_insert_with(|| Compress::new(Compression::fast(), false));
        deflater.reset();
        let out = &mut self.scratch;
        out.clear();
        for part in parts {
            feed(deflater, part, FlushCompress::None, out);
        }
        feed(deflater, &[], FlushCompress::Sync, out);
        let message = BytesMut::from(out.strip_suffix(&TAIL).unwrap_or(out));
        out.shrink_to(2 * STEP);
        message
    }

    /// Lends an inflater for one message.
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

/// One message being inflated: feed a piece, take steps until there are no more, feed the next.
pub struct Inflater {
    stream: Decompress,
    input: BytesMut,
    /// The whole message was fed.
    complete: bool,
    /// A final block came (RFC 7692, 7.2.3.5 allows it).
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

    fn step(&mut self, out: &mut [u8]) -> Result<Option<BytesMut>, Fail> {
        loop {
            if self.ended {
                return self.check_rest().map(|()| None);
            }
            let (before_in, before_out) = (self.stream.total_in(), self.stream.total_out());
            let status = self
                .stream
                .decompress(&self.input, out, FlushDecompress::None)
                .map_err(|error| Fail::protocol(format!("bad compressed message: {error}")))?;
            let taken = (self.stream.total_in() - before_in) as usize;
            let made = (self.stream.total_out() - before_out) as usize;
            self.input.advance(taken);
            self.ended = status == Status::StreamEnd;
            if made > 0 {
                return Ok(Some(BytesMut::from(&out[..made])));
            }
            if taken == 0 && !self.ended {
                if self.input.is_empty() {
                    // Used up, but still pinning its receive buffer.
                    self.input = BytesMut::new();
                }
                return Ok(None);
            }
        }
    }

    /// Behind a final block comes the empty byte that completes a flush, and the flush's tail.
    fn check_rest(&mut self) -> Result<(), Fail> {
        if self.input.iter().all(|byte| matches!(byte, 0 | 0xff)) {
            self.input.clear();
            return Ok(());
        }
        Err(Fail::protocol(
            "bad compressed message: data behind its final block",
        ))
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("input", &self.input.len())
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inflate(pool: &mut Pool, pieces: &[&[u8]]) -> Result<Vec<u8>, Fail> {
        let mut inflater = pool.inflater();
        let mut out = Vec::new();
        for piece in pieces {
            inflater.feed(BytesMut::from(*piece));
            while let Some(piece) = pool.inflate(&mut inflater)? {
                assert!(piece.len() <= STEP);
                out.extend_from_slice(&piece);
            }
        }
        inflater.complete();
        while let Some(piece) = pool.inflate(&mut inflater)? {
            out.extend_from_slice(&piece);
        }
        pool.recycle(inflater);
        Ok(out)
    }

    #[test]
    fn examples_of_rfc_7692_are_read() {
        let pool = &mut Pool::default();
        for message in [
            // 7.2.3.1, 7.2.3.3 (stored), 7.2.3.4 (final block), 7.2.3.5 (two blocks)
            &b"\xf2\x48\xcd\xc9\xc9\x07\x00"[..],
            b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
            b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
            b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
        ] {
            assert_eq!(inflate(pool, &[message]).unwrap(), b"Hello", "{message:x?}");
        }
        assert_eq!(inflate(pool, &[b"\x00"]).unwrap(), b"");
    }

    #[test]
    fn messages_share_no_context() {
        let pool = &mut Pool::default();
        let text = b"the same words again and again, the same words".as_slice();
        let first = pool.deflate([text].into_iter());
        let second = pool.deflate([text].into_iter());
        assert_eq!(first, second);
        assert!(first.len() < text.len());
        assert!(!first.ends_with(&TAIL));
    }

    #[test]
    fn an_empty_message_is_one_byte() {
        assert_eq!(&Pool::default().deflate(std::iter::empty())[..], b"\x00");
    }

    #[test]
    fn nonsense_is_refused() {
        let pool = &mut Pool::default();
        assert!(inflate(pool, &[b"\xff\xff\xff"]).is_err());
        assert!(inflate(pool, &[b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00abc"]).is_err());
    }

    #[test]
    fn a_bomb_goes_off_in_steps() {
        let pool = &mut Pool::default();
        let zeros = vec![0; 8 * 1024 * 1024];
        let bomb = pool.deflate([&zeros[..]].into_iter());
        assert!(bomb.len() < zeros.len() / 80);
        let mut inflater = pool.inflater();
        inflater.feed(bomb);
        let mut total = 0;
        while let Some(piece) = pool.inflate(&mut inflater).unwrap() {
            assert!(piece.len() <= STEP);
            total += piece.len();
        }
        assert_eq!(total, zeros.len());
        assert!(pool.scratch.capacity() <= 2 * STEP);
    }

    #[test]
    fn the_pool_keeps_a_few() {
        let mut pool = Pool::default();
        let lent: Vec<_> = (0..10).map(|_| pool.inflater()).collect();
        for inflater in lent {
            pool.recycle(inflater);
        }
        assert_eq!(pool.inflaters.len(), SPARE);
    }

    proptest! {
        #[test]
        fn any_message_survives_in_any_pieces(
            data in proptest::collection::vec(0u8..8, 0..5000),
            noise in proptest::collection::vec(any::<u8>(), 0..5000),
            cut in 0usize..10000,
        ) {
            let pool = &mut Pool::default();
            let wire = pool.deflate([&data[..], &noise[..]].into_iter());
            let (left, right) = wire.split_at(cut.min(wire.len()));
            prop_assert_eq!(inflate(pool, &[left, right]).unwrap(), [data, noise].concat());
        }
    }
}
