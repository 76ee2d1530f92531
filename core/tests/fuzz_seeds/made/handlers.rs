//! Conversations of a client and an origin through a handler.

use super::Seed;

pub fn seeds() -> Vec<Seed> {
    let request: &[u8] = b"GET http://h/1 HTTP/1.1\r\nHost: h\r\n\r\n";
    let post: &[u8] =
        b"POST http://h/2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: 1\r\n\r\n";
    let answer: &[u8] = b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let chunked: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n00a \r\n0123456789\r\n0\r\nX: y\r\n\r\n";
    let legacy: &[u8] = b"GET http://h/ HTTP/1.0\r\n\r\n";
    let upgrade: &[u8] = b"GET http://h/ HTTP/1.1\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
    let switched: &[u8] = b"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw";
    let until_end: &[u8] = b"HTTP/1.1 200 OK\r\n\r\nuntil the end";
    let connect: &[u8] = b"CONNECT h:1 HTTP/1.1\r\n\r\nearly";
    let socks5: &[u8] = b"\x05\x01\x00\x05\x01\x00\x03\x06a.test\x00\x50data";
    let socks4: &[u8] = b"\x04\x01\x00\x50\x00\x00\x00\x01u\x00a.test\x00data";
    let relay: &[u8] = b"\x01\x01\x00\x0d\x02\x00\x0a\x03\x06a.test\x00\x50data";
    let talks: &[(&str, u8, &[&[u8]])] = &[
        ("http-get", 1, &[request, answer]),
        ("http-keep", 1, &[request, answer, post, chunked]),
        ("http-post", 1, &[post, chunked]),
        ("http-legacy", 1, &[legacy, chunked]),
        ("http-upgrade", 1, &[upgrade, switched, b"more"]),
        ("http-until-end", 1, &[request, until_end]),
        ("http-connect", 1, &[connect, b"banner", b"more"]),
        ("auto-http", 0, &[request, answer]),
        ("auto-socks5", 0, &[socks5, b"answer"]),
        ("auto-socks4", 0, &[socks4, b"answer"]),
        ("socks4", 2, &[socks4, b"answer"]),
        ("socks5", 3, &[socks5, b"answer"]),
        (
            "socks5-users",
            3 | 0x20,
            &[b"\x05\x01\x02\x01\x01u\x01p", b"", &socks5[3..], b"answer"],
        ),
        ("relay", 4, &[relay, b"answer"]),
        (
            "relay-users",
            4 | 0x20,
            &[
                b"\x01\x01\x00\x14\x01\x00\x04\x01u\x01p\x02\x00\x0a\x03\x06a.test\x00\x50",
                b"",
            ],
        ),
        ("forward", 5, &[b"hello", b"answer"]),
    ];
    let seed = |(name, options, talk): &(&str, u8, &[&[u8]])| {
        let mut bytes = vec![*options, 2];
        for (number, text) in talk.iter().enumerate() {
            bytes.extend(turn((number % 2) as u8, text));
        }
        bytes.extend([0xff, 0xfe]);
        ((*name).to_owned(), bytes)
    };
    talks.iter().map(seed).collect()
}

/// A turn of the handlers' target: of the client if `who` is 0, else of the origin.
fn turn(who: u8, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in text.chunks(126) {
        out.push((piece.len() as u8) << 1 | who);
        out.extend_from_slice(piece);
    }
    out
}
