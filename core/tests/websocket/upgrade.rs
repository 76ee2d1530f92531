//! From the first byte to `Ready`, in time.

use super::*;

#[test]
fn both_ends_learn_of_half_close_only_if_both_carry_smux() {
    for mux in [[true, true], [true, false], [false, true], [false, false]] {
        let (client, server) = pair_of(client_plan(), server_plan(), mux);
        let info = |hops| {
            Some(Info {
                half_close: mux == [true; 2],
                signals: mux == [true; 2],
                hops,
                ..Info::default()
            })
        };
        assert_eq!((client.ready, server.ready), (info(0), info(1)));
    }
}

#[test]
fn compression_needs_both() {
    for (offer, answer) in [(true, true), (true, false), (false, true)] {
        let client = WsClient {
            compression: offer,
            ..client_plan()
        };
        let server = WsServer {
            compression: answer,
            ..server_plan()
        };
        let (mut client, mut server) = pair_of(client, server, [false; 2]);
        let first = if offer && answer { 0xc2 } else { 0x82 };
        client.send(b"hello");
        server.send(b"hello");
        assert_eq!((client.sent()[0], server.sent()[0]), (first, first));
    }
}

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Ws>() <= 384, "{} bytes", size_of::<Ws>());
}

#[test]
fn heads_may_come_byte_by_byte_with_data_behind_them() {
    let mut client = End::new(Ws::client(Arc::new(client_plan()), false));
    let mut server = End::new(Ws::server(Arc::new(server_plan()), false));
    client.start().unwrap();
    server.start().unwrap();
    for byte in client.sent() {
        assert_eq!(server.ready, None);
        server.recv(&[byte]).unwrap();
    }
    server.send(b"b");
    for byte in server.sent() {
        client.recv(&[byte]).unwrap();
    }
    assert_eq!(client.data, b"b");
}

#[test]
fn bytes_behind_the_heads_are_data() {
    let mut client = End::new(Ws::client(Arc::new(client_plan()), false));
    let mut server = End::new(Ws::server(Arc::new(server_plan()), false));
    client.start().unwrap();
    server.start().unwrap();
    let early = [client.sent(), hex("82810000000061")].concat();
    server.recv(&early).unwrap();
    assert_eq!(server.data, b"a");
    server.send(b"b");
    client.recv(&server.sent()).unwrap();
    assert_eq!(client.data, b"b");
}

#[test]
fn a_refusal_is_told_at_once_and_an_early_end_says_how_far_it_came() {
    let mut server = End::new(Ws::server(Arc::new(server_plan()), false));
    server.start().unwrap();
    server
        .recv(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\nGET")
        .unwrap();
    assert_eq!(
        server.refused,
        ["GET /x answered with 404, expected path /ws"]
    );
    let fail = server.lower_end(Eof::Fin).unwrap_err();
    assert_eq!(fail.text, "closed after 3 bytes of the next request head");
    let mut client = End::new(Ws::client(Arc::new(client_plan()), false));
    client.start().unwrap();
    client.recv(b"HTTP/1.1 101").unwrap();
    let fail = client.lower_end(Eof::Reset).unwrap_err();
    assert_eq!(fail.text, "closed after 12 bytes of an HTTP response head");
    assert_eq!(client.end, None);
}

#[test]
fn a_slow_request_head_is_dropped_in_silence() {
    let mut server = End::new(Ws::server(Arc::new(server_plan()), false));
    server.start().unwrap();
    for second in 1..10 {
        server.run_until(at(second)).unwrap();
        server.recv(b"G").unwrap();
    }
    let fail = server.run_until(at(10)).unwrap_err();
    assert_eq!(
        fail.text,
        "10s for an upgrade passed after 9 bytes of an HTTP request head"
    );
    assert_eq!(fail.cause, Cause::TimedOut);
    assert_eq!(server.sent(), b"");
    assert_eq!(server.ws.next_timeout(), None);
}

#[test]
fn an_answered_request_starts_the_time_for_the_next() {
    let mut server = End::new(Ws::server(Arc::new(server_plan()), false));
    server.start().unwrap();
    server.run_until(at(8)).unwrap();
    server.recv(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    server.run_until(at(17)).unwrap();
    assert!(server.run_until(at(18)).is_err());
}

#[test]
fn a_head_without_end_is_refused_at_its_limit() {
    let mut server = End::new(Ws::server(Arc::new(server_plan()), false));
    server.start().unwrap();
    let result = (0..100).find_map(|_| server.recv(&[b'a'; 1000]).err().map(|fail| fail.cause));
    assert_eq!(result, Some(Cause::Limit));
    assert!(server.sent().starts_with(b"HTTP/1.1 431 "));
    // Nothing is heard any more.
    server.recv(b"x").unwrap();
    assert_eq!(server.sent(), b"");
}
