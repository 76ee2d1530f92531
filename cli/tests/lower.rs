//! From what the user wrote to the plan: options, their spellings, defaults, refusals.

use std::io::Cursor;
use std::time::Duration;

use ginnel::config::check::check;
use ginnel::config::load::{Loaded, load};
use ginnel::config::lower::{Listen, Lowered, lower};
use ginnel::config::options::{self, Place};
use ginnel::config::origins::Origins;
use ginnel::config::yaml::{self, Format};
use ginnel::duration::Span;
use ginnel::flags;
use ginnel::listen::Network;
use ginnel::report::{Findings, Severity};
use ginnel_core::addr::{Host, Target};
use ginnel_core::plan::{Channel, ConnectorKind, HandlerKind, Ping, Plan, Strategy};
use serde_json::Value;

fn table() -> Value {
    serde_json::from_str(include_str!("data/cli-conformance.json")).unwrap()
}

fn finish(loaded: Loaded) -> (Option<Lowered>, Findings) {
    let Loaded {
        config,
        mut findings,
        ..
    } = loaded;
    check(&config, &mut findings);
    let lowered = lower(&config, &mut findings);
    (lowered, findings)
}

fn command(args: &[&str]) -> (Option<Lowered>, Findings) {
    let flags = flags::parse(args.iter().map(|one| (*one).to_owned())).unwrap();
    finish(load(&flags, &|_| None, &mut Cursor::new("")))
}

fn document(text: &str) -> (Option<Lowered>, Findings) {
    let mut findings = Findings::default();
    let config = yaml::parse(text, Format::Yaml, "t.yml", &mut findings);
    finish(Loaded {
        config,
        findings,
        origins: Origins::default(),
        incomplete: false,
    })
}

fn good((lowered, findings): (Option<Lowered>, Findings)) -> Plan {
    match lowered {
        Some(lowered) => lowered.plan,
        None => panic!("{findings:#?}"),
    }
}

fn refused((lowered, findings): (Option<Lowered>, Findings), part: &str) {
    assert!(lowered.is_none(), "must be refused: {part}");
    let errors: Vec<_> = findings
        .of(Severity::Error)
        .map(ToString::to_string)
        .collect();
    assert!(
        errors.iter().any(|one| one.contains(part)),
        "{part:?} not in {errors:#?}"
    );
}

fn warned((lowered, findings): (Option<Lowered>, Findings), part: &str) {
    assert!(lowered.is_some(), "{findings:#?}");
    let warnings: Vec<_> = findings
        .of(Severity::Warning)
        .map(ToString::to_string)
        .collect();
    assert!(
        warnings.iter().any(|one| one.contains(part)),
        "{part:?} not in {warnings:#?}"
    );
}

/// A wss service with these listener options.
fn listener(word: &str, options: &str) -> (Option<Lowered>, Findings) {
    document(&format!(
        "services:\n- name: s\n  addr: ':1'\n  listener: {{type: {word}, metadata: {options}}}\n"
    ))
}

/// A chain of one node with these dialer options.
fn dialer(word: &str, options: &str) -> (Option<Lowered>, Findings) {
    document(&format!(
        "services:\n- {{name: s, addr: ':1', handler: {{type: http, chain: c}}}}\n\
         chains:\n- name: c\n  hops:\n  - name: h\n    nodes:\n    - name: n\n      \
         addr: host.example:443\n      dialer: {{type: {word}, metadata: {options}}}\n"
    ))
}

#[test]
fn every_seed_becomes_a_plan() {
    let table = table();
    let mut count = 0;
    for row in table["cli"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["group"] == "seed")
    {
        let args: Vec<_> = row["args"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let plan = good(command(&args));
        let lines = args.iter().filter(|arg| **arg == "-L").count();
        assert_eq!(plan.services.len(), lines, "{args:?}");
        count += 1;
    }
    assert_eq!(count, 15);
    for row in table["seed_documents"].as_array().unwrap() {
        let plan = good(document(row["content"].as_str().unwrap()));
        assert!(!plan.services.is_empty(), "{}", row["id"]);
        count += 1;
    }
    assert_eq!(count, 29);
}

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

#[test]
fn users_from_a_file() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("users");
    std::fs::write(&path, "# nobody\n\nalice  a b\nbob\tc\n").unwrap();
    let with = |path: &str| {
        document(&format!(
            "services:\n- {{name: s, addr: ':1', handler: {{type: http, auther: a}}}}\n\
             authers:\n- {{name: a, auths: [{{username: bob, password: old}}], file: {{path: {path}}}}}\n"
        ))
    };
    let plan = good(with(path.to_str().unwrap()));
    let users = plan.services[0].handler.users.clone().unwrap();
    assert!(users.accepts(b"alice", b"a b") && users.accepts(b"bob", b"c"));
    assert!(!users.accepts(b"bob", b"old") && !users.accepts(b"# nobody", b""));
    refused(with("/nonexistent"), "/nonexistent");
}

