//! RFC 6455 and RFC 7692 as a peer of an echo server sees them, in one piece and byte by byte.

use ginnel_core::message::{Connection, Deflate, Event, Kind, Shared, Window};
use tungstenite::protocol::{Role, WebSocket};

use super::*;

/// What the frames of a client, masked with key zero, are answered with: the server echoes. Control frames
/// and messages as words, in order.
fn answers(wire: &str, deflate: Option<Deflate>, size: usize) -> Vec<String> {
    let shared = &mut Shared::new([7; 32]);
    let (mut server, _) = open(deflate, deflate, shared);
    for piece in hex(&wire.replace(' ', "")).chunks(size) {
        server.handle_input(BytesMut::from(piece));
        echo(&mut server, shared);
    }
    words(&server.take_output())
}

/// A server, whose upgrade is done, and its client.
fn open(
    server: Option<Deflate>,
    client: Option<Deflate>,
    shared: &mut Shared,
) -> (Connection, Connection) {
    let mut server = Connection::server(server);
    let mut client = Connection::client("h", "/", client, shared).unwrap();
    server.handle_input(client.take_output());
    assert!(matches!(server.poll_event(shared), Some(Event::Open)));
    client.handle_input(server.take_output());
    let event = client.poll_event(shared);
    assert!(matches!(event, Some(Event::Open)), "{event:?}");
    (server, client)
}

fn echo(end: &mut Connection, shared: &mut Shared) {
    while let Some(event) = end.poll_event(shared) {
        match event {
            Event::Begin(kind) => end.begin(kind),
            Event::Data(piece) => end.write(&piece, shared),
            Event::End => end.end(shared),
            Event::Open | Event::Closed(..) | Event::Failed(_) => {}
        }
    }
}

fn words(wire: &[u8]) -> Vec<String> {
    let mut decoder = Decoder::new(false, true);
    let (mut pool, mut wire) = (Pool::default(), BytesMut::from(wire));
    let mut inflater = pool.inflater();
    let (mut words, mut data, mut packed, mut name) = (Vec::new(), Vec::new(), false, "");
    while let Some(item) = decoder.next(&mut wire).unwrap() {
        match item {
            Item::Begin { text, compressed } => {
                (name, packed) = (if text { "text" } else { "binary" }, compressed);
                data.clear();
            }
            Item::Data(piece) => data.extend_from_slice(&piece),
            Item::End if packed => {
                inflater.renew();
                inflater.feed(BytesMut::from(&data[..]));
                inflater.complete();
                let mut plain = Vec::new();
                while let Some(piece) = pool.inflate(&mut inflater).unwrap() {
                    plain.extend_from_slice(&piece);
                }
                words.push(format!("{name} {}", plain.escape_ascii()));
            }
            Item::End => words.push(format!("{name} {}", data.escape_ascii())),
            Item::Ping(payload) => words.push(format!("ping {}", payload.escape_ascii())),
            Item::Pong(payload) => words.push(format!("pong {}", payload.escape_ascii())),
            Item::Close(code, _) => words.push(format!("close {}", code.unwrap_or_default())),
        }
    }
    words
}

fn check(cases: &[(&str, &[&str])], deflate: Option<Deflate>) {
    for (wire, expected) in cases {
        for size in [usize::MAX, 1, 2, 3] {
            assert_eq!(answers(wire, deflate, size), *expected, "{wire} by {size}");
        }
    }
}

#[test]
fn messages_keep_their_kind_and_their_borders() {
    check(
        &[
            ("8180 00000000 8280 00000000", &["text ", "binary "]),
            (
                "8182 00000000 c3a4 8281 00000000 ff",
                &["text \\xc3\\xa4", "binary \\xff"],
            ),
            (
                "0181 00000000 c3 8982 00000000 6869 0080 00000000 8081 00000000 a4",
                &["pong hi", "text \\xc3\\xa4"],
            ),
            // Every ping of a burst has its pong.
            (
                "8981 00000000 61 8981 00000000 62 8a81 00000000 78 8981 00000000 63",
                &["pong a", "pong b", "pong c"],
            ),
        ],
        None,
    );
}

