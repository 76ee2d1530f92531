//! Ends by messages, between two ends that agreed on them: a direction ends with an empty text message, both with a
//! close frame, and the end of the transport without that is a cut.

use super::messages::bomb;
use super::*;

const CUT: &str = "websocket: ended without a close frame";

#[test]
fn either_side_ends_first() {
    for client_first in [true, false] {
        let (client, server) = pair();
        let (mut first, mut second, end) = match client_first {
            true => (client, server, "8180"),
            false => (server, client, "8100"),
        };
        first.send(b"request");
        assert!(!first.finish(), "the transport goes on");
        let wire = first.sent();
        let at = wire.len() - if client_first { 6 } else { 2 };
        assert_eq!(wire[at..at + 2], hex(end));
        second.recv(&wire).unwrap();
        assert_eq!(
            (&second.data[..], second.end),
            (&b"request"[..], Some(false))
        );
        // Said once, however often the engine asks.
        assert!(!first.finish());
        assert_eq!(first.sent(), b"");

        second.send(b"response");
        assert!(second.finish());
        first.recv(&second.sent()).unwrap();
        assert_eq!((&first.data[..], first.end), (&b"response"[..], Some(true)));
        let answer = meaning(&first.sent(), client_first);
        assert_eq!(
            answer,
            (vec![], vec![Item::Close(Some(1000), String::new())])
        );
        assert!(first.finish());
        for end in [&mut first, &mut second] {
            end.lower_end(Eof::Fin).unwrap();
            assert_eq!((end.sent(), end.ws.next_timeout()), (vec![], None));
        }
    }
}

#[test]
fn both_sides_end_at_once() {
    let (mut client, mut server) = pair();
    assert!(!client.finish());
    assert!(!server.finish());
    let (up, down) = (client.sent(), server.sent());
    server.recv(&up).unwrap();
    client.recv(&down).unwrap();
    assert_eq!((client.end, server.end), (Some(false), Some(false)));
    // Now the transport may end.
    assert!(client.finish());
    assert!(server.finish());
    let (up, down) = (client.sent(), server.sent());
    assert_eq!(down, hex("880203e8"));
    server.recv(&up).unwrap();
    client.recv(&down).unwrap();
    assert_eq!((client.sent(), server.sent()), (vec![], vec![]));
    client.lower_end(Eof::Fin).unwrap();
    server.lower_end(Eof::Fin).unwrap();
}

#[test]
fn an_end_of_the_transport_is_a_cut() {
    for (peer_ended, we_ended) in [(false, false), (true, false), (false, true)] {
        let (mut client, mut server) = pair();
        if peer_ended {
            client.finish();
            server.recv(&client.sent()).unwrap();
        }
        if we_ended {
            server.finish();
        }
        let fail = server.lower_end(Eof::Fin).unwrap_err();
        assert_eq!((fail.cause, fail.text.as_str()), (Cause::Closed, CUT));
        assert_eq!(server.end, peer_ended.then_some(false));
        // It is over.
        server.sent();
        server.abort(Cause::Closed);
        server.lower_end(Eof::Fin).unwrap();
        assert_eq!(server.sent(), b"");
    }
    let (_, mut server) = pair();
    server.recv(&hex("8281000000")).unwrap();
    let fail = server.lower_end(Eof::Fin).unwrap_err();
    assert_eq!(
        fail.text,
        "websocket: ended inside a frame header, 5 bytes of it"
    );
}

#[test]
fn what_may_not_follow_an_end_or_carry_payload_is_a_violation() {
    for (wire, code, text) in [
        (
            "818000000000 82810000000061",
            1002,
            "websocket: a message behind the end of its direction",
        ),
        (
            "818000000000 818000000000",
            1002,
            "websocket: a message behind the end of its direction",
        ),
        (
            "81810000000061",
            1003,
            "websocket: a text message with payload, expected binary ones",
        ),
        (
            "018000000000 80810000000061",
            1003,
            "websocket: a text message with payload, expected binary ones",
        ),
    ] {
        let (_, mut server) = pair();
        let fail = server.recv(&hex(&wire.replace(' ', ""))).unwrap_err();
        assert_eq!((fail.cause, fail.text.as_str()), (Cause::Protocol, text));
        assert_eq!(server.sent()[2..4], u16::to_be_bytes(code), "{wire}");
        assert_eq!(server.data, b"");
    }
}

