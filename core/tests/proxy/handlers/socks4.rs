use ginnel_core::error::Cause;
use ginnel_core::plan::HandlerKind;

use crate::support::*;

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
