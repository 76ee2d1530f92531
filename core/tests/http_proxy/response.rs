//! Responses: how they are framed for the client, and what is made of bad ones.

use ginnel_core::error::Cause;

use crate::rig::{GET, Rig, answered};

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
