//! Messages on their way out: header before payload, payload where it lies.

use super::Ws;
use crate::buffer::{Rope, Seg};
use crate::layer::Cx;
use crate::wire::websocket::{DataFrame, mask};

/// Messages sent plainly after one that compression did not make smaller.
const PLAIN_RUN: u8 = 16;

/// Messages below this are always compressed when it was agreed on; gost compresses all.
const WORTH: usize = 1024;

impl Ws {
    /// One message of the first `len` bytes of `data`, in frames of at most `max_frame`.
    pub(super) fn message(
        &mut self,
        cx: &mut Cx,
        data: &mut Rope,
        len: usize,
        compressed: bool,
        down: &mut Rope,
    ) {
        let max_frame = self.max_frame().unwrap_or(len);
        let mut left = len;
        while left > 0 {
            let frame = DataFrame {
                first: left == len,
                last: left <= max_frame,
                compressed,
                len: left.min(max_frame),
            };
            let mut key = self.key(cx);
            let head = frame.head(key);
            let mut head = Some(head.as_ref());
            let mut missing = frame.len;
            while let Some(mut seg) = data.pop(missing) {
                missing -= seg.len();
                if let Some(key) = &mut key {
                    *key = mask(seg.head_mut(), *key);
                    *key = mask(&mut seg.body, *key);
                }
                if let Some(head) = head.take() {
                    seg.push_front(head);
                }
                down.push(seg);
                if missing == 0 {
                    break;
                }
            }
            left -= frame.len;
        }
    }

    /// Like [`Self::message`], compressed, unless that gains nothing: then most of the next messages
    /// will not shrink either (they are ciphertext), and trying costs many times the whole tunnel.
    pub(super) fn compressed_message(
        &mut self,
        cx: &mut Cx,
        data: &mut Rope,
        len: usize,
        down: &mut Rope,
    ) {
        if self.plain_run > 0 && len >= WORTH {
            self.plain_run -= 1;
            return self.message(cx, data, len, false, down);
        }
        let mut plain = Rope::default();
        while plain.len() < len
            && let Some(seg) = data.pop(len - plain.len())
        {
            plain.push(seg);
        }
        let packed = cx.deflate.deflate(plain.segs().flat_map(Seg::parts));
        if packed.len() >= len && len >= WORTH {
            self.plain_run = PLAIN_RUN;
            return self.message(cx, &mut plain, len, false, down);
        }
        let len = packed.len();
        let mut packed_rope = Rope::default();
        packed_rope.push(Seg::new(packed));
        self.message(cx, &mut packed_rope, len, true, down);
    }
}
