use super::*;

fn plan() -> WsServer {
    WsServer::new("/ws")
}

/// The outcome, what was answered, and what is left.
fn serve(plan: &WsServer, text: &str) -> (Result<Option<Agreed>, Fail>, String, BytesMut) {
    let mut rx = BytesMut::from(text);
    let mut out = Vec::new();
    let mut server = Server::new(plan.compression.then(Deflate::default));
    let result = server.recv(plan, Carries::Smux, &mut rx, &Limits::default(), &mut out);
    (result, String::from_utf8(out).unwrap(), rx)
}

const GOOD: &str = "GET /ws HTTP/1.1\r\nHost: a:80\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                    Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n\r\n";

const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\n\
                        Upgrade: websocket\r\n\
                        Connection: Upgrade\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
                        \r\n";

const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\n\
                         Content-Type: text/plain; charset=utf-8\r\n\
                         X-Content-Type-Options: nosniff\r\n\
                         Content-Length: 19\r\n\
                         \r\n\
                         404 page not found\n";

const BAD_REQUEST: &str = "HTTP/1.1 400 Bad Request\r\n\
                           Content-Type: text/plain; charset=utf-8\r\n\
                           Sec-Websocket-Version: 13\r\n\
                           X-Content-Type-Options: nosniff\r\n\
                           Content-Length: 12\r\n\
                           \r\n\
                           Bad Request\n";

#[test]
fn the_response_is_gosts_and_early_data_is_kept() {
    let (result, out, rest) = serve(&plan(), &format!("{GOOD}early"));
    assert_eq!(result.unwrap(), Some(Agreed::default()));
    assert_eq!(out, ACCEPTED);
    assert_eq!(&rest[..], b"early");
}

#[test]
fn requests_that_gost_accepts_are_accepted() {
    for (from, to) in [
        ("GET /ws ", "GET /ws?ed=2048 "),
        ("GET /ws ", "GET /%77s "),
        ("GET /ws ", "GET http://other/ws "),
        ("HTTP/1.1", "HTTP/1.0"),
        ("Connection: Upgrade", "Connection: keep-alive, upgrade"),
        ("Upgrade: websocket", "Upgrade: WebSocket"),
        ("\r\n\r\n", "\r\nOrigin: http://evil\r\n\r\n"),
    ] {
        let (result, out, _) = serve(&plan(), &GOOD.replacen(from, to, 1));
        assert!(matches!(result, Ok(Some(_))), "{to}: {result:?}");
        assert_eq!(out, ACCEPTED);
    }
}

#[test]
fn requests_are_refused_as_gost_does() {
    for (from, to, expected) in [
        ("GET /ws ", "GET /other ", NOT_FOUND),
        ("GET /ws ", "GET /ws/ ", NOT_FOUND),
        ("GET /ws ", "POST /WS ", NOT_FOUND),
        ("Connection: Upgrade\r\n", "", BAD_REQUEST),
        ("Upgrade: websocket", "Upgrade: h2c", BAD_REQUEST),
        ("Version: 13", "Version: 8", BAD_REQUEST),
        ("bXBs", "bXB!", BAD_REQUEST),
        ("dGhl", "", BAD_REQUEST),
    ] {
        let (result, out, _) = serve(&plan(), &GOOD.replacen(from, to, 1));
        assert!(matches!(result, Ok(None)), "{to}: {result:?}");
        assert_eq!(out, expected, "{to}");
    }
    let (_, out, _) = serve(&plan(), &GOOD.replacen("GET", "POST", 1));
    assert!(out.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
    assert!(out.ends_with("\r\nContent-Length: 19\r\n\r\nMethod Not Allowed\n"));
}

#[test]
fn after_a_refusal_the_connection_may_be_used_again() {
    let wrong = GOOD.replacen("/ws", "/", 1);
    let mut server = Server::default();
    let mut rx = BytesMut::from(wrong.as_str());
    let result = server.recv(
        &plan(),
        Carries::Smux,
        &mut rx,
        &Limits::default(),
        &mut Vec::new(),
    );
    assert!(matches!(result, Ok(None)));
    let refused = server.refused().map(|fail| fail.text);
    let expected = "GET / answered with 404, expected path /ws";
    assert_eq!(refused.as_deref(), Some(expected));
    assert_eq!(server.refused(), None, "told once");
    assert_eq!(
        server.unfinished("closed", b"GET"),
        "closed after 3 bytes of the next request head"
    );
    let (result, out, _) = serve(&plan(), &format!("{wrong}{GOOD}"));
    assert!(matches!(result, Ok(Some(_))));
    assert_eq!(out, format!("{NOT_FOUND}{ACCEPTED}"));
}

#[test]
fn a_refused_body_ends_the_connection() {
    let text = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n";
    let (result, out, _) = serve(&plan(), text);
    assert_eq!(
        result.unwrap_err().text,
        "POST / answered with 404, expected path /ws"
    );
    assert!(out.contains("\r\nConnection: close\r\n"));
}

#[test]
fn an_upgrade_has_no_body() {
    let request = GOOD.replacen("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\n", 1);
    let (result, out, _) = serve(&plan(), &format!("{request}12345"));
    assert!(result.unwrap_err().text.ends_with("400, expected no body"));
    assert!(out.starts_with("HTTP/1.1 400 Bad Request\r\n"));
    assert!(out.contains("\r\nConnection: close\r\n"));
}

#[test]
fn what_is_no_request_is_named() {
    let hello = "\u{16}\u{3}\u{1}\u{2}";
    assert_eq!(
        serve(&plan(), hello).0.unwrap_err().text,
        "a TLS record, expected an HTTP/1 request"
    );
}

#[test]
fn no_request_ends_the_connection() {
    for (text, line) in [
        ("\u{16}\u{3}\u{1}", "400 Bad Request"),
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", "400 Bad Request"),
        ("hello\r\n\r\n", "400 Bad Request"),
        (
            "GET /ws HTTP/1.1\r\n\r\n",
            "400 Bad Request: missing required Host header",
        ),
        (
            &format!("GET /{}", "a".repeat(17000)),
            "431 Request Header Fields Too Large",
        ),
        (
            &format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101)),
            "431 Request Header Fields Too Large",
        ),
    ] {
        let (result, out, _) = serve(&plan(), text);
        assert!(result.is_err());
        assert!(out.starts_with(&format!("HTTP/1.1 {line}\r\n")), "{out}");
        assert!(out.contains("\r\nConnection: close\r\n"));
    }
}

