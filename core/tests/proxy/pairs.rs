//! A connector against the handler of its protocol, over two pipes that deliver a few bytes a turn.

use bytes::BytesMut;
use ginnel_core::connector::{self, Connector, Negotiate as _, relay};
use ginnel_core::error::{Cause, Fail};
use ginnel_core::handler::{self, Handler, Negotiate as _};
use ginnel_core::plan::{ConnectorKind, HandlerKind};
use proptest::prelude::*;

use crate::support::*;

/// Enough turns for the longest exchange byte by byte.
const TURNS: usize = 3000;

#[derive(Debug, Default, PartialEq)]
struct Meeting {
    /// Where the server was asked to connect to.
    dialed: Option<handler::Step>,
    client: Option<Result<connector::Step, Cause>>,
    server_fail: Option<Cause>,
    client_tls: bool,
    server_tls: bool,
    /// What the client reads behind the handshake.
    received: Vec<u8>,
}

/// Runs both until neither moves. The dial ends with `result`, then the target says "banner".
fn meet(service: &Service, node: &Node, result: Result<(), Fail>, chunk: usize) -> Meeting {
    let mut server = Handler::new(service.plan.kind).unwrap();
    let mut client = Connector::new(node.plan.kind).unwrap();
    let (mut server_rx, mut client_rx) = (BytesMut::new(), BytesMut::new());
    let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
    let mut meeting = Meeting::default();

    for _ in 0..TURNS {
        if meeting.client.is_none() {
            match client.step(&node.cx(), &mut client_rx, &mut to_server) {
                Ok(connector::Step::More) => {}
                Ok(connector::Step::Tls) => meeting.client_tls = true,
                end => meeting.client = Some(end.map_err(|fail| fail.cause)),
            }
        }
        server_rx.extend_from_slice(&to_server.split_to(chunk.min(to_server.len())));
        if meeting.dialed.is_none() && meeting.server_fail.is_none() {
            match server.step(&service.cx(), &mut server_rx, &mut to_client) {
                Ok(handler::Step::More) => {}
                Ok(handler::Step::Tls) => meeting.server_tls = true,
                Ok(step) => {
                    meeting.dialed = Some(step);
                    let result = result.as_ref().copied();
                    server.dialed(&service.cx(), result, &mut to_client);
                    if result.is_ok() {
                        to_client.extend_from_slice(b"banner");
                    }
                }
                Err(fail) => meeting.server_fail = Some(fail.cause),
            }
        }
        client_rx.extend_from_slice(&to_client.split_to(chunk.min(to_client.len())));
    }
    if meeting.client == Some(Ok(connector::Step::Lazy)) {
        match relay::response(&mut client_rx) {
            Ok(Some(())) => {}
            Ok(None) => panic!("no response"),
            Err(fail) => meeting.client = Some(Err(fail.cause)),
        }
    }
    assert!(server_rx.is_empty() || meeting.server_fail.is_some());
    meeting.received = client_rx.to_vec();
    meeting
}

fn pair(kind: HandlerKind, to: &str) -> (Service, Node) {
    let connector = match kind {
        HandlerKind::Socks4 => ConnectorKind::Socks4,
        HandlerKind::Socks5 => ConnectorKind::Socks5,
        _ => ConnectorKind::Relay,
    };
    (Service::new(kind), Node::new(connector, to))
}

#[derive(Clone, Copy, Debug)]
enum Login {
    None,
    Right,
    Wrong,
}