#[test]
fn violations_end_it_behind_what_came_before() {
    let before = "8181 00000000 61 ";
    for (wire, code) in [
        ("c181 00000000 61", 1002),
        ("a181 00000000 61", 1002),
        ("9180 00000000", 1002),
        ("8380 00000000", 1002),
        ("8f80 00000000", 1002),
        ("0980 00000000", 1002),
        ("89fe 007e 00000000", 1002),
        ("8080 00000000", 1002),
        ("0180 00000000 8180 00000000", 1002),
        ("8101 61", 1002),
        // The close frame's own payload.
        ("8881 00000000 03", 1002),
        ("8882 00000000 03e7", 1002),
        ("8882 00000000 03ec", 1002),
        ("8882 00000000 03ed", 1002),
        ("8882 00000000 03ee", 1002),
        ("8882 00000000 03f7", 1002),
        ("8882 00000000 07d0", 1002),
        ("8882 00000000 1388", 1002),
        ("8884 00000000 03e8 c328", 1002),
        // Text that is none, at the byte that shows it: behind it comes nothing more.
        ("8184 00000000 f490", 1007),
        ("0182 00000000 c328", 1007),
        ("0181 00000000 c3 8080 00000000", 1007),
        ("8183 00000000 eda080", 1007),
    ] {
        let code = format!("close {code}");
        check(&[(&format!("{before}{wire}"), &["text a", &code])], None);
    }
}

#[test]
fn a_close_is_answered_with_its_code_and_ends_everything() {
    for (wire, answer) in [
        ("8880 00000000", "close 0"),
        ("8882 00000000 03e8", "close 1000"),
        ("8885 00000000 0bb8 c3a461", "close 3000"),
        ("8882 00000000 03f6", "close 1014"),
        ("8882 00000000 1387", "close 4999"),
    ] {
        let behind = format!("{wire} 8981 00000000 61 8181 00000000 61");
        check(&[(&behind, &[answer])], None);
        check(&[(&format!("0181 00000000 61 {wire}"), &[answer])], None);
    }
}

#[test]
fn compressed_messages_may_be_fragmented_empty_plain_or_wrong() {
    let hello = "c187 00000000 f248cdc9c90700";
    for deflate in [Deflate::default(), Deflate::with_takeover()] {
        check(
            &[
                (hello, &["text Hello"]),
                (
                    "4183 00000000 f248cd 8981 00000000 61 0080 00000000 8084 00000000 c9c90700",
                    &["pong a", "text Hello"],
                ),
                ("c181 00000000 00 8181 00000000 61", &["text ", "text a"]),
                ("c188 00000000 f348cdc9c9070000", &["text Hello"]),
                // RSV1 anywhere else.
                (
                    "4183 00000000 f248cd c084 00000000 c9c90700",
                    &["close 1002"],
                ),
                ("c980 00000000", &["close 1002"]),
                ("c183 00000000 ffffff", &["close 1007"]),
                // "Hell\xff", which inflates and is no text.
                ("c18a 00000000 000500faff48656c6cff", &["close 1007"]),
            ],
            Some(deflate),
        );
    }
    // The second message refers to the first: only for who keeps its window.
    let twice = format!("{hello} c185 00000000 f200110000");
    check(
        &[(&twice, &["text Hello", "text Hello"])],
        Some(Deflate::with_takeover()),
    );
    check(
        &[(&twice, &["text Hello", "close 1007"])],
        Some(Deflate::default()),
    );
}

