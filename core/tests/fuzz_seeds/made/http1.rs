//! HTTP/1.1 messages, and what is nearly one.

use super::{Seed, named};

pub fn seeds() -> Vec<Seed> {
    let wires: &[(&str, &[u8])] = &[
        (
            "get",
            b"GET http://h/a?b HTTP/1.1\r\nHost: h\r\nX-A: \xff b\r\n\r\nrest",
        ),
        ("legacy", b"GET / HTTP/1.0\r\n\r\n"),
        (
            "connect",
            b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n\x16\x03\x01",
        ),
        (
            "chunked",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
              3;a=b\r\nabc\r\n00a \r\n0123456789\r\n0\r\nT: 1\r\n\r\nGET",
        ),
        (
            "both",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        ),
        (
            "length",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
        ),
        ("empty-reason", b"HTTP/1.1 204 \r\nA:\r\n\r\n"),
        ("folded", b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n"),
        ("bare-lf", b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
        (
            "fields",
            b"GET / HTTP/1.1\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\n\r\n",
        ),
        ("trailer", b"5\r\nhello\r\n0\r\nContent-Length: 1\r\n\r\n"),
    ];
    let seed =
        |(name, wire): &(&str, &[u8])| named(name, &[&[u8::from(wire.len() < 100), 2], wire]);
    wires.iter().map(seed).collect()
}
