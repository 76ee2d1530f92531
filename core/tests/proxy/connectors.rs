//! What each kind of node is asked, and what is made of its answers.

mod http;
mod relay;
mod socks4;
mod socks5;

use ginnel_core::connector::{Connector, Step};
use ginnel_core::error::Cause;
use ginnel_core::plan::ConnectorKind::{Direct, Forward, Http, Relay, Socks4, Socks5};
use proptest::prelude::*;

use crate::support::*;

#[test]
fn credentials_that_do_not_fit_are_a_failure() {
    let long = "p".repeat(256);
    let node = Node::new(Relay, "192.0.2.1:80").with_auth("user", &long);
    assert_eq!(node.ask(b"").fail, Some(Cause::Limit));
    let node = Node::new(Socks5, "192.0.2.1:80").with_auth("user", &long);
    assert_eq!(node.ask(&hex("05 02")).fail, Some(Cause::Limit));
}

/// The zone is for the machine that connects: it travels as gost spells it, or not at all.
#[test]
fn a_zone_is_told_in_a_name() {
    let wanted = "[fe80::1%25eth0]:80";
    assert_eq!(
        Node::new(Http, wanted).ask(b""),
        Outcome::failed(vec![], "", Cause::Unsupported)
    );
    let spelled = b"fe80::1%eth0";
    let holds = |bytes: &[u8]| bytes.windows(spelled.len()).any(|part| part == spelled);
    for (kind, answers) in [(Socks4, &b""[..]), (Socks5, b"\x05\0"), (Relay, b"")] {
        let out = Node::new(kind, wanted).ask(answers).out;
        assert!(holds(&out), "{kind:?}: {out:?}");
    }
    let out = Node::new(Socks5, "[fe80::1%7]:80").ask(b"\x05\0").out;
    assert!(out.ends_with(b"\x03\x09fe80::1%7\0\x50"), "{out:?}");
}

#[test]
fn kinds_that_say_nothing_have_no_connector() {
    assert!(Connector::new(Direct).is_none());
    assert!(Connector::new(Forward).is_none());
}

proptest! {
    #[test]
    fn garbage_ends_the_same_for_all_cuts(
        kind in prop::sample::select(vec![Http, Socks4, Socks5, Relay]),
        tls: bool,
        auth: bool,
        nodelay: bool,
        start in prop::sample::select(vec!["", "00 5a", "05 00 05", "05 82 01", "01 00 00", "48 54 54 50 2f 31 2e 31 20"]),
        rest in prop::collection::vec(
            prop_oneof![2 => 0..6u8, 1 => any::<u8>(), 1 => prop::sample::select(b"\r\n 20:".to_vec())],
            0..60,
        ),
    ) {
        let mut node = Node::new(kind, "example.com:443");
        node.plan.socks_tls = tls.then(client_tls);
        node.plan.nodelay = nodelay;
        if auth {
            node = node.with_auth("user", "pass");
        }
        let mut wire = hex(start);
        wire.extend(rest);
        let outcome = node.ask(&wire);
        let open = outcome.steps.iter().filter(|step| **step != Step::Tls).count();
        prop_assert!(open + usize::from(outcome.fail.is_some()) <= 1);
    }
}
