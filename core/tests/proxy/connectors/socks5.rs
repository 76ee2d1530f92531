use bytes::BytesMut;
use ginnel_core::connector::{Connector, Negotiate, Step};
use ginnel_core::error::Cause;
use ginnel_core::plan::ConnectorKind::Socks5;

use crate::support::*;

const CONNECT_5: &str = "05 01 00 03 0b 65 78 61 6d 70 6c 65 2e 63 6f 6d 01 bb";
const SUCCESS_5: &str = "05 00 00 01 c0 00 02 09 9c 40";

fn socks5(tls: bool, encrypted: bool, auth: bool) -> Node {
    let mut node = Node::new(Socks5, "example.com:443");
    node.plan.socks_tls = tls.then(client_tls);
    node.encrypted = encrypted;
    if auth {
        node = node.with_auth("user", "pass");
    }
    node
}

#[test]
fn socks5_greetings_are_those_of_gost() {
    for (node, greeting) in [
        (socks5(true, false, false), "05 02 00 80"),
        (socks5(true, false, true), "05 04 00 02 80 82"),
        (socks5(false, false, false), "05 01 00"),
        (socks5(false, false, true), "05 02 00 02"),
        (socks5(true, true, false), "05 01 00"),
        (socks5(true, true, true), "05 02 00 02"),
    ] {
        // The request waits for the answer.
        assert_eq!(node.ask(b""), Outcome::done(vec![], greeting, b""));
    }
}

#[test]
fn socks5_follows_the_method() {
    let password = "01 04 75 73 65 72 04 70 61 73 73";
    for (node, answers, sent, steps) in [
        (
            socks5(false, false, false),
            "05 00".to_owned(),
            format!("05 01 00 {CONNECT_5}"),
            vec![Step::Done],
        ),
        (
            socks5(true, false, true),
            "05 00".to_owned(),
            format!("05 04 00 02 80 82 {CONNECT_5}"),
            vec![Step::Done],
        ),
        (
            socks5(false, false, true),
            "05 02 01 00".to_owned(),
            format!("05 02 00 02 {password} {CONNECT_5}"),
            vec![Step::Done],
        ),
        (
            socks5(true, false, false),
            "05 80".to_owned(),
            format!("05 02 00 80 {CONNECT_5}"),
            vec![Step::Tls, Step::Done],
        ),
        (
            socks5(true, false, true),
            "05 82 01 00".to_owned(),
            format!("05 04 00 02 80 82 {password} {CONNECT_5}"),
            vec![Step::Tls, Step::Done],
        ),
    ] {
        let wire = hex(&format!("{answers} {SUCCESS_5} 53 53 48"));
        assert_eq!(node.ask(&wire), Outcome::done(steps, &sent, b"SSH"));
    }
}

#[test]
fn socks5_inside_tls_speaks_first() {
    for (auth, answer, next) in [
        (false, "05 80", CONNECT_5),
        (true, "05 82", "01 04 75 73 65 72 04 70 61 73 73"),
    ] {
        let node = socks5(true, false, auth);
        let mut connector = Connector::new(Socks5).unwrap();
        let (mut rx, mut out) = (BytesMut::new(), BytesMut::new());
        connector.step(&node.cx(), &mut rx, &mut out).unwrap();
        out.clear();
        rx.extend_from_slice(&hex(answer));
        assert_eq!(connector.step(&node.cx(), &mut rx, &mut out), Ok(Step::Tls));
        assert!(out.is_empty() && rx.is_empty());
        assert_eq!(
            connector.step(&node.cx(), &mut rx, &mut out),
            Ok(Step::More)
        );
        assert_eq!(out, hex(next));
    }
}

#[test]
fn socks5_names_the_local_machine_by_its_address() {
    let node = Node::new(Socks5, ":0");
    assert_eq!(
        node.ask(&hex("05 00")).out,
        hex("05 01 00 05 01 00 01 7f 00 00 01 00 00")
    );
}

#[test]
fn socks5_refuses_methods_that_were_not_offered() {
    for (node, answer, cause) in [
        (socks5(false, false, false), "05 ff", Cause::Auth),
        (socks5(false, false, false), "05 02", Cause::Auth),
        (socks5(false, false, false), "05 80", Cause::Protocol),
        (socks5(false, false, true), "05 82", Cause::Auth),
        (socks5(true, true, true), "05 80", Cause::Protocol),
        (socks5(true, false, true), "05 01", Cause::Protocol),
        (socks5(true, false, true), "04 00", Cause::Protocol),
    ] {
        assert_eq!(node.ask(&hex(answer)).fail, Some(cause), "{answer}");
    }
    let fail = socks5(false, false, true).ask(&hex("05 02 01 01")).fail;
    assert_eq!(fail, Some(Cause::Auth));
}

#[test]
fn socks5_refusals_have_a_cause() {
    let node = socks5(false, false, false);
    for (code, cause) in [
        ("01", Cause::HostUnreachable),
        ("02", Cause::Denied),
        ("03", Cause::NetUnreachable),
        ("04", Cause::HostUnreachable),
        ("05", Cause::Refused),
        ("06", Cause::TimedOut),
        ("07", Cause::Unsupported),
        ("08", Cause::Unsupported),
        ("09", Cause::Protocol),
    ] {
        for address in ["00 01 00 00 00 00 00 00", ""] {
            let wire = hex(&format!("05 00 05 {code} {address}"));
            assert_eq!(node.ask(&wire).fail, Some(cause), "{code}");
        }
    }
    assert_eq!(
        node.complaint(&hex("05 00 05 05")),
        "socks5 node answered 5 (connection refused)"
    );
    assert_eq!(node.ask(&hex("05 00 04 00")).fail, Some(Cause::Protocol));
}

#[test]
fn socks5_reads_bound_names_exactly() {
    let wire = hex("05 00 05 00 00 03 02 61 62 00 50 53 53 48");
    let outcome = socks5(false, false, false).ask(&wire);
    assert_eq!(
        (outcome.steps, outcome.rest),
        (vec![Step::Done], b"SSH".to_vec())
    );
}
