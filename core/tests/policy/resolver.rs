//! Names that are asked of name servers, whose sockets are scripted.

use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use ginnel_core::addr::Target;
use ginnel_core::bytes::BytesMut;
use ginnel_core::engine::{Action, Ask, PortId, SocketId};
use ginnel_core::error::{Cause, Eof, Fail};
use ginnel_core::plan::*;
use ginnel_core::wire::dns::{self, Family};

use crate::rig::*;

fn server(addr: &str) -> NameServer {
    NameServer {
        name: addr.to_owned(),
        addr: Target::parse(addr).unwrap(),
        speak: DnsChannel::Tcp,
        chain: None,
        prefer: Family::V4,
        only: false,
        ttl: None,
        stale: false,
        timeout: Duration::from_secs(5),
        subnet: None,
    }
}

fn rig(servers: Vec<NameServer>) -> Rig {
    let resolver = Resolver {
        name: "r".to_owned(),
        servers,
    };
    Rig::new(service(
        &["target.test:80"],
        ServicePolicy {
            resolver: Some(Arc::new(resolver)),
            ..ServicePolicy::default()
        },
    ))
}

/// What the name server is asked for: the kind of records.
fn question(rig: &mut Rig, id: SocketId) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 4];
    let n = rig.engine.transmit(id, &mut slices);
    let wire: Vec<u8> = slices[..n]
        .iter()
        .flat_map(|slice| slice.to_vec())
        .collect();
    rig.engine.handle_sent(id, wire.len(), rig.now);
    let (message, used) = dns::parse_frame(&wire).unwrap().expect("a question");
    assert_eq!(used, wire.len());
    assert!(message[12..].starts_with(b"\x06target\x04test\0"));
    message.to_vec()
}

fn kind(question: &[u8]) -> u8 {
    question[question.len() - 3]
}

