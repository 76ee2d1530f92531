use bytes::BytesMut;
use ginnel_core::addr::Target;
use ginnel_core::error::{Cause, Fail};
use ginnel_core::handler::{Goal, Handler, Negotiate, Receiver, Step};
use ginnel_core::plan::{HandlerKind, Users};
use ginnel_core::route::access::SocketFiles;
use ginnel_core::wire::datagram::Framing;
use proptest::prelude::*;

use crate::support::*;

const NO_ADDRESS: &str = "00 01 00 00 00 00 00 00";

fn socks5(with_users: bool, tls: bool, encrypted: bool) -> Service {
    let mut service = Service::new(HandlerKind::Socks5);
    service.plan.users = users().filter(|_| with_users);
    service.plan.socks_tls = tls.then(server_tls);
    service.encrypted = encrypted;
    service
}

fn relay(forwards: bool) -> Service {
    let mut service = Service::new(HandlerKind::Relay);
    service.forwards = forwards;
    service
}

#[test]
fn socks4_requests_lead_to_their_target() {
    let service = Service::new(HandlerKind::Socks4);
    for (wire, to) in [
        ("04 01 00 50 c0 00 02 01 6d 65 00", "192.0.2.1:80"),
        (
            "04 01 01 bb 00 00 00 01 6d 65 00 65 78 61 6d 70 6c 65 2e 63 6f 6d 00",
            "example.com:443",
        ),
        (
            "04 01 00 50 00 00 00 01 00 31 39 32 2e 30 2e 32 2e 31 00",
            "192.0.2.1:80",
        ),
    ] {
        let mut wire = hex(wire);
        wire.extend(b"early");
        assert_eq!(
            service.serve(&wire),
            Outcome::done(vec![dial(to)], "", b"early")
        );
    }
}

#[test]
fn socks4_lets_in_users_without_password_only() {
    let mut service = Service::new(HandlerKind::Socks4);
    service.plan.users = users();
    let open = hex("04 01 00 50 c0 00 02 01 6f 70 65 6e 00");
    assert_eq!(
        service.serve(&open),
        Outcome::done(vec![dial("192.0.2.1:80")], "", b"")
    );
    for user in ["75 73 65 72 00", "00"] {
        let wire = hex(&format!("04 01 00 50 c0 00 02 01 {user}"));
        assert_eq!(
            service.serve(&wire),
            Outcome::failed(vec![], "00 5d 00 00 00 00 00 00", Cause::Auth)
        );
    }
}

#[test]
fn socks4_refuses_what_it_does_not_serve() {
    let service = Service::new(HandlerKind::Socks4);
    let rejected = "00 5b 00 00 00 00 00 00";
    for (wire, reply, cause) in [
        ("04 02 00 50 c0 00 02 01 00", rejected, Cause::Unsupported),
        ("04 09 00 50 c0 00 02 01 00", rejected, Cause::Unsupported),
        (
            "04 01 00 50 00 00 00 01 00 61 20 62 00",
            rejected,
            Cause::NameNotFound,
        ),
        ("05 01 00", "", Cause::Protocol),
    ] {
        assert_eq!(
            service.serve(&hex(wire)),
            Outcome::failed(vec![], reply, cause),
            "{wire}"
        );
    }
    let mut endless = hex("04 01 00 50 c0 00 02 01");
    endless.resize(8 + 256, b'u');
    assert_eq!(service.serve(&endless).fail, Some(Cause::Limit));
}

#[test]
fn socks5_answers_with_an_offered_method() {
    // users, server TLS, encrypted channel; offer; answer
    for (service, offer, answer) in [
        (socks5(false, true, false), "05 02 00 80", "05 80"),
        (socks5(false, true, true), "05 02 00 80", "05 00"),
        (socks5(false, true, true), "05 01 80", "05 80"),
        (socks5(false, false, false), "05 02 00 80", "05 00"),
        (socks5(false, false, false), "05 01 80", "05 ff"),
        (socks5(false, true, false), "05 01 00", "05 00"),
        (socks5(false, true, false), "05 02 00 01", "05 00"),
        (socks5(false, true, false), "05 01 02", "05 ff"),
        (socks5(false, true, false), "05 01 01", "05 ff"),
        (socks5(true, true, false), "05 01 00", "05 ff"),
        (socks5(true, true, false), "05 02 00 02", "05 02"),
        (socks5(true, true, false), "05 03 00 02 80", "05 02"),
        (socks5(true, true, false), "05 04 00 02 80 82", "05 82"),
        (socks5(true, true, true), "05 04 00 02 80 82", "05 02"),
        (socks5(true, true, true), "05 02 80 82", "05 82"),
        (socks5(true, false, false), "05 04 00 02 80 82", "05 02"),
        (socks5(true, false, false), "05 01 82", "05 ff"),
    ] {
        let outcome = service.serve(&hex(offer));
        assert_eq!(outcome.out, hex(answer), "{offer}");
        let tls = matches!(answer, "05 80" | "05 82");
        assert_eq!(outcome.steps, if tls { vec![Step::Tls] } else { vec![] });
        let cause = match service.plan.users {
            Some(_) => Cause::Auth,
            None => Cause::Unsupported,
        };
        assert_eq!(outcome.fail, (answer == "05 ff").then_some(cause));
    }
}

