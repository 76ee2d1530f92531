use proptest::prelude::*;

use super::*;
use crate::wire::testing::{hex, unit};

const LIMIT: usize = 4096;
const USER_PASS: Option<Credentials> = Some(Credentials {
    user: b"user",
    password: b"pass",
});

fn request(bytes: &[u8]) -> Parsed<Request<'_>> {
    Request::parse(bytes, LIMIT)
}

fn response(bytes: &[u8]) -> Parsed<Response> {
    Response::parse(bytes, LIMIT)
}

fn target(text: &str) -> Option<Target> {
    Some(Target::parse(text).unwrap())
}

#[track_caller]
fn same(bytes: &str, expected: Request) {
    let bytes = hex(bytes);
    assert_eq!(unit(&bytes, request), expected);
    let mut out = BytesMut::new();
    expected.write(&mut out).unwrap();
    assert_eq!(out, bytes);
}

#[test]
fn captured_connects_are_read_and_written() {
    let to = |text| Request {
        target: target(text),
        ..Request::new(Command::Connect)
    };
    same(
        "01 01 00 0a 02 00 07 01 c0 00 02 01 00 50",
        to("192.0.2.1:80"),
    );
    same(
        "01 01 00 12 02 00 0f 03 0b 65 78 61 6d 70 6c 65 2e 63 6f 6d 01 bb",
        to("example.com:443"),
    );
    same(
        "01 01 00 16 02 00 13 04 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 01 bb",
        to("[2001:db8::1]:443"),
    );
    same(
        "01 01 00 1f 01 00 0a 04 75 73 65 72 04 70 61 73 73 \
         02 00 0f 03 0b 65 78 61 6d 70 6c 65 2e 63 6f 6d 01 bb",
        Request {
            auth: USER_PASS,
            ..to("example.com:443")
        },
    );
    same(
        "01 01 00 1b 01 00 06 04 75 73 65 72 00 \
         02 00 0f 03 0b 65 78 61 6d 70 6c 65 2e 63 6f 6d 01 bb",
        Request {
            auth: Some(Credentials {
                user: b"user",
                password: b"",
            }),
            ..to("example.com:443")
        },
    );
    same("01 01 00 07 02 00 04 03 00 00 00", to(":0"));
    same("01 01 00 00", Request::new(Command::Connect));
}

#[test]
fn captured_requests_of_other_networks_are_read_and_written() {
    let udp = Request {
        network: Network::Udp,
        target: target("8.8.8.8:53"),
        ..Request::new(Command::Connect)
    };
    same(
        "01 81 00 0f 04 00 02 00 01 02 00 07 01 08 08 08 08 00 35",
        udp.clone(),
    );
    same(
        "01 81 00 1c 04 00 02 00 01 01 00 0a 04 75 73 65 72 04 70 61 73 73 \
         02 00 07 01 08 08 08 08 00 35",
        Request {
            auth: USER_PASS,
            ..udp
        },
    );
    same(
        "01 01 00 17 04 00 02 00 10 02 00 0f 03 0b 2f 72 75 6e 2f 78 2e 73 6f 63 6b 00 00",
        Request {
            network: Network::Unix,
            target: target("/run/x.sock:0"),
            ..Request::new(Command::Connect)
        },
    );
    same(
        "01 01 00 17 03 00 14 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 80 00 00 05",
        Request {
            tunnel: Some(Tunnel {
                id: std::array::from_fn(|at| at as u8),
                flags: 0x80,
                weight: 5,
            }),
            ..Request::new(Command::Connect)
        },
    );
}