#[test]
fn socks5_peers_agree_for_every_combination_of_methods() {
    for bits in 0..16u8 {
        let [with_users, server_has, client_has, encrypted] =
            [1, 2, 4, 8].map(|bit| bits & bit != 0);
        for login in [Login::None, Login::Right, Login::Wrong] {
            for chunk in [1, 1000] {
                let (mut service, mut node) = pair(HandlerKind::Socks5, "example.com:443");
                service.plan.users = users().filter(|_| with_users);
                service.plan.socks_tls = server_has.then(server_tls);
                service.encrypted = encrypted;
                node.plan.socks_tls = client_has.then(client_tls);
                node.encrypted = encrypted;
                node = match login {
                    Login::None => node,
                    Login::Right => node.with_auth("user", "pass"),
                    Login::Wrong => node.with_auth("user", "no"),
                };
                let meeting = meet(&service, &node, Ok(()), chunk);

                let accepted = !with_users || matches!(login, Login::Right);
                // Without credentials the client offers no password at all: refused before TLS.
                let no_method = with_users && matches!(login, Login::None);
                let tls = server_has && client_has && !encrypted && !no_method;
                let expected = Meeting {
                    dialed: accepted.then(|| dial("example.com:443")),
                    client: Some(if accepted {
                        Ok(connector::Step::Done)
                    } else {
                        Err(Cause::Auth)
                    }),
                    server_fail: (!accepted).then_some(Cause::Auth),
                    client_tls: tls,
                    server_tls: tls,
                    received: if accepted { b"banner".to_vec() } else { vec![] },
                };
                assert_eq!(meeting, expected, "{bits:04b} {login:?}");
            }
        }
    }
}

#[test]
fn socks4_and_relay_peers_agree_on_credentials() {
    for (kind, right, wrong) in [
        (HandlerKind::Socks4, ("open", ""), ("user", "pass")),
        (HandlerKind::Relay, ("user", "pass"), ("user", "no")),
    ] {
        for ((user, password), accepted) in [(right, true), (wrong, false)] {
            for nodelay in [false, true] {
                let (mut service, node) = pair(kind, "example.com:443");
                service.plan.users = users();
                let mut node = node.with_auth(user, password);
                node.plan.nodelay = nodelay;
                let meeting = meet(&service, &node, Ok(()), 1);
                assert_eq!(meeting.dialed, accepted.then(|| dial("example.com:443")));
                assert_eq!(
                    meeting.client.unwrap().err(),
                    (!accepted).then_some(Cause::Auth)
                );
                if accepted {
                    assert_eq!(meeting.received, b"banner");
                }
            }
        }
    }
}

#[test]
fn a_client_learns_why_the_dial_failed() {
    use Cause::*;
    for (cause, socks4, socks5, relay) in [
        (Refused, HostUnreachable, Refused, NetUnreachable),
        (
            NameNotFound,
            HostUnreachable,
            HostUnreachable,
            NetUnreachable,
        ),
        (
            NetUnreachable,
            HostUnreachable,
            NetUnreachable,
            NetUnreachable,
        ),
        (TimedOut, HostUnreachable, TimedOut, TimedOut),
        (Denied, Denied, Denied, Denied),
    ] {
        for (kind, seen) in [
            (HandlerKind::Socks4, socks4),
            (HandlerKind::Socks5, socks5),
            (HandlerKind::Relay, relay),
        ] {
            let (service, node) = pair(kind, "192.0.2.1:80");
            let meeting = meet(&service, &node, Err(Fail::new(cause, "told")), 3);
            assert_eq!(meeting.client, Some(Err(seen)), "{kind:?}");
        }
    }
}

proptest! {
    #[test]
    fn targets_arrive_as_they_were_named(
        kind in prop::sample::select(vec![
            HandlerKind::Socks4, HandlerKind::Socks5, HandlerKind::Relay,
        ]),
        to in prop_oneof![
            ("[a-z][a-z.-]{0,40}x", any::<u16>()).prop_map(|(host, port)| format!("{host}:{port}")),
            any::<std::net::SocketAddrV4>().prop_map(|addr| addr.to_string()),
            any::<std::net::SocketAddrV6>()
                .prop_map(|addr| format!("[{}]:{}", addr.ip(), addr.port())),
        ],
        chunk in 1..50usize,
    ) {
        prop_assume!(kind != HandlerKind::Socks4 || !to.starts_with('['));
        let (service, node) = pair(kind, &to);
        let meeting = meet(&service, &node, Ok(()), chunk);
        prop_assert_eq!(meeting.dialed, Some(dial(&to)));
        prop_assert_eq!(meeting.received, b"banner");
    }
}