#[test]
fn socks5_without_a_greeting_is_closed_without_a_word() {
    for wire in ["05 00", "05 00 00", "04 01", "16 03 01"] {
        assert_eq!(
            socks5(false, true, false).serve(&hex(wire)),
            Outcome::failed(vec![], "", Cause::Protocol),
            "{wire}"
        );
    }
}

#[test]
fn socks5_checks_user_and_password() {
    let greeting = "05 02 00 02";
    let request = "05 01 00 01 c0 00 02 01 00 50";
    let service = socks5(true, false, false);
    let right = hex(&format!(
        "{greeting} 01 04 75 73 65 72 04 70 61 73 73 {request} 44 41 54 41"
    ));
    assert_eq!(
        service.serve(&right),
        Outcome::done(vec![dial("192.0.2.1:80")], "05 02 01 00", b"DATA")
    );
    for wrong in ["01 04 75 73 65 72 04 70 61 73 72", "01 00 00"] {
        let wire = hex(&format!("{greeting} {wrong} {request}"));
        assert_eq!(
            service.serve(&wire),
            Outcome::failed(vec![], "05 02 01 01", Cause::Auth)
        );
    }
    let other_version = hex(&format!("{greeting} 05 04 75 73 65 72"));
    assert_eq!(
        service.serve(&other_version),
        Outcome::failed(vec![], "05 02", Cause::Protocol)
    );
}

#[test]
fn an_empty_user_list_lets_nobody_in() {
    let mut service = socks5(false, false, false);
    service.plan.users = Some(Users::default());
    assert_eq!(
        service.serve(&hex("05 01 02 01 00 00")),
        Outcome::failed(vec![], "05 02 01 01", Cause::Auth)
    );
}

#[test]
fn socks5_goes_on_inside_tls() {
    let request = "05 01 00 03 0b 65 78 61 6d 70 6c 65 2e 63 6f 6d 01 bb";
    assert_eq!(
        socks5(false, true, false).serve(&hex(&format!("05 02 00 80 {request}"))),
        Outcome::done(vec![Step::Tls, dial("example.com:443")], "05 80", b"")
    );
    let wire = format!("05 04 00 02 80 82 01 04 75 73 65 72 04 70 61 73 73 {request}");
    assert_eq!(
        socks5(true, true, false).serve(&hex(&wire)),
        Outcome::done(vec![Step::Tls, dial("example.com:443")], "05 82 01 00", b"")
    );
}

#[test]
fn socks5_refuses_what_it_does_not_serve() {
    let any = "00 01 00 00 00 00 00 00";
    let mut cases = vec![
        (format!("05 01 00 02 {any}"), Some("08"), Cause::Unsupported),
        (
            "05 01 00 03 01 ff 00 50".to_owned(),
            Some("04"),
            Cause::NameNotFound,
        ),
        (
            "05 01 00 03 03 61 0a 62 00 50".to_owned(),
            Some("04"),
            Cause::NameNotFound,
        ),
        (format!("04 01 {any}"), None, Cause::Protocol),
    ];
    // Not before udp=true, or bind=true.
    for command in ["02", "03", "f3", "f2"] {
        cases.push((format!("05 {command} {any}"), Some("02"), Cause::Denied));
    }
    for command in ["f0", "f1", "09"] {
        cases.push((
            format!("05 {command} {any}"),
            Some("07"),
            Cause::Unsupported,
        ));
    }
    for (request, code, cause) in cases {
        let reply = code.map_or(String::new(), |code| format!("05 {code} {NO_ADDRESS}"));
        assert_eq!(
            socks5(false, false, false).serve(&hex(&format!("05 01 00 {request}"))),
            Outcome::failed(vec![], &format!("05 00 {reply}"), cause),
            "{request}"
        );
    }
}

