//! Websocket frames (RFC 6455, 5): a streaming decoder, frame headers for the way out, masking.
//!
//! Payload passes in the pieces it came in, unmasked where it lies; only control frames, which are
//! at most 125 bytes, are assembled. No announced length is ever reserved.

mod encode;
mod opaque;

use std::io::Cursor;

use bytes::{Buf, BytesMut};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

pub use encode::{DataFrame, Encoded, close_payload, control};

/// The longest header: two bytes, a 64-bit length, a mask key.
pub const HEAD: usize = 14;

/// The longest payload of a control frame (RFC 6455, 5.5).
pub const CONTROL: usize = 125;

/// What a peer's bytes mean, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A message begins. `compressed`: RSV1 was set (RFC 7692, 6).
    Begin {
        text: bool,
        compressed: bool,
    },
    /// Payload of the current message, never empty, of whichever of its frames.
    Data(BytesMut),
    /// The current message is complete.
    End,
    Ping(BytesMut),
    Pong(BytesMut),
    /// Without code and reason, or with a valid code.
    Close(Option<u16>, String),
}

/// How the peer broke the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// In gost's words, which also are the reason of the close frame 1002.
    pub text: String,
    /// The peer gets no close frame: gost drops the connection without one.
    pub silent: bool,
}

impl Violation {
    fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            silent: false,
        }
    }
}

/// Decodes what one peer sends.
///
/// More lenient than RFC 6455 in one thing, as gost is: lengths need not be minimal (5.2). Text is
/// checked by whoever delivers it as text ([`Utf8`](super::utf8::Utf8)).
#[derive(Debug)]
pub struct Decoder {
    /// Frames must be masked: we are the server.
    masked: bool,
    /// RSV1 has a meaning: compression was negotiated.
    rsv1: bool,
    /// A header cut by the end of a chunk.
    held: [u8; HEAD],
    held_len: u8,
    /// Between the first and the last frame of a message.
    in_message: bool,
    frame: Option<Frame>,
    /// Payload of a control frame cut by the end of a chunk.
    control: Option<Box<BytesMut>>,
}

/// The frame whose payload is passing.
#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: OpCode,
    fin: bool,
    left: u64,
    /// Rotated so that its first byte masks the next payload byte. Zero for unmasked frames.
    key: [u8; 4],
}

impl Decoder {
    /// `masked`: whether the peer must mask (it is a client). `rsv1`: compression was negotiated.
    pub fn new(masked: bool, rsv1: bool) -> Self {
        Self {
            masked,
            rsv1,
            held: [0; HEAD],
            held_len: 0,
            in_message: false,
            frame: None,
            control: None,
        }
    }

    /// The next item of `chunk`, of which it takes the bytes. `None`: the chunk is used up, and what
    /// is still incomplete (a header, a control payload) was copied out of it.
    pub fn next(&mut self, chunk: &mut BytesMut) -> Result<Option<Item>, Violation> {
        loop {
            if let Some(frame) = &mut self.frame {
                if frame.left > 0 && chunk.is_empty() {
                    return Ok(None);
                }
                let n = usize::try_from(frame.left).map_or(chunk.len(), |n| n.min(chunk.len()));
                let mut piece = take(chunk, n);
                frame.key = mask(&mut piece, frame.key);
                frame.left -= n as u64;
                let frame = *frame;
                match frame.opcode {
                    OpCode::Data(_) => {
                        if !piece.is_empty() {
                            return Ok(Some(Item::Data(piece)));
                        }
                        self.frame = None;
                        if frame.fin {
                            self.in_message = false;
                            return Ok(Some(Item::End));
                        }
                    }
                    OpCode::Control(control) => {
                        if frame.left > 0 || self.control.is_some() {
                            let begun = self.control.get_or_insert_default();
                            begun.extend_from_slice(&piece);
                        }
                        if frame.left == 0 {
                            self.frame = None;
                            let whole = self.control.take().map_or(piece, |whole| *whole);
                            return whole_control(control, whole).map(Some);
                        }
                    }
                }
                continue;
            }
            let Some((head, len)) = self.head(chunk)? else {
                return Ok(None);
            };
            if i64::try_from(len).is_err() {
                return Err(Violation {
                    text: format!("frame length {len:#x}, expected at most 63 bits"),
                    silent: true,
                });
            }
            self.frame = Some(Frame {
                opcode: head.opcode,
                fin: head.is_final,
                left: len,
                key: head.mask.unwrap_or_default(),
            });
            if let OpCode::Data(data @ (Data::Text | Data::Binary)) = head.opcode {
                self.in_message = true;
                return Ok(Some(Item::Begin {
                    text: data == Data::Text,
                    compressed: head.rsv1,
                }));
            }
        }
    }

    /// What the peer still owes, if the stream ended here: `None` between two messages.
    pub fn unfinished(&self) -> Option<String> {
        if self.held_len > 0 {
            return Some(format!(
                "inside a frame header, {} bytes of it",
                self.held_len
            ));
        }
        if let Some(frame) = self.frame {
            return Some(format!(
                "inside a frame, {} payload bytes missing",
                frame.left
            ));
        }
        self.in_message
            .then(|| "inside a fragmented message".to_owned())
    }