#[test]
fn a_port_that_was_left_out_is_chosen_and_said() {
    let (lowered, findings) = document("services:\n- name: s\n  addr: :\n");
    assert!(lowered.unwrap().listens[0].random);
    let warnings: Vec<_> = findings
        .of(Severity::Warning)
        .map(ToString::to_string)
        .collect();
    assert!(
        warnings[0].starts_with("warning: t.yml:3: a lone colon"),
        "{warnings:#?}"
    );
    refused(
        document("services:\n- {name: s, addr: ':1-2'}\n"),
        "for -L only",
    );
}

#[test]
fn handler_options_and_users() {
    let plan = good(document(
        "services:\n- name: s\n  addr: ':1'\n  handler:\n    type: socks5\n    retries: 2\n    \
         authers: [a, b]\n    metadata: {notls: true, readTimeout: -1s}\n  \
         metadata: {dialTimeout: 4s}\n\
         authers:\n- {name: a, auths: [{username: u, password: 007}]}\n\
         - {name: b, auths: [{username: v, password: x}]}\n",
    ));
    let service = &plan.services[0];
    let users = service.handler.users.as_ref().unwrap();
    assert!(users.accepts(b"u", b"007") && users.accepts(b"v", b"x"));
    assert!(!users.accepts(b"u", b"7") && !users.accepts(b"u", b"x"));
    assert!(service.handler.socks_tls.is_none());
    assert_eq!(service.retries, 2);
    assert_eq!(service.handler.response_timeout, None);
    assert!(service.handler.read_timeout > Duration::from_secs(1_000_000));
    assert_eq!(
        plan.services[0].policy.dial_timeout,
        Some(Duration::from_secs(4))
    );

    let plan = good(command(&[
        "-L",
        "http://u:p%40@:1?authBasicRealm=r&proxyAgent=x",
    ]));
    let handler = &plan.services[0].handler;
    assert!(handler.users.as_ref().unwrap().accepts(b"u", b"p@"));
    assert_eq!(
        (handler.http.realm.as_str(), handler.http.agent.as_str()),
        ("r", "x")
    );
}

#[test]
fn chains_hops_and_connectors() {
    let plan = good(command(&[
        "-L",
        "http://:1?ignoreChain=1",
        "-L",
        "tcp://:2/t.example:22",
        "-F",
        "relay+mwss://u:p@a.example:443,b.example:444?strategy=hash&nodelay=true&node.weight=3",
        "-F",
        "socks5://c.example:1080?timeout=4s",
    ]));
    assert_eq!(
        (plan.services[0].chain, plan.services[1].chain),
        (None, Some(0))
    );
    let [first, second] = plan.chains[0].hops.as_slice() else {
        panic!()
    };
    assert_eq!(first.selector.strategy, Strategy::Hash);
    assert_eq!(first.selector.fail_timeout, Duration::from_secs(30));
    assert_eq!(first.nodes.len(), 2);
    let node = &first.nodes[1];
    assert_eq!(node.connector.kind, ConnectorKind::Relay);
    assert_eq!(node.connector.auth, Some(("u".to_owned(), "p".to_owned())));
    assert!(node.connector.nodelay && node.weight == 3 && node.connector.socks_tls.is_none());
    let name = format!("{:?}", node.dialer.tls.as_ref().unwrap().name);
    assert!(name.contains("b.example"), "{name}");
    assert_eq!(second.nodes[0].connector.timeout, Duration::from_secs(4));
    assert!(second.nodes[0].connector.socks_tls.is_some());
}

