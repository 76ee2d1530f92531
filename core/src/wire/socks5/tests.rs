use proptest::prelude::*;

use super::*;
use crate::wire::testing::{hex, unit};

fn target(text: &str) -> Target {
    Target::parse(text).unwrap()
}

#[test]
fn captured_greetings_are_read_and_written() {
    use Method::*;
    for (bytes, methods) in [
        ("05 02 00 80", &[NoAuth, Tls][..]),
        ("05 04 00 02 80 82", &[NoAuth, Password, Tls, TlsPassword]),
        ("05 01 00", &[NoAuth]),
        ("05 02 00 02", &[NoAuth, Password]),
        ("05 03 00 01 02", &[NoAuth, Other(1), Password]),
    ] {
        let bytes = hex(bytes);
        let greeting = unit(&bytes, Greeting::parse);
        assert!(methods.iter().all(|method| greeting.offers(*method)));
        assert!(!greeting.offers(Other(9)));
        let mut out = BytesMut::new();
        write_greeting(methods, &mut out);
        assert_eq!(out, bytes);
    }
}

#[test]
fn greetings_of_other_protocols_are_refused() {
    for bytes in ["05 00", "04", "47 45 54"] {
        let fail = Greeting::parse(&hex(bytes)).unwrap_err();
        assert_eq!(fail.cause, Cause::Protocol, "{bytes}");
    }
}

#[test]
fn method_answers_are_read_and_written() {
    for (bytes, method) in [
        ("05 00", Method::NoAuth),
        ("05 02", Method::Password),
        ("05 80", Method::Tls),
        ("05 82", Method::TlsPassword),
        ("05 ff", Method::NoneAcceptable),
    ] {
        let bytes = hex(bytes);
        assert_eq!(unit(&bytes, parse_method), method);
        let mut out = BytesMut::new();
        write_method(method, &mut out);
        assert_eq!(out, bytes);
    }
}

#[test]
fn passwords_are_read_and_written() {
    let bytes = hex("01 04 75 73 65 72 04 70 61 73 73");
    let credentials = Credentials {
        user: b"user",
        password: b"pass",
    };
    assert_eq!(unit(&bytes, Credentials::parse), credentials);
    let mut out = BytesMut::new();
    credentials.write(&mut out).unwrap();
    assert_eq!(out, bytes);

    let empty = unit(&[1, 0, 0], Credentials::parse);
    assert_eq!((empty.user, empty.password), (&b""[..], &b""[..]));
    assert_eq!(Credentials::parse(&[5]).unwrap_err().cause, Cause::Protocol);
}

#[test]
fn password_answers_are_read_and_written() {
    for (bytes, accepted) in [("01 00", true), ("01 01", false)] {
        let bytes = hex(bytes);
        assert_eq!(unit(&bytes, parse_password_status), accepted);
        let mut out = BytesMut::new();
        write_password_status(accepted, &mut out);
        assert_eq!(out, bytes);
    }
    assert!(unit(&[5, 0], parse_password_status));
}

#[test]
fn captured_requests_are_read_and_written() {
    use Command::*;
    for (bytes, command, to) in [
        ("05 01 00 01 c0 00 02 01 00 50", Connect, "192.0.2.1:80"),
        (
            "05 01 00 03 0b 65 78 61 6d 70 6c 65 2e 63 6f 6d 01 bb",
            Connect,
            "example.com:443",
        ),
        (
            "05 01 00 04 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 01 bb",
            Connect,
            "[2001:db8::1]:443",
        ),
        ("05 01 00 01 7f 00 00 01 00 00", Connect, "127.0.0.1:0"),
        ("05 02 00 01 00 00 00 00 00 00", Bind, "0.0.0.0:0"),
        ("05 03 00 01 00 00 00 00 00 00", UdpAssociate, "0.0.0.0:0"),
        ("05 f3 00 01 00 00 00 00 00 00", UdpTunnel, "0.0.0.0:0"),
        ("05 f3 00 01 00 00 00 00 14 e9", UdpTunnel, "0.0.0.0:5353"),
        ("05 f2 00 01 00 00 00 00 08 ae", MuxBind, "0.0.0.0:2222"),
        (
            "05 f0 00 03 0b 65 78 61 6d 70 6c 65 2e 63 6f 6d 00 00",
            Resolve,
            "example.com:0",
        ),
        ("05 f1 00 01 c0 00 02 01 00 00", ResolvePtr, "192.0.2.1:0"),
        ("05 01 00 03 00 00 50", Connect, ":80"),
    ] {
        let bytes = hex(bytes);
        let request = unit(&bytes, Request::parse);
        let target = target(to);
        assert_eq!(request, Request { command, target });
        let mut out = BytesMut::new();
        request.write(&mut out).unwrap();
        assert_eq!(out, bytes);
    }
}

