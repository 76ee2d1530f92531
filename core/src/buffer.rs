//! Bytes on their way out: segments with room for headers in front, and the queue they wait in.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::wire::websocket::HEAD;

/// Room for the headers of one smux frame (8) in one websocket frame (14), and a little more.
const ROOM: usize = 24;

/// Payloads below this are copied behind their header: a second slice costs more than the copy.
const GLUE: usize = 512;

/// The buffer into which such payloads go when several of them wait.
const GLUED: usize = 4096;

/// Bodies below this are copied when they have to wait: a small rest pins its whole receive buffer.
const PIN: usize = 16 * 1024;

/// A piece of output: header bytes written backwards into inline room, then the payload as it came.
#[derive(Debug, Default)]
pub struct Seg {
    room: [u8; ROOM],
    /// Where the header begins in `room`, counted from its end.
    head: u8,
    /// The body shares no receive buffer.
    owned: bool,
    /// Instead of a body: so many bytes that only the driver has.
    outside: usize,
    pub body: BytesMut,
}

impl Seg {
    pub fn new(body: BytesMut) -> Self {
        Self {
            body,
            ..Self::default()
        }
    }

    /// A body that is not a part of a receive buffer.
    pub fn owned(body: BytesMut) -> Self {
        Self {
            body,
            owned: true,
            ..Self::default()
        }
    }

    pub fn copy_from(bytes: &[u8]) -> Self {
        Self::owned(BytesMut::from(bytes))
    }

    /// So many bytes that only the driver has; of these only the length is known here.
    pub fn outside(len: usize) -> Self {
        Self {
            outside: len,
            ..Self::default()
        }
    }

    pub fn is_outside(&self) -> bool {
        self.outside > 0
    }

    /// A few bytes without an allocation, if they fit the inline room.
    pub fn header(bytes: &[u8]) -> Self {
        let mut seg = Self::default();
        seg.push_front(bytes);
        seg
    }

    /// Whether `push_front` has inline room for a header of `n` bytes.
    pub fn has_room(&self, n: usize) -> bool {
        usize::from(self.head) + n <= ROOM
    }

    pub fn len(&self) -> usize {
        usize::from(self.head) + self.body.len() + self.outside
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn head(&self) -> &[u8] {
        &self.room[ROOM - usize::from(self.head)..]
    }

    pub fn head_mut(&mut self) -> &mut [u8] {
        &mut self.room[ROOM - usize::from(self.head)..]
    }

    /// Puts a header in front. Past the inline room (deeply nested chains), head and body are joined.
    pub fn push_front(&mut self, header: &[u8]) {
        if usize::from(self.head) + header.len() > ROOM {
            assert!(
                !self.is_outside(),
                "such bytes go through one layer at most"
            );
            let mut joined = BytesMut::with_capacity(header.len() + self.len());
            joined.put_slice(header);
            joined.put_slice(self.head());
            joined.put_slice(&self.body);
            *self = Self {
                body: joined,
                owned: true,
                ..Self::default()
            };
            return;
        }
        let end = ROOM - usize::from(self.head);
        self.room[end - header.len()..end].copy_from_slice(header);
        self.head += header.len() as u8;
    }

    /// Both parts in order, for sinks that copy anyway.
    pub fn parts(&self) -> [&[u8]; 2] {
        [self.head(), &self.body]
    }

    fn advance(&mut self, n: usize) {
        let from_head = n.min(usize::from(self.head));
        self.head -= from_head as u8;
        match self.outside {
            0 => self.body.advance(n - from_head),
            _ => self.outside -= n - from_head,
        }
    }

    /// Copies a small body, or any, out of its receive buffer.
    fn unpin(&mut self, any: bool) {
        if !self.owned && (any || self.body.len() < PIN) {
            self.body = BytesMut::from(&self.body[..]);
            self.owned = true;
        }
    }
}

impl From<BytesMut> for Seg {
    fn from(body: BytesMut) -> Self {
        Self::new(body)
    }
}

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

/// Adds a chunk to a buffer of unconsumed input: without a copy when nothing was left over.
pub fn stash(rest: &mut BytesMut, chunk: BytesMut) {
    if rest.is_empty() {
        *rest = chunk;
    } else {
        rest.extend_from_slice(&chunk);
    }
}

/// Copies a small rest out of its receive buffer, which it would pin while it waits.
pub fn unpin(rest: &mut BytesMut) {
    if rest.len() < PIN {
        *rest = BytesMut::from(&rest[..]);
    }
}

/// A driver's receive buffer: one a thread, handed to the engine in uniquely owned pieces.
///
/// Reads grow while they come back full and shrink when they come back small. The memory of small ones is the
/// same one again as long as nothing of an earlier piece is still waiting somewhere; a large one has its own.
#[derive(Debug)]
pub struct Receive {
    buffer: BytesMut,
    size: usize,
}

const RECEIVE_MIN: usize = 16 * 1024;
const RECEIVE_MAX: usize = 256 * 1024;

impl Default for Receive {
    fn default() -> Self {
        Self {
            buffer: BytesMut::new(),
            size: RECEIVE_MIN,
        }
    }
}

impl Receive {
    /// Space for one read of at most `max` bytes.
    pub fn space(&mut self, max: usize) -> &mut [u8] {
        let want = self.size.min(max).max(1);
        if self.buffer.len() < want {
            self.buffer.clear();
            self.buffer.resize(want.max(RECEIVE_MIN), 0);
        }
        &mut self.buffer[..want]
    }

