//! Plain requests: what the origin sees, what the client sees.

use ginnel_core::error::Cause;

use crate::rig::Rig;

const GET: &str = "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n";

/// What an origin gets for this request.
fn seen(request: &str) -> String {
    let mut rig = Rig::new();
    rig.client(request);
    rig.up()
}

/// What a client gets for this response to this request, and what becomes of the connections.
fn answered(request: &str, response: &str) -> (String, String) {
    let mut rig = Rig::new();
    rig.client(request);
    rig.news();
    rig.upstream(response);
    (rig.down(), rig.news())
}

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
fn bodies_pass_in_both_directions() {
    let mut rig = Rig::new();
    let (news, up, down) = rig.exchange(
        "POST http://h/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\nTrailer: A\r\n\r\n\
         3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n",
        "HTTP/1.1 200 Fine\r\nETag: 1\r\ncontent-length: 3\r\nConnection: X\r\nX: 1\r\n\
         Proxy-Authenticate: x\r\nKeep-Alive: timeout=5\r\n\r\nxyz",
    );
    assert_eq!(
        up,
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n\
         3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n"
    );
    assert_eq!(
        down,
        "HTTP/1.1 200 Fine\r\nETag: 1\r\ncontent-length: 3\r\n\r\nxyz"
    );
    assert_eq!(news, "dial h:80");
    assert!(!rig.over);
}

#[test]
fn responses_are_framed_for_the_client() {
    let legacy = "GET http://h/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let head = "HEAD http://h/ HTTP/1.1\r\nHost: h\r\n\r\n";
    for (request, response, expected, news) in [
        // Chunks with trailers go through as they are.
        (
            GET,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nT: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nT: 1\r\n\r\n",
            "",
        ),
        // Both framings: chunked wins, and the origin is not trusted with a second request.
        (
            GET,
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "drop",
        ),
        // HTTP/1.0 knows no chunks and no persistence through a proxy.
        (
            legacy,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\nT: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc",
            "close",
        ),
        (
            legacy,
            "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\na",
            "close",
        ),
        // No body, whatever the fields say.
        (
            head,
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "",
        ),
        (
            GET,
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            "",
        ),
        (
            GET,
            "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "",
        ),
        // The origin's own persistence does not concern the client.
        (
            GET,
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\na",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
            "drop",
        ),
        (
            GET,
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
            "drop",
        ),
        (
            GET,
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\na",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
            "",
        ),
        // Bytes behind the response answer nothing.
        (
            GET,
            "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "drop",
        ),
        (
            GET,
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
            "drop",
        ),
        (
            GET,
            "HTTP/1.1 407 Mine\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 407 Mine\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
            "",
        ),
        (
            GET,
            "HTTP/1.1 426 No\r\nUpgrade: TLS/1.2\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 426 No\r\nContent-Length: 0\r\nUpgrade: TLS/1.2\r\nConnection: Upgrade\r\n\r\n",
            "",
        ),
        (
            GET,
            "HTTP/1.1 200 OK\r\nUpgrade: h2\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "",
        ),
    ] {
        let got = answered(request, response);
        assert_eq!(got, (expected.to_owned(), news.to_owned()), "{response:?}");
    }
}

#[test]
fn a_body_until_the_end_closes_both() {
    let mut rig = Rig::new();
    rig.client(GET);
    rig.upstream("HTTP/1.1 200 OK\r\n\r\nabc");
    rig.upstream("def");
    rig.news();
    rig.upstream_end(Ok(()));
    assert_eq!(
        rig.down(),
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcdef"
    );
    assert_eq!(rig.news(), "close");
}

#[test]
fn a_cut_body_never_looks_complete() {
    for (response, how) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", Ok(())),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            Ok(()),
        ),
        ("HTTP/1.1 200 OK\r\n\r\nabc", Err(Cause::Reset)),
    ] {
        let mut rig = Rig::new();
        rig.client(GET);
        rig.upstream(response);
        rig.news();
        rig.upstream_end(how);
        assert!(rig.news().starts_with("reset "), "{response:?}");
    }
    let (_, news) = answered(
        GET,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabX",
    );
    assert_eq!(news, "reset Protocol");
}

