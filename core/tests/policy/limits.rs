//! Limits of connections and of bytes.

use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use ginnel_core::bytes::BytesMut;
use ginnel_core::engine::Action;
use ginnel_core::error::Eof;
use ginnel_core::plan::*;
use ginnel_core::route::limiter;
use ginnel_core::time::Time;

use crate::rig::*;

#[test]
fn the_excess_is_closed_and_places_become_free() {
    let policy = ServicePolicy {
        counts: Some(Arc::new(limiter::counts(&["$ 2"]).unwrap())),
        ..ServicePolicy::default()
    };
    let mut rig = Rig::new(service(&["10.0.0.7:80"], policy));
    let open = [rig.accept(), rig.accept()];
    rig.actions();
    for _ in 0..3 {
        let excess = rig.accept();
        let closed = Action::Close {
            id: excess,
            reset: false,
        };
        assert_eq!(rig.actions(), [closed]);
    }
    rig.engine.handle_eof(open[0], Eof::Reset, rig.now);
    rig.actions();
    let next = rig.accept();
    assert!(rig.engine.knows(next));
}

/// Bytes that a client can send, or receive, in `seconds`, and how often somebody was woken for it.
fn passed(limits: &[&str], upload: bool, seconds: u64) -> (usize, usize) {
    let policy = ServicePolicy {
        traffic: Some(Arc::new(limiter::traffic(limits).unwrap())),
        ..ServicePolicy::default()
    };
    let mut rig = Rig::new(service(&["10.0.0.7:80"], policy));
    let client = rig.accept();
    let (target, addr) = rig.connect();
    rig.connected(target, &addr);
    let (from, to) = match upload {
        true => (client, target),
        false => (target, client),
    };
    let end = Time::ZERO + Duration::from_secs(seconds);
    let (mut bytes, mut turns) = (0, 0);
    loop {
        turns += 1;
        loop {
            let room = rig.engine.interest(from).read.min(16 * 1024);
            let mut slices = [IoSlice::new(&[]); 4];
            let used = rig.engine.transmit(to, &mut slices);
            let sent: usize = slices[..used].iter().map(|slice| slice.len()).sum();
            if room == 0 && sent == 0 {
                break;
            }
            if sent > 0 {
                rig.engine.handle_sent(to, sent, rig.now);
                bytes += sent;
            }
            if room > 0 {
                let piece = BytesMut::from(&vec![7; room][..]);
                rig.engine.handle_input(from, piece, rig.now);
            }
        }
        rig.actions();
        let Some(at) = rig.engine.poll_timeout().filter(|at| *at <= end) else {
            return (bytes, turns);
        };
        rig.now = at;
        rig.engine.handle_timeout(at);
    }
}

#[test]
fn bytes_pass_at_the_rate_and_nobody_spins() {
    for rate in [3_000, 100_000, 10_000_000] {
        for (line, upload) in [
            (format!("$ {rate}B"), true),
            (format!("$ 0 {rate}B"), false),
            (format!("$$ {rate}B"), true),
            (format!("10.0.0.0/8 0 {rate}B"), false),
        ] {
            let (bytes, turns) = passed(&[&line], upload, 5);
            let due = 5 * rate;
            assert!(bytes.abs_diff(due) <= due / 20, "{line}: {bytes} of {due}");
            assert!(turns <= 150, "{line}: {turns} turns");
        }
    }
    // The tightest of several counts.
    let (bytes, _) = passed(&["$ 1MB", "$$ 100KB", "10.0.0.3 300KB"], true, 4);
    assert!(bytes.abs_diff(4 * 100 * 1024) <= 20 * 1024, "{bytes}");
}

/// What is queued when both sides have ended leaves at the rate, however long that takes.
#[test]
fn the_last_bytes_of_a_slow_connection_arrive() {
    let policy = ServicePolicy {
        traffic: Some(Arc::new(limiter::traffic(&["$ 0 10KB"]).unwrap())),
        ..ServicePolicy::default()
    };
    let mut rig = Rig::new(service(&["10.0.0.7:80"], policy));
    let client = rig.accept();
    let (target, addr) = rig.connect();
    rig.connected(target, &addr);
    let piece = BytesMut::from(&[7; 200 * 1024][..]);
    rig.engine.handle_input(target, piece, rig.now);
    rig.engine.handle_eof(target, Eof::Fin, rig.now);
    rig.engine.handle_eof(client, Eof::Fin, rig.now);
    let mut bytes = 0;
    while rig.engine.knows(client) {
        let mut slices = [IoSlice::new(&[]); 4];
        let used = rig.engine.transmit(client, &mut slices);
        let sent: usize = slices[..used].iter().map(|slice| slice.len()).sum();
        match sent {
            0 => drop(rig.wait()),
            _ => rig.engine.handle_sent(client, sent, rig.now),
        }
        bytes += sent;
        rig.actions();
    }
    assert_eq!(bytes, 200 * 1024);
    let took = rig.now.since(Time::ZERO);
    assert!((18..22).contains(&took.as_secs()), "{took:?}");
}