#[test]
fn headers_of_the_listener_follow_in_order() {
    let headers = [
        ("x-z", "1\r\nX-Evil: 2"),
        ("x-a", "3"),
        ("Upgrade", "h2c"),
        ("sec-websocket-protocol", "chat"),
        ("server", "nginx"),
    ];
    let plan = WsServer {
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        compression: true,
        ..plan()
    };
    let request = GOOD.replacen(
        "\r\n\r\n",
        "\r\nX-Mux-Half-Close: 1\r\nSec-WebSocket-Extensions: permessage-deflate; \
         client_max_window_bits\r\n\r\n",
        1,
    );
    let (result, out, _) = serve(&plan, &request);
    assert_eq!(
        result.unwrap(),
        Some(Agreed {
            deflate: Some(Deflate::default()),
            half_close: true,
            ends: false,
            client: None,
            signals: false,
            mux_v2: false,
            hops: 0,
        })
    );
    assert_eq!(
        out,
        ACCEPTED.replacen(
            "\r\n\r\n",
            "\r\nSec-WebSocket-Protocol: chat\r\n\
             Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
             client_no_context_takeover\r\n\
             X-Mux-Half-Close: 1\r\n\
             X-Z: 1  X-Evil: 2\r\nX-A: 3\r\nServer: nginx\r\n\r\n",
            1
        )
    );
}

#[test]
fn a_circle_is_refused() {
    let with = |value: &str| {
        let request = GOOD.replacen("\r\n\r\n", &format!("\r\nX-Proxy-Hops: {value}\r\n\r\n"), 1);
        serve(&plan(), &request)
    };
    for hops in [0, 1, 8] {
        let agreed = with(&hops.to_string()).0.unwrap().expect("an upgrade");
        assert_eq!(agreed.hops, hops);
    }
    for (value, status) in [
        ("9", "508 Loop Detected"),
        ("255", "508"),
        ("256", "400"),
        ("x", "400"),
    ] {
        let (_, out, _) = with(value);
        assert!(
            out.starts_with(&format!("HTTP/1.1 {status}")),
            "{value}: {out}"
        );
    }
}

#[test]
fn paths_match_exactly_or_below() {
    for (pattern, path, expected) in [
        ("/ws", "/ws", true),
        ("/ws", "/ws/a", false),
        ("/ws/", "/ws/", true),
        ("/ws/", "/ws/a/b", true),
        ("/ws/", "/ws", false),
        ("/", "/anything", true),
        ("/{x}", "/%7Bx%7D", true),
        ("/{x}", "/a", false),
        ("/a%20b", "/a%2520b", true),
        ("/a b", "/a%20b", true),
        ("/a%", "/a%", true),
        ("/", "*", false),
    ] {
        assert_eq!(path_matches(pattern, path), expected, "{pattern} {path}");
    }
}

#[test]
fn hosts_match_without_case_and_with_a_named_port() {
    for (expected, host, matches) in [
        ("a.example", "A.Example:8443", true),
        ("a.example:443", "a.example:443", true),
        ("a.example:443", "a.example", false),
        ("a.example", "b.example", false),
        ("::1", "::1", true),
        ("[::1]", "[::1]:80", true),
        ("a.example", "", false),
    ] {
        assert_eq!(host_matches(expected, host.as_bytes()), matches, "{host}");
    }
    let plan = WsServer {
        host: Some("a".into()),
        ..plan()
    };
    assert_eq!(serve(&plan, GOOD).1, ACCEPTED);
    let other = GOOD.replacen("Host: a", "Host: b", 1);
    assert_eq!(serve(&plan, &other).1, NOT_FOUND);
    // The authority of an absolute target takes precedence.
    let absolute = other.replacen("GET /ws", "GET http://a/ws", 1);
    assert_eq!(serve(&plan, &absolute).1, ACCEPTED);
}