#[test]
fn relay_requests_lead_to_their_target() {
    for (wire, to) in [
        ("01 01 00 0a 02 00 07 01 c0 00 02 01 00 50", "192.0.2.1:80"),
        (
            "01 00 00 12 02 00 0f 03 0b 65 78 61 6d 70 6c 65 2e 63 6f 6d 01 bb",
            "example.com:443",
        ),
        ("01 01 00 07 02 00 04 03 00 00 00", ":0"),
    ] {
        let mut wire = hex(wire);
        wire.extend(b"DATA");
        assert_eq!(
            relay(false).serve(&wire),
            Outcome::done(vec![dial(to)], "", b"DATA")
        );
    }
}

#[test]
fn relay_checks_the_user_before_everything_else() {
    let address = "02 00 07 01 c0 00 02 01 00 50";
    let mut service = relay(false);
    service.plan.users = users();
    let right = format!("01 01 00 17 01 00 0a 04 75 73 65 72 04 70 61 73 73 {address}");
    assert_eq!(
        service.serve(&hex(&right)),
        Outcome::done(vec![dial("192.0.2.1:80")], "", b"")
    );
    for wrong in [
        format!("01 01 00 17 01 00 0a 04 75 73 65 72 04 70 61 73 72 {address}"),
        format!("01 01 00 0a {address}"),
        "01 09 00 00".to_owned(),
    ] {
        for forwards in [false, true] {
            service.forwards = forwards;
            assert_eq!(
                service.serve(&hex(&wrong)),
                Outcome::failed(vec![], "01 02 00 00", Cause::Auth)
            );
        }
    }
}

#[test]
fn relay_refuses_what_it_does_not_serve() {
    for (wire, status, cause) in [
        ("01 01 00 00", "01 01 00 00", Cause::Protocol),
        ("01 03 00 00", "01 01 00 00", Cause::Unsupported),
        ("01 09 00 00", "01 01 00 00", Cause::Unsupported),
        (
            "01 02 00 0c 04 00 02 00 00 02 00 04 03 00 08 ae",
            "01 03 00 00",
            Cause::Denied,
        ),
        // Not before bind=true.
        (
            "01 82 00 0f 04 00 02 00 01 02 00 07 01 00 00 00 00 00 00",
            "01 03 00 00",
            Cause::Denied,
        ),
        (
            "01 01 00 17 04 00 02 00 10 02 00 0f 03 0b 2f 72 75 6e 2f 78 2e 73 6f 63 6b 00 00",
            "01 03 00 00",
            Cause::Denied,
        ),
        ("01 01 00 05 04 00 02 00 10", "01 01 00 00", Cause::Protocol),
        (
            "01 01 00 05 04 00 02 00 11",
            "01 01 00 00",
            Cause::Unsupported,
        ),
        (
            "01 01 00 05 04 00 02 00 02",
            "01 07 00 00",
            Cause::Unsupported,
        ),
        (
            "01 01 00 08 02 00 05 03 01 20 00 50",
            "01 01 00 00",
            Cause::NameNotFound,
        ),
        ("02 01 00 00", "", Cause::Protocol),
        (
            "01 01 00 0a 02 00 07 02 c0 00 02 01 00 50",
            "",
            Cause::Unsupported,
        ),
        // Announced only: 64 KiB of features before the user is known.
        ("01 01 ff ff", "", Cause::Limit),
    ] {
        assert_eq!(
            relay(false).serve(&hex(wire)),
            Outcome::failed(vec![], status, cause),
            "{wire}"
        );
    }
}

/// The path comes with gost's network 0x10 in place of a host; what the port is does not matter.
#[test]
fn relay_clients_reach_the_socket_files_that_they_may() {
    let mut service = relay(false);
    service.plan.files = SocketFiles::Listed(vec!["/run/x.sock".to_owned()]);
    let file = Step::Dial(Goal::Target(Target::file("/run/x.sock")));
    assert_eq!(
        service.serve(&hex(
            "01 01 00 17 04 00 02 00 10 02 00 0f 03 0b 2f 72 75 6e 2f 78 2e 73 6f 63 6b 00 00"
        )),
        Outcome::done(vec![file], "", b"")
    );
    assert_eq!(
        service.serve(&hex(
            "01 01 00 17 04 00 02 00 10 02 00 0f 03 0b 2f 72 75 6e 2f 79 2e 73 6f 63 6b 00 00"
        )),
        Outcome::failed(vec![], "01 03 00 00", Cause::Denied)
    );
}

