use bytes::BytesMut;
use ginnel_core::connector::{Step, relay};
use ginnel_core::error::Cause;
use ginnel_core::plan::ConnectorKind::Relay;

use crate::support::*;

#[test]
fn relay_requests_are_those_of_gost() {
    for (node, request) in [
        (
            Node::new(Relay, "192.0.2.1:80"),
            "01 01 00 0a 02 00 07 01 c0 00 02 01 00 50",
        ),
        (
            Node::new(Relay, "example.com:443").with_auth("user", "pass"),
            "01 01 00 1f 01 00 0a 04 75 73 65 72 04 70 61 73 73 \
             02 00 0f 03 0b 65 78 61 6d 70 6c 65 2e 63 6f 6d 01 bb",
        ),
        (
            Node::new(Relay, "example.com:443").with_auth("user", ""),
            "01 01 00 1b 01 00 06 04 75 73 65 72 00 \
             02 00 0f 03 0b 65 78 61 6d 70 6c 65 2e 63 6f 6d 01 bb",
        ),
        (Node::new(Relay, ":0"), "01 01 00 07 02 00 04 03 00 00 00"),
    ] {
        assert_eq!(
            node.ask(b"hello"),
            Outcome::done(vec![Step::Lazy], request, b"hello")
        );
    }
}

#[test]
fn relay_nodes_are_asked_for_socket_files_as_gost_does() {
    let mut node = Node::new(Relay, "a:1").with_auth("user", "");
    node.target = ginnel_core::addr::Target::file("/run/x.sock");
    let request = "01 01 00 20 04 00 02 00 10 01 00 06 04 75 73 65 72 00 \
                   02 00 0f 03 0b 2f 72 75 6e 2f 78 2e 73 6f 63 6b 00 00";
    let expected = Outcome::done(vec![Step::Lazy], request, b"hello");
    assert_eq!(node.ask(b"hello"), expected);
}

#[test]
fn relay_with_nodelay_waits_for_the_response() {
    let mut node = Node::new(Relay, "192.0.2.1:80");
    node.plan.nodelay = true;
    let request = "01 01 00 0a 02 00 07 01 c0 00 02 01 00 50";
    assert_eq!(node.ask(b""), Outcome::done(vec![], request, b""));
    assert_eq!(
        node.ask(&hex("01 00 00 00 68 65 6c 6c 6f")),
        Outcome::done(vec![Step::Done], request, b"hello")
    );
    assert_eq!(
        node.ask(&hex("01 07 00 00")),
        Outcome::failed(vec![], request, Cause::NetUnreachable)
    );
}

#[test]
fn relay_responses_are_taken_off_the_data() {
    for (response, rest) in [
        ("01 00 00 00", "hello"),
        ("01 00 00 0a 02 00 07 01 c0 00 02 09 08 ae", "hello"),
        ("01 00 00 04 09 00 01 ff", ""),
    ] {
        let wire = [hex(response), rest.as_bytes().to_vec()].concat();
        let mut rx = BytesMut::new();
        let whole = hex(response).len();
        for (n, byte) in wire.iter().enumerate() {
            rx.extend_from_slice(&[*byte]);
            if n + 1 < whole {
                assert_eq!(relay::response(&mut rx), Ok(None));
                assert_eq!(rx.len(), n + 1, "an incomplete response stays");
            }
            if n + 1 == whole {
                assert_eq!(relay::response(&mut rx), Ok(Some(())));
            }
        }
        assert_eq!(rx, rest);
    }
}

#[test]
fn relay_refusals_have_a_cause() {
    for (response, cause, text) in [
        ("01 01 00 00", Cause::Protocol, "1 (bad request)"),
        ("01 02 00 00", Cause::Auth, "2 (unauthorized)"),
        ("01 03 00 00", Cause::Denied, "3 (forbidden)"),
        ("01 04 00 00", Cause::TimedOut, "4 (timeout)"),
        (
            "01 05 00 00",
            Cause::HostUnreachable,
            "5 (service unavailable)",
        ),
        (
            "01 06 00 00",
            Cause::HostUnreachable,
            "6 (host unreachable)",
        ),
        (
            "01 07 00 00",
            Cause::NetUnreachable,
            "7 (network unreachable)",
        ),
        ("01 08 00 00", Cause::Protocol, "8 (internal error)"),
        ("01 2a 00 00", Cause::Protocol, "42 (unknown status)"),
    ] {
        let fail = relay::response(&mut BytesMut::from(&hex(response)[..])).unwrap_err();
        assert_eq!(fail.cause, cause);
        assert_eq!(fail.text, format!("relay node answered {text}"));
    }
    for (wire, cause) in [
        ("48 54 54 50", Cause::Protocol),
        ("01 00 ff ff", Cause::Limit),
    ] {
        let fail = relay::response(&mut BytesMut::from(&hex(wire)[..])).unwrap_err();
        assert_eq!(fail.cause, cause);
    }
}
