//! Every way in which a connection ends.

use super::*;

#[test]
fn the_transport_may_end_between_messages_only() {
    for (wire, state) in [
        ("", None),
        ("82810000000061", None),
        ("82", Some("inside a frame header, 1 bytes of it")),
        (
            "828100000000",
            Some("inside a frame, 1 payload bytes missing"),
        ),
        ("02810000000061", Some("inside a fragmented message")),
        ("8981000000", Some("inside a frame header, 5 bytes of it")),
    ] {
        let (_, mut server) = strangers();
        server.recv(&hex(wire)).unwrap();
        let result = server.lower_end(Eof::Fin).map_err(|fail| fail.text);
        let expected = state.map(|state| format!("websocket: ended {state}"));
        assert_eq!(result.err(), expected);
        assert_eq!(server.end, state.is_none().then_some(false));
    }
}

#[test]
fn a_reset_is_a_failure() {
    let (_, mut server) = pair();
    let fail = server.lower_end(Eof::Reset).unwrap_err();
    assert_eq!((fail.cause, server.end), (Cause::Reset, None));
}

#[test]
fn each_direction_ends_with_the_transports() {
    let (mut client, mut server) = strangers();
    client.send(b"request");
    assert!(client.finish());
    server.recv(&client.sent()).unwrap();
    server.lower_end(Eof::Fin).unwrap();
    assert_eq!(
        (&server.data[..], server.end),
        (&b"request"[..], Some(false))
    );
    server.send(b"response");
    assert!(server.finish());
    let wire = server.sent();
    assert!(wire.ends_with(&hex("880203e8")));
    // After its own end the client still hears, but says nothing: no pong, no close.
    client.recv(&hex("890170")).unwrap();
    client.recv(&wire).unwrap();
    assert_eq!(
        (&client.data[..], client.end),
        (&b"response"[..], Some(true))
    );
    assert_eq!(client.sent(), b"");
}

#[test]
fn a_close_that_is_no_goodbye_is_a_failure_with_its_reason() {
    let (mut client, mut server) = pair();
    server.abort(Cause::Tls);
    let fail = client.recv(&server.sent()).unwrap_err();
    assert_eq!(fail.cause, Cause::Closed);
    assert_eq!(fail.text, "websocket: peer closed with 1011 (\"failed\")");
    assert_eq!(
        meaning(&client.sent(), true).1,
        [Item::Close(Some(1011), String::new())]
    );
    assert_eq!(client.end, None);
    // Both are over: nothing is said or heard any more.
    client.recv(&hex("890170")).unwrap();
    client.lower_end(Eof::Fin).unwrap();
    client.abort(Cause::Local);
    server.abort(Cause::Local);
    assert_eq!((client.sent(), server.sent()), (vec![], vec![]));
}

#[test]
fn shutdown_says_that_we_go_away() {
    let (mut client, mut server) = pair();
    client.abort(Cause::Local);
    // It may have cut what was under way: no orderly end.
    let fail = server.recv(&client.sent()).unwrap_err();
    let text = "websocket: peer closed with 1001 (\"going away\")";
    assert_eq!((fail.cause, fail.text.as_str()), (Cause::Closed, text));
    assert_eq!(server.sent(), hex("880203e9"));
}

#[test]
fn data_behind_a_close_is_dropped() {
    let (_, mut server) = pair();
    server.recv(&hex("88800000000082810000000061")).unwrap();
    assert_eq!((&server.data[..], server.end), (&b""[..], Some(true)));
}

#[test]
fn a_broken_compressed_message_is_told_to_the_peer() {
    let (_, mut server) = compressing_pair();
    let fail = server.recv(&hex("c28300000000ffffff")).unwrap_err();
    assert_eq!(fail.cause, Cause::Protocol);
    assert_eq!(server.sent()[2..4], 1007u16.to_be_bytes());
}
