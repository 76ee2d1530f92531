//! What such peers send.

use ginnel_tests::frames::{Smux, frame, opcode};

pub(super) type Make = fn(u32, bool) -> Vec<u8>;

/// What the `n`th piece of a flood is, masked or not.
pub(super) const FLOODS: [(&str, Make); 9] = [
    ("SYN", |n, masked| smux(Smux::SYN, 3 + 2 * n, b"", masked)),
    ("NOP", |_, masked| smux(Smux::NOP, 0, b"", masked)),
    ("empty data", |_, masked| smux(Smux::PSH, 3, b"", masked)),
    ("data of nobody", |_, masked| {
        smux(Smux::PSH, 9, b"x", masked)
    }),
    ("ends of nobody", |n, masked| {
        smux(Smux::FIN, 2 * n, b"", masked)
    }),
    ("SYN and end", |n, masked| {
        let mut bytes = smux(Smux::SYN, 3 + 2 * n, b"", masked);
        bytes.extend(smux(Smux::FIN, 3 + 2 * n, b"", masked));
        bytes
    }),
    ("ping", |_, masked| frame(opcode::PING, b"x", masked)),
    ("empty frames", |_, masked| {
        frame(opcode::BINARY, b"", masked)
    }),
    ("one byte frames", |n, masked| {
        let header = [1, Smux::NOP, 0, 0, 0, 0, 0, 0];
        frame(opcode::BINARY, &header[n as usize % 8..][..1], masked)
    }),
];

/// What ends a connection at once.
pub(super) const VIOLATIONS: [(&str, Make); 8] = [
    ("a length of 2^63", |_, masked| {
        let mut bytes = vec![0x82, 0x7f | u8::from(masked) << 7, 0x80];
        bytes.extend([0; 11]);
        bytes
    }),
    ("a length that is not minimal", |_, masked| {
        vec![
            0x82,
            0x7e | u8::from(masked) << 7,
            0,
            5,
            0,
            0,
            0,
            0,
            1,
            1,
            1,
            1,
            1,
        ]
    }),
    ("a mask where none belongs, or none", |_, masked| {
        frame(opcode::BINARY, b"hello", !masked)
    }),
    ("a reserved bit", |_, masked| {
        let mut bytes = frame(opcode::BINARY, b"hello", masked);
        bytes[0] |= 0x40;
        bytes
    }),
    ("a reserved opcode", |_, masked| frame(3, b"hello", masked)),
    ("a control frame in pieces", |_, masked| {
        let mut bytes = frame(opcode::PING, b"hello", masked);
        bytes[0] &= 0x7f;
        bytes
    }),
    ("another version of smux", |_, masked| {
        frame(opcode::BINARY, &[9, 0, 0, 0, 3, 0, 0, 0], masked)
    }),
    ("an unknown command of smux", |_, masked| {
        smux(77, 3, b"", masked)
    }),
];

/// Right beginnings, for a target that refuses.
pub(super) const OPENINGS: [(&str, &[u8]); 9] = [
    (
        "auto",
        b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x01",
    ),
    (
        "socks5",
        b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x01",
    ),
    ("socks4", b"\x04\x01\x00\x01\x7f\x00\x00\x01u\x00"),
    (
        "http",
        b"CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n",
    ),
    (
        "relay",
        b"\x01\x01\x00\x00\x0a\x02\x00\x07\x01\x7f\x00\x00\x01\x00\x01",
    ),
    ("socks5+tls", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"),
    ("http+wss", b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03"),
    (
        "http+ws",
        b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
    ),
    (
        "relay+mws",
        b"GET /ws HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ),
];

fn smux(command: u8, stream: u32, payload: &[u8], masked: bool) -> Vec<u8> {
    let mut bytes = vec![1, command];
    bytes.extend((payload.len() as u16).to_le_bytes());
    bytes.extend(stream.to_le_bytes());
    bytes.extend(payload);
    frame(opcode::BINARY, &bytes, masked)
}

/// `n` zero bytes in the form of RFC 1951: one literal, and matches of 258 bytes one byte back.
pub(super) fn zeros(n: usize) -> Vec<u8> {
    let (mut bytes, mut word, mut bits) = (Vec::new(), 0u32, 0);
    let mut put = |value: u32, count: u32| {
        word |= value << bits;
        bits += count;
        while bits >= 8 {
            bytes.push(word as u8);
            word >>= 8;
            bits -= 8;
        }
    };
    // Not the last block, fixed codes; the literal 0 is 00110000, from its highest bit on.
    put(0b010, 3);
    put(0b0000_1100, 8);
    for _ in 0..n / 258 {
        // Length code 285 is 11000101, distance code 0 is 00000.
        put(0b1010_0011, 8);
        put(0, 5);
    }
    // The end of the block, and an empty stored one, whose last four bytes are left out (RFC 7692, 7.2.1).
    put(0, 7);
    put(0, 3);
    put(0, 7);
    bytes
}

/// A masked message with the bit of permessage-deflate.
pub(super) fn compressed(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xc2, 0xff];
    bytes.extend((payload.len() as u64).to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}
