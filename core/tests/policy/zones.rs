//! Addresses with a zone.

use std::sync::Arc;

use ginnel_core::bytes::BytesMut;
use ginnel_core::engine::{Action, ConnMeta};
use ginnel_core::plan::*;
use ginnel_core::route::access::Rules;
use ginnel_core::route::matcher::{Matcher, Pattern};

use crate::rig::*;

#[test]
fn a_zone_is_resolved_and_kept() {
    let mut rig = Rig::new(service(&["[fe80::1%25eth0]:80"], ServicePolicy::default()));
    rig.accept();
    let actions = rig.actions();
    let [Action::Resolve { query, host, port }] = actions.as_slice() else {
        panic!("expected a question, got {actions:?}");
    };
    assert_eq!((host.as_str(), *port), ("fe80::1%eth0", 80));
    let found = "[fe80::1%3]:80".parse().unwrap();
    rig.engine.handle_resolved(*query, Ok(vec![found]), rig.now);
    assert_eq!(rig.connect().1, "[fe80::1%3]:80");
}

/// The same address on another link is another machine.
#[test]
fn a_circle_is_in_one_zone() {
    for (target, is_circle) in [("[fe80::1%3]:80", true), ("[fe80::1%4]:80", false)] {
        let mut rig = Rig::new(service(&[target], ServicePolicy::default()));
        let meta = ConnMeta {
            remote: "[fe80::9%3]:40000".parse().unwrap(),
            local: "[fe80::1%3]:80".parse().unwrap(),
        };
        rig.engine.handle_accept(0, meta, rig.now);
        let connects = matches!(rig.actions().as_slice(), [Action::Connect { .. }]);
        assert_eq!(connects, !is_circle, "{target}");
    }
}

#[test]
fn rules_know_an_address_in_any_zone() {
    let bypass = Rules {
        matcher: Matcher::new([Pattern::parse("fe80::/10").unwrap()]),
        ..Rules::default()
    };
    let policy = ServicePolicy {
        bypasses: vec![Arc::new(bypass)],
        ..ServicePolicy::default()
    };
    let mut plan = service(&[], policy);
    let service = Arc::get_mut(&mut plan.services[0].handler).unwrap();
    *service = Handler::new(HandlerKind::Socks5);
    plan.services[0].forward = None;
    let mut rig = Rig::new(plan);
    let client = rig.accept();
    let request = b"\x05\x01\0\x05\x01\0\x03\x0cfe80::1%eth0\0\x50";
    rig.engine
        .handle_input(client, BytesMut::from(&request[..]), rig.now);
    let actions = rig.actions();
    assert!(
        !actions
            .iter()
            .any(|action| matches!(action, Action::Resolve { .. } | Action::Connect { .. })),
        "{actions:?}"
    );
}
