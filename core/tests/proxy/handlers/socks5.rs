use ginnel_core::error::Cause;
use ginnel_core::handler::Step;
use ginnel_core::plan::{HandlerKind, Users};

use crate::support::*;

const NO_ADDRESS: &str = "00 01 00 00 00 00 00 00";

fn socks5(with_users: bool, tls: bool, encrypted: bool) -> Service {
    let mut service = Service::new(HandlerKind::Socks5);
    service.plan.users = users().filter(|_| with_users);
    service.plan.socks_tls = tls.then(server_tls);
    service.encrypted = encrypted;
    service
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
