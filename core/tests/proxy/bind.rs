//! Who asks for a port, and how: the bytes of gost, and those by which two of our kind know each other.

use ginnel_core::addr::Carries;
use ginnel_core::connector::{self, Step as Asked};
use ginnel_core::error::Cause;
use ginnel_core::handler::{Bind, Bound, Goal, Step};
use ginnel_core::plan::ConnectorKind::{Relay, Socks5};
use ginnel_core::plan::HandlerKind;

use crate::support::*;

fn binds(addr: &str, what: Bound, ours: bool) -> Vec<Step> {
    let addr = target(addr);
    vec![Step::Dial(Goal::Bind(Bind { addr, what, ours }))]
}

fn bound(addr: &str, ours: bool) -> Vec<Asked> {
    let addr = target(addr);
    vec![Asked::Bound(connector::Bound { addr, ours })]
}

/// Requests, where they want a port, and whether they are of our kind.
const SOCKS5: [(&str, &str, Bound, bool); 6] = [
    (
        "05 02 00 01 00 00 00 00 00 00",
        "0.0.0.0:0",
        Bound::Client,
        false,
    ),
    // A name is nothing special there: RFC 1928 has it.
    (
        "05 02 00 03 07 31 2e 32 2e 33 2e 34 00 15",
        "1.2.3.4:21",
        Bound::Client,
        false,
    ),
    (
        "05 f2 00 01 00 00 00 00 08 ae",
        "0.0.0.0:2222",
        Bound::Clients,
        false,
    ),
    (
        "05 f2 00 03 02 3a 3a 08 ae",
        "[::]:2222",
        Bound::Clients,
        true,
    ),
    (
        "05 f3 00 01 00 00 00 00 14 e9",
        "0.0.0.0:5353",
        Bound::Senders,
        false,
    ),
    (
        "05 f3 00 03 02 3a 3a 14 e9",
        "[::]:5353",
        Bound::Senders,
        true,
    ),
];

#[test]
fn socks5_clients_ask_for_ports() {
    let mut service = Service::new(HandlerKind::Socks5);
    for (request, addr, what, ours) in SOCKS5 {
        let wire = hex(&format!("05 01 00 {request}"));
        service.plan.udp.bind = true;
        let expected = Outcome::done(binds(addr, what, ours), "05 00", b"");
        assert_eq!(service.serve(&wire), expected, "{request}");
        service.plan.udp.bind = false;
        // As gost: not allowed.
        let expected =
            Outcome::failed(vec![], "05 00 05 02 00 01 00 00 00 00 00 00", Cause::Denied);
        assert_eq!(service.serve(&wire), expected, "{request}");
    }
}

#[test]
fn relay_clients_ask_for_ports() {
    let mut service = Service::new(HandlerKind::Relay);
    for (request, addr, what, ours) in [
        (
            "01 02 00 0f 04 00 02 00 00 02 00 07 01 00 00 00 00 08 ae",
            "0.0.0.0:2222",
            Bound::Clients,
            false,
        ),
        (
            "01 02 00 0e 04 00 02 00 00 02 00 06 03 02 3a 3a 08 ae",
            "[::]:2222",
            Bound::Clients,
            true,
        ),
        (
            "01 82 00 0f 04 00 02 00 01 02 00 07 01 00 00 00 00 14 e9",
            "0.0.0.0:5353",
            Bound::Senders,
            false,
        ),
        (
            "01 82 00 0e 04 00 02 00 01 02 00 06 03 02 3a 3a 14 e9",
            "[::]:5353",
            Bound::Senders,
            true,
        ),
        // `:2222` by gost 3.3, which is no address of ours.
        (
            "01 82 00 19 04 00 02 00 01 02 00 11 03 0d 30 2e 30 2e 30 2e 30 3a 3a 32 32 32 32 00 00",
            "0.0.0.0:2222",
            Bound::Senders,
            false,
        ),
    ] {
        service.plan.udp.bind = true;
        let expected = Outcome::done(binds(addr, what, ours), "", b"");
        assert_eq!(service.serve(&hex(request)), expected, "{request}");
        service.plan.udp.bind = false;
        let expected = Outcome::failed(vec![], "01 03 00 00", Cause::Denied);
        assert_eq!(service.serve(&hex(request)), expected, "{request}");
    }
}

fn node(kind: ginnel_core::plan::ConnectorKind, carries: Carries, port: &str) -> Node {
    let mut node = Node::new(kind, port);
    node.carries = carries;
    node
}

/// An IP address is spelled as a name; a gost listens there all the same, and answers without.
#[test]
fn nodes_are_asked_for_ports() {
    for (carries, command) in [(Carries::Clients, "f2"), (Carries::Senders, "f3")] {
        for (reply, ours) in [
            ("05 00 00 01 7f 00 00 01 08 ae", false),
            ("05 00 00 03 09 31 32 37 2e 30 2e 30 2e 31 08 ae", true),
        ] {
            assert_eq!(
                node(Socks5, carries, ":2222").ask(&hex(&format!("05 00 {reply} ff"))),
                Outcome::done(
                    bound("127.0.0.1:2222", ours),
                    &format!("05 01 00 05 {command} 00 03 02 3a 3a 08 ae"),
                    b"\xff"
                ),
            );
        }
    }
    for (carries, head) in [
        (Carries::Clients, "01 02 00 15 04 00 02 00 00"),
        (Carries::Senders, "01 82 00 15 04 00 02 00 01"),
    ] {
        for (response, ours) in [
            ("01 00 00 0a 02 00 07 01 7f 00 00 01 08 ae", false),
            (
                "01 00 00 10 02 00 0d 03 09 31 32 37 2e 30 2e 30 2e 31 08 ae",
                true,
            ),
        ] {
            assert_eq!(
                node(Relay, carries, "127.0.0.1:2222").ask(&hex(&format!("{response} ff"))),
                Outcome::done(
                    bound("127.0.0.1:2222", ours),
                    &format!("{head} 02 00 0d 03 09 31 32 37 2e 30 2e 30 2e 31 08 ae"),
                    b"\xff"
                ),
            );
        }
    }
}
