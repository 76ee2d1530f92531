//! Same bytes, any cuts, same transcript.

use proptest::prelude::*;

use crate::rig::Rig;

/// Everything that comes out of one run: per connection in order, with the asks between.
#[derive(Debug, PartialEq, Eq)]
struct Transcript {
    down: String,
    up: String,
    news: String,
}

/// One conversation: what the client says, what the origin answers to it, turn by turn.
type Turns = &'static [(&'static str, &'static str)];

const TALKS: &[Turns] = &[
    &[
        (
            "GET http://h/1 HTTP/1.1\r\nHost: h\r\n\r\n",
            "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        ),
        (
            "\r\nPOST http://h/2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n00a \r\n0123456789\r\n0\r\nX: y\r\n\r\n",
        ),
        (
            "HEAD http://other/ HTTP/1.1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
        ),
        (
            "GET http://h/ HTTP/1.0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
        ),
    ],
    &[(
        "GET http://h/ HTTP/1.1\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    )],
    &[("CONNECT h:1 HTTP/1.1\r\n\r\n", "")],
    &[(
        "POST http://h/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\nabc\r\n0\r\n\r\n",
        "",
    )],
    &[(
        "GET http://h/ HTTP/1.1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\nabc\r\n0\r\n\r\n",
    )],
    &[(
        "GET http://h/ HTTP/1.1\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nuntil the end",
    )],
];

/// `next` gives the size of each piece.
fn run(talk: Turns, mut next: impl FnMut() -> usize) -> Transcript {
    let mut rig = Rig::new();
    for (request, response) in talk {
        feed(request, &mut next, |piece| rig.client(piece));
        feed(response, &mut next, |piece| rig.upstream(piece));
    }
    rig.upstream_end(Ok(()));
    Transcript {
        down: rig.down(),
        up: rig.up(),
        news: rig.news(),
    }
}

fn feed(mut text: &str, next: &mut impl FnMut() -> usize, mut to: impl FnMut(&str)) {
    while !text.is_empty() {
        let (piece, rest) = text.split_at(next().clamp(1, text.len()));
        to(piece);
        text = rest;
    }
}

#[test]
fn byte_by_byte_equals_whole() {
    for talk in TALKS {
        let whole = run(talk, || usize::MAX);
        assert_eq!(run(talk, || 1), whole);
        assert!(!whole.news.is_empty());
    }
}

proptest! {
    #[test]
    fn any_cuts_equal_whole(talk in 0..TALKS.len(), sizes in prop::collection::vec(1usize..40, 1..40)) {
        let talk = TALKS[talk];
        let mut at = 0;
        let cut = run(talk, || {
            at += 1;
            sizes[at % sizes.len()]
        });
        prop_assert_eq!(cut, run(talk, || usize::MAX));
    }

    /// Whatever both sides say, the proxy comes to rest, keeps little and has no deadline in the past.
    #[test]
    fn noise_is_survived(
        request in prop::collection::vec(prop::sample::select(NOISE), 0..12),
        response in prop::collection::vec(prop::sample::select(NOISE), 0..12),
    ) {
        let mut rig = Rig::new();
        for (request, response) in request.iter().zip(&response) {
            rig.client(request);
            rig.upstream(response);
            prop_assert!(rig.client_rx.len() + rig.upstream_rx.len() < 20_000);
        }
        rig.client_end();
        rig.upstream_end(Ok(()));
        if rig.over {
            prop_assert_eq!(rig.proxy.next_timeout(), None);
        }
    }
}

const NOISE: &[&str] = &[
    "GET http://h/ HTTP/1.1\r\n",
    "GET http://h/ HTTP/1.1\r\n\r\n",
    "POST http://h/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST http://h/ HTTP/1.1\r\nContent-Length: 12\r\n\r\n",
    "Expect: 100-continue\r\n",
    "Connection: Upgrade\r\nUpgrade: x\r\n",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 100 C\r\n\r\n",
    "HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.0 204 N\r\n\r\n",
    "Content-Length: 3\r\n",
    "\r\n",
    "3\r\nabc\r\n",
    "0\r\n\r\n",
    "0\r\nT: x\r\n",
    "abc",
    "\u{16}",
];
