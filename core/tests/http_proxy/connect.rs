//! CONNECT, credentials, and what is refused.

use std::time::Duration;

use ginnel_core::error::Cause;

use crate::rig::Rig;

const OK: &str = "HTTP/1.1 200 Connection established\r\nProxy-Agent: gost/3.0\r\n\r\n";

#[test]
fn connect_opens_a_tunnel_and_leaves_early_bytes_to_it() {
    let mut rig = Rig::new();
    rig.client("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\nhello");
    assert_eq!(rig.news(), "dial example.com:443, tunnel");
    assert_eq!((rig.down().as_str(), rig.up().as_str()), (OK, ""));
    assert_eq!(&rig.client_rx[..], b"hello");
}

#[test]
fn connect_takes_what_real_clients_send() {
    for (request, target) in [
        ("CONNECT h:22 HTTP/1.0\r\n\r\n", "h:22"),
        ("CONNECT h:22 HTTP/1.1\r\n\r\n", "h:22"),
        ("\r\n\r\nCONNECT h:22 HTTP/1.1\r\n\r\n", "h:22"),
        (
            "CONNECT [::1]:22 HTTP/1.1\r\nHost: [::1]:22\r\n\r\n",
            "[::1]:22",
        ),
        (
            "CONNECT 10.1.2.3:99 HTTP/1.1\r\nHost: 10.1.2.3:99\r\nUser-Agent: Go-http-client/1.1\r\nProxy-Connection: keep-alive\r\n\r\n",
            "10.1.2.3:99",
        ),
        ("CONNECT h:22 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "h:22"),
        (
            "CONNECT h:22 HTTP/1.1\r\nGost-Target: T2WmIFpYaGhiWEJzWlM1amIyMDZORFF6\r\n\r\n",
            "h:22",
        ),
    ] {
        let mut rig = Rig::new();
        rig.client(request);
        assert_eq!(rig.news(), format!("dial {target}, tunnel"), "{request}");
        assert_eq!(rig.down(), OK);
    }
}

#[test]
fn the_agent_is_configurable_and_can_be_silent() {
    let mut rig = Rig::new();
    rig.handler.http.agent = String::new();
    rig.client("CONNECT h:1 HTTP/1.1\r\n\r\n");
    assert_eq!(rig.down(), "HTTP/1.1 200 Connection established\r\n\r\n");
}

#[test]
fn a_failed_connect_says_why_without_naming_our_nodes() {
    for (cause, status, text) in [
        (Cause::TimedOut, "504 Gateway Timeout", "h:443: timed out\n"),
        (Cause::Denied, "403 Forbidden", "h:443: not allowed\n"),
        (
            Cause::Refused,
            "502 Bad Gateway",
            "h:443: connection refused\n",
        ),
        (
            Cause::NameNotFound,
            "502 Bad Gateway",
            "h:443: name not found\n",
        ),
        (
            Cause::Auth,
            "502 Bad Gateway",
            "h:443: an upstream proxy refused our credentials\n",
        ),
    ] {
        let mut rig = Rig::failing(cause);
        rig.handler.http.headers = vec![("X-Own".into(), "1".into())];
        rig.client("CONNECT h:443 HTTP/1.1\r\n\r\n");
        assert_eq!(rig.news(), "dial h:443, close");
        let length = text.len();
        assert_eq!(
            rig.down(),
            format!(
                "HTTP/1.1 {status}\r\nConnection: close\r\nProxy-Agent: gost/3.0\r\nX-Own: 1\r\n\
                 Content-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\r\n{text}"
            )
        );
    }
}

/// HTTP/1.0 has no 504, and 502 for invalid responses alone.
#[test]
fn an_old_client_is_told_that_a_target_is_not_reached() {
    for (cause, status) in [
        (Cause::Refused, 503),
        (Cause::TimedOut, 503),
        (Cause::NameNotFound, 503),
        (Cause::Denied, 403),
        (Cause::Protocol, 502),
    ] {
        let mut rig = Rig::failing(cause);
        rig.client("CONNECT h:443 HTTP/1.0\r\n\r\n");
        let down = rig.down();
        assert!(down.starts_with(&format!("HTTP/1.1 {status} ")), "{down}");
    }
}

#[test]
fn a_reply_to_head_has_no_body() {
    let mut rig = Rig::failing(Cause::Refused);
    rig.client("HEAD http://h/ HTTP/1.1\r\nHost: h\r\n\r\n");
    let down = rig.down();
    assert!(
        down.starts_with("HTTP/1.1 502 ") && down.ends_with("\r\n\r\n"),
        "{down}"
    );
    assert!(down.contains("Content-Length: 25\r\n"), "{down}");
}

#[test]
fn what_cannot_be_understood_or_served_is_refused() {
    for (request, status) in [
        // Targets.
        ("CONNECT h HTTP/1.1\r\n\r\n", 400),
        ("CONNECT h: HTTP/1.1\r\n\r\n", 400),
        ("CONNECT :443 HTTP/1.1\r\n\r\n", 400),
        ("CONNECT h:0 HTTP/1.1\r\n\r\n", 400),
        ("CONNECT h:+1 HTTP/1.1\r\n\r\n", 400),
        ("CONNECT h:65536 HTTP/1.1\r\n\r\n", 400),
        ("CONNECT ::1:443 HTTP/1.1\r\n\r\n", 400),
        ("CONNECT [::1]443 HTTP/1.1\r\n\r\n", 400),
        ("CONNECT [h]:443 HTTP/1.1\r\n\r\n", 400),
        ("CONNECT u@h:443 HTTP/1.1\r\n\r\n", 400),
        ("CONNECT http://h:443/ HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: \r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: bad!\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h:0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", 400),
        ("GET /#x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET https://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET http:///x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET http://a@b@h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET http://h\\@x/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET http://h:80:80/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET http://h/#f HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("PRI * HTTP/2.0\r\n\r\n", 400),
        // Smuggling.
        (
            "POST http://h/ HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (
            "POST http://h/ HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            400,
        ),
        ("POST http://h/ HTTP/1.1\r\nContent-Length: +5\r\n\r\n", 400),
        (
            "POST http://h/ HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
            400,
        ),
        (
            "POST http://h/ HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            501,
        ),
        (
            "POST http://h/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (
            "POST http://h/ HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n",
            400,
        ),
        (
            "POST http://h/ HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
            400,
        ),
        ("GET http://h/ HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400),
        ("GET http://h/ HTTP/1.1\r\nA: b\rX: c\r\n\r\n", 400),
        ("GET http://h/ HTTP/1.1\r\nA: b\x00c\r\n\r\n", 400),
        ("GET http://h/\x01 HTTP/1.1\r\n\r\n", 400),
        ("GET http://h/ HTTP/1.1\nHost: h\r\n\r\n", 400),
        ("CONNECT h:1 HTTP/1.1\r\nContent-Length: 5\r\n\r\n", 400),
        (
            "CONNECT h:1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        ("TRACE http://h/ HTTP/1.1\r\nMax-Forwards: 0\r\n\r\n", 501),
        // Other protocols are recognised by their first byte.
        ("\x05\x01\x00", 400),
        ("\x16\x03\x01", 400),
    ] {
        let mut rig = Rig::new();
        rig.client(request);
        let down = rig.down();
        assert!(
            down.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:?}: {down}"
        );
        assert!(down.contains("\r\nConnection: close\r\n"), "{down}");
        assert!(rig.news().starts_with("end "), "{request:?}");
        assert_eq!(rig.up(), "");
    }
}

#[test]
fn a_browser_that_takes_us_for_a_web_server_is_told() {
    let mut rig = Rig::new();
    rig.client("GET / HTTP/1.0\r\n\r\n");
    assert!(rig.down().contains("this is a proxy"));
}

#[test]
fn udp_over_http_is_refused_as_gost_does() {
    let mut rig = Rig::new();
    rig.client("CONNECT 8.8.8.8:53 HTTP/1.1\r\nHost: 8.8.8.8:53\r\nX-Gost-Protocol: udp\r\n\r\n");
    assert_eq!(
        rig.down(),
        "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    assert_eq!(rig.news(), "end Denied");
}

#[test]
fn heads_are_bounded() {
    let mut rig = Rig::new();
    rig.client("GET http://h/");
    rig.client("a".repeat(16 * 1024));
    assert!(rig.down().starts_with("HTTP/1.1 431 "));
    assert_eq!(rig.news(), "end Limit");

    let mut rig = Rig::new();
    let fields = "A: b\r\n".repeat(101);
    rig.client(format!("GET http://h/ HTTP/1.1\r\n{fields}\r\n"));
    assert!(rig.down().starts_with("HTTP/1.1 431 "));
}

#[test]
fn a_slow_head_is_given_up_but_a_silent_connection_is_not() {
    let mut rig = Rig::new();
    assert_eq!(rig.proxy.next_timeout(), None);
    rig.client("G");
    rig.wait(Duration::from_secs(14));
    rig.client("E");
    assert_eq!((rig.news(), rig.down()), (String::new(), String::new()));
    rig.wait(Duration::from_secs(1));
    assert!(rig.down().starts_with("HTTP/1.1 408 "));
    assert_eq!(rig.news(), "end TimedOut");
    assert_eq!(rig.proxy.next_timeout(), None);
}

#[test]
fn missing_credentials_are_asked_for() {
    let mut rig = Rig::with_user("user", "pa:ss");
    rig.handler.http.realm = "a \"b\"".into();
    rig.client("CONNECT h:1 HTTP/1.1\r\nProxy-Connection: Keep-Alive\r\n\r\n");
    assert_eq!(
        rig.down(),
        "HTTP/1.1 407 Proxy Authentication Required\r\nConnection: close\r\n\
         Proxy-Authenticate: Basic realm=\"a \\\"b\\\"\"\r\nProxy-Connection: close\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Length: 27\r\n\r\n\
         this proxy requires a user\n"
    );
    assert_eq!(rig.news(), "end Auth");
}

#[test]
fn credentials_are_read_leniently_and_compared_strictly() {
    for (value, accepted) in [
        ("Basic dXNlcjpwYTpzcw==", true),
        ("bAsIc \t dXNlcjpwYTpzcw== ", true),
        ("BasicdXNlcjpwYTpzcw==", false),
        ("Bearer dXNlcjpwYTpzcw==", false),
        ("Basic dXNlcjpwYTpzcw", false),
        ("Basic dXNlcjpwYQ==", false),
        ("Basic dXNlcg==", false),
        ("Basic", false),
        ("Basic \u{e9}", false),
        ("", false),
    ] {
        let mut rig = Rig::with_user("user", "pa:ss");
        rig.client(format!(
            "CONNECT h:1 HTTP/1.1\r\nProxy-Authorization: {value}\r\n\r\n"
        ));
        assert_eq!(rig.down() == OK, accepted, "{value:?}");
    }
}

#[test]
fn every_request_needs_credentials() {
    let mut rig = Rig::with_user("user", "pa:ss");
    let (_, up, _) = rig.exchange(
        "GET http://h/ HTTP/1.1\r\nHost: h\r\nProxy-Authorization: Basic dXNlcjpwYTpzcw==\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
    );
    assert_eq!(up, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    rig.client("GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(rig.down().starts_with("HTTP/1.1 407 "));
    assert_eq!(rig.news(), "end Auth");
    assert_eq!(rig.up(), "");
}

#[test]
fn connect_may_follow_on_a_kept_connection() {
    let mut rig = Rig::new();
    rig.exchange(
        "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
    );
    rig.client("CONNECT h:80 HTTP/1.1\r\n\r\n");
    assert_eq!(rig.news(), "dial h:80, tunnel");
    assert_eq!(rig.down(), OK);
}

#[test]
fn input_waits_while_a_dial_is_under_way() {
    let mut rig = Rig::new();
    rig.slow_dial = true;
    rig.client("CONNECT h:1 HTTP/1.1\r\n\r\n");
    rig.client("early");
    assert_eq!(
        rig.proxy.request().map(|(method, _)| method),
        Some("CONNECT")
    );
    rig.dial_done(Ok(()));
    assert_eq!(
        (rig.news().as_str(), rig.down().as_str()),
        ("dial h:1, tunnel", OK)
    );
    assert_eq!(&rig.client_rx[..], b"early");
}

#[test]
fn a_client_may_half_close_behind_its_request() {
    let mut rig = Rig::new();
    rig.slow_dial = true;
    rig.client("CONNECT h:1 HTTP/1.1\r\n\r\n");
    rig.client_end();
    rig.dial_done(Ok(()));
    assert_eq!(rig.news(), "dial h:1, tunnel");
}
