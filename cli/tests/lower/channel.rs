//! Options of channels: websockets and mux.

use super::*;

#[test]
fn a_port_behind_a_websocket() {
    let plan = good(command(&[
        "-L",
        "wss://:8443/:1080",
        "-L",
        "socks5://:1080",
    ]));
    let [first, second] = plan.services.as_slice() else {
        panic!()
    };
    assert_eq!(first.listener.channel, Channel::Wss);
    assert!(first.listener.tls.is_some() && first.listener.mux.is_none());
    assert_eq!(first.handler.kind, HandlerKind::Forward);
    let target = &first.forward.as_ref().unwrap().nodes[0].addr;
    assert_eq!(*target, Target::new(Host::Name(String::new()), 1080));
    assert_eq!(second.handler.kind, HandlerKind::Socks5);
    assert!(second.handler.socks_tls.is_some());
}

#[test]
fn seed_b_reaches_the_dialer() {
    let row = table()["seed_documents"][13].clone();
    let plan = good(document(row["content"].as_str().unwrap()));
    let node = &plan.chains[0].hops[0].nodes[0];
    assert_eq!(node.dialer.channel, Channel::Mwss);
    let ws = node.dialer.ws.as_ref().unwrap();
    assert_eq!(ws.host, ":8443");
    assert_eq!(ws.path, "/ws");
    assert_eq!(ws.headers, [("foo".to_owned(), "bar".to_owned())]);
    assert_eq!(ws.ping, Some(Ping::default()));
    assert_eq!(plan.services[0].chain, Some(0));
}

/// RFC 6874, section 4; and certificates know no zones.
#[test]
fn a_zone_is_for_the_socket_alone() {
    let plan = good(command(&["-L", ":1", "-F", "wss://[fe80::1%25eth0]:80"]));
    let node = &plan.chains[0].hops[0].nodes[0];
    assert_eq!(node.addr.to_string(), "[fe80::1%eth0]:80");
    assert_eq!(node.dialer.ws.as_ref().unwrap().host, "[fe80::1]:80");
    let name = &node.dialer.tls.as_ref().unwrap().name;
    assert_eq!(name.to_str(), "fe80::1");
    let plan = good(dialer("ws", "{host: '[fe80::2%eth1]:81'}"));
    let node = &plan.chains[0].hops[0].nodes[0];
    assert_eq!(node.dialer.ws.as_ref().unwrap().host, "[fe80::2]:81");
}

#[test]
fn dialer_options_in_every_spelling() {
    let texts = [
        "{path: /a, host: front.example, header: {A: 1, B: true, C: x}, keepAlive: true, ttl: 20s, \
         handshakeTimeout: 3s, readBufferSize: 8192, writeBufferSize: 4096, enableCompression: true}",
        "{ws.path: a, WS.Host: front.example, ws.header: {A: 1, B: true, C: x}, ws.keepalive: 20s, \
         ws.handshakeTimeout: 3, ws.readBufferSize: '8192', ws.writeBufferSize: 4096, \
         ws.enableCompression: 1}",
        "{path: /a, host: front.example, header: {A: 1, B: true, C: x}, KEEPALIVE: 20, \
         handshakeTimeout: 9s, readHeaderTimeout: 3s, readBufferSize: 8192, \
         writeBufferSize: '4096', enableCompression: 'true'}",
    ];
    for text in texts {
        let plan = good(dialer("ws", text));
        let dialer = &plan.chains[0].hops[0].nodes[0].dialer;
        let ws = dialer.ws.as_ref().unwrap();
        assert_eq!(ws.path, "/a", "{text}");
        assert_eq!(ws.host, "front.example");
        let fields: Vec<_> = ws
            .headers
            .iter()
            .map(|(a, b)| format!("{a}: {b}"))
            .collect();
        assert_eq!(fields, ["A: 1", "B: true", "C: x"]);
        assert_eq!(
            ws.ping,
            Some(Ping::every(Duration::from_secs(20))),
            "{text}"
        );
        assert_eq!(dialer.handshake_timeout, Duration::from_secs(3), "{text}");
        assert_eq!(
            (ws.read, ws.max_frame, ws.compression),
            (Some(8192), Some(4096), true)
        );
    }
}

#[test]
fn heartbeat_is_a_switch_or_a_period() {
    let every = |seconds| Ping::every(Duration::from_secs(seconds));
    for (options, period) in [
        ("{}", Some(15)),
        ("{keepAlive: true}", Some(15)),
        ("{keepAlive: true, ttl: 5s}", Some(5)),
        ("{keepAlive: true, keepalive.interval: 6}", Some(6)),
        ("{keepAlive: false, ttl: 5s}", None),
        ("{keepAlive: 15s}", Some(15)),
        ("{keepAlive: 30}", Some(30)),
        ("{keepAlive: 1}", Some(15)),
        ("{keepAlive: 0}", None),
        ("{ttl: 5s}", Some(5)),
    ] {
        let plan = good(dialer("mwss", options));
        let ws = plan.chains[0].hops[0].nodes[0].dialer.ws.clone().unwrap();
        assert_eq!(ws.ping, period.map(every), "{options}");
    }
    let ws = |options| {
        good(listener("ws", options)).services[0]
            .listener
            .ws
            .clone()
            .unwrap()
    };
    assert_eq!(ws("{}").ping, Some(every(15)));
    assert_eq!(ws("{keepAlive: true}").ping, Some(every(15)));
    assert_eq!(ws("{keepAlive: 5s}").ping, Some(every(5)));
    assert_eq!(ws("{keepAlive: false}").ping, None);
    let both = Ping {
        period: Duration::from_secs(3),
        timeout: Duration::from_secs(1),
    };
    assert_eq!(ws("{ttl: 3s, keepalive.timeout: 1s}").ping, Some(both));
}

