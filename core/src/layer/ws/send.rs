//! Messages on their way out: header before payload, payload where it lies.

use std::num::NonZeroUsize;

use super::gain::Gain;
use crate::buffer::{Rope, Seg};
use crate::layer::Cx;
use crate::wire::deflate::{Deflater, Window};
use crate::wire::websocket::{DataFrame, mask};

/// Messages below this are compressed even if that makes them no smaller; gost compresses all.
const WORTH: usize = 1024;

/// The sending half of an open connection.
#[derive(Debug)]
pub(crate) struct Outgoing {
    masked: bool,
    max_frame: Option<NonZeroUsize>,
    /// Agreed on.
    packing: Option<Box<Packing>>,
    /// The message that comes in parts, and whether its first frame was sent.
    open: Option<Box<Open>>,
}

/// Compression of what we send.
#[derive(Debug)]
struct Packing {
    window: Window,
    /// With takeover, from the first compressed message on, or for the time of one that comes in parts.
    deflater: Option<Box<Deflater>>,
    gain: Gain,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    text: bool,
    compressed: bool,
    begun: bool,
    plain: usize,
    packed: usize,
}

impl Outgoing {
    /// `masked`: we are the client.
    pub(crate) fn new(masked: bool, window: Option<Window>, max_frame: Option<usize>) -> Self {
        Self {
            masked,
            max_frame: max_frame.map(|bytes| NonZeroUsize::new(bytes).unwrap_or(NonZeroUsize::MIN)),
            packing: window.map(|window| {
                Box::new(Packing {
                    window,
                    deflater: None,
                    gain: Gain::default(),
                })
            }),
            open: None,
        }
    }

    pub(crate) fn max_frame(&self) -> Option<usize> {
        self.max_frame.map(NonZeroUsize::get)
    }

    /// Whether payload leaves as it is, in frames of any length.
    pub(crate) fn is_plain(&self) -> bool {
        !self.masked && self.max_frame.is_none() && self.packing.is_none()
    }

    /// One binary message of the first `len` bytes of `data`. It is compressed if that was agreed on and
    /// gains something.
    pub(crate) fn message(&mut self, cx: &mut Cx, data: &mut Rope, len: usize, down: &mut Rope) {
        let mut frame = DataFrame {
            first: true,
            last: true,
            text: false,
            compressed: false,
            len,
        };
        let Some(packing) = self.packing(len) else {
            return self.frames(cx, data, frame, down);
        };
        let mut plain = Rope::default();
        while plain.len() < len
            && let Some(seg) = data.pop(len - plain.len())
        {
            plain.push(seg);
        }
        let mut deflater = packing.deflater(cx);
        let parts = plain.segs().flat_map(Seg::parts);
        let packed = cx.deflate.deflate(&mut deflater, parts, true);
        packing.gain.report(len, packed.len());
        let fits = packed.len() < len || len < WORTH;
        // What the peer did not get it cannot be referred to: without the message, a new window.
        packing.put_back(cx, deflater, fits);
        if !fits {
            return self.frames(cx, &mut plain, frame, down);
        }
        (frame.compressed, frame.len) = (true, packed.len());
        let mut rope = Rope::default();
        rope.push(Seg::new(packed));
        self.frames(cx, &mut rope, frame, down);
    }

    /// An empty text message.
    pub(crate) fn end(&mut self, cx: &mut Cx, down: &mut Rope) {
        let frame = DataFrame {
            first: true,
            last: true,
            text: true,
            compressed: false,
            len: 0,
        };
        self.frames(cx, &mut Rope::default(), frame, down);
    }

    /// Begins a message whose parts are still to come.
    pub(crate) fn begin(&mut self, text: bool) {
        let gain = self.packing.as_ref().map(|packing| &packing.gain);
        self.open = Some(Box::new(Open {
            text,
            compressed: gain.is_some_and(Gain::is_worth_it),
            begun: false,
            plain: 0,
            packed: 0,
        }));
    }