#[test]
fn a_forwarding_relay_ignores_command_and_address() {
    for wire in [
        "01 01 00 05 04 00 02 00 10",
        "01 01 00 00",
        "01 09 00 00",
        "01 02 00 0c 04 00 02 00 00 02 00 04 03 00 08 ae",
        "01 01 00 0a 02 00 07 01 c0 00 02 01 00 50",
        "01 01 00 08 02 00 05 03 01 20 00 50",
    ] {
        let mut wire = hex(wire);
        wire.extend(b"DATA");
        assert_eq!(
            relay(true).serve(&wire),
            Outcome::done(vec![Step::Dial(Goal::Forward)], "", b"DATA")
        );
    }
    let datagrams = Goal::Datagrams(Framing::Counted, Receiver::Forward);
    assert_eq!(
        relay(true).serve(&hex("01 81 00 00")),
        Outcome::done(vec![Step::Dial(datagrams)], "", b"")
    );
    assert_eq!(
        relay(true).serve(&hex("01 01 00 05 04 00 02 00 11")),
        Outcome::failed(vec![], "01 01 00 00", Cause::Unsupported)
    );
}

#[test]
fn the_result_of_the_dial_is_told() {
    use Cause::*;
    // cause, then the codes of socks4, socks5, relay and forwarding relay
    for (cause, codes) in [
        (None, [0x5a, 0, 0, 0]),
        (Some(Refused), [0x5b, 5, 7, 6]),
        (Some(HostUnreachable), [0x5b, 4, 7, 6]),
        (Some(NetUnreachable), [0x5b, 3, 7, 6]),
        (Some(NameNotFound), [0x5b, 4, 7, 6]),
        (Some(TimedOut), [0x5b, 6, 4, 4]),
        (Some(Denied), [0x5c, 2, 3, 3]),
        (Some(Auth), [0x5b, 1, 7, 6]),
        (Some(Reset), [0x5b, 1, 7, 6]),
        (Some(Closed), [0x5b, 1, 7, 6]),
        (Some(Protocol), [0x5b, 1, 7, 6]),
        (Some(Tls), [0x5b, 1, 7, 6]),
        (Some(Limit), [0x5b, 1, 7, 6]),
        (Some(Unsupported), [0x5b, 1, 7, 6]),
        (Some(Local), [0x5b, 1, 7, 6]),
    ] {
        let services = [
            Service::new(HandlerKind::Socks4),
            Service::new(HandlerKind::Socks5),
            relay(false),
            relay(true),
        ];
        for (service, code) in services.iter().zip(codes) {
            let fail = cause.map(|cause| Fail::new(cause, "told"));
            let mut out = BytesMut::new();
            Handler::new(service.plan.kind).unwrap().dialed(
                &service.cx(),
                fail.as_ref().map_or(Ok(()), Err),
                &mut out,
            );
            let expected = match service.plan.kind {
                HandlerKind::Socks4 => vec![0, code, 0, 0, 0, 0, 0, 0],
                HandlerKind::Socks5 => vec![5, code, 0, 1, 0, 0, 0, 0, 0, 0],
                _ => vec![1, code, 0, 0],
            };
            assert_eq!(out[..], expected, "{cause:?}");
        }
    }
}

#[test]
fn kinds_without_a_negotiation_have_no_handler() {
    for kind in [HandlerKind::Auto, HandlerKind::Http, HandlerKind::Forward] {
        assert!(Handler::new(kind).is_none());
    }
}

proptest! {
    /// Bytes near the protocols' own: random ones seldom pass the first check.
    #[test]
    fn garbage_ends_the_same_for_all_cuts(
        kind in prop::sample::select(vec![
            HandlerKind::Socks4, HandlerKind::Socks5, HandlerKind::Relay,
        ]),
        with_users: bool,
        tls: bool,
        encrypted: bool,
        forwards: bool,
        start in prop::sample::select(vec!["", "04 01", "05 01 00 05 01 00", "05 02 02 82 01", "01 01 00"]),
        rest in prop::collection::vec(prop_oneof![2 => 0..6u8, 1 => any::<u8>()], 0..80),
    ) {
        let mut service = Service::new(kind);
        service.plan.users = users().filter(|_| with_users);
        service.plan.socks_tls = tls.then(server_tls);
        service.encrypted = encrypted;
        service.forwards = forwards;
        let mut wire = hex(start);
        wire.extend(rest);
        let outcome = service.serve(&wire);
        let dials = outcome.steps.iter().filter(|step| matches!(step, Step::Dial(_))).count();
        prop_assert!(dials + usize::from(outcome.fail.is_some()) <= 1);
    }
}
