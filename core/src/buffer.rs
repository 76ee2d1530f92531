//! Bytes on their way out: segments with room for headers in front, and the queue they wait in.

mod receive;
mod rope;

use bytes::{Buf, BufMut, BytesMut};

pub use receive::Receive;
pub use rope::Rope;

/// Room for the headers of one smux frame (8) in one websocket frame (14), and a little more.
const ROOM: usize = 24;

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
