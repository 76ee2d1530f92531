use bytes::BytesMut;
use ginnel_core::connector::{Connector, Negotiate, Step, relay};
use ginnel_core::error::Cause;
use ginnel_core::plan::ConnectorKind::{Direct, Forward, Http, Relay, Socks4, Socks5};
use proptest::prelude::*;

use crate::support::*;

#[track_caller]
fn http_request(node: &Node) -> String {
    String::from_utf8(node.ask(b"").out).unwrap()
}

#[test]
fn http_requests_are_those_of_gost() {
    let node = Node::new(Http, "10.1.2.3:99").with_auth("user", "pa:ss");
    assert_eq!(
        http_request(&node),
        "CONNECT 10.1.2.3:99 HTTP/1.1\r\nHost: 10.1.2.3:99\r\nUser-Agent: Go-http-client/1.1\r\n\
         Proxy-Authorization: Basic dXNlcjpwYTpzcw==\r\nProxy-Connection: keep-alive\r\n\r\n"
    );
    let node = Node::new(Http, "[2001:db8::1]:443");
    assert_eq!(
        http_request(&node),
        "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\
         User-Agent: Go-http-client/1.1\r\nProxy-Connection: keep-alive\r\n\r\n"
    );
}

/// The zone is for the machine that connects: it travels as gost spells it, or not at all.
#[test]
fn a_zone_is_told_in_a_name() {
    let wanted = "[fe80::1%25eth0]:80";
    assert_eq!(
        Node::new(Http, wanted).ask(b""),
        Outcome::failed(vec![], "", Cause::Unsupported)
    );
    let spelled = b"fe80::1%eth0";
    let holds = |bytes: &[u8]| bytes.windows(spelled.len()).any(|part| part == spelled);
    for (kind, answers) in [(Socks4, &b""[..]), (Socks5, b"\x05\0"), (Relay, b"")] {
        let out = Node::new(kind, wanted).ask(answers).out;
        assert!(holds(&out), "{kind:?}: {out:?}");
    }
    let out = Node::new(Socks5, "[fe80::1%7]:80").ask(b"\x05\0").out;
    assert!(out.ends_with(b"\x03\x09fe80::1%7\0\x50"), "{out:?}");
}

