//! Requests to switch to another protocol: a tunnel, or a plain answer.

use crate::rig::{Rig, answered, seen};

const UPGRADE: &str = "GET http://h/chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, X\r\nX: 1\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n";

#[test]
fn an_upgrade_becomes_a_tunnel() {
    let mut rig = Rig::new();
    rig.client(UPGRADE);
    assert_eq!(
        rig.up(),
        "GET /chat HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Key: k\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\n\r\n"
    );
    rig.client("\u{1}");
    rig.upstream(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n\
         Sec-WebSocket-Accept: a\r\n\r\nframes",
    );
    assert_eq!(
        rig.down(),
        "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: a\r\nUpgrade: WebSocket\r\n\
         Connection: Upgrade\r\n\r\n"
    );
    assert_eq!(rig.news(), "dial h:80, tunnel");
    assert_eq!(
        (&rig.client_rx[..], &rig.upstream_rx[..]),
        (&b"\x01"[..], &b"frames"[..])
    );
    assert_eq!(rig.proxy.next_timeout(), None);
}

#[test]
fn a_declined_upgrade_is_a_plain_response() {
    let (down, news) = answered(UPGRADE, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    assert_eq!(down, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    assert_eq!(news, "");
}

#[test]
fn a_switch_to_something_else_is_refused() {
    for fields in [
        "Upgrade: h2c\r\nConnection: Upgrade\r\n",
        "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\n",
    ] {
        let (down, _) = answered(UPGRADE, &format!("HTTP/1.1 101 Sw\r\n{fields}\r\n"));
        assert!(down.starts_with("HTTP/1.1 502 "), "{fields}: {down}");
    }
}

#[test]
fn upgrade_without_its_connection_option_is_dropped() {
    assert_eq!(
        seen("GET http://h/ HTTP/1.1\r\nUpgrade: h2c\r\n\r\n"),
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    );
}

#[test]
fn nothing_switches_within_a_request_body() {
    let (down, _) = answered(
        "POST http://h/ HTTP/1.1\r\nUpgrade: x\r\nConnection: Upgrade\r\nContent-Length: 9\r\n\r\nabc",
        "HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    );
    assert!(down.starts_with("HTTP/1.1 502 "), "{down}");
}
