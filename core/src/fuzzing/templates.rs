//! Messages that peers say in a session's course, so that a script gets past handshakes in one byte.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tungstenite::handshake::derive_accept_key;

use crate::wire::websocket::mask;

/// What a script may say by number. The first group depends on who hears it.
pub(super) const FIXED: &[&[u8]] = &[
    b"\x05\x01\x00",
    b"\x05\x02\x00\x02",
    b"\x01\x01u\x01p",
    b"\x05\x01\x00\x03\x06a.test\x00\x50",
    b"\x05\x01\x00\x01\x0a\x00\x00\x09\x00\x50",
    b"\x04\x01\x00\x50\x0a\x00\x00\x09u\x00",
    b"\x04\x01\x00\x50\x00\x00\x00\x01u\x00a.test\x00",
    b"\x01\x01\x00\x0d\x02\x00\x0a\x03\x06a.test\x00\x50",
    b"\x01\x01\x00\x00",
    b"\x01\x01\x00\x14\x01\x00\x04\x01u\x01p\x02\x00\x0a\x03\x06a.test\x00\x50",
    b"\x01\x00\x00\x00",
    b"\x01\x05\x00\x00",
    b"\x05\x00",
    b"\x05\x02",
    b"\x01\x00",
    b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00",
    b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00",
    b"\x00\x5a\x00\x00\x00\x00\x00\x00",
    b"\x00\x5b\x00\x00\x00\x00\x00\x00",
    b"CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\nProxy-Authorization: Basic dTpw\r\n\r\n",
    b"GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: Basic dTpw\r\n\r\n",
    b"POST http://a.test/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nProxy-Authorization: Basic dTpw\r\n\r\n",
    b"POST http://b.test/ HTTP/1.1\r\nContent-Length: 5\r\nProxy-Authorization: Basic dTpw\r\n\r\nhello",
    b"GET http://a.test/ HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\nProxy-Authorization: Basic dTpw\r\n\r\n",
    b"HTTP/1.1 200 Connection established\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"hello",
    &[b'x'; 2000],
    &[b'y'; 60_000],
];

/// Messages that depend on what the engine said: see [`special`].
pub(super) const SPECIAL: usize = 10;

/// A script's bytes: their number is counted from here, below are the messages.
pub const RAW: usize = SPECIAL + FIXED.len();

/// The message number `n` of [`SPECIAL`]. `heard`: what the engine has said on this socket, `masked`: the
/// engine is the server there.
pub(super) fn special(n: usize, heard: &[&[u8]], masked: bool) -> Vec<u8> {
    match n {
        0 => upgrade("").into_bytes(),
        1 => upgrade(HALF_CLOSE).into_bytes(),
        2 => upgrade(&format!("Sec-WebSocket-Extensions: {DEFLATE}\r\n")).into_bytes(),
        3 => switching(heard, "").into_bytes(),
        4 => switching(heard, HALF_CLOSE).into_bytes(),
        5 => switching(heard, &format!("Sec-WebSocket-Extensions: {DEFLATE}\r\n")).into_bytes(),
        6 => frame(0x89, b"ping", masked),
        7 => frame(0x88, b"\x03\xe8", masked),
        8 => [frame(0x8a, b"", masked), frame(0x81, b"", masked)].concat(),
        _ => frame(0xc2, b"\xf2\x48\xcd\xc9\xc9\x07\x00", masked),
    }
}

/// A whole frame; `first` is its first byte. The mask key is not zero, so that unmasking matters.
pub(super) fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let bit = if masked { 0x80 } else { 0 };
    let mut out = vec![first];
    match payload.len() {
        n @ 0..=125 => out.push(bit | n as u8),
        n @ 126..=0xffff => {
            out.push(bit | 126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(bit | 127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    let start = out.len();
    if masked {
        let key = [1, 2, 3, 4];
        out.extend_from_slice(&key);
        out.extend_from_slice(payload);
        mask(&mut out[start + 4..], key);
    } else {
        out.extend_from_slice(payload);
    }
    out
}

/// With smux and without.
const HALF_CLOSE: &str = "X-Mux-Half-Close: 1\r\nX-Websocket-Half-Close: 1\r\n";

const DEFLATE: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

fn upgrade(extra: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extra}\r\n"
    )
}

/// The answer to the last upgrade request that was heard.
fn switching(heard: &[&[u8]], extra: &str) -> String {
    const NAME: &[u8] = b"Sec-WebSocket-Key: ";
    let key = heard.iter().rev().find_map(|view| {
        let at = memchr::memmem::rfind(view, NAME)? + NAME.len();
        view.get(at..at + 24)
    });
    let accept = match key {
        Some(key) => derive_accept_key(key),
        None => STANDARD.encode([0; 20]),
    };
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{extra}\r\n"
    )
}