#[test]
fn server_name_falls_back_from_option_to_address_to_host() {
    let name = |line: &str| {
        let plan = good(command(&["-L", ":2", "-F", line]));
        let tls = plan.chains[0].hops[0].nodes[0].dialer.tls.clone().unwrap();
        tls.name.to_str().into_owned()
    };
    assert_eq!(
        name("wss://n.example:1?serverName=s.example&host=h.example"),
        "s.example"
    );
    assert_eq!(name("wss://n.example:1?host=h.example"), "n.example");
    assert_eq!(name("wss://:1?host=h.example:99"), "h.example");
    assert_eq!(name("wss://[::1]:1"), "::1");
    assert_eq!(name("wss://:1"), "127.0.0.1");
}

#[test]
fn rules_reach_the_plan() {
    let plan = good(document(
        "services:\n- name: s\n  addr: ':1'\n  bypasses: [b, c]\n  bypass: b\n  admission: a\n  hosts: h\n  \
         limiter: l\n  climiter: l\n  rlimiter: l\n  \
         handler: {type: http, chain: y, chainGroup: {chains: [x, {chain: y}], selector: {strategy: hash}}, metadata: {hash: host, skipauth: [10.0.0.1, 10.0.1.0/24]}}\n\
         chains:\n\
         - {name: x, hops: [{name: n}], metadata: {weight: 3, backup: true, maxFails: 2, failTimeout: 5s}}\n\
         - {name: y, hops: [{name: n}]}\n\
         hops:\n- name: n\n  bypass: b\n  hosts: h\n  nodes:\n  \
         - {name: n, addr: 'node.example:1', bypass: c, filter: {host: '*.example.com'}, metadata: {maxFails: 3, failTimeout: 9s}}\n\
         bypasses:\n- {name: b, matchers: [10.0.0.0/8]}\n- {name: c, reverse: true, matchers: ['*.com:443']}\n\
         admissions:\n- {name: a, whitelist: true, matchers: [127.0.0.1-127.0.0.9, '::1']}\n\
         hosts:\n- {name: h, mappings: [{ip: 10.0.0.1, hostname: a, aliases: [b]}]}\n\
         limiters:\n- {name: l, limits: ['$ 1MB 2MB']}\n\
         climiters:\n- {name: l, limits: $ 5}\n\
         rlimiters:\n- {name: l, limits: ['$$ 0.5']}\n",
    ));
    let service = &plan.services[0];
    let policy = &service.policy;
    assert_eq!((policy.bypasses.len(), policy.admissions.len()), (3, 1));
    assert!(policy.bypasses[2].whitelist && policy.admissions[0].whitelist);
    let hosts = policy.hosts.as_ref().unwrap();
    assert_eq!(hosts.lookup("b"), hosts.lookup("a"));
    let traffic = policy.traffic.as_ref().unwrap().service.unwrap();
    assert_eq!(traffic.output.unwrap().rate, 2 << 20);
    assert_eq!(policy.counts.as_ref().unwrap().service, Some(5));
    assert_eq!(policy.rates.as_ref().unwrap().each, Some(500));
    assert!(policy.hash_target);
    assert_eq!(service.handler.skip_auth.0.len(), 2);
    assert_eq!(service.chains(), [0, 1]);
    let member = &policy.group.as_ref().unwrap().members[0];
    assert_eq!((member.weight, member.backup), (3, true));
    assert_eq!(member.overrides.max_fails, Some(2));
    let hop = &plan.chains[0].hops[0];
    assert_eq!(hop.policy.bypasses.len(), 1);
    let node = &hop.nodes[0].policy;
    assert_eq!(node.bypasses.len(), 1);
    assert_eq!(node.overrides.fail_timeout, Some(Duration::from_secs(9)));
    assert!(node.hosts.is_some());
    let fits = |target: &str| node.fits(&Target::parse(target).unwrap());
    assert!(fits("a.example.com:1") && fits("example.com:1") && !fits("example.org:1"));
    assert_eq!(
        plan.pinned(0, 1),
        Some(0),
        "limits are counted by one thread"
    );
}

