//! Frames on their way out: headers, and whole control frames.

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::{CONTROL, HEAD, mask};

/// A frame header on its way out, or a whole control frame, in at most `N` bytes.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> AsRef<[u8]> for Encoded<N> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// One frame of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataFrame {
    /// The message's first frame, as opposed to a continuation.
    pub first: bool,
    pub last: bool,
    /// Of the message, as opposed to binary.
    pub text: bool,
    /// Of the message; RSV1 is set on its first frame (RFC 7692, 6).
    pub compressed: bool,
    pub len: usize,
}

impl DataFrame {
    /// The header; its length is minimal. The payload is masked by the caller with the same key.
    pub fn head(self, key: Option<[u8; 4]>) -> Encoded<HEAD> {
        encode(
            FrameHeader {
                is_final: self.last,
                rsv1: self.compressed && self.first,
                opcode: OpCode::Data(match (self.first, self.text) {
                    (false, _) => Data::Continue,
                    (true, true) => Data::Text,
                    (true, false) => Data::Binary,
                }),
                mask: key,
                ..FrameHeader::default()
            },
            self.len,
        )
    }
}

/// A whole control frame; payload past 125 bytes is cut off.
pub fn control(
    control: Control,
    payload: &[u8],
    key: Option<[u8; 4]>,
) -> Encoded<{ HEAD + CONTROL }> {
    let payload = &payload[..payload.len().min(CONTROL)];
    let mut frame = encode(
        FrameHeader {
            opcode: OpCode::Control(control),
            mask: key,
            ..FrameHeader::default()
        },
        payload.len(),
    );
    let head = usize::from(frame.len);
    let body = &mut frame.bytes[head..head + payload.len()];
    body.copy_from_slice(payload);
    mask(body, key.unwrap_or_default());
    frame.len += payload.len() as u8;
    frame
}

/// A close frame's payload. The reason is cut to what fits, between characters.
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    let mut end = reason.len().min(CONTROL - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    payload
}

fn encode<const N: usize>(head: FrameHeader, len: usize) -> Encoded<N> {
    let mut encoded = Encoded {
        bytes: [0; N],
        len: head.len(len as u64) as u8,
    };
    // Cannot fail: the array holds the longest header.
    let _ = head.format(len as u64, &mut &mut encoded.bytes[..]);
    encoded
}