    /// The next frame's header, from `chunk` and what was held of it before.
    fn head(&mut self, chunk: &mut BytesMut) -> Result<Option<(FrameHeader, u64)>, Violation> {
        if self.held_len == 0 && chunk.len() >= 2 {
            self.check(chunk[0], chunk[1])?;
            let mut cursor = Cursor::new(&chunk[..]);
            if let Some(head) = parse(&mut cursor)? {
                let len = cursor.position() as usize;
                chunk.advance(len);
                return Ok(Some(head));
            }
        }
        while !chunk.is_empty() {
            let len = usize::from(self.held_len);
            self.held[len] = chunk.get_u8();
            self.held_len += 1;
            if len + 1 == 2 {
                self.check(self.held[0], self.held[1])?;
            }
            if let Some(head) = parse(&mut Cursor::new(&self.held[..=len]))? {
                self.held_len = 0;
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    /// Everything that is wrong with the first two bytes of a header.
    fn check(&self, first: u8, second: u8) -> Result<(), Violation> {
        let fin = first & 0x80 != 0;
        let code = first & 0x0f;
        let mut faults = Faults::default();
        // Compression marks the first frame of a message, and no other (RFC 7692, 6.1).
        let begins = matches!(OpCode::from(code), OpCode::Data(Data::Text | Data::Binary));
        faults.add(first & 0x40 != 0 && !(self.rsv1 && begins), "RSV1 set");
        faults.add(first & 0x20 != 0, "RSV2 set");
        faults.add(first & 0x10 != 0, "RSV3 set");
        match OpCode::from(code) {
            OpCode::Control(Control::Close | Control::Ping | Control::Pong) => {
                faults.add(
                    usize::from(second & 0x7f) > CONTROL,
                    "len > 125 for control",
                );
                faults.add(!fin, "FIN not set on control");
            }
            OpCode::Data(Data::Text | Data::Binary) => {
                faults.add(self.in_message, "data before FIN");
            }
            OpCode::Data(Data::Continue) => {
                faults.add(!self.in_message, "continuation after FIN");
            }
            OpCode::Control(Control::Reserved(_)) | OpCode::Data(Data::Reserved(_)) => {
                faults.add(true, &format!("bad opcode {code}"));
            }
        }
        faults.add((second & 0x80 != 0) != self.masked, "bad MASK");
        match faults.0 {
            Some(text) => Err(Violation::new(text)),
            None => Ok(()),
        }
    }
}

#[derive(Default)]
struct Faults(Option<String>);

impl Faults {
    fn add(&mut self, present: bool, text: &str) {
        if !present {
            return;
        }
        let all = self.0.get_or_insert_default();
        if !all.is_empty() {
            all.push_str(", ");
        }
        all.push_str(text);
    }
}

/// Opcodes were checked before, so that all faults are reported together.
fn parse(cursor: &mut Cursor<&[u8]>) -> Result<Option<(FrameHeader, u64)>, Violation> {
    FrameHeader::parse(cursor).map_err(|error| Violation::new(error.to_string()))
}

/// Like `split_to`, without sharing the buffer when all of it is taken.
fn take(chunk: &mut BytesMut, n: usize) -> BytesMut {
    if n == chunk.len() {
        std::mem::take(chunk)
    } else {
        chunk.split_to(n)
    }
}

fn whole_control(control: Control, payload: BytesMut) -> Result<Item, Violation> {
    match control {
        Control::Ping => return Ok(Item::Ping(payload)),
        Control::Pong => return Ok(Item::Pong(payload)),
        Control::Close | Control::Reserved(_) => {}
    }
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return match payload.len() {
            0 => Ok(Item::Close(None, String::new())),
            _ => Err(Violation::new("close code of 1 byte")),
        };
    };
    let code = u16::from_be_bytes(*code);
    // 1014 (bad gateway) was registered after the library's table was made.
    if code != 1014 && !CloseCode::from(code).is_allowed() {
        return Err(Violation::new(format!("bad close code {code}")));
    }
    match str::from_utf8(reason) {
        Ok(reason) => Ok(Item::Close(Some(code), reason.to_owned())),
        Err(_) => Err(Violation::new("invalid utf8 payload in close frame")),
    }
}

/// Masks or unmasks `bytes` (RFC 6455, 5.3). Returns the key for the bytes that follow them.
pub fn mask(bytes: &mut [u8], mut key: [u8; 4]) -> [u8; 4] {
    if key == [0; 4] {
        return key;
    }
    // Wide enough for the compiler to use its largest registers.
    let wide: [u8; 64] = std::array::from_fn(|at| key[at % 4]);
    let (chunks, rest) = bytes.as_chunks_mut::<64>();
    for chunk in chunks {
        for (byte, key) in chunk.iter_mut().zip(wide) {
            *byte ^= key;
        }
    }
    for (byte, key) in rest.iter_mut().zip(wide) {
        *byte ^= key;
    }
    key.rotate_left(bytes.len() % 4);
    key
}

#[cfg(test)]
mod tests;