#[test]
fn an_end_may_come_in_pieces_and_with_control_frames() {
    for wire in [
        "818000000000",
        "018000000000 898000000000 808000000000",
        // Compressed by somebody in between.
        "c18100000000 00",
        "818000000000 8a8000000000 898000000000",
    ] {
        let wire = hex(&wire.replace(' ', ""));
        let (_, mut whole) = compressing_pair();
        whole.recv(&wire).unwrap();
        assert_eq!((whole.end, &whole.data[..]), (Some(false), &b""[..]));
        let (_, mut pieces) = compressing_pair();
        for byte in &wire {
            pieces.recv(&[*byte]).unwrap();
        }
        assert_eq!(pieces.end, Some(false));
        assert_eq!(whole.sent(), pieces.sent());
    }
}

#[test]
fn a_close_frame_behind_an_end_means_that_nobody_reads() {
    let (mut client, mut server) = pair();
    client.finish();
    client.ws.end_both();
    assert!(client.finish());
    let fail = server.recv(&client.sent()).unwrap_err();
    assert_eq!(
        (fail.cause, fail.text.as_str()),
        (
            Cause::Closed,
            "websocket: peer closed, and does not read what is still sent"
        )
    );
    assert_eq!((server.end, server.sent()), (Some(false), hex("880203e8")));
}

#[test]
fn who_has_ended_says_no_more_than_goodbye() {
    let (mut client, mut server) = pair();
    client.finish();
    server.recv(&client.sent()).unwrap();
    client.recv(&hex("890170")).unwrap();
    assert_eq!(client.sent(), b"");
    client.abort(Cause::Local);
    let fail = server.recv(&client.sent()).unwrap_err();
    assert_eq!(
        fail.text,
        "websocket: peer closed with 1001 (\"going away\")"
    );
    // And hears one.
    let (mut client, mut server) = pair();
    client.finish();
    server.recv(&client.sent()).unwrap();
    server.abort(Cause::Tls);
    let fail = client.recv(&server.sent()).unwrap_err();
    assert_eq!(fail.text, "websocket: peer closed with 1011 (\"failed\")");
    let (_, controls) = meaning(&client.sent(), true);
    assert_eq!(controls, [Item::Close(Some(1011), String::new())]);
}

/// The end waits for its turn as all payload does, and a cut for that.
#[test]
fn an_end_behind_a_bomb_is_told_in_its_turn() {
    for cut in [false, true] {
        let (_, mut server) = compressing_pair();
        server.recv(&bomb(3 << 20)).unwrap();
        server.recv(&hex("818000000000")).unwrap();
        if cut {
            server.lower_end(Eof::Fin).unwrap();
        }
        assert_eq!(server.end, None);
        let mut failed = None;
        while let Some(next) = server.ws.next_timeout() {
            failed = server.run_until(next).err();
        }
        assert_eq!((server.data.len(), server.end), (3 << 20, Some(false)));
        assert_eq!(failed.map(|fail| fail.text), cut.then(|| CUT.to_owned()));
    }
}

#[test]
fn compressed_payload_is_followed_by_a_plain_end() {
    let (mut client, mut server) = compressing_pair();
    server.send(&text(5000));
    server.finish();
    let wire = server.sent();
    assert_eq!((wire[0], &wire[wire.len() - 2..]), (0xc2, &hex("8100")[..]));
    client.recv(&wire).unwrap();
    assert_eq!((client.data.len(), client.end), (5000, Some(false)));
    client.send(&text(5000));
    client.finish();
    server.recv(&client.sent()).unwrap();
    assert_eq!((server.data.len(), server.end), (5000, Some(true)));
}

/// It is payload for whoever did not agree.
#[test]
fn for_strangers_an_empty_message_is_nothing() {
    let (mut client, mut server) = strangers();
    server.recv(&hex("81800000000082810000000061")).unwrap();
    assert_eq!((&server.data[..], server.end), (&b"a"[..], None));
    assert!(client.finish());
    assert_eq!(client.sent(), b"");
}
