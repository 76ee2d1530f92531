//! Answers of name servers: no bytes surprise the reader, and where a message ends does not depend on what
//! follows it.

use super::script::Script;
use crate::error::Cause;
use crate::wire::dns::{self, Family, Question};

pub fn dns(data: &[u8]) {
    let mut script = Script::new(data);
    let family = match script.option() % 2 {
        0 => Family::V4,
        _ => Family::V6,
    };
    let buf = script.rest();
    let question = Question {
        id: 0,
        name: "a.example".to_owned(),
        family,
        subnet: None,
    };
    let whole = dns::parse_frame(buf);
    for n in 0..buf.len().min(600) {
        let early = dns::parse_frame(&buf[..n]);
        assert!(
            early == Ok(None) || early == whole,
            "{n} bytes gave {early:?}"
        );
    }
    for message in [Some(buf), whole.ok().flatten().map(|(message, _)| message)] {
        let Some(message) = message else { continue };
        match question.read(message) {
            Ok(answer) => {
                assert!(!answer.addrs.is_empty() || answer.ttl == 0);
                let of_family = |ip: &std::net::IpAddr| ip.is_ipv4() == (family == Family::V4);
                assert!(answer.addrs.iter().all(of_family));
                // Records have twelve bytes besides their data.
                assert!(answer.addrs.len() <= message.len() / 12);
            }
            Err(fail) => assert!(matches!(
                fail.cause,
                Cause::Protocol | Cause::NameNotFound | Cause::HostUnreachable
            )),
        }
    }
    // Any name that can be asked for is the question of its own answer.
    let Ok(name) = str::from_utf8(buf) else {
        return;
    };
    let question = Question {
        name: name.to_owned(),
        ..question
    };
    let mut message = Vec::new();
    if question.write(&mut message).is_ok() {
        message[2] |= 0x80;
        let answer = question.read(&message).expect("an answer without records");
        assert!(answer.addrs.is_empty());
    }
}
