use ginnel_core::connector::Step;
use ginnel_core::error::Cause;
use ginnel_core::plan::ConnectorKind::Socks4;

use crate::support::*;

#[test]
fn socks4_sends_addresses_plain_and_names_in_4a() {
    let granted = hex("00 5a 00 00 00 00 00 00 53 53 48");
    for (to, user, request) in [
        ("192.0.2.1:80", "me", "04 01 00 50 c0 00 02 01 6d 65 00"),
        (
            "example.com:443",
            "me",
            "04 01 01 bb 00 00 00 01 6d 65 00 65 78 61 6d 70 6c 65 2e 63 6f 6d 00",
        ),
        ("192.0.2.1:80", "", "04 01 00 50 c0 00 02 01 00"),
        (":80", "", "04 01 00 50 7f 00 00 01 00"),
    ] {
        let node = Node::new(Socks4, to).with_auth(user, "unused");
        assert_eq!(
            node.ask(&granted),
            Outcome::done(vec![Step::Done], request, b"SSH")
        );
    }
}

#[test]
fn socks4_fails_for_what_it_cannot_say() {
    let v6 = Node::new(Socks4, "[2001:db8::1]:80");
    assert_eq!(v6.ask(b""), Outcome::failed(vec![], "", Cause::Unsupported));
    let mut name = Node::new(Socks4, "example.com:80");
    name.plan.disable_4a = true;
    assert_eq!(
        name.ask(b""),
        Outcome::failed(vec![], "", Cause::Unsupported)
    );
    let mut address = Node::new(Socks4, "192.0.2.1:80");
    address.plan.disable_4a = true;
    assert_eq!(address.ask(b"").fail, None);
}

#[test]
fn socks4_refusals_have_a_cause() {
    let node = Node::new(Socks4, "192.0.2.1:80");
    for (reply, cause) in [
        ("00 5b 00 00 00 00 00 00", Cause::HostUnreachable),
        ("00 5c 00 00 00 00 00 00", Cause::Denied),
        ("00 5d 00 00 00 00 00 00", Cause::Auth),
        ("00 00 00 00 00 00 00 00", Cause::Protocol),
        ("04 5a", Cause::Protocol),
    ] {
        assert_eq!(node.ask(&hex(reply)).fail, Some(cause), "{reply}");
    }
    assert_eq!(
        node.complaint(&hex("00 5b 00 00 00 00 00 00")),
        "socks4 node answered 91 (rejected or failed)"
    );
}
