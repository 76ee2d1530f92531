//! Pings between two ends.

use super::*;

fn pinging_pair() -> (End, End) {
    let (client, server) = pinging_plans();
    pair_of(client, server, [false; 2])
}

fn pinging_plans() -> (WsClient, WsServer) {
    let ping = Some(Ping::default());
    let client = WsClient {
        ping,
        ..client_plan()
    };
    let server = WsServer {
        ping,
        ..server_plan()
    };
    (client, server)
}

#[test]
fn silent_ends_keep_each_other_alive() {
    let (mut client, mut server) = pinging_pair();
    let mut pings = 0;
    for second in 1..200 {
        client.run_until(at(second)).unwrap();
        server.run_until(at(second)).unwrap();
        for _ in 0..2 {
            let (up, down) = (client.sent(), server.sent());
            if !up.is_empty() {
                pings += 1;
                server.recv(&up).unwrap();
            }
            if !down.is_empty() {
                client.recv(&down).unwrap();
            }
        }
    }
    assert!(pings >= 10, "{pings}");
}

#[test]
fn a_dead_peer_is_noticed_after_two_periods() {
    let (client, server) = pinging_pair();
    for (mut end, masked) in [(client, true), (server, false)] {
        end.run_until(at(12)).unwrap();
        assert_eq!(end.sent(), b"");
        end.run_until(at(15)).unwrap();
        let (_, controls) = meaning(&end.sent(), masked);
        assert_eq!(controls, [Item::Ping(hex("00000001")[..].into())]);
        end.run_until(at(27)).unwrap();
        let fail = end.run_until(at(30)).unwrap_err();
        assert_eq!(fail.cause, Cause::TimedOut);
        assert!(fail.text.starts_with("nothing received for "), "{fail}");
        assert_eq!(end.ws.next_timeout(), None);
    }
}

#[test]
fn traffic_needs_no_pings() {
    let (_, mut server) = pinging_pair();
    for second in (0..300).step_by(10) {
        server.run_until(at(second)).unwrap();
        server.recv(&hex("82810000000061")).unwrap();
    }
    assert_eq!(server.sent(), b"");
}

#[test]
fn a_paused_end_says_that_it_lives() {
    let (_, mut server) = pinging_pair();
    server.ws.pause(true, at(1));
    server.run_until(at(100)).unwrap();
    let (_, controls) = meaning(&server.sent(), false);
    assert!((6..=8).contains(&controls.len()), "{controls:?}");
    assert!(
        controls
            .iter()
            .all(|item| *item == Item::Pong(BytesMut::new()))
    );
    server.ws.pause(false, at(100));
    server.run_until(at(112)).unwrap();
    assert_eq!(server.sent(), b"");
    server.run_until(at(115)).unwrap();
    assert_eq!(server.sent(), hex("890400000001"));
}

#[test]
fn a_paused_client_answers_to_nobody_who_never_asked() {
    let (mut client, _) = pinging_pair();
    client.ws.pause(true, at(1));
    client.run_until(at(100)).unwrap();
    // A server that has sent all and closed would answer with a reset, before all of it is read.
    assert_eq!(client.sent(), b"");
    client.ws.pause(false, at(100));
    client.recv(&hex("8900")).unwrap();
    client.sent();
    client.ws.pause(true, at(101));
    client.run_until(at(160)).unwrap();
    let (_, controls) = meaning(&client.sent(), true);
    assert!((3..=5).contains(&controls.len()), "{controls:?}");
}

#[test]
fn the_time_after_a_half_close_needs_no_pings() {
    let (client, server) = pinging_plans();
    for (mut client, mut server) in [pinging_pair(), strangers_of(client, server)] {
        match client.finish() {
            true => server.lower_end(Eof::Fin).unwrap(),
            false => server.recv(&client.sent()).unwrap(),
        }
        assert_eq!(server.end, Some(false));
        assert_eq!(client.ws.next_timeout(), None);
        assert_eq!(server.ws.next_timeout(), None);
    }
}

#[test]
fn several_pings_in_one_read_get_the_newest_pong() {
    let (_, mut server) = pair();
    server
        .recv(&hex("89810000000061898100000000628981000000006389820000"))
        .unwrap();
    assert_eq!(server.sent(), hex("8a0163"));
    server.recv(&hex("00006465")).unwrap();
    assert_eq!(server.sent(), hex("8a026465"));
}