    /// Sends all of `data` as a part of the message that was begun, the last one with `last`.
    pub(crate) fn part(&mut self, cx: &mut Cx, data: &mut Rope, last: bool, down: &mut Rope) {
        let Some(mut open) = self.open.take() else {
            return data.clear();
        };
        let len = data.len();
        if let Some(packing) = self.packing.as_mut().filter(|_| open.compressed) {
            let mut deflater = packing.deflater(cx);
            let parts = data.segs().flat_map(Seg::parts);
            let packed = cx.deflate.deflate(&mut deflater, parts, last);
            open.plain += len;
            open.packed += packed.len();
            data.clear();
            data.push(Seg::new(packed));
            if last {
                packing.gain.report(open.plain, open.packed);
                packing.put_back(cx, deflater, packing.gain.is_worth_it());
            } else {
                packing.deflater = Some(deflater);
            }
        } else if let Some(packing) = &mut self.packing {
            packing.gain.pass(len);
        }
        let frame = DataFrame {
            first: !open.begun,
            last,
            text: open.text,
            compressed: open.compressed,
            len: data.len(),
        };
        if last || frame.len > 0 {
            open.begun = true;
            self.frames(cx, data, frame, down);
        }
        self.open = (!last).then_some(open);
    }

    /// Bytes in use for compression.
    pub(crate) fn held(&self) -> usize {
        let packing = self.packing.as_ref();
        let deflater = packing.and_then(|packing| packing.deflater.as_ref());
        deflater.map_or(0, |deflater| deflater.held())
    }

    /// The connection is over: gives back what the pool lent.
    pub(crate) fn recycle(&mut self, cx: &mut Cx) {
        if let Some(packing) = &mut self.packing
            && let Some(deflater) = packing.deflater.take()
        {
            cx.deflate.recycle_deflater(*deflater);
        }
    }

    /// For a message of `len` bytes, unless it goes plainly.
    fn packing(&mut self, len: usize) -> Option<&mut Packing> {
        let packing = self.packing.as_deref_mut()?;
        if !packing.gain.is_worth_it() {
            packing.gain.pass(len);
            return None;
        }
        Some(packing)
    }

    /// What `whole` says, of the first `whole.len` bytes of `data`, in frames of at most `max_frame`.
    fn frames(&self, cx: &mut Cx, data: &mut Rope, whole: DataFrame, down: &mut Rope) {
        let max_frame = self.max_frame().unwrap_or(whole.len);
        let mut left = whole.len;
        loop {
            let len = left.min(max_frame);
            let frame = DataFrame {
                first: whole.first && left == whole.len,
                last: whole.last && left == len,
                len,
                ..whole
            };
            let mut key = self.masked.then(|| cx.entropy.mask_key());
            let head = frame.head(key);
            let mut head = Some(head.as_ref());
            let mut missing = len;
            while missing > 0
                && let Some(mut seg) = data.pop(missing)
            {
                missing -= seg.len();
                if let Some(key) = &mut key {
                    *key = mask(seg.head_mut(), *key);
                    *key = mask(&mut seg.body, *key);
                }
                if let Some(head) = head.take() {
                    seg.push_front(head);
                }
                down.push(seg);
            }
            if let Some(head) = head {
                // An empty frame.
                down.push_slice(head);
            }
            left -= len;
            if left == 0 {
                return;
            }
        }
    }
}

impl Packing {
    fn deflater(&mut self, cx: &mut Cx) -> Box<Deflater> {
        let bits = self.window.bits;
        self.deflater
            .take()
            .unwrap_or_else(|| Box::new(cx.deflate.deflater(bits)))
    }

    /// Between messages. `keep`: its window is the peer's, and will be used.
    fn put_back(&mut self, cx: &mut Cx, deflater: Box<Deflater>, keep: bool) {
        if keep && self.window.takeover {
            self.deflater = Some(deflater);
        } else {
            cx.deflate.recycle_deflater(*deflater);
        }
    }
}
