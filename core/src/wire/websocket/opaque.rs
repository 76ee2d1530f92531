//! Payload that may pass by the decoder.

use tungstenite::protocol::frame::coding::OpCode;

use super::{Decoder, HEAD};

impl Decoder {
    /// Bytes of data that come next and are not masked: nothing needs to be done to them.
    pub fn opaque(&self) -> u64 {
        match self.frame {
            Some(frame) if frame.key == [0; 4] && matches!(frame.opcode, OpCode::Data(_)) => {
                frame.left
            }
            _ => 0,
        }
    }

    /// So many of these went another way.
    pub fn pass(&mut self, n: u64) {
        debug_assert!(n <= self.opaque(), "more passed than is opaque");
        let Some(frame) = &mut self.frame else {
            return;
        };
        frame.left = frame.left.saturating_sub(n);
        if frame.left == 0 {
            self.in_message &= !frame.fin;
            self.frame = None;
        }
    }

    /// What is left of the next frame's header, if it is a long one; 0 within a frame.
    pub fn next_head(&self) -> usize {
        // Without a mask key.
        let len = HEAD - 4 - usize::from(self.held_len).min(HEAD - 5);
        self.frame.map_or(len, |_| 0)
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::wire::websocket::Item;

    #[test]
    fn payload_passes_by_and_the_frame_ends_where_it_ends() {
        let mut decoder = Decoder::new(false, false);
        assert_eq!((decoder.opaque(), decoder.next_head()), (0, 10));
        // A message of 300 bytes in two frames, the first of 200.
        let mut wire = BytesMut::from(&[0x02, 126, 0][..]);
        assert_eq!(decoder.next(&mut wire), Ok(None));
        assert_eq!((decoder.opaque(), decoder.next_head()), (0, 7));
        let mut wire = BytesMut::from(&[200, 7, 7][..]);
        while decoder.next(&mut wire).unwrap().is_some() {}
        assert_eq!((decoder.opaque(), decoder.next_head()), (198, 0));
        decoder.pass(100);
        decoder.pass(98);
        assert_eq!((decoder.opaque(), decoder.next_head()), (0, 10));
        assert!(decoder.unfinished().is_some(), "the message goes on");
        let mut wire = BytesMut::from(&[0x80, 100][..]);
        assert_eq!(decoder.next(&mut wire), Ok(None));
        assert_eq!(decoder.opaque(), 100);
        decoder.pass(100);
        assert_eq!(decoder.unfinished(), None);
        let mut wire = BytesMut::from(&[0x82, 1, 9][..]);
        assert!(matches!(
            decoder.next(&mut wire),
            Ok(Some(Item::Begin { .. }))
        ));
    }

    #[test]
    fn masked_payload_and_control_frames_are_looked_at() {
        let mut decoder = Decoder::new(true, false);
        let mut wire = BytesMut::from(&[0x82, 0x80 | 100, 1, 2, 3, 4][..]);
        while decoder.next(&mut wire).unwrap().is_some() {}
        assert_eq!(decoder.opaque(), 0);
        let mut decoder = Decoder::new(false, false);
        let mut wire = BytesMut::from(&[0x89, 100, 1][..]);
        while decoder.next(&mut wire).unwrap().is_some() {}
        assert_eq!((decoder.opaque(), decoder.next_head()), (0, 0));
    }

    #[test]
    fn the_key_of_a_long_header_is_not_counted() {
        let mut decoder = Decoder::new(true, false);
        for n in 0..13 {
            assert_eq!(decoder.next_head(), 10 - n.min(9), "{n} bytes are here");
            let byte = [0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3][n];
            let next = decoder.next(&mut BytesMut::from(&[byte][..]));
            assert_eq!(next, Ok(None));
        }
    }
}