#[test]
fn bad_responses_become_502() {
    let long = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "a".repeat(16 * 1024));
    for response in [
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 099 Low\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        &long,
    ] {
        let (down, news) = answered(GET, response);
        assert!(
            down.starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
            "{response}: {down}"
        );
        assert!(news.starts_with("end "), "{news}");
    }
}

#[test]
fn interim_responses_reach_the_client_at_once() {
    let mut rig = Rig::new();
    rig.client(
        "POST http://h/ HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
    );
    assert_eq!(
        rig.up(),
        "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    );
    rig.upstream("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    assert_eq!(
        rig.down(),
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    );
    rig.client("abc");
    assert_eq!(rig.up(), "abc");
    rig.upstream("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(rig.down(), "HTTP/1.1 204 No Content\r\n\r\n");
    assert!(!rig.over);
}

#[test]
fn an_expectation_of_http_1_0_is_ignored() {
    assert_eq!(
        seen("POST http://h/ HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n"),
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
}

#[test]
fn an_early_refusal_is_passed_on_while_the_body_still_flows() {
    let mut rig = Rig::new();
    rig.client("POST http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc");
    rig.up();
    rig.upstream("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nn");
    assert_eq!(
        rig.down(),
        "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nn"
    );
    rig.client("def");
    assert_eq!(rig.up(), "def");
    rig.news();
    rig.upstream("o");
    assert_eq!((rig.down().as_str(), rig.news().as_str()), ("o", "close"));
}

#[test]
fn a_response_that_overtakes_its_request_ends_the_connection() {
    let mut rig = Rig::new();
    rig.client("POST http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc");
    rig.upstream("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    assert_eq!(rig.down(), "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    assert_eq!(rig.news(), "dial h:80, close");
}

#[test]
fn nothing_switches_within_a_request_body() {
    let (down, _) = answered(
        "POST http://h/ HTTP/1.1\r\nUpgrade: x\r\nConnection: Upgrade\r\nContent-Length: 9\r\n\r\nabc",
        "HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    );
    assert!(down.starts_with("HTTP/1.1 502 "), "{down}");
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

const UPGRADE: &str = "GET http://h/chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, X\r\nX: 1\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n";

#[test]
fn an_upgrade_becomes_a_tunnel() {
    let mut rig = Rig::new();
    rig.client(UPGRADE);
    assert_eq!(
        rig.up(),
        "GET /chat HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Key: k\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\n\r\n"
    );
    rig.client("\u{1}");
    rig.upstream(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n\
         Sec-WebSocket-Accept: a\r\n\r\nframes",
    );
    assert_eq!(
        rig.down(),
        "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: a\r\nUpgrade: WebSocket\r\n\
         Connection: Upgrade\r\n\r\n"
    );
    assert_eq!(rig.news(), "dial h:80, tunnel");
    assert_eq!(
        (&rig.client_rx[..], &rig.upstream_rx[..]),
        (&b"\x01"[..], &b"frames"[..])
    );
    assert_eq!(rig.proxy.next_timeout(), None);
}

#[test]
fn a_declined_upgrade_is_a_plain_response() {
    let (down, news) = answered(UPGRADE, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    assert_eq!(down, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    assert_eq!(news, "");
}

#[test]
fn a_switch_to_something_else_is_refused() {
    for fields in [
        "Upgrade: h2c\r\nConnection: Upgrade\r\n",
        "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\n",
    ] {
        let (down, _) = answered(UPGRADE, &format!("HTTP/1.1 101 Sw\r\n{fields}\r\n"));
        assert!(down.starts_with("HTTP/1.1 502 "), "{fields}: {down}");
    }
}

#[test]
fn upgrade_without_its_connection_option_is_dropped() {
    assert_eq!(
        seen("GET http://h/ HTTP/1.1\r\nUpgrade: h2c\r\n\r\n"),
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    );
}