/// With takeover too, what does not shrink is soon sent as it is, and what shrinks later is compressed again.
#[test]
fn compression_gives_itself_up_and_tries_again() {
    let shared = &mut Shared::new([7; 32]);
    let full = Some(Deflate::with_takeover());
    let (mut server, mut client) = open(full, full, shared);
    let (noise, text) = (noise(200_000), text(200_000));
    let mut firsts = Vec::new();
    for at in 0..20 {
        let data = if at < 4 { &noise } else { &text };
        server.begin(Kind::Binary);
        server.write(data, shared);
        server.end(shared);
        let wire = server.take_output();
        firsts.push((wire[0] & 0x40 != 0, wire.len() < 10_000));
        client.handle_input(wire);
        let mut heard = Vec::new();
        while let Some(event) = client.poll_event(shared) {
            if let Event::Data(piece) = event {
                heard.extend_from_slice(&piece);
            }
        }
        assert!(heard == *data);
    }
    assert_eq!(firsts[0], (true, false));
    assert_eq!(firsts[1], (false, false));
    assert_eq!(firsts[19], (true, true));
}

#[test]
fn sixteen_mebibytes_in_tiny_frames_are_an_echo() {
    let shared = &mut Shared::new([7; 32]);
    let (mut server, _) = open(None, None, shared);
    let frames = 16 * 1024 * 1024 / 64;
    let (mut sent, mut made) = (0, 0);
    while sent < frames {
        let mut wire = BytesMut::new();
        for _ in 0..1000.min(frames - sent) {
            let first = [if sent == 0 { 0x02 } else { 0x00 }, 0xc0, 0, 0, 0, 0];
            wire.extend_from_slice(&first);
            wire.extend_from_slice(&[7; 64]);
            sent += 1;
        }
        if sent == frames {
            wire.extend_from_slice(&[0x80, 0x80, 0, 0, 0, 0]);
        }
        server.handle_input(wire);
        echo(&mut server, shared);
        assert!(server.queued() < 256 * 1024);
        made += server.take_output().len();
    }
    assert!((16 << 20..17 << 20).contains(&made));
}

#[test]
fn tungstenite_hears_the_messages_and_the_close() {
    let shared = &mut Shared::new([7; 32]);
    let (mut server, _) = open(None, None, shared);
    let mut wire = Vec::new();
    {
        let mut peer =
            WebSocket::from_raw_socket(std::io::Cursor::new(&mut wire), Role::Client, None);
        peer.write("text ä".into()).unwrap();
        peer.write(vec![0xff; 200_000].into()).unwrap();
        peer.close(None).unwrap();
        peer.flush().unwrap();
    }
    server.handle_input(BytesMut::from(&wire[..]));
    echo(&mut server, shared);
    assert!(server.is_over());
    let answer = std::io::Cursor::new(server.take_output().to_vec());
    let mut peer = WebSocket::from_raw_socket(answer, Role::Client, None);
    assert_eq!(peer.read().unwrap(), "text ä".into());
    assert_eq!(peer.read().unwrap(), vec![0xff; 200_000].into());
    assert!(peer.read().unwrap().is_close());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(60))]

    /// Whatever two ends wish, they agree on something, and every message arrives.
    #[test]
    fn any_windows_carry_any_messages(
        wishes in proptest::array::uniform4((proptest::bool::ANY, 8u8..=15)),
        sizes in proptest::collection::vec((proptest::bool::ANY, 0usize..100_000, proptest::bool::ANY), 1..8),
    ) {
        let shared = &mut Shared::new([7; 32]);
        let [tx, rx, other_tx, other_rx] = wishes.map(|(takeover, bits)| Window { takeover, bits });
        let (server, client) = open(
            Some(Deflate { tx, rx }),
            Some(Deflate { tx: other_tx, rx: other_rx }),
            shared,
        );
        let mut ends = [server, client];
        for (noisy, len, back) in sizes {
            let data = if noisy { noise(len) } else { text(len) };
            let [from, to] = &mut ends;
            let (from, to) = if back { (to, from) } else { (from, to) };
            from.begin(Kind::Binary);
            for part in data.chunks(30_000) {
                from.write(part, shared);
            }
            from.end(shared);
            to.handle_input(from.take_output());
            let mut heard = Vec::new();
            while let Some(event) = to.poll_event(shared) {
                match event {
                    Event::Data(piece) => heard.extend_from_slice(&piece),
                    Event::Begin(_) | Event::End => {}
                    event => panic!("{event:?}"),
                }
            }
            proptest::prop_assert!(heard == data);
        }
    }
}