/// Records: type, data; all for a minute.
fn answer(rig: &mut Rig, id: SocketId, question: &[u8], code: u8, records: &[(u8, &[u8])]) {
    let mut message = question.to_vec();
    message[2] |= 0x80;
    message[3] = code;
    message[7] = records.len() as u8;
    for (kind, data) in records {
        message.extend([0xc0, 12, 0, *kind, 0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
        message.extend_from_slice(data);
    }
    let framed = dns::frame(&message).unwrap();
    // In two pieces.
    for piece in [&framed[..5], &framed[5..]] {
        rig.engine.handle_input(id, BytesMut::from(piece), rig.now);
    }
}

/// The connection to a name server that was just begun; those before are over.
fn asked(rig: &mut Rig, server: &str) -> (SocketId, Vec<u8>) {
    let actions = rig.actions();
    let Some(Action::Connect { id, to, .. }) = actions.last() else {
        panic!("expected a connection to {server}, got {actions:?}");
    };
    assert_eq!(to.to_string(), server);
    rig.connected(*id, server);
    rig.actions();
    (*id, question(rig, *id))
}

fn connects_to(rig: &mut Rig, target: &str) -> SocketId {
    let actions = rig.actions();
    let connects = actions.iter().filter_map(|action| match action {
        Action::Connect { id, to, .. } => Some((*id, to.to_string())),
        _ => None,
    });
    let all: Vec<_> = connects.collect();
    assert_eq!(all.len(), 1, "{actions:?}");
    assert_eq!(all[0].1, target);
    all[0].0
}

const A: u8 = 1;
const AAAA: u8 = 28;

#[test]
fn an_answer_is_used_for_as_long_as_it_is_good() {
    let mut rig = rig(vec![server("10.0.0.53:53")]);
    rig.accept();
    let (id, message) = asked(&mut rig, "10.0.0.53:53");
    // Who asks for the same meanwhile waits for the same.
    rig.accept();
    assert_eq!(rig.actions(), []);
    answer(
        &mut rig,
        id,
        &message,
        0,
        &[(A, &[10, 0, 0, 9]), (A, &[10, 0, 0, 8])],
    );
    let actions = rig.actions();
    let connects = actions.iter().filter(
        |action| matches!(action, Action::Connect { to, .. } if to.to_string() == "10.0.0.9:80"),
    );
    assert_eq!(connects.count(), 2, "{actions:?}");
    rig.pass(Duration::from_secs(59));
    rig.accept();
    connects_to(&mut rig, "10.0.0.9:80");
    rig.pass(Duration::from_secs(1));
    rig.accept();
    asked(&mut rig, "10.0.0.53:53");
}

#[test]
fn the_next_server_is_asked_when_one_does_not_know() {
    let servers = [
        "10.0.0.51:53",
        "10.0.0.52:53",
        "10.0.0.53:53",
        "10.0.0.54:53",
    ];
    let mut rig = rig(servers.map(server).to_vec());
    rig.accept();
    let (id, message) = asked(&mut rig, servers[0]);
    answer(&mut rig, id, &message, 2, &[]);
    let (refused, _) = {
        let actions = rig.actions();
        let Some(Action::Connect { id, to, .. }) = actions.last() else {
            panic!("{actions:?}");
        };
        (*id, to.to_string())
    };
    rig.refused(refused);
    // A silent one has five seconds.
    asked(&mut rig, servers[2]);
    let silent_since = rig.now;
    while rig.now.since(silent_since) < Duration::from_secs(5) {
        rig.wait();
    }
    let (id, message) = asked(&mut rig, servers[3]);
    answer(&mut rig, id, &message, 0, &[(A, &[10, 0, 0, 9])]);
    connects_to(&mut rig, "10.0.0.9:80");
}

#[test]
fn the_other_family_is_asked_for_when_there_is_nothing_of_the_first() {
    for (only, prefer) in [(false, Family::V4), (false, Family::V6), (true, Family::V4)] {
        let mut rig = rig(vec![NameServer {
            only,
            prefer,
            ..server("10.0.0.53:53")
        }]);
        rig.accept();
        let kinds = match prefer {
            Family::V4 => [A, AAAA],
            Family::V6 => [AAAA, A],
        };
        let (id, message) = asked(&mut rig, "10.0.0.53:53");
        assert_eq!(kind(&message), kinds[0]);
        answer(&mut rig, id, &message, 0, &[]);
        if only {
            let actions = rig.actions();
            assert!(
                !actions
                    .iter()
                    .any(|action| matches!(action, Action::Connect { .. }))
            );
            assert_eq!(
                (rig.engine.census().dials, rig.engine.census().lookups),
                (0, 0)
            );
            continue;
        }
        let (id, message) = asked(&mut rig, "10.0.0.53:53");
        assert_eq!(kind(&message), kinds[1]);
        let data: &[u8] = match kinds[1] {
            A => &[10, 0, 0, 9],
            _ => &[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
        };
        answer(&mut rig, id, &message, 0, &[(kinds[1], data)]);
        connects_to(
            &mut rig,
            if kinds[1] == A {
                "10.0.0.9:80"
            } else {
                "[2001:db8::9]:80"
            },
        );
    }
}

#[test]
fn without_a_client_nobody_is_asked() {
    let mut rig = rig(vec![server("10.0.0.53:53")]);
    let clients = [rig.accept(), rig.accept()];
    asked(&mut rig, "10.0.0.53:53");
    rig.engine.handle_eof(clients[0], Eof::Reset, rig.now);
    rig.actions();
    assert_eq!(rig.engine.census().lookups, 1);
    rig.engine.handle_eof(clients[1], Eof::Reset, rig.now);
    rig.actions();
    assert_eq!(
        (rig.engine.census().dials, rig.engine.census().lookups),
        (0, 0)
    );
}

#[test]
fn what_is_stale_serves_while_it_is_asked_for_anew() {
    let mut rig = rig(vec![NameServer {
        stale: true,
        ttl: Some(Duration::from_secs(10)),
        ..server("10.0.0.53:53")
    }]);
    rig.accept();
    let (id, message) = asked(&mut rig, "10.0.0.53:53");
    answer(&mut rig, id, &message, 0, &[(A, &[10, 0, 0, 9])]);
    connects_to(&mut rig, "10.0.0.9:80");
    rig.pass(Duration::from_secs(11));
    rig.accept();
    let actions = rig.actions();
    let connects: Vec<_> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Connect { id, to, .. } => Some((*id, to.to_string())),
            _ => None,
        })
        .collect();
    let to: Vec<_> = connects.iter().map(|(_, addr)| addr.as_str()).collect();
    assert_eq!(to, ["10.0.0.53:53", "10.0.0.9:80"]);
    rig.connected(connects[0].0, "10.0.0.53:53");
    rig.actions();
    let message = question(&mut rig, connects[0].0);
    answer(&mut rig, connects[0].0, &message, 0, &[(A, &[10, 0, 0, 8])]);
    rig.actions();
    rig.accept();
    connects_to(&mut rig, "10.0.0.8:80");
}

fn port(rig: &mut Rig) -> PortId {
    let actions = rig.actions();
    let [
        ..,
        Action::Bind {
            id,
            ask: Ask::Datagrams { peer, .. },
        },
    ] = actions.as_slice()
    else {
        panic!("expected a port, got {actions:?}");
    };
    assert_eq!(
        peer.map(|peer| peer.to_string()).as_deref(),
        Some("10.0.0.53:53")
    );
    let local = "10.0.0.1:5000".parse().unwrap();
    rig.engine.handle_bound(*id, Ok(local), rig.now);
    assert_eq!(rig.actions(), [Action::WakePort(*id)]);
    *id
}

fn datagram(rig: &mut Rig, port: PortId) -> Vec<u8> {
    let sent = rig
        .engine
        .transmit_datagram(port)
        .expect("a question")
        .data
        .to_vec();
    rig.engine.handle_datagram_sent(port, Ok(()), rig.now);
    assert_eq!(rig.engine.transmit_datagram(port), None);
    sent
}

fn udp() -> Rig {
    rig(vec![NameServer {
        speak: DnsChannel::Udp,
        ..server("10.0.0.53:53")
    }])
}

fn reply(question: &[u8], ip: &[u8; 4]) -> Vec<u8> {
    let mut message = question.to_vec();
    message[2] |= 0x80;
    message[7] = 1;
    message.extend([0xc0, 12, 0, A, 0, 1, 0, 0, 0, 60, 0, 4]);
    message.extend(ip);
    message
}

#[test]
fn a_question_that_is_lost_is_sent_again_and_strangers_are_not_believed() {
    let mut rig = udp();
    rig.accept();
    let port = port(&mut rig);
    let question = datagram(&mut rig, port);
    assert_eq!(rig.wait(), Duration::from_secs(1));
    assert_eq!(rig.actions(), [Action::WakePort(port)]);
    assert_eq!(datagram(&mut rig, port), question);
    assert_eq!(rig.wait(), Duration::from_secs(2));
    rig.actions();
    let from = "10.0.0.53:53".parse().unwrap();
    let mut other = reply(&question, &[10, 6, 6, 6]);
    other[0] ^= 1;
    rig.engine.handle_datagram(port, from, &other, rig.now);
    assert_eq!(rig.actions(), []);
    let message = reply(&question, &[10, 0, 0, 9]);
    rig.engine.handle_datagram(port, from, &message, rig.now);
    connects_to(&mut rig, "10.0.0.9:80");
    assert_eq!(rig.engine.census().ports, 0);
}

#[test]
fn what_does_not_fit_into_a_datagram_is_asked_for_over_tcp() {
    let mut rig = udp();
    rig.accept();
    let port = port(&mut rig);
    let mut cut = datagram(&mut rig, port);
    cut[2] |= 0x82;
    let from = "10.0.0.53:53".parse().unwrap();
    rig.engine.handle_datagram(port, from, &cut, rig.now);
    let (id, message) = asked(&mut rig, "10.0.0.53:53");
    answer(&mut rig, id, &message, 0, &[(A, &[10, 0, 0, 9])]);
    connects_to(&mut rig, "10.0.0.9:80");
}

#[test]
fn a_port_without_a_name_server_fails_at_once() {
    let mut rig = udp();
    rig.accept();
    let port = port(&mut rig);
    datagram(&mut rig, port);
    let fail = Fail::new(Cause::Refused, "connection refused");
    rig.engine.handle_datagram_error(port, fail, rig.now);
    rig.actions();
    let census = rig.engine.census();
    assert_eq!((census.dials, census.lookups, census.ports), (0, 0, 0));
}