    /// The first `n` bytes of the space, and whether the read was full: more may be there.
    pub fn take(&mut self, n: usize, max: usize) -> (BytesMut, bool) {
        let piece = self.buffer.split_to(n);
        (piece, self.note(n, max))
    }

    /// Room for one read of at most `max` bytes, if that is to be a large one, in place of `space`: setting that to
    /// zeros is a twentieth of what a tunnel costs, and an allocation next to nothing.
    pub fn room(&self, max: usize) -> Option<Vec<u8>> {
        let want = self.size.min(max);
        (want > RECEIVE_MIN).then(|| Vec::with_capacity(want))
    }

    /// What a read put into the room, and whether it was full.
    pub fn take_room(&mut self, mut read: Vec<u8>, max: usize) -> (BytesMut, bool) {
        let full = self.note(read.len(), max);
        if !full {
            // It may have to wait.
            read.shrink_to_fit();
        }
        (BytesMut::from(Bytes::from(read)), full)
    }

    /// A read of at most `max` bytes brought `n`; whether it was full.
    fn note(&mut self, n: usize, max: usize) -> bool {
        let full = n == self.size.min(max).max(1);
        if n == self.size {
            self.size = (self.size * 2).min(RECEIVE_MAX);
        } else if n < self.size / 4 && max > HEAD {
            // With little memory, too: what is read in small pieces is not to hold large buffers. That a
            // header was read alone says nothing.
            self.size = (self.size / 2).max(RECEIVE_MIN);
        }
        full
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

    #[test]
    fn large_reads_have_room_of_their_own() {
        let mut receive = Receive::default();
        assert!(receive.room(RECEIVE_MAX).is_none());
        receive.space(RECEIVE_MAX);
        assert!(receive.take(RECEIVE_MIN, RECEIVE_MAX).1);
        let mut room = receive.room(RECEIVE_MAX).unwrap();
        assert_eq!(room.capacity(), 2 * RECEIVE_MIN);
        room.resize(2 * RECEIVE_MIN, 7);
        let (piece, full) = receive.take_room(room, RECEIVE_MAX);
        assert!(full && piece[..] == [7; 2 * RECEIVE_MIN]);
        // One that came back short holds no more than it has.
        let mut room = receive.room(3 * RECEIVE_MIN).unwrap();
        room.extend_from_slice(b"short");
        let (piece, full) = receive.take_room(room, 3 * RECEIVE_MIN);
        assert!(!full && piece.capacity() < 64 && &piece[..] == b"short");
        assert_eq!(
            receive.room(RECEIVE_MAX).unwrap().capacity(),
            2 * RECEIVE_MIN
        );
        // Little is asked for: a header.
        assert!(receive.room(HEAD).is_none());
    }
}
