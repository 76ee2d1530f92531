//! The queue in which output waits.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{BufMut, BytesMut};

use super::{ROOM, Seg};

/// Payloads below this are copied behind their header: a second slice costs more than the copy.
const GLUE: usize = 512;

/// The buffer into which such payloads go when several of them wait.
const GLUED: usize = 4096;

/// A queue of segments with its length in bytes. Empty means unallocated.
#[derive(Debug, Default)]
pub struct Rope {
    segs: VecDeque<Seg>,
    len: usize,
}

impl Rope {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn push(&mut self, seg: Seg) {
        if seg.is_empty() {
            return;
        }
        self.len += seg.len();
        if seg.is_outside() {
            return self.segs.push_back(seg);
        }
        if seg.len() <= GLUE
            && let Some(last) = self.segs.back_mut()
            && last.owned
            && last.body.capacity() - last.body.len() >= seg.len()
        {
            last.body.put_slice(seg.head());
            last.body.put_slice(&seg.body);
            return;
        }
        self.segs.push_back(seg);
        self.glue();
    }

    /// Joins the last two segments if both are small: a flood of tiny pieces must not cost a hundred times
    /// its bytes.
    fn glue(&mut self) {
        let n = self.segs.len();
        if n < 2 || self.segs[n - 1].len() > GLUE || self.segs[n - 2].len() > GLUE {
            return;
        }
        if self.segs[n - 2].is_outside() {
            return;
        }
        let [Some(second), Some(first)] = [self.segs.pop_back(), self.segs.pop_back()] else {
            return;
        };
        let mut body = BytesMut::with_capacity(GLUED);
        for part in first.parts().into_iter().chain(second.parts()) {
            body.put_slice(part);
        }
        self.segs.push_back(Seg {
            body,
            owned: true,
            ..Seg::default()
        });
    }

    pub fn push_slice(&mut self, bytes: &[u8]) {
        if let Some(last) = self.segs.back_mut()
            && last.owned
            && last.body.capacity() - last.body.len() >= bytes.len()
        {
            last.body.put_slice(bytes);
            self.len += bytes.len();
            return;
        }
        self.push(Seg::copy_from(bytes));
    }

    /// How many segments there are.
    pub fn pieces(&self) -> usize {
        self.segs.len()
    }

    /// The segments in order, without taking them.
    pub fn segs(&self) -> impl Iterator<Item = &Seg> {
        self.segs.iter()
    }

    /// Bytes to send in one piece: of whole segments as long as they are no more than `len` and a header, or `len` of a
    /// larger one. A frame that is cut costs a copy of its header and a piece more at both ends.
    pub fn about(&self, len: usize) -> usize {
        let mut whole = 0;
        for seg in &self.segs {
            if whole + seg.len() > len + ROOM {
                break;
            }
            whole += seg.len();
        }
        match whole {
            0 => self.len.min(len),
            _ => whole,
        }
    }

    /// Appends everything of `other`, leaving it empty.
    pub fn append(&mut self, other: &mut Self) {
        if !self.segs.is_empty() && other.segs.len() <= 2 {
            // Small ones are joined.
            while let Some(seg) = other.segs.pop_front() {
                self.push(seg);
            }
            return other.clear();
        }
        self.len += other.len;
        other.len = 0;
        if self.segs.is_empty() {
            std::mem::swap(&mut self.segs, &mut other.segs);
        } else {
            self.segs.append(&mut other.segs);
        }
    }

    /// Takes up to `max` bytes from the front as one segment, without copying: a whole segment, or
    /// the first part of a larger body.
    pub fn pop(&mut self, max: usize) -> Option<Seg> {
        let front = self.segs.front_mut()?;
        if front.len() <= max {
            let seg = self.segs.pop_front()?;
            self.len -= seg.len();
            self.release();
            return Some(seg);
        }
        let head = usize::from(front.head);
        let taken = if head > 0 {
            // A header of a nested layer: split behind it, by copy (at most a few bytes).
            let n = head.min(max);
            let taken = Seg::copy_from(&front.head()[..n]);
            front.advance(n);
            taken
        } else if front.is_outside() {
            front.outside -= max;
            Seg::outside(max)
        } else {
            Seg {
                owned: front.owned,
                body: front.body.split_to(max),
                ..Seg::default()
            }
        };
        self.len -= taken.len();
        Some(taken)
    }

