//! Where the drivers read into.

use bytes::{Bytes, BytesMut};

use crate::wire::websocket::HEAD;

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
