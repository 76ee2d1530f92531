//! Services and their users, chains and their nodes.

use super::*;

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
