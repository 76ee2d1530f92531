//! Bodies on their way through: moved, not copied, and never held.

use bytes::{Buf, BytesMut};

use crate::buffer::Rope;
use crate::error::Fail;
use crate::wire::http1_body::Framing;
use crate::wire::http1_chunked::{Chunked, Piece};

/// What is still to come of a body.
#[derive(Debug)]
pub(super) enum Body {
    Length(u64),
    Chunked(Chunked),
    /// Chunked, for a receiver that does not know the coding: only the data goes on.
    Unwrapped(Chunked),
    UntilEnd,
}

impl Body {
    /// `None`: there is no body. `trailers` is the limit for a chunked body's trailer section, in bytes.
    pub(super) fn new(framing: Framing, trailers: usize) -> Option<Self> {
        match framing {
            Framing::None | Framing::Length(0) => None,
            Framing::Length(left) => Some(Self::Length(left)),
            Framing::Chunked => Some(Self::Chunked(Chunked::new(trailers))),
            Framing::UntilEnd => Some(Self::UntilEnd),
        }
    }

    /// Moves what belongs to the body from `rx` to `out`. True: it is complete. Before an error,
    /// everything in front of the offence has been moved.
    pub(super) fn pass(&mut self, rx: &mut BytesMut, out: &mut Rope) -> Result<bool, Fail> {
        match self {
            Self::Length(left) => {
                let len = usize::try_from(*left).map_or(rx.len(), |left| left.min(rx.len()));
                *left -= len as u64;
                out.push(rx.split_to(len).into());
                Ok(*left == 0)
            }
            Self::Chunked(chunked) => pass_chunks(chunked, rx, out),
            Self::Unwrapped(chunked) => unwrap_chunks(chunked, rx, out),
            Self::UntilEnd => {
                out.push(rx.split().into());
                Ok(false)
            }
        }
    }
}

/// One segment for everything that is valid, framing and all.
fn pass_chunks(chunked: &mut Chunked, rx: &mut BytesMut, out: &mut Rope) -> Result<bool, Fail> {
    let mut len = 0;
    let complete = loop {
        match chunked.next(&rx[len..]) {
            Ok(Some(Piece::Framing(n) | Piece::Data(n))) => len += n,
            Ok(Some(Piece::End(n))) => {
                len += n;
                break Ok(true);
            }
            Ok(None) => break Ok(false),
            Err(fail) => break Err(fail),
        }
    };
    out.push(rx.split_to(len).into());
    complete
}

fn unwrap_chunks(chunked: &mut Chunked, rx: &mut BytesMut, out: &mut Rope) -> Result<bool, Fail> {
    loop {
        match chunked.next(rx)? {
            Some(Piece::Framing(n)) => rx.advance(n),
            Some(Piece::Data(n)) => out.push(rx.split_to(n).into()),
            Some(Piece::End(n)) => {
                rx.advance(n);
                return Ok(true);
            }
            None => return Ok(false),
        }
    }
}