#[test]
fn captured_replies_are_read_and_written() {
    let bytes = hex("05 00 00 01 c0 00 02 09 9c 40");
    let reply = unit(&bytes, Reply::parse);
    let bound = target("192.0.2.9:40000");
    assert_eq!(
        reply,
        Reply {
            rep: Rep::Succeeded,
            bound
        }
    );
    let mut out = BytesMut::new();
    reply.write(&mut out).unwrap();
    assert_eq!(out, bytes);

    use Rep::*;
    for (code, rep) in [
        (0, Succeeded),
        (1, GeneralFailure),
        (2, NotAllowed),
        (3, NetUnreachable),
        (4, HostUnreachable),
        (5, Refused),
        (6, TtlExpired),
        (7, CommandNotSupported),
        (8, AddressNotSupported),
    ] {
        let mut out = BytesMut::new();
        write_bare_reply(rep, &mut out);
        assert_eq!(out[..], [5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(unit(&out, Reply::parse).rep, rep);
    }
}

#[test]
fn codes_have_names() {
    assert_eq!(Method::TlsPassword.text(), "TLS, user and password");
    assert_eq!(Command::UdpTunnel.text(), "UDP-TUN");
    assert_eq!(Rep::Refused.text(), "connection refused");
    assert_eq!(Rep::Other(99).text(), "unknown code");
}

#[test]
fn unreadable_requests_say_what_is_wrong_with_them() {
    for (bytes, cause) in [
        ("04 01 00 01", Cause::Protocol),
        ("05 01 00 02", Cause::Unsupported),
        ("05 01 00 03 01 ff", Cause::NameNotFound),
    ] {
        assert_eq!(Request::parse(&hex(bytes)).unwrap_err().cause, cause);
    }
}

#[test]
fn what_follows_a_message_is_left() {
    let greeting = Greeting::parse(&[5, 1, 0, 5, 1]).unwrap().unwrap();
    assert_eq!((greeting.0.methods, greeting.1), (&[0][..], 3));
    let (credentials, used) = Credentials::parse(b"\x01\x01a\x01b\x05\x01")
        .unwrap()
        .unwrap();
    assert_eq!(
        (credentials.user, credentials.password, used),
        (&b"a"[..], &b"b"[..], 5)
    );
    let request = hex("05 01 00 01 7f 00 00 01 00 50 16 03 01");
    assert_eq!(Request::parse(&request).unwrap().unwrap().1, 10);
}

#[test]
fn texts_of_255_bytes_are_written() {
    let longest = [b'a'; 255];
    let credentials = Credentials {
        user: &longest,
        password: &longest,
    };
    let mut out = BytesMut::new();
    credentials.write(&mut out).unwrap();
    assert_eq!(unit(&out, Credentials::parse), credentials);
    let name = "a".repeat(255);
    let request = Request {
        command: Command::Connect,
        target: Target::new(Host::Name(name), 80),
    };
    let mut out = BytesMut::new();
    request.write(&mut out).unwrap();
    assert_eq!(unit(&out, Request::parse), request);
}

#[test]
fn an_address_that_is_spelled_as_a_name_is_noticed() {
    for (bytes, spelled) in [
        ("05 01 00 03 09 31 32 37 2e 30 2e 30 2e 31 00 50", true),
        ("05 00 00 03 03 3a 3a 31 00 50", true),
        ("05 01 00 03 01 61 00 50", false),
        ("05 01 00 01 7f 00 00 01 00 50", false),
        ("05 01 00 03 09 31 32 37 2e 30 2e 30 2e 31 00", false),
        ("05 01 00", false),
        ("05 01", false),
    ] {
        assert_eq!(spells_address(&hex(bytes)), spelled, "{bytes}");
    }
}

#[test]
fn what_does_not_fit_is_not_written() {
    let long = "n".repeat(256);
    let mut out = BytesMut::new();
    let request = Request {
        command: Command::Connect,
        target: target(&format!("{long}:1")),
    };
    assert_eq!(request.write(&mut out).unwrap_err().cause, Cause::Limit);
    for (user, password) in [(&long[..], ""), ("", &long[..])] {
        let credentials = Credentials {
            user: user.as_bytes(),
            password: password.as_bytes(),
        };
        assert_eq!(credentials.write(&mut out).unwrap_err().cause, Cause::Limit);
    }
    assert!(out.is_empty());
}

pub(crate) fn any_target() -> impl Strategy<Value = Target> {
    let host = prop_oneof![
        "[a-z][a-z.-]{0,253}x".prop_map(Host::Name),
        Just(Host::Name(String::new())),
        any::<u32>().prop_map(|bits| Host::from(Ipv4Addr::from(bits))),
        any::<u128>().prop_map(|bits| Host::from(Ipv6Addr::from(bits))),
    ];
    (host, any::<u16>()).prop_map(|(host, port)| Target::new(host, port))
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        code: u8,
        target in any_target(),
        user in prop::collection::vec(any::<u8>(), 0..=255),
        password in prop::collection::vec(any::<u8>(), 0..=255),
    ) {
        let mut out = BytesMut::new();
        let request = Request { command: code.into(), target: target.clone() };
        request.write(&mut out).unwrap();
        prop_assert_eq!(unit(&out, Request::parse), request);

        let mut out = BytesMut::new();
        let reply = Reply { rep: code.into(), bound: target };
        reply.write(&mut out).unwrap();
        prop_assert_eq!(unit(&out, Reply::parse), reply);

        let mut out = BytesMut::new();
        let credentials = Credentials { user: &user, password: &password };
        credentials.write(&mut out).unwrap();
        prop_assert_eq!(unit(&out, Credentials::parse), credentials);
    }

    #[test]
    fn garbage_is_refused_or_incomplete(mut bytes in prop::collection::vec(any::<u8>(), 0..700)) {
        for first in [VERSION, PASSWORD_VERSION] {
            if let Some(byte) = bytes.first_mut() {
                *byte = first;
            }
            // The longest units have 257, 513 and 262 bytes: more is never asked for.
            let open = [
                matches!(Greeting::parse(&bytes), Ok(None)) && bytes.len() >= 257,
                matches!(Credentials::parse(&bytes), Ok(None)) && bytes.len() >= 513,
                matches!(Request::parse(&bytes), Ok(None)) && bytes.len() >= 262,
                matches!(Reply::parse(&bytes), Ok(None)) && bytes.len() >= 262,
            ];
            prop_assert_eq!(open, [false; 4]);
        }
    }
}

#[test]
fn another_protocol_is_named() {
    for (wire, text) in [
        (&b"GET / HTTP/1.1"[..], "got 71: this looks like HTTP"),
        (&[0x16, 3, 1], "got 22: this looks like TLS"),
        (
            &[1, 0, 0, 0],
            "got 1: this looks like smux (mws instead of ws) or relay",
        ),
        (&[4, 1], "got 4: this looks like SOCKS4"),
    ] {
        let expected = format!("expected SOCKS version 5, {text}");
        assert_eq!(Greeting::parse(wire).unwrap_err().text, expected);
    }
}