#[test]
fn wrong_rules_name_their_place() {
    for (text, part) in [
        (
            "bypasses:\n- {name: b, matchers: [a, 'b c']}\n",
            "t.yml:4:4: bypasses[0]: bypass \"b\": matchers[1]",
        ),
        (
            "bypasses:\n- {name: b, network: sctp}\n",
            "expected tcp or udp",
        ),
        (
            "bypasses:\n- {name: b, file: {path: /nonexistent}}\n",
            "/nonexistent",
        ),
        (
            "bypasses:\n- {name: b, redis: {addr: x}}\n",
            "redis: not supported yet",
        ),
        ("bypasses:\n- {name: b}\n- {name: b}\n", "defined twice"),
        (
            "admissions:\n- {name: a, matchers: ['127.0.0.1:80']}\n",
            "admissions[0]: admission \"a\": matchers[0]",
        ),
        (
            "admissions:\n- {matchers: ['127.0.0.1:80']}\n",
            "without a name",
        ),
        (
            "limiters:\n- {name: l, limits: ['$ 10']}\n",
            "limits[0]: \"$ 10\": expected a size such as 10MB",
        ),
        (
            "climiters:\n- {name: l, limits: ['$ x']}\n",
            "expected a number of connections",
        ),
        (
            "hosts:\n- {name: h, mappings: [{ip: x, hostname: a}]}\n",
            "mappings[0]",
        ),
    ] {
        let text = format!("services:\n- {{name: s, addr: ':1'}}\n{text}");
        refused(document(&text), part);
    }
    for key in [
        "bypass",
        "admission",
        "hosts",
        "limiter",
        "climiter",
        "rlimiter",
    ] {
        let text = format!("services:\n- {{name: s, addr: ':1', {key}: gone}}\n");
        refused(
            document(&text),
            &format!("there is no {key} named \"gone\""),
        );
    }
}

#[test]
fn what_would_be_unsafe_to_ignore_is_refused() {
    for (args, part) in [
        (&["-L", "ws://:1?bypass=10.0.0.0/33"][..], "bypass"),
        (&["-L", "ws://:1?admission=*.example.com"], "admission"),
        (
            &["-L", "ws://:1?interface=eth0/24"],
            "interface: expected an address or the name",
        ),
        (
            &["-L", ":1", "-F", "ws://h:1?proxyProtocol=3"],
            "proxyProtocol: expected 1 or 2",
        ),
        (
            &["-L", "ws://:1?trustedProxies=10.0.0.0/8,me"],
            "expected networks such as 10.0.0.0/8, got \"me\"",
        ),
        (&["-L", "ss://:1"], "\"ss\" is gost's, but not supported"),
        (&["-L", "kcp://:1"], "\"kcp\" is gost's, but not supported"),
        (
            &["-L", ":1", "-F", "quic://h:1"],
            "\"quic\" is gost's, but not supported",
        ),
        (&["-L", "ws://:1?certFile=a&keyFile=b"], "write wss"),
        (&["-L", "forward+ws://:1"], "forwards to nowhere"),
        (&["-L", ":1", "-F", "wss://:1?secure=true"], "serverName="),
        (
            &["-L", "wss://:1?certFile=/nonexistent&keyFile=b"],
            "certFile /nonexistent",
        ),
    ] {
        refused(command(args), part);
    }
    let service = "services:\n- name: s\n  addr: ':1'\n";
    for (rest, part) in [
        (
            "  handler: {type: http, chain: nowhere}\n",
            "there is no chain named \"nowhere\"",
        ),
        (
            "  handler: {type: http, auther: nobody}\n",
            "there is no auther named \"nobody\"",
        ),
        (
            "  handler: {type: http, chainGroup: {chains: [c]}}\n",
            "there is no chain named \"c\"",
        ),
        (
            "  handler: {type: nothing}\n",
            "unknown handler \"nothing\"",
        ),
        (
            "  handler: {type: http, auth: {file: f}}\n",
            "not used to check clients",
        ),
        (
            "  listener: {type: wss, tls: {caFile: f}}\n",
            "would not be verified",
        ),
        (
            "  forwarder: {nodes: [{name: t, addr: 'a:1', tls: {secure: true}}]}\n",
            "tls: not supported yet",
        ),
        (
            "  forwarder: {nodes: [{name: t, addr: 'a:1', matcher: {rule: x}}]}\n",
            "matcher: not supported yet",
        ),
        ("  forwarder: {hop: h}\n", "there is no hop named \"h\""),
        ("- {name: s, addr: ':2'}\n", "already defined at t.yml:2"),
        ("- {addr: ':2'}\n", "service without a name"),
        (
            "chains:\n- {name: c, hops: [{name: gone}]}\n",
            "there is no hop named \"gone\"",
        ),
        (
            "chains:\n- {name: c, hops: [{name: h, nodes: []}]}\n",
            "has no nodes",
        ),
        ("authers:\n- {name: a, plugin: {addr: x}}\n", "plugin"),
    ] {
        refused(document(&format!("{service}{rest}")), part);
    }
    refused(document("log: {level: info}\n"), "nothing to run");
}