#[test]
fn captured_binds_are_read_and_written() {
    let bind = |network, to: Option<Target>| Request {
        network,
        target: to,
        ..Request::new(Command::Bind)
    };
    same(
        "01 02 00 1c 01 00 0a 04 75 73 65 72 04 70 61 73 73 04 00 02 00 00 \
         02 00 07 01 00 00 00 00 08 ae",
        Request {
            auth: USER_PASS,
            ..bind(Network::Tcp, target("0.0.0.0:2222"))
        },
    );
    same(
        "01 02 00 0c 04 00 02 00 00 02 00 04 03 00 08 ae",
        bind(Network::Tcp, target(":2222")),
    );
    same(
        "01 02 00 19 04 00 02 00 00 02 00 11 \
         03 0d 30 2e 30 2e 30 2e 30 3a 3a 32 32 32 32 00 00",
        bind(
            Network::Tcp,
            Some(Target::new(
                crate::addr::Host::Name("0.0.0.0::2222".to_owned()),
                0,
            )),
        ),
    );
    same(
        "01 02 00 1b 04 00 02 00 00 \
         02 00 13 04 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 08 ae",
        bind(Network::Tcp, target("[::]:2222")),
    );
    same(
        "01 82 00 0f 04 00 02 00 01 02 00 07 01 00 00 00 00 14 e9",
        bind(Network::Udp, target("0.0.0.0:5353")),
    );
    same(
        "01 82 00 0f 04 00 02 00 01 02 00 07 01 00 00 00 00 00 00",
        bind(Network::Udp, target("0.0.0.0:0")),
    );
    same(
        "01 82 00 0c 04 00 02 00 01 02 00 04 03 00 00 00",
        bind(Network::Udp, target(":0")),
    );
}

#[test]
fn flag_or_feature_alone_says_udp() {
    for bytes in ["01 81 00 00", "01 01 00 05 04 00 02 00 01"] {
        assert_eq!(unit(&hex(bytes), request).network, Network::Udp, "{bytes}");
    }
    assert_eq!(
        unit(&hex("01 71 00 05 04 00 02 00 99"), request).network,
        Network::Tcp
    );
}

#[test]
fn unknown_features_are_skipped_and_the_last_of_a_kind_counts() {
    let bytes = hex("01 00 00 19 09 00 02 aa bb 02 00 07 01 01 01 01 01 00 01 \
         02 00 07 01 02 02 02 02 00 02");
    let request = unit(&bytes, request);
    assert_eq!(request.command, Command::Connect);
    assert_eq!(request.target, target("2.2.2.2:2"));
}

#[test]
fn captured_responses_are_read_and_written() {
    use Status::*;
    for (code, status) in [
        (0, Ok),
        (1, BadRequest),
        (2, Unauthorized),
        (3, Forbidden),
        (4, Timeout),
        (5, ServiceUnavailable),
        (6, HostUnreachable),
        (7, NetUnreachable),
        (8, InternalError),
        (9, Other(9)),
    ] {
        let mut out = BytesMut::new();
        write_status(status, &mut out);
        assert_eq!(out[..], [1, code, 0, 0]);
        assert_eq!(unit(&out, response), Response::new(status));
    }
    for (bytes, bound) in [
        (
            "01 00 00 0a 02 00 07 01 c0 00 02 09 08 ae",
            "192.0.2.9:2222",
        ),
        (
            "01 00 00 16 02 00 13 04 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 08 ae",
            "[::]:2222",
        ),
        (
            "01 00 00 0a 02 00 07 01 c6 33 64 07 9c 40",
            "198.51.100.7:40000",
        ),
    ] {
        let bytes = hex(bytes);
        let expected = Response {
            status: Ok,
            target: target(bound),
        };
        assert_eq!(unit(&bytes, response), expected);
        let mut out = BytesMut::new();
        expected.write(&mut out).unwrap();
        assert_eq!(out, bytes);
    }
}

#[test]
fn statuses_and_networks_have_names() {
    assert_eq!(Status::NetUnreachable.text(), "network unreachable");
    assert_eq!(Status::Other(99).text(), "unknown status");
    assert_eq!((Network::Tcp.name(), Network::Unix.name()), ("tcp", "unix"));
}

#[test]
fn data_behind_a_message_is_not_its() {
    let bytes = hex("01 00 00 00 68 65 6c 6c 6f");
    assert_eq!(response(&bytes), Ok(Some((Response::new(Status::Ok), 4))));
}

