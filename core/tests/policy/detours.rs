//! Addresses that race, and attempts that fail or do not answer.

use std::io::IoSlice;
use std::time::Duration;

use ginnel_core::bytes::BytesMut;
use ginnel_core::engine::Action;
use ginnel_core::error::Eof;
use ginnel_core::plan::*;

use crate::rig::*;

#[test]
fn the_families_race_and_the_losers_are_closed() {
    let mut rig = Rig::new(service(&["target.test:80"], ServicePolicy::default()));
    rig.accept();
    rig.resolved(&["10.0.0.9", "10.0.0.8", "::9"]);
    let (first, addr) = rig.connect();
    assert_eq!(addr, "[::9]:80");
    assert_eq!(rig.wait(), Duration::from_millis(250));
    let (second, addr) = rig.connect();
    assert_eq!(addr, "10.0.0.9:80");
    assert_eq!(rig.wait(), Duration::from_millis(250));
    let (third, addr) = rig.connect();
    assert_eq!(addr, "10.0.0.8:80");
    rig.connected(second, "10.0.0.9:80");
    let closed = |id| Action::Close { id, reset: true };
    assert_eq!(rig.actions(), [closed(first), closed(third)]);
    // One that comes late means nothing any more.
    rig.connected(first, "[::9]:80");
    assert_eq!(rig.actions(), []);
    assert!(rig.engine.knows(second) && !rig.engine.knows(first));
}

#[test]
fn a_failed_address_does_not_wait_for_the_next() {
    let mut rig = Rig::new(service(&["target.test:80"], ServicePolicy::default()));
    let client = rig.accept();
    rig.resolved(&["::9", "10.0.0.9"]);
    let (first, _) = rig.connect();
    rig.refused(first);
    let actions = rig.actions();
    let Some(Action::Connect { id, to, .. }) = actions.last() else {
        panic!("{actions:?}");
    };
    assert_eq!(to.to_string(), "10.0.0.9:80");
    rig.refused(*id);
    rig.actions();
    // It was the last: the client hears of it.
    assert!(rig.engine.interest(client).fin || !rig.engine.knows(client));
    assert_eq!(rig.engine.census().dials, 0);
}

#[test]
fn a_failed_target_is_left_before_the_client_notices() {
    let targets = ["10.0.0.7:80", "10.0.0.8:80", "10.0.0.9:80"];
    let mut rig = Rig::new(service(&targets, ServicePolicy::default()));
    let client = rig.accept();
    for target in &targets[..2] {
        let actions = rig.actions();
        let Some(Action::Connect { id, to, .. }) = actions.last() else {
            panic!("{actions:?}");
        };
        assert_eq!(to.to_string(), *target);
        rig.refused(*id);
        assert!(!rig.engine.interest(client).fin);
    }
    let actions = rig.actions();
    let Some(Action::Connect { id, .. }) = actions.last() else {
        panic!("{actions:?}");
    };
    rig.connected(*id, targets[2]);
    rig.engine
        .handle_input(client, BytesMut::from("hello"), rig.now);
    let mut slices = [IoSlice::new(&[]); 2];
    assert_eq!(rig.engine.transmit(*id, &mut slices), 1);
    assert_eq!(&*slices[0], b"hello");
    // The two are out: the next client is led to the third at once.
    rig.actions();
    rig.accept();
    assert_eq!(rig.connect().1, targets[2]);
    // Later they are tried again.
    rig.now = rig.now + Duration::from_secs(11);
    rig.accept();
    assert_eq!(rig.connect().1, targets[0]);
}

#[test]
fn a_silent_target_is_left_after_the_time_of_one_attempt() {
    let policy = ServicePolicy {
        dial_timeout: Some(Duration::from_secs(4)),
        ..ServicePolicy::default()
    };
    let mut rig = Rig::new(service(&["10.0.0.7:80", "10.0.0.8:80"], policy));
    rig.accept();
    let (first, _) = rig.connect();
    assert_eq!(rig.wait(), Duration::from_secs(4));
    let actions = rig.actions();
    assert!(
        actions.contains(&Action::Close {
            id: first,
            reset: true
        }),
        "{actions:?}"
    );
    let Some(Action::Connect { to, .. }) = actions.last() else {
        panic!("{actions:?}");
    };
    assert_eq!(to.to_string(), "10.0.0.8:80");
}

#[test]
fn a_client_that_leaves_ends_all_attempts() {
    let mut rig = Rig::new(service(&["target.test:80"], ServicePolicy::default()));
    let client = rig.accept();
    rig.resolved(&["::9", "10.0.0.9"]);
    rig.connect();
    rig.wait();
    rig.connect();
    rig.engine.handle_eof(client, Eof::Reset, rig.now);
    rig.actions();
    assert_eq!(rig.engine.census(), Default::default());
}