#[test]
fn what_has_no_effect_is_said() {
    warned(
        command(&["-L", ":1", "-api", ":2"]),
        "api: not supported yet",
    );
    warned(
        command(&["-L", ":1", "-F", "wss://h:1"]),
        "certificate of node-0 is not verified: add secure=true",
    );
    warned(
        command(&["-L", ":1", "-F", "ws://h:1?secure=true"]),
        "no effect on a ws dialer",
    );
    warned(command(&["-L", "http://u@:1"]), "any password is accepted");
    warned(listener("ws", "{pathh: /x}"), "did you mean \"path\"?");
    warned(
        listener("tcp", "{path: /x}"),
        "unknown option for a tcp listener",
    );
    warned(
        document("services:\n- name: s\n  addr: ':1'\n  path: /x\n"),
        "t.yml:4:3: services[0].path: unknown key, it belongs to metadata of listener, dialer",
    );
    let tls = "listener: {type: wss, auth: {username: u}, tls: {secure: true}}";
    let text = format!("services:\n- name: s\n  addr: ':1'\n  {tls}\n");
    warned(document(&text), "auth has no effect here");
    warned(document(&text), "they are for dialers");
    let (lowered, findings) = command(&["-L", ":1?udp=false"]);
    assert!(lowered.is_some() && findings.of(Severity::Warning).next().is_none());
}

#[test]
fn datagrams() {
    // TCP and UDP have ports of their own.
    let url = "udp://:5353/1.1.1.1:53,8.8.8.8:53?keepAlive=true&ttl=30s&readBufferSize=4096&readQueueSize=9";
    let (lowered, findings) = command(&[
        "-L",
        url,
        "-L",
        "socks5://:5353?udp=true&udp.bindRange.min=4000&udp.bindRange.max=4999&publicAddr=[::1]",
        "-L",
        "relay+ws://:3?bind=true",
        "-F",
        "socks5+ws://h:1?relay=udp",
    ]);
    let Some(Lowered { plan, listens, .. }) = lowered else {
        panic!("{findings:#?}")
    };
    assert_eq!(listens[0].network, Network::Udp);
    let listener = &plan.services[0];
    assert_eq!(listener.listener.channel, Channel::Udp);
    assert_eq!(listener.forward.as_ref().unwrap().nodes.len(), 2);
    let udp = &listener.handler.udp;
    assert_eq!((udp.ttl, udp.queue), (Duration::from_secs(30), 9));
    let udp = &plan.services[1].handler.udp;
    assert!(udp.enabled && !udp.bind);
    assert_eq!(udp.ports, Some(4000..=4999));
    assert_eq!(udp.public, Some("::1".parse().unwrap()));
    assert!(plan.services[2].handler.udp.bind);
    let connector = &plan.chains[0].hops[0].nodes[0].connector;
    assert!(connector.associate);
    assert_eq!(findings.of(Severity::Warning).count(), 0, "{findings:#?}");

    refused(command(&["-L", "socks5+udp://:1"]), "needs a stream");
    refused(
        command(&["-L", "socks5://:1?udp.bindRange.min=5000"]),
        "udp.bindRange",
    );
    refused(command(&["-L", ":1", "-F", "relay+udp://h:1"]), "udp");
    let (lowered, _) = document(
        "services:\n- name: s\n  addr: ':53'\n  handler: {type: udp}\n  listener: {type: udp, metadata: {ttl: 9s}}\n  forwarder: {nodes: [{name: t, addr: '1.1.1.1:53'}]}\n",
    );
    let plan = lowered.expect("a plan").plan;
    assert_eq!(plan.services[0].handler.udp.ttl, Duration::from_secs(9));
}

#[test]
fn all_findings_come_at_once() {
    let (_, findings) = document(
        "services:\n- name: s\n  addr: ':99999'\n  handler: {type: http, chain: x, retries: abc}\n",
    );
    let errors: Vec<_> = findings
        .of(Severity::Error)
        .map(ToString::to_string)
        .collect();
    assert_eq!(errors.len(), 3, "{errors:#?}");
    assert!(
        errors[0]
            .contains("t.yml:4:35: services[0].handler.retries: expected an integer, got \"abc\"")
    );
}

