use ginnel_core::addr::Target;
use ginnel_core::error::Cause;
use ginnel_core::handler::{Goal, Receiver, Step};
use ginnel_core::plan::HandlerKind;
use ginnel_core::route::access::SocketFiles;
use ginnel_core::wire::datagram::Framing;

use crate::support::*;

pub(super) fn relay(forwards: bool) -> Service {
    let mut service = Service::new(HandlerKind::Relay);
    service.forwards = forwards;
    service
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
