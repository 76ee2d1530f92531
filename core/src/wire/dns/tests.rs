use super::*;
use crate::wire::testing::{hex, unit};

fn question(family: Family) -> Question {
    Question {
        id: 0x1234,
        name: "www.Example.com".to_owned(),
        family,
        subnet: None,
    }
}

/// `www.example.com`, an alias of `example.com`, and its address.
const ANSWER: &str = "12 34 81 80 00 01 00 02 00 00 00 00 \
    03 77 77 77 07 65 78 61 6d 70 6c 65 03 63 6f 6d 00 00 01 00 01 \
    c0 0c 00 05 00 01 00 00 00 1e 00 02 c0 10 \
    c0 10 00 01 00 01 00 00 0e 10 00 04 c0 00 02 01";

#[test]
fn questions_are_those_of_the_rfc() {
    let mut out = Vec::new();
    question(Family::V6).write(&mut out).unwrap();
    let expected = "12 34 01 00 00 01 00 00 00 00 00 00 \
        03 77 77 77 07 45 78 61 6d 70 6c 65 03 63 6f 6d 00 00 1c 00 01";
    assert_eq!(out, hex(expected));
}

#[test]
fn a_subnet_is_told_without_the_rest_of_the_address() {
    for (subnet, record) in [
        (
            "192.0.2.77",
            "00 00 29 04 d0 00 00 00 00 00 0b 00 08 00 07 00 01 18 00 c0 00 02",
        ),
        (
            "2001:db8:1:2ff::1",
            "00 00 29 04 d0 00 00 00 00 00 0f 00 08 00 0b 00 02 38 00 20 01 0d b8 00 01 02",
        ),
    ] {
        let question = Question {
            subnet: Some(subnet.parse().unwrap()),
            ..question(Family::V4)
        };
        let mut out = Vec::new();
        question.write(&mut out).unwrap();
        assert_eq!(out[10..12], [0, 1]);
        assert!(out.ends_with(&hex(record)), "{out:02x?}");
    }
}

#[test]
fn aliases_count_for_the_time_and_not_as_addresses() {
    let answer = question(Family::V4).read(&hex(ANSWER)).unwrap();
    assert_eq!(answer.addrs, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
    assert_eq!(answer.ttl, 30);
    assert!(!answer.truncated);
}

#[test]
fn an_answer_is_good_for_its_shortest_time() {
    for (alias, address, expected) in [
        ("00 00 00 1e", "00 00 0e 10", 30),
        ("00 01 00 02", "00 01 00 01", 0x10001),
        ("7f ff ff ff", "00 ff ff ff", 0x00ff_ffff),
        // RFC 2181, 8.
        ("80 00 00 1e", "00 00 0e 10", 0),
        ("00 00 0e 10", "ff ff ff ff", 0),
    ] {
        let message = ANSWER.replace("00 00 00 1e", alias);
        let message = hex(&message.replace("00 00 0e 10", address));
        let answer = question(Family::V4).read(&message).unwrap();
        assert_eq!(answer.ttl, expected, "{alias} {address}");
    }
}

#[test]
fn answers_to_other_questions_are_refused() {
    let message = hex(ANSWER);
    let other_family = question(Family::V6);
    let other_id = Question {
        id: 1,
        ..question(Family::V4)
    };
    let other_name = Question {
        name: "www.example.org".to_owned(),
        ..question(Family::V4)
    };
    for other in [other_family, other_id, other_name] {
        assert_eq!(other.read(&message).unwrap_err().cause, Cause::Protocol);
    }
    let mut asked = message.clone();
    asked[2] &= 0x7f;
    assert!(
        question(Family::V4).read(&asked).is_err(),
        "a question is no answer"
    );
}

#[test]
fn codes_are_causes() {
    for (code, cause, text) in [
        (1, Cause::HostUnreachable, "the question is malformed (1)"),
        (2, Cause::HostUnreachable, "server failure (2)"),
        (3, Cause::NameNotFound, "there is no such name"),
        (4, Cause::HostUnreachable, "not implemented (4)"),
        (5, Cause::HostUnreachable, "refused (5)"),
        (6, Cause::HostUnreachable, "error (6)"),
    ] {
        let mut message = hex(ANSWER);
        message[3] = 0x80 | code;
        let fail = question(Family::V4).read(&message).unwrap_err();
        assert_eq!(fail.cause, cause, "{code}");
        assert!(fail.text.ends_with(text), "{fail}");
    }
}

#[test]
fn an_answer_that_is_cut_is_an_error_unless_it_says_so() {
    let message = hex(ANSWER);
    for n in 0..message.len() {
        let fail = question(Family::V4).read(&message[..n]).unwrap_err();
        assert_eq!(fail.cause, Cause::Protocol, "{n} bytes");
    }
    let mut message = message[..message.len() - 16].to_vec();
    message[2] |= 2;
    let answer = question(Family::V4).read(&message).unwrap();
    assert!(answer.truncated && answer.addrs.is_empty());
}

#[test]
fn names_that_point_forwards_or_to_themselves_are_refused() {
    for pointer in ["c0 21", "c0 ff", "c0 0b", "80 00"] {
        let message = ANSWER.replacen("c0 0c", pointer, 1);
        assert!(
            question(Family::V4).read(&hex(&message)).is_err(),
            "{pointer}"
        );
    }
}

#[test]
fn names_that_dns_cannot_have_are_not_asked_for() {
    let long = "a.".repeat(127) + "b";
    let label = "x".repeat(64);
    for name in ["", "a..b", ".a", &long, &label] {
        let question = Question {
            name: name.to_owned(),
            ..question(Family::V4)
        };
        let mut out = Vec::new();
        assert_eq!(
            question.write(&mut out).unwrap_err().cause,
            Cause::NameNotFound,
            "{name}"
        );
    }
    let mut out = Vec::new();
    let longest = "a.".repeat(126) + "b";
    for name in ["localhost", "a.example.", &longest] {
        let question = Question {
            name: name.to_owned(),
            ..question(Family::V4)
        };
        assert!(question.write(&mut out).is_ok(), "{name}");
    }
}

#[test]
fn messages_of_a_stream_stand_behind_their_length() {
    let framed = frame(&[7; 300]).unwrap();
    assert_eq!(framed[..2], [1, 44]);
    assert_eq!(unit(&framed, parse_frame), &[7; 300]);
    assert!(frame(&[0; 65536]).is_err());
}