    /// Fills `iov` with at most `max` bytes of what waits, from the front and up to bytes that are outside.
    /// Returns how many slices were set.
    pub fn slices<'a>(&'a self, iov: &mut [IoSlice<'a>], max: usize) -> usize {
        let mut used = 0;
        let mut left = max;
        for seg in &self.segs {
            for part in seg.parts() {
                if part.is_empty() {
                    continue;
                }
                if used == iov.len() || left == 0 {
                    return used;
                }
                let part = &part[..part.len().min(left)];
                left -= part.len();
                iov[used] = IoSlice::new(part);
                used += 1;
            }
            if seg.is_outside() {
                break;
            }
        }
        used
    }

    /// Bytes at the very front that only the driver has.
    pub fn outside(&self) -> usize {
        let front = self.segs.front().filter(|seg| seg.head == 0);
        front.map_or(0, |seg| seg.outside)
    }

    /// Drops `n` bytes from the front: they are sent.
    pub fn consume(&mut self, mut n: usize) {
        debug_assert!(n <= self.len, "more sent than was queued");
        self.len -= n.min(self.len);
        while n > 0 {
            let Some(front) = self.segs.front_mut() else {
                break;
            };
            if front.len() > n {
                front.advance(n);
                break;
            }
            n -= front.len();
            self.segs.pop_front();
        }
        self.release();
    }

    /// What is left has to wait: let go of the receive buffers it points into; `any`: of large pieces as well.
    pub fn unpin(&mut self, any: bool) {
        for seg in &mut self.segs {
            seg.unpin(any);
        }
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn release(&mut self) {
        if self.len == 0 {
            self.segs = VecDeque::new();
        }
    }

    /// The bytes in order, for tests and small goodbyes.
    pub fn to_vec(&self) -> Vec<u8> {
        self.segs
            .iter()
            .flat_map(Seg::parts)
            .flatten()
            .copied()
            .collect()
    }

    /// Recounts the length; the invariant that `Engine::check` relies on.
    pub fn recount(&self) -> usize {
        self.segs.iter().map(Seg::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_what_is_outside_are_queued_like_bytes() {
        let mut rope = Rope::default();
        rope.push_slice(b"ab");
        let mut seg = Seg::outside(100);
        seg.push_front(b"cd");
        rope.push(seg);
        rope.push_slice(b"e");
        rope.push_slice(b"f");
        assert_eq!((rope.len(), rope.recount()), (106, 106));
        let shown = |rope: &Rope| {
            let mut slices = [IoSlice::new(&[]); 8];
            let used = rope.slices(&mut slices, usize::MAX);
            let bytes = slices[..used].iter().flat_map(|slice| slice.iter());
            bytes.copied().collect::<Vec<u8>>()
        };
        assert_eq!((shown(&rope), rope.outside()), (b"abcd".to_vec(), 0));
        rope.consume(4);
        assert_eq!((shown(&rope), rope.outside()), (vec![], 100));
        rope.consume(60);
        assert_eq!((rope.outside(), rope.len()), (40, 42));
        assert_eq!(rope.pop(30).map(|seg| seg.len()), Some(30));
        rope.consume(10);
        assert_eq!((shown(&rope), rope.outside()), (b"ef".to_vec(), 0));
    }

    #[test]
    fn whole_segments_go_in_one_piece() {
        let mut rope = Rope::default();
        assert_eq!(rope.about(1000), 0);
        for body in [1000, 700, 300, 5000] {
            let mut seg = Seg::new(BytesMut::zeroed(body));
            seg.push_front(b"header");
            rope.push(seg);
        }
        let mut taken = Vec::new();
        while !rope.is_empty() {
            taken.push(rope.about(1000));
            rope.consume(rope.about(1000));
        }
        assert_eq!(taken, [1006, 1012, 1000, 1000, 1000, 1000, 1006]);
    }
}
