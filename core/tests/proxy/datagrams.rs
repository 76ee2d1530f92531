//! Who asks for datagrams, and how: the bytes of gost, and those by which two of our kind know each other.

use ginnel_core::addr::Carries;
use ginnel_core::connector::{self, Way};
use ginnel_core::handler::{Goal, Receiver, Step};
use ginnel_core::plan::ConnectorKind::{Http, Relay, Socks4, Socks5};
use ginnel_core::plan::HandlerKind;
use ginnel_core::wire::datagram::Framing;

use crate::support::*;

fn served(kind: HandlerKind) -> Service {
    let mut service = Service::new(kind);
    service.plan.udp.enabled = true;
    service.plan.udp.bind = true;
    service
}

fn node(kind: ginnel_core::plan::ConnectorKind, carries: Carries) -> Node {
    let mut node = Node::new(kind, "8.8.8.8:53");
    node.carries = carries;
    node
}

fn tunnel(empties: bool) -> connector::Step {
    connector::Step::Datagrams(Way::Framed(Framing::Tunnel { empties }))
}

#[test]
fn socks5_clients_ask_for_datagrams() {
    for (request, framing) in [
        ("05 03 00 01 00 00 00 00 00 00", Framing::Packet),
        ("05 03 00 01 7f 00 00 01 13 88", Framing::Packet),
        // gost, and our own connector.
        (
            "05 f3 00 01 00 00 00 00 00 00",
            Framing::Tunnel { empties: false },
        ),
        ("05 f3 00 03 00 00 00", Framing::Tunnel { empties: true }),
    ] {
        let goal = Goal::Datagrams(framing, Receiver::Each);
        assert_eq!(
            served(HandlerKind::Socks5).serve(&hex(&format!("05 01 00 {request}"))),
            Outcome::done(vec![Step::Dial(goal)], "05 00", b""),
            "{request}"
        );
    }
}

#[test]
fn relay_clients_ask_for_datagrams() {
    let each = |empties| Goal::Datagrams(Framing::Tunnel { empties }, Receiver::Each);
    let to = Goal::Datagrams(Framing::Counted, Receiver::Target(target("8.8.8.8:53")));
    for (request, goal) in [
        (
            "01 81 00 0f 04 00 02 00 01 02 00 07 01 08 08 08 08 00 35",
            to,
        ),
        // gost 3.3, gost 3.2.6, and our own connector.
        (
            "01 82 00 0f 04 00 02 00 01 02 00 07 01 00 00 00 00 00 00",
            each(false),
        ),
        (
            "01 82 00 0c 04 00 02 00 01 02 00 04 03 00 00 00",
            each(false),
        ),
        (
            "01 82 00 1b 04 00 02 00 01 02 00 13 04 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
            each(true),
        ),
    ] {
        assert_eq!(
            served(HandlerKind::Relay).serve(&hex(request)),
            Outcome::done(vec![Step::Dial(goal)], "", b""),
            "{request}"
        );
    }
}

#[test]
fn socks5_nodes_are_asked_for_datagrams() {
    // gost tells its port, we tell none.
    for (reply, empties) in [
        ("05 00 00 01 00 00 00 00 b2 d6", false),
        ("05 00 00 01 00 00 00 00 00 00", true),
    ] {
        assert_eq!(
            node(Socks5, Carries::Datagrams).ask(&hex(&format!("05 00 {reply}"))),
            Outcome::done(vec![tunnel(empties)], "05 01 00 05 f3 00 03 00 00 00", b""),
        );
    }
    let mut node = node(Socks5, Carries::Anywhere);
    node.plan.associate = true;
    let way = connector::Step::Datagrams(Way::Socket(target("192.0.2.9:40000")));
    assert_eq!(
        node.ask(&hex("05 00 05 00 00 01 c0 00 02 09 9c 40")),
        Outcome::done(vec![way], "05 01 00 05 03 00 01 00 00 00 00 00 00", b""),
    );
}

#[test]
fn relay_nodes_are_asked_for_datagrams() {
    assert_eq!(
        node(Relay, Carries::Datagrams).ask(b"").out,
        hex("01 81 00 0f 04 00 02 00 01 02 00 07 01 08 08 08 08 00 35")
    );
    let request = "01 82 00 1b 04 00 02 00 01 02 00 13 04 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00";
    for (response, empties) in [
        ("01 00 00 0a 02 00 07 01 c0 00 02 09 08 ae", false),
        ("01 00 00 0a 02 00 07 01 00 00 00 00 00 00", true),
    ] {
        assert_eq!(
            node(Relay, Carries::Anywhere).ask(&hex(response)),
            Outcome::done(vec![tunnel(empties)], request, b""),
        );
    }
}

#[test]
fn http_nodes_are_asked_for_datagrams() {
    let fields = "User-Agent: Go-http-client/1.1\r\nProxy-Connection: keep-alive\r\n\
                  X-Empty-Datagrams: 1\r\nX-Gost-Protocol: udp\r\n\r\n";
    for (carries, authority) in [(Carries::Datagrams, "8.8.8.8:53"), (Carries::Anywhere, "")] {
        let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{fields}");
        for (response, empties) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nX-Empty-Datagrams: 1\r\n\r\n", true),
        ] {
            let outcome = node(Http, carries).ask(response.as_bytes());
            assert_eq!(String::from_utf8(outcome.out).unwrap(), request);
            assert_eq!(outcome.steps, [tunnel(empties)]);
        }
    }
}

#[test]
fn socks4_has_no_datagrams() {
    let outcome = node(Socks4, Carries::Datagrams).ask(b"");
    assert_eq!(outcome.fail, Some(ginnel_core::error::Cause::Unsupported));
}
