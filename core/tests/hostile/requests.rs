//! Requests that two servers could read in two ways are read by none (RFC 9112): refused, not repaired.

use crate::rig::{HTTP, Rig};

fn refused(request: &str) {
    let mut rig = Rig::new(None);
    let id = rig.connect(HTTP);
    rig.say(id, request.as_bytes());
    let heard = rig.hear(id);
    let heard = String::from_utf8_lossy(&heard).into_owned();
    assert!(heard.starts_with("HTTP/1.1 400 "), "{request:?}: {heard:?}");
    assert!(rig.targets.is_empty(), "{request:?}: something was dialed");
    // What follows is not taken for another request.
    assert_eq!(
        heard.matches("HTTP/1.1").count(),
        1,
        "{request:?}: {heard:?}"
    );
    rig.end();
}

fn post(fields: &str) -> String {
    format!(
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    )
}

#[test]
fn ambiguous_lengths() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length:",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked;a=b",
    ] {
        refused(&post(fields));
    }
}

#[test]
fn lines_that_are_no_fields() {
    for fields in [
        "Content-Length : 5",
        "Content-Length\t: 5",
        " Content-Length: 5",
        "A: b\r\n folded",
        "A: b\r\n\tfolded",
        "no colon",
        ": empty",
        "A: b\rC: d",
        "A: b\0c",
        "A(: b",
    ] {
        refused(&post(fields));
    }
    refused("GET http://a.test/ HTTP/1.1\nHost: a.test\n\n");
    refused("GET http://a.test/ HTTP/1.1\r\nHost: a.test\nA: b\r\n\r\n");
    refused("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n");
    refused("GET  http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n");
    refused("GET http://a.test/\tx HTTP/1.1\r\nHost: a.test\r\n\r\n");
    refused("GET http://a.test/ HTTP/1.1 x\r\nHost: a.test\r\n\r\n");
}

/// The target is what the request line says (RFC 9112, 3.2.2), whatever `Host` says.
#[test]
fn the_request_line_outranks_host() {
    let mut rig = Rig::new(None);
    let id = rig.connect(HTTP);
    rig.say(
        id,
        b"GET http://a.test/x HTTP/1.1\r\nHost: evil.test\r\n\r\n",
    );
    let target = rig.targets[0];
    let heard = rig.hear(target);
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.starts_with("GET /x HTTP/1.1\r\n"), "{heard}");
    assert!(heard.contains("\r\nHost: a.test\r\n"), "{heard}");
    assert!(!heard.contains("evil"), "{heard}");
    rig.end();
}

#[test]
fn wrong_chunks_end_the_connection() {
    for body in [
        "x\r\n",
        "5\nhello\r\n",
        "-5\r\n",
        "5\r\nhelloX\r\n",
        "0x5\r\n",
        "11111111111111111\r\n",
    ] {
        let mut rig = Rig::new(None);
        let id = rig.connect(HTTP);
        let head =
            "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
        rig.say(id, format!("{head}{body}").as_bytes());
        for _ in 0..3 {
            if let Some(target) = rig.targets.last().copied() {
                let heard = rig.hear(target);
                let heard = String::from_utf8_lossy(&heard).into_owned();
                assert!(
                    !heard.contains("0\r\n\r\n"),
                    "{body:?}: ended in order: {heard:?}"
                );
            }
        }
        let heard = rig.hear(id);
        let heard = String::from_utf8_lossy(&heard).into_owned();
        assert!(
            heard.is_empty() || heard.starts_with("HTTP/1.1 400 "),
            "{body:?}: {heard:?}"
        );
        assert_eq!(rig.engine.sessions(), 0, "{body:?}: the session goes on");
        rig.end();
    }
}