#[test]
fn file_and_command_line_live_together() {
    let text = r#"{"services":[{"name":"service-0","addr":":1"}],"chains":[{"name":"chain-0","hops":[
        {"name":"h","nodes":[{"name":"n","addr":"a:1"}]}]}]}"#;
    let (lowered, findings) = command(&["-C", text, "-L", ":2", "-F", "ws://h:1"]);
    let Some(Lowered { plan, listens, .. }) = lowered else {
        panic!("{findings:#?}")
    };
    let names: Vec<_> = plan.services.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["service-0", "service-1"]);
    assert_eq!(
        (plan.services[0].chain, plan.services[1].chain),
        (None, Some(1))
    );
    let want = Listen {
        service: "service-1".to_owned(),
        addr: ":2".to_owned(),
        network: Network::TCP,
        backlog: 1024,
        random: false,
    };
    assert_eq!(listens[1], want);
}

#[test]
fn strict_makes_unknown_words_errors() {
    let text = r#"{"strict":true,"services":[{"name":"s","addr":":1","typo":1}]}"#;
    refused(command(&["-C", text]), "typo");
    refused(command(&["--strict", "-L", ":1?pathh=/x"]), "pathh");
    assert!(command(&["-L", ":1?pathh=/x"]).0.is_some());
}

/// What `explain` and the reference page call the default is what the engine is given.
#[test]
fn the_defaults_of_the_option_table_are_in_force() {
    let default = |place, word, name| {
        let option = options::find(place, word, name).unwrap();
        option.default
    };
    let time = |text: &str| Span::parse(text).unwrap().positive().unwrap();
    let number = |text: &str| text.parse::<usize>().unwrap();
    let (lowered, findings) = command(&["-L", "auto+mwss://:1", "-F", "http+mwss://h:2"]);
    let Some(Lowered { plan, listens, .. }) = lowered else {
        panic!("{findings:#?}")
    };
    let service = &plan.services[0];
    let node = &plan.chains[0].hops[0].nodes[0];
    let listener = |name| default(Place::Listener, "mwss", name);
    let dialer = |name| default(Place::Dialer, "mwss", name);
    let (server, client) = (
        service.listener.ws.as_ref().unwrap(),
        node.dialer.ws.as_ref().unwrap(),
    );
    assert_eq!(
        (listener("path"), dialer("path")),
        (&*server.path, &*client.path)
    );
    assert_eq!(
        time(listener("readHeaderTimeout")),
        server.read_header_timeout
    );
    assert_eq!(
        time(dialer("handshakeTimeout")),
        node.dialer.handshake_timeout
    );
    assert_eq!((server.read, client.read), (None, None));
    assert_eq!(number(dialer("readBufferSize")), plan.limits.read);
    assert_eq!((server.compression, client.ping), (false, server.ping));
    assert_eq!(listener("backlog"), listens[0].backlog.to_string());
    for mux in [&service.listener.mux, &node.dialer.mux] {
        let mux = mux.as_ref().unwrap();
        assert_eq!(dialer("mux.version"), mux.version.to_string());
        assert_eq!(Some(time(dialer("mux.keepaliveInterval"))), mux.keepalive);
        assert_eq!(time(dialer("mux.keepaliveTimeout")), mux.keepalive_timeout);
        assert_eq!(number(dialer("mux.maxFrameSize")), mux.max_frame);
        assert_eq!(number(dialer("mux.maxReceiveBuffer")), mux.max_receive);
        assert_eq!(number(dialer("mux.maxStreamBuffer")), mux.max_stream);
    }
    let handler = |name| default(Place::Handler, "auto", name);
    assert_eq!(time(handler("readTimeout")), service.handler.read_timeout);
    assert_eq!(service.handler.idle_timeout, None);
    assert_eq!(handler("authBasicRealm"), service.handler.http.realm);
    assert_eq!(handler("proxyAgent"), service.handler.http.agent);
    let timeout = default(Place::Connector, "http", "timeout");
    assert_eq!(time(timeout), node.connector.timeout);
    assert_eq!(
        time(default(Place::Service, "", "dialTimeout")),
        plan.limits.dial
    );
    assert_eq!(default(Place::Node, "", "weight"), node.weight.to_string());
    assert_eq!(client.ping, Some(Ping::every(time(dialer("ttl")))));
}
