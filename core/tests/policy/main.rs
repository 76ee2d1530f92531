//! Rules and detours of the engine, with a scripted network and a fake clock.

mod resolver;
mod sniffing;

use std::io::IoSlice;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ginnel_core::addr::Target;
use ginnel_core::bytes::BytesMut;
use ginnel_core::engine::{Action, Ask, ConnMeta, Engine, PortId, SocketId};
use ginnel_core::error::{Cause, Eof, Fail};
use ginnel_core::limits::Limits;
use ginnel_core::plan::*;
use ginnel_core::route::access::Rules;
use ginnel_core::route::limiter;
use ginnel_core::route::matcher::{Matcher, Pattern};
use ginnel_core::time::Time;

const CLIENT: &str = "10.0.0.3:40000";

/// A service that forwards to these targets.
fn service(targets: &[&str], policy: ServicePolicy) -> Plan {
    let node = |target: &&str| ForwardNode {
        name: (*target).to_owned(),
        addr: Target::parse(target).unwrap(),
        weight: 1,
        backup: false,
        overrides: Overrides::default(),
        rules: Default::default(),
    };
    let service = Service {
        name: "service-0".to_owned(),
        listener: Listener {
            channel: Channel::Tcp,
            tls: None,
            ws: None,
            mux: None,
            edge: Edge::default(),
            handshake_timeout: Limits::default().handshake,
            caps: None,
            reverse: None,
        },
        handler: Arc::new(Handler::new(HandlerKind::Forward)),
        chain: None,
        forward: Some(Forward {
            nodes: targets.iter().map(node).collect(),
            selector: Selector {
                strategy: Strategy::Fifo,
                ..Selector::default()
            },
        }),
        retries: 0,
        socket: Arc::default(),
        policy,
    };
    Plan {
        services: vec![service],
        ..Plan::default()
    }
}

struct Rig {
    engine: Engine,
    now: Time,
}

impl Rig {
    fn new(plan: Plan) -> Self {
        Self {
            engine: Engine::new(Arc::new(plan), [1; 32]),
            now: Time::ZERO,
        }
    }

    fn accept(&mut self) -> SocketId {
        let meta = meta(CLIENT);
        self.engine.handle_accept(0, meta, self.now)
    }

    /// All that the engine wants done, without the wakes.
    fn actions(&mut self) -> Vec<Action> {
        self.engine.check();
        let all = std::iter::from_fn(|| self.engine.poll_action());
        all.filter(|action| !matches!(action, Action::Wake(_)))
            .collect()
    }

    /// The one connection that it wants, and to where.
    fn connect(&mut self) -> (SocketId, String) {
        match self.actions().as_slice() {
            [Action::Connect { id, to, .. }] => (*id, to.to_string()),
            other => panic!("expected one connect, got {other:?}"),
        }
    }

    fn connected(&mut self, id: SocketId, addr: &str) {
        self.engine.handle_connected(id, Ok(meta(addr)), self.now);
    }

    fn refused(&mut self, id: SocketId) {
        let fail = Fail::new(Cause::Refused, "connection refused");
        self.engine.handle_connected(id, Err(fail), self.now);
    }

    /// Lets time pass up to the next deadline, and returns how much.
    fn wait(&mut self) -> Duration {
        let at = self.engine.poll_timeout().expect("a deadline");
        let passed = at.since(self.now);
        self.now = at;
        self.engine.handle_timeout(at);
        passed
    }

    /// Time goes by, and no deadline is missed. What is asked for meanwhile is not answered.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.engine.poll_timeout().filter(|at| *at <= until) {
            self.now = at;
            self.engine.handle_timeout(at);
        }
        self.now = until;
        self.actions();
    }

    fn resolved(&mut self, addrs: &[&str]) {
        let actions = self.actions();
        let [Action::Resolve { query, port, .. }] = actions.as_slice() else {
            panic!("expected a question, got {actions:?}");
        };
        let at = |addr: &&str| SocketAddr::new(addr.parse().unwrap(), *port);
        let addrs = addrs.iter().map(at).collect();
        self.engine.handle_resolved(*query, Ok(addrs), self.now);
    }
}

fn meta(addr: &str) -> ConnMeta {
    let remote: SocketAddr = addr.parse().unwrap();
    ConnMeta {
        remote,
        local: "10.0.0.1:2222".parse().unwrap(),
    }
}

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
