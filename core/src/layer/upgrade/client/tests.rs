use super::*;

const KEY: [u8; 16] = [
    0x6e, 0xa8, 0x01, 0xfe, 0x5b, 0x2e, 0xad, 0x1d, 0xa2, 0x85, 0x62, 0x91, 0x78, 0x6f, 0x1b, 0x83,
];

fn plan() -> WsClient {
    WsClient::new("127.0.0.1:8443", "/ws")
}

fn request(plan: &WsClient, mux: bool) -> Result<String, Fail> {
    let carries = match mux {
        true => Carries::Smux,
        false => Carries::Stream,
    };
    Client::new(KEY, carries, plan.compression.then(Deflate::default))
        .request(plan)
        .map(|bytes| String::from_utf8(bytes).unwrap())
}

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn the_request_is_gosts_and_makes_an_offer() {
    for (carries, offer) in [
        (Carries::Messages, ""),
        (Carries::Stream, "X-Websocket-Half-Close: 1\r\n"),
        (Carries::Smux, "X-Mux-Half-Close: 1\r\nX-Mux-Signals: 1\r\n"),
    ] {
        let request = Client::new(KEY, carries, None).request(&plan()).unwrap();
        let gosts = "GET /ws HTTP/1.1\r\n\
         Host: 127.0.0.1:8443\r\n\
         User-Agent: Go-http-client/1.1\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Key: bqgB/lsurR2ihWKReG8bgw==\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Upgrade: websocket\r\n\
         ";
        let expected = format!("{gosts}{offer}\r\n");
        assert_eq!(String::from_utf8(request).unwrap(), expected);
    }
}

#[test]
fn a_proxy_among_proxies_counts_them() {
    let request = Client::new(KEY, Carries::Messages, None)
        .after(3)
        .request(&plan())
        .unwrap();
    let request = String::from_utf8(request).unwrap();
    assert!(request.contains("\r\nX-Proxy-Hops: 3\r\n"), "{request}");
}

#[test]
fn custom_headers_are_spelled_and_sorted() {
    let plan = WsClient {
        headers: headers(&[
            ("cookie", "a=1\r\nEvil: yes"),
            ("user-agent", "curl"),
            ("host", "front.example"),
            ("sec-websocket-protocol", "chat"),
            ("x-b", "2"),
            ("content-length", "5"),
            ("authorization", "Basic x"),
        ]),
        compression: true,
        ..plan()
    };
    let text = request(&plan, true).unwrap();
    let lines: Vec<_> = text
        .split("\r\n")
        .filter(|line| !line.starts_with("Sec-WebSocket-Key"))
        .collect();
    assert_eq!(
        lines,
        [
            "GET /ws HTTP/1.1",
            "Host: front.example",
            "User-Agent: curl",
            "Authorization: Basic x",
            "Connection: Upgrade",
            "Cookie: a=1  Evil: yes",
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
             client_no_context_takeover",
            "Sec-WebSocket-Protocol: chat",
            "Sec-WebSocket-Version: 13",
            "Upgrade: websocket",
            "X-B: 2",
            "X-Mux-Half-Close: 1",
            "X-Mux-Signals: 1",
            "",
            "",
        ]
    );
}

#[test]
fn an_empty_user_agent_removes_the_line() {
    let plan = WsClient {
        headers: headers(&[("User-Agent", "")]),
        ..plan()
    };
    assert!(!request(&plan, false).unwrap().contains("User-Agent"));
}

#[test]
fn headers_of_the_upgrade_itself_are_refused() {
    for name in [
        "upgrade",
        "Connection",
        "sec-websocket-key",
        "Sec-Websocket-Version",
        "SEC-WEBSOCKET-EXTENSIONS",
    ] {
        let plan = WsClient {
            headers: headers(&[(name, "x")]),
            ..plan()
        };
        let fail = request(&plan, false).unwrap_err();
        assert!(fail.text.starts_with("duplicate header not allowed: "));
    }
    let plan = WsClient {
        headers: headers(&[("a b", "x")]),
        ..plan()
    };
    assert!(request(&plan, false).is_err());
}

#[test]
fn paths_are_escaped_as_go_does() {
    for (path, expected) in [
        ("/ws", "/ws"),
        ("ws", "/ws"),
        ("/ws?ed=2048", "/ws%3Fed=2048"),
        ("/a b#c%20", "/a%20b%23c%2520"),
        ("/{x}/~$&+,:;=@-_.", "/%7Bx%7D/~$&+,:;=@-_."),
        ("/ü!*", "/%C3%BC%21%2A"),
        ("", "/"),
    ] {
        assert_eq!(escape(path), expected);
    }
}

fn response(text: &str) -> Result<Option<Agreed>, Fail> {
    let mut client = Client::new(KEY, Carries::Smux, Some(Deflate::default()));
    let accept = derive_accept_key(client.key.as_bytes());
    let mut rx = BytesMut::from(text.replace("ACCEPT", &accept).as_str());
    let agreed = client.recv(&mut rx, &Limits::default());
    if agreed.is_ok() {
        assert_eq!(&rx[..], b"rest");
    }
    agreed
}

const OK: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\
                  Connection: keep-alive, upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n";

#[test]
fn a_good_response_is_taken() {
    assert_eq!(
        response(&format!("{OK}\r\nrest")).unwrap(),
        Some(Agreed::default())
    );
    let text = format!(
        "{OK}X-Mux-Half-Close: 1\r\nSec-WebSocket-Extensions: permessage-deflate; \
         client_no_context_takeover; server_no_context_takeover\r\n\r\nrest"
    );
    assert_eq!(
        response(&text).unwrap(),
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
}

#[test]
fn a_bad_response_is_named() {
    for (text, expected) in [
        (
            "HTTP/1.1 403 Forbidden\r\nServer: nginx\r\n\r\n",
            "403 Forbidden from nginx, expected 101",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: https://other/\r\n\r\n",
            "302 Found to https://other/, expected 101",
        ),
        (
            "HTTP/1.1 101 X\r\n\r\n",
            "101 with no `Upgrade`, expected `Upgrade: websocket`",
        ),
        (
            "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: close\r\n\r\n",
            "101 with `Connection: close`, expected `Connection: upgrade`",
        ),
        (
            &OK.replace("ACCEPT\r\n", "x\r\n\r\n"),
            "101 with `Sec-WebSocket-Accept: x`, expected `Sec-WebSocket-Accept: ACCEPT`",
        ),
        (
            &format!("{OK}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
            "invalid compression negotiation: `permessage-deflate`, expected \
             `server_no_context_takeover`",
        ),
        ("SSH-2.0-x\r\n", "`SSH-2.0-x`, expected an HTTP/1 response"),
        (
            "\u{15}\u{3}\u{1}",
            "a TLS record, expected an HTTP/1 response",
        ),
    ] {
        let accept = derive_accept_key(STANDARD.encode(KEY).as_bytes());
        assert_eq!(
            response(text).unwrap_err().text,
            expected.replace("ACCEPT", &accept)
        );
    }
}
