//! What clients of each protocol ask for, and what they are answered.

mod relay;
mod socks4;
mod socks5;

use bytes::BytesMut;
use ginnel_core::error::{Cause, Fail};
use ginnel_core::handler::{Handler, Negotiate, Step};
use ginnel_core::plan::HandlerKind;
use proptest::prelude::*;

use crate::support::*;
use relay::relay;

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