#[test]
fn http_headers_replace_or_join() {
    let mut node = Node::new(Http, "example.com:443");
    node.plan.headers = [
        ("X-Zone", "z"),
        ("user-agent", "curl/8"),
        ("Accept", "a"),
        ("Content-Length", "5"),
        ("Proxy-Connection", "close"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    assert_eq!(
        http_request(&node),
        "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nUser-Agent: curl/8\r\n\
         Accept: a\r\nProxy-Connection: close\r\nX-Zone: z\r\n\r\n"
    );
}

#[test]
fn http_names_cannot_write_header_lines() {
    for name in ["a\r\nX: y", "a b", "a:1", "a/b", "u@a"] {
        let mut node = Node::new(Http, ":80");
        node.target.host = ginnel_core::addr::Host::Name(name.to_owned());
        assert_eq!(
            node.ask(b""),
            Outcome::failed(vec![], "", Cause::Protocol),
            "{name}"
        );
    }
}

#[test]
fn http_takes_any_2xx_and_keeps_what_follows() {
    let node = Node::new(Http, "example.com:443");
    for head in [
        "HTTP/1.1 200 Connection established\r\nProxy-Agent: gost/3.0\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200\r\n\r\n",
    ] {
        let outcome = node.ask(format!("{head}SSH-2.0\r\n").as_bytes());
        assert_eq!(outcome.steps, [Step::Done], "{head}");
        assert_eq!(outcome.rest, b"SSH-2.0\r\n");
    }
}

#[test]
fn http_refusals_have_a_cause_and_a_text() {
    let node = Node::new(Http, "example.com:443");
    for (line, cause, text) in [
        ("403 Forbidden", Cause::Denied, "403 Forbidden"),
        ("407 Who", Cause::Auth, "407 Who"),
        ("502 Bad Gateway", Cause::HostUnreachable, "502 Bad Gateway"),
        ("503", Cause::HostUnreachable, "503 Service Unavailable"),
        ("504 Late", Cause::TimedOut, "504 Late"),
        ("404 Not Found", Cause::Protocol, "404 Not Found"),
        ("101 Switching", Cause::Protocol, "101 Switching"),
        ("302 Found", Cause::Protocol, "302 Found"),
    ] {
        let wire = format!("HTTP/1.1 {line}\r\nConnection: close\r\n\r\nbody");
        let outcome = node.ask(wire.as_bytes());
        assert_eq!(
            (outcome.steps, outcome.fail),
            (vec![], Some(cause)),
            "{line}"
        );
        assert_eq!(
            node.complaint(wire.as_bytes()),
            format!("proxy answered {text} to CONNECT")
        );
    }
}

#[test]
fn http_heads_are_bounded() {
    let node = Node::new(Http, "example.com:443");
    let mut wire = b"HTTP/1.1 200 OK\r\nA: ".to_vec();
    wire.resize(16 * 1024, b'a');
    assert_eq!(node.ask_pieces(&[&wire]).fail, None);
    wire.push(b'a');
    assert_eq!(node.ask_pieces(&[&wire]).fail, Some(Cause::Limit));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: 1\r\n".repeat(101));
    assert_eq!(node.ask_pieces(&[many.as_bytes()]).fail, Some(Cause::Limit));
    assert_eq!(node.ask(b"SSH-2.0\r\n\r\n").fail, Some(Cause::Protocol));
}

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

const CONNECT_5: &str = "05 01 00 03 0b 65 78 61 6d 70 6c 65 2e 63 6f 6d 01 bb";
const SUCCESS_5: &str = "05 00 00 01 c0 00 02 09 9c 40";

fn socks5(tls: bool, encrypted: bool, auth: bool) -> Node {
    let mut node = Node::new(Socks5, "example.com:443");
    node.plan.socks_tls = tls.then(client_tls);
    node.encrypted = encrypted;
    if auth {
        node = node.with_auth("user", "pass");
    }
    node
}

#[test]
fn socks5_greetings_are_those_of_gost() {
    for (node, greeting) in [
        (socks5(true, false, false), "05 02 00 80"),
        (socks5(true, false, true), "05 04 00 02 80 82"),
        (socks5(false, false, false), "05 01 00"),
        (socks5(false, false, true), "05 02 00 02"),
        (socks5(true, true, false), "05 01 00"),
        (socks5(true, true, true), "05 02 00 02"),
    ] {
        // The request waits for the answer.
        assert_eq!(node.ask(b""), Outcome::done(vec![], greeting, b""));
    }
}

#[test]
fn socks5_follows_the_method() {
    let password = "01 04 75 73 65 72 04 70 61 73 73";
    for (node, answers, sent, steps) in [
        (
            socks5(false, false, false),
            "05 00".to_owned(),
            format!("05 01 00 {CONNECT_5}"),
            vec![Step::Done],
        ),
        (
            socks5(true, false, true),
            "05 00".to_owned(),
            format!("05 04 00 02 80 82 {CONNECT_5}"),
            vec![Step::Done],
        ),
        (
            socks5(false, false, true),
            "05 02 01 00".to_owned(),
            format!("05 02 00 02 {password} {CONNECT_5}"),
            vec![Step::Done],
        ),
        (
            socks5(true, false, false),
            "05 80".to_owned(),
            format!("05 02 00 80 {CONNECT_5}"),
            vec![Step::Tls, Step::Done],
        ),
        (
            socks5(true, false, true),
            "05 82 01 00".to_owned(),
            format!("05 04 00 02 80 82 {password} {CONNECT_5}"),
            vec![Step::Tls, Step::Done],
        ),
    ] {
        let wire = hex(&format!("{answers} {SUCCESS_5} 53 53 48"));
        assert_eq!(node.ask(&wire), Outcome::done(steps, &sent, b"SSH"));
    }
}

#[test]
fn socks5_inside_tls_speaks_first() {
    for (auth, answer, next) in [
        (false, "05 80", CONNECT_5),
        (true, "05 82", "01 04 75 73 65 72 04 70 61 73 73"),
    ] {
        let node = socks5(true, false, auth);
        let mut connector = Connector::new(Socks5).unwrap();
        let (mut rx, mut out) = (BytesMut::new(), BytesMut::new());
        connector.step(&node.cx(), &mut rx, &mut out).unwrap();
        out.clear();
        rx.extend_from_slice(&hex(answer));
        assert_eq!(connector.step(&node.cx(), &mut rx, &mut out), Ok(Step::Tls));
        assert!(out.is_empty() && rx.is_empty());
        assert_eq!(
            connector.step(&node.cx(), &mut rx, &mut out),
            Ok(Step::More)
        );
        assert_eq!(out, hex(next));
    }
}

#[test]
fn socks5_names_the_local_machine_by_its_address() {
    let node = Node::new(Socks5, ":0");
    assert_eq!(
        node.ask(&hex("05 00")).out,
        hex("05 01 00 05 01 00 01 7f 00 00 01 00 00")
    );
}

#[test]
fn socks5_refuses_methods_that_were_not_offered() {
    for (node, answer, cause) in [
        (socks5(false, false, false), "05 ff", Cause::Auth),
        (socks5(false, false, false), "05 02", Cause::Auth),
        (socks5(false, false, false), "05 80", Cause::Protocol),
        (socks5(false, false, true), "05 82", Cause::Auth),
        (socks5(true, true, true), "05 80", Cause::Protocol),
        (socks5(true, false, true), "05 01", Cause::Protocol),
        (socks5(true, false, true), "04 00", Cause::Protocol),
    ] {
        assert_eq!(node.ask(&hex(answer)).fail, Some(cause), "{answer}");
    }
    let fail = socks5(false, false, true).ask(&hex("05 02 01 01")).fail;
    assert_eq!(fail, Some(Cause::Auth));
}

#[test]
fn socks5_refusals_have_a_cause() {
    let node = socks5(false, false, false);
    for (code, cause) in [
        ("01", Cause::HostUnreachable),
        ("02", Cause::Denied),
        ("03", Cause::NetUnreachable),
        ("04", Cause::HostUnreachable),
        ("05", Cause::Refused),
        ("06", Cause::TimedOut),
        ("07", Cause::Unsupported),
        ("08", Cause::Unsupported),
        ("09", Cause::Protocol),
    ] {
        for address in ["00 01 00 00 00 00 00 00", ""] {
            let wire = hex(&format!("05 00 05 {code} {address}"));
            assert_eq!(node.ask(&wire).fail, Some(cause), "{code}");
        }
    }
    assert_eq!(
        node.complaint(&hex("05 00 05 05")),
        "socks5 node answered 5 (connection refused)"
    );
    assert_eq!(node.ask(&hex("05 00 04 00")).fail, Some(Cause::Protocol));
}

#[test]
fn socks5_reads_bound_names_exactly() {
    let wire = hex("05 00 05 00 00 03 02 61 62 00 50 53 53 48");
    let outcome = socks5(false, false, false).ask(&wire);
    assert_eq!(
        (outcome.steps, outcome.rest),
        (vec![Step::Done], b"SSH".to_vec())
    );
}

#[test]
fn relay_requests_are_those_of_gost() {
    for (node, request) in [
        (
            Node::new(Relay, "192.0.2.1:80"),
            "01 01 00 0a 02 00 07 01 c0 00 02 01 00 50",
        ),
        (
            Node::new(Relay, "example.com:443").with_auth("user", "pass"),
            "01 01 00 1f 01 00 0a 04 75 73 65 72 04 70 61 73 73 \
             02 00 0f 03 0b 65 78 61 6d 70 6c 65 2e 63 6f 6d 01 bb",
        ),
        (
            Node::new(Relay, "example.com:443").with_auth("user", ""),
            "01 01 00 1b 01 00 06 04 75 73 65 72 00 \
             02 00 0f 03 0b 65 78 61 6d 70 6c 65 2e 63 6f 6d 01 bb",
        ),
        (Node::new(Relay, ":0"), "01 01 00 07 02 00 04 03 00 00 00"),
    ] {
        assert_eq!(
            node.ask(b"hello"),
            Outcome::done(vec![Step::Lazy], request, b"hello")
        );
    }
}

#[test]
fn relay_nodes_are_asked_for_socket_files_as_gost_does() {
    let mut node = Node::new(Relay, "a:1").with_auth("user", "");
    node.target = ginnel_core::addr::Target::file("/run/x.sock");
    let request = "01 01 00 20 04 00 02 00 10 01 00 06 04 75 73 65 72 00 \
                   02 00 0f 03 0b 2f 72 75 6e 2f 78 2e 73 6f 63 6b 00 00";
    let expected = Outcome::done(vec![Step::Lazy], request, b"hello");
    assert_eq!(node.ask(b"hello"), expected);
}

#[test]
fn relay_with_nodelay_waits_for_the_response() {
    let mut node = Node::new(Relay, "192.0.2.1:80");
    node.plan.nodelay = true;
    let request = "01 01 00 0a 02 00 07 01 c0 00 02 01 00 50";
    assert_eq!(node.ask(b""), Outcome::done(vec![], request, b""));
    assert_eq!(
        node.ask(&hex("01 00 00 00 68 65 6c 6c 6f")),
        Outcome::done(vec![Step::Done], request, b"hello")
    );
    assert_eq!(
        node.ask(&hex("01 07 00 00")),
        Outcome::failed(vec![], request, Cause::NetUnreachable)
    );
}

#[test]
fn relay_responses_are_taken_off_the_data() {
    for (response, rest) in [
        ("01 00 00 00", "hello"),
        ("01 00 00 0a 02 00 07 01 c0 00 02 09 08 ae", "hello"),
        ("01 00 00 04 09 00 01 ff", ""),
    ] {
        let wire = [hex(response), rest.as_bytes().to_vec()].concat();
        let mut rx = BytesMut::new();
        let whole = hex(response).len();
        for (n, byte) in wire.iter().enumerate() {
            rx.extend_from_slice(&[*byte]);
            if n + 1 < whole {
                assert_eq!(relay::response(&mut rx), Ok(None));
                assert_eq!(rx.len(), n + 1, "an incomplete response stays");
            }
            if n + 1 == whole {
                assert_eq!(relay::response(&mut rx), Ok(Some(())));
            }
        }
        assert_eq!(rx, rest);
    }
}

#[test]
fn relay_refusals_have_a_cause() {
    for (response, cause, text) in [
        ("01 01 00 00", Cause::Protocol, "1 (bad request)"),
        ("01 02 00 00", Cause::Auth, "2 (unauthorized)"),
        ("01 03 00 00", Cause::Denied, "3 (forbidden)"),
        ("01 04 00 00", Cause::TimedOut, "4 (timeout)"),
        (
            "01 05 00 00",
            Cause::HostUnreachable,
            "5 (service unavailable)",
        ),
        (
            "01 06 00 00",
            Cause::HostUnreachable,
            "6 (host unreachable)",
        ),
        (
            "01 07 00 00",
            Cause::NetUnreachable,
            "7 (network unreachable)",
        ),
        ("01 08 00 00", Cause::Protocol, "8 (internal error)"),
        ("01 2a 00 00", Cause::Protocol, "42 (unknown status)"),
    ] {
        let fail = relay::response(&mut BytesMut::from(&hex(response)[..])).unwrap_err();
        assert_eq!(fail.cause, cause);
        assert_eq!(fail.text, format!("relay node answered {text}"));
    }
    for (wire, cause) in [
        ("48 54 54 50", Cause::Protocol),
        ("01 00 ff ff", Cause::Limit),
    ] {
        let fail = relay::response(&mut BytesMut::from(&hex(wire)[..])).unwrap_err();
        assert_eq!(fail.cause, cause);
    }
}

#[test]
fn credentials_that_do_not_fit_are_a_failure() {
    let long = "p".repeat(256);
    let node = Node::new(Relay, "192.0.2.1:80").with_auth("user", &long);
    assert_eq!(node.ask(b"").fail, Some(Cause::Limit));
    let node = Node::new(Socks5, "192.0.2.1:80").with_auth("user", &long);
    assert_eq!(node.ask(&hex("05 02")).fail, Some(Cause::Limit));
}

#[test]
fn kinds_that_say_nothing_have_no_connector() {
    assert!(Connector::new(Direct).is_none());
    assert!(Connector::new(Forward).is_none());
}

proptest! {
    #[test]
    fn garbage_ends_the_same_for_all_cuts(
        kind in prop::sample::select(vec![Http, Socks4, Socks5, Relay]),
        tls: bool,
        auth: bool,
        nodelay: bool,
        start in prop::sample::select(vec!["", "00 5a", "05 00 05", "05 82 01", "01 00 00", "48 54 54 50 2f 31 2e 31 20"]),
        rest in prop::collection::vec(
            prop_oneof![2 => 0..6u8, 1 => any::<u8>(), 1 => prop::sample::select(b"\r\n 20:".to_vec())],
            0..60,
        ),
    ) {
        let mut node = Node::new(kind, "example.com:443");
        node.plan.socks_tls = tls.then(client_tls);
        node.plan.nodelay = nodelay;
        if auth {
            node = node.with_auth("user", "pass");
        }
        let mut wire = hex(start);
        wire.extend(rest);
        let outcome = node.ask(&wire);
        let open = outcome.steps.iter().filter(|step| **step != Step::Tls).count();
        prop_assert!(open + usize::from(outcome.fail.is_some()) <= 1);
    }
}
