//! Plain requests: what the origin sees, and which are refused.

use crate::rig::{Rig, seen};

#[test]
fn the_origin_sees_a_plain_request() {
    assert_eq!(
        seen(
            "GET hTTp://user:pw@H.example:8080/a?b=c HTTP/1.1\r\nACCEPT: */*\r\nHost: other\r\n\
             Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\nKeep-Alive: 5\r\n\
             Connection: X-Mine, keep-alive\r\nx-mine: 1\r\nTE: gzip\r\nx-rest: 2\r\n\r\n"
        ),
        "GET /a?b=c HTTP/1.1\r\nACCEPT: */*\r\nHost: H.example:8080\r\nx-rest: 2\r\n\r\n"
    );
}

#[test]
fn request_targets_become_origin_form() {
    for (line, dialed, first, host) in [
        ("GET http://h", "h:80", "GET / ", "h"),
        ("GET http://h?a=/b", "h:80", "GET /?a=/b ", "h"),
        ("GET http://h:/x", "h:80", "GET /x ", "h"),
        ("GET http://[::1]:81/x", "[::1]:81", "GET /x ", "[::1]:81"),
        (
            "GET http://[fe80::1%25eth0]:81/x",
            "[fe80::1%eth0]:81",
            "GET /x ",
            "[fe80::1]:81",
        ),
        (
            "GET http://[fe80::1%7]",
            "[fe80::1%7]:80",
            "GET / ",
            "[fe80::1]",
        ),
        ("GET http://[::1%25lo]", "[::1]:80", "GET / ", "[::1]"),
        ("GET http://h/a@b:c", "h:80", "GET /a@b:c ", "h"),
        ("OPTIONS http://h", "h:80", "OPTIONS * ", "h"),
        ("OPTIONS http://h/", "h:80", "OPTIONS / ", "h"),
    ] {
        let mut rig = Rig::new();
        rig.client(format!("{line} HTTP/1.1\r\n\r\n"));
        assert_eq!(rig.news(), format!("dial {dialed}"), "{line}");
        assert_eq!(rig.up(), format!("{first}HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    }
}

/// A web server that passes its requests on takes us for another one.
#[test]
fn a_request_for_an_origin_goes_to_its_host() {
    for (host, dialed) in [("h", "h:80"), ("h:81", "h:81"), ("[::1]:81", "[::1]:81")] {
        let mut rig = Rig::new();
        rig.client(format!(
            "GET /a?b HTTP/1.1\r\nHost: {host}\r\nVia: 1.0 nginx\r\n\r\n"
        ));
        assert_eq!(rig.news(), format!("dial {dialed}"));
        let head = format!(
            "GET /a?b HTTP/1.1\r\nHost: {host}\r\nVia: 1.0 nginx\r\nVia: 1.1 ginnel\r\n\r\n"
        );
        assert_eq!(rig.up(), head);
    }
}

#[test]
fn a_host_that_leads_back_to_us_ends_the_circle() {
    let mut request = "GET / HTTP/1.1\r\nHost: proxy\r\n\r\n".to_owned();
    for _ in 0..4 {
        request = seen(&request);
        assert!(
            request.starts_with("GET / HTTP/1.1\r\nHost: proxy\r\n"),
            "{request}"
        );
    }
    let mut rig = Rig::new();
    rig.client(&request);
    let answer = rig.down();
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("in a circle"),
        "{answer}"
    );
    assert_eq!(rig.up(), "");
}

/// Strangers see no difference: who has no user is told so before anything is looked at.
#[test]
fn a_request_for_an_origin_needs_a_user_where_others_do() {
    let mut rig = Rig::with_user("u", "p");
    rig.client("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(rig.down().starts_with("HTTP/1.1 407 "));
    assert_eq!(rig.up(), "");
}

#[test]
fn framing_and_host_survive_a_connection_field_that_names_them() {
    assert_eq!(
        seen(
            "POST http://h/ HTTP/1.1\r\nHost: h\r\nConnection: content-length, host\r\n\
             Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"
        ),
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
    );
}

#[test]
fn te_trailers_is_kept() {
    assert_eq!(
        seen("GET http://h/ HTTP/1.1\r\nTE: gzip, trailers\r\nConnection: TE\r\n\r\n"),
        "GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n\r\n"
    );
}

#[test]
fn max_forwards_counts_down_and_ends_here() {
    assert_eq!(
        seen("OPTIONS http://h/ HTTP/1.1\r\nMax-Forwards: 2\r\n\r\n"),
        "OPTIONS / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 1\r\n\r\n"
    );
    let mut rig = Rig::new();
    rig.client("OPTIONS http://h/ HTTP/1.1\r\nMax-Forwards: 0\r\n\r\n");
    assert!(rig.down().starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!((rig.up().as_str(), rig.news().as_str()), ("", "close"));
}

#[test]
fn an_expectation_of_http_1_0_is_ignored() {
    assert_eq!(
        seen("POST http://h/ HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n"),
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
}

#[test]
fn a_bad_request_body_is_refused_before_and_cut_within_a_response() {
    let post = "POST http://h/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut rig = Rig::new();
    rig.client(post);
    rig.client("3\r\nabc\r\nzz\r\n");
    assert!(rig.down().starts_with("HTTP/1.1 400 "));
    assert_eq!(rig.news(), "dial h:80, end Protocol");

    let mut rig = Rig::new();
    rig.client(post);
    rig.upstream("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
    rig.down();
    rig.client("zz\r\n");
    assert_eq!(
        (rig.down().as_str(), rig.news().as_str()),
        ("", "dial h:80, reset Protocol")
    );
}