/// gost takes them for nothing.
#[test]
fn numbers_of_json_are_numbers() {
    let text = r#"{"services": [{"name": "a", "addr": "127.0.0.1:0", "handler": {"type": "auto"},
        "listener": {"type": "mws", "metadata": {"mux.version": 2, "mux.maxFrameSize": 4096,
        "mux.maxReceiveBuffer": 1000000, "handshakeTimeout": 3}}}]}"#;
    let plan = good(document(text));
    let listener = &plan.services[0].listener;
    let mux = listener.mux.clone().unwrap();
    assert_eq!(
        (mux.version, mux.max_frame, mux.max_receive),
        (2, 4096, 1_000_000)
    );
    assert_eq!(listener.handshake_timeout, Duration::from_secs(3));
}

#[test]
fn mux_settings_in_both_spellings() {
    for options in [
        "{mux.version: 2, mux.keepaliveInterval: 5s, mux.keepaliveTimeout: 20s, \
         mux.maxFrameSize: 4096, mux.maxReceiveBuffer: 1000000, mux.maxStreamBuffer: 500000}",
        "{mux.version: '2', muxKeepAliveInterval: 5s, muxKeepAliveTimeout: 20, \
         muxMaxFrameSize: 4096, muxMaxReceiveBuffer: 1000000, muxMaxStreamBuffer: 500000}",
    ] {
        for plan in [
            good(listener("mws", options)),
            good(dialer("mwss", options)),
        ] {
            let mux = match plan.chains.first() {
                Some(chain) => chain.hops[0].nodes[0].dialer.mux.clone().unwrap(),
                None => plan.services[0].listener.mux.clone().unwrap(),
            };
            assert_eq!(mux.version, 2);
            assert_eq!(mux.keepalive, Some(Duration::from_secs(5)));
            assert_eq!(mux.keepalive_timeout, Duration::from_secs(20));
            assert_eq!(
                (mux.max_frame, mux.max_receive, mux.max_stream),
                (4096, 1_000_000, 500_000)
            );
        }
    }
    let off = good(listener(
        "mws",
        "{muxKeepAliveDisabled: true, muxKeepAliveInterval: 60s}",
    ));
    assert_eq!(
        off.services[0].listener.mux.as_ref().unwrap().keepalive,
        None
    );
}

#[test]
fn inconsistent_mux_settings_are_refused() {
    for (options, part) in [
        ("{mux.version: 3}", "expected 1 or 2"),
        ("{mux.type: yamux}", "yamux is not supported"),
        ("{mux.type: other}", "expected smux"),
        ("{mux.keepaliveInterval: 60s}", "must not be less"),
        ("{mux.maxFrameSize: 65536}", "65535"),
        ("{mux.maxReceiveBuffer: 1000}", "must not be larger"),
        ("{mux.maxReceiveBuffer: 4294967296}", "2147483647"),
        ("{mux.version: two}", "expected an integer"),
    ] {
        refused(listener("mws", options), part);
        refused(dialer("mws", options), part);
    }
}

#[test]
fn websocket_listener_options() {
    let plan = good(listener(
        "wss",
        "{path: ws, host: a.example, header: {X: y}, readHeaderTimeout: 2s, backlog: 7}",
    ));
    let ws = plan.services[0].listener.ws.clone().unwrap();
    assert_eq!(
        (ws.path.as_str(), ws.host.as_deref()),
        ("/ws", Some("a.example"))
    );
    assert_eq!(ws.read_header_timeout, Duration::from_secs(2));
    assert_eq!(ws.headers, [("X".to_owned(), "y".to_owned())]);
    refused(listener("ws", "{path: /a b}"), "contains a blank");
    refused(listener("ws", "{header: {'a b': c}}"), "no field name");
    refused(
        listener("ws", "{enableCompression: maybe}"),
        "expected true or false",
    );
    refused(
        listener("ws", "{readHeaderTimeout: soon}"),
        "expected a duration",
    );
}

#[test]
fn a_host_is_a_name_with_or_without_a_port() {
    for host in ["a.example", "a.example:8443", "[::1]:8443", "*.example"] {
        good(listener("ws", &format!("{{host: '{host}'}}")));
        good(dialer("ws", &format!("{{host: '{host}'}}")));
    }
    for host in [r"a\r\nX: y", "a b", "https://a", "a/ws", "u@a"] {
        let options = format!(r#"{{host: "{host}"}}"#);
        refused(listener("ws", &options), "expected a name");
        refused(dialer("ws", &options), "expected a name");
    }
}

#[test]
fn header_fields_cannot_break_a_message_apart() {
    for (word, options) in [
        ("ws", r#"{header: {A: "x\r\nB: y"}}"#),
        ("ws", "{header: {'A:': x}}"),
        ("ws", "{header: {A: [x]}}"),
    ] {
        refused(listener(word, options), "header");
        refused(dialer(word, options), "header");
    }
    let text = r#"{"services":[{"name":"s","addr":":1","handler":{"type":"http","metadata":{"header":{"A":"x\ny"}}}}]}"#;
    refused(command(&["-C", text]), "line break");
    let plan = good(command(&[
        "-L",
        ":1",
        "-F",
        "ws://h:1?header.X-A=b&dialer.header.x-c=d",
    ]));
    let ws = plan.chains[0].hops[0].nodes[0].dialer.ws.clone().unwrap();
    let fields: Vec<_> = ws
        .headers
        .iter()
        .map(|(a, b)| format!("{a}: {b}"))
        .collect();
    assert_eq!(fields, ["X-A: b", "x-c: d"]);
    assert!(plan.chains[0].hops[0].nodes[0].connector.headers.is_empty());
}