#[test]
fn broken_messages_are_refused() {
    for (bytes, cause) in [
        ("02 01 00 00", Cause::Protocol),
        (
            "01 01 00 0a 02 00 07 02 c0 00 02 01 00 50",
            Cause::Unsupported,
        ),
        ("01 01 00 0a 02 00 07 03 ff 00 02 01 00 50", Cause::Protocol),
        ("01 01 00 02 02 00", Cause::Protocol),
        ("01 01 00 04 02 00 07 01", Cause::Protocol),
        ("01 01 00 05 01 00 02 05 61", Cause::Protocol),
        ("01 01 00 04 04 00 01 00", Cause::Protocol),
        ("01 01 00 04 03 00 01 00", Cause::Protocol),
        ("01 01 10 01", Cause::Limit),
    ] {
        assert_eq!(request(&hex(bytes)).unwrap_err().cause, cause, "{bytes}");
    }
    assert_eq!(request(&hex("01 01 10 00")), Ok(None));
}

#[test]
fn an_address_that_is_spelled_as_a_name_is_noticed() {
    for (bytes, spelled) in [
        ("01 01 00 0d 02 00 0a 03 06 3a 3a 31 00 50", false),
        ("01 01 00 0a 02 00 07 03 03 3a 3a 31 00 50", true),
        ("01 00 00 0a 02 00 07 03 03 3a 3a 31 00 50", true),
        // Behind another feature.
        (
            "01 01 00 0f 04 00 02 00 01 02 00 07 03 03 3a 3a 31 00 50",
            true,
        ),
        ("01 01 00 0a 02 00 07 01 7f 00 00 01 00 50", false),
        ("01 01 00 0a 09 00 07 03 03 3a 3a 31 00 50", false),
        ("01 01 00 05 04 00 02 00 01", false),
        ("01 01 00", false),
    ] {
        assert_eq!(spells_address(&hex(bytes)), spelled, "{bytes}");
    }
}

#[test]
fn what_does_not_fit_is_not_written() {
    let long = [b'p'; 256];
    let mut out = BytesMut::new();
    let request = Request {
        auth: Some(Credentials {
            user: b"",
            password: &long,
        }),
        ..Request::new(Command::Connect)
    };
    assert_eq!(request.write(&mut out).unwrap_err().cause, Cause::Limit);
    assert!(out.is_empty());
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        command in (0..16u8).prop_map(Command::from),
        network in prop::sample::select(vec![
            Network::Tcp, Network::Udp, Network::Ip, Network::Unix, Network::Serial,
        ]),
        auth in prop::option::of((
            prop::collection::vec(any::<u8>(), 0..=255),
            prop::collection::vec(any::<u8>(), 0..=255),
        )),
        target in prop::option::of(socks5::tests::any_target()),
        tunnel in prop::option::of(any::<([u8; 16], u8, u8)>()),
        status: u8,
    ) {
        let request = Request {
            command,
            network,
            auth: auth.as_ref().map(|(user, password)| Credentials { user, password }),
            target: target.clone(),
            tunnel: tunnel.map(|(id, flags, weight)| Tunnel { id, flags, weight }),
        };
        let mut out = BytesMut::new();
        request.write(&mut out).unwrap();
        prop_assert_eq!(unit(&out, super::tests::request), request);

        let response = Response { status: status.into(), target };
        let mut out = BytesMut::new();
        response.write(&mut out).unwrap();
        prop_assert_eq!(unit(&out, super::tests::response), response);
    }

    #[test]
    fn garbage_is_refused_or_incomplete(
        code: u8,
        len in 0..5000u16,
        rest in prop::collection::vec(prop_oneof![3 => 0..5u8, 1 => any::<u8>()], 0..200),
    ) {
        let mut bytes = vec![VERSION, code];
        bytes.extend(len.to_be_bytes());
        bytes.extend(&rest);
        let whole = rest.len() >= usize::from(len);
        for parsed in [request(&bytes).map(|one| one.is_some()), response(&bytes).map(|one| one.is_some())] {
            match parsed {
                Ok(complete) => prop_assert_eq!(complete, whole),
                Err(fail) => prop_assert!(whole || fail.cause == Cause::Limit),
            }
        }
    }
}
