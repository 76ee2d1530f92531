//! From what the user wrote to the plan: options, their spellings, defaults, refusals.

mod channel;
mod findings;
mod rules;

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

pub(crate) fn table() -> Value {
    serde_json::from_str(include_str!("../data/cli-conformance.json")).unwrap()
}

pub(crate) fn finish(loaded: Loaded) -> (Option<Lowered>, Findings) {
    let Loaded {
        config,
        mut findings,
        ..
    } = loaded;
    check(&config, &mut findings);
    let lowered = lower(&config, &mut findings);
    (lowered, findings)
}

pub(crate) fn command(args: &[&str]) -> (Option<Lowered>, Findings) {
    let flags = flags::parse(args.iter().map(|one| (*one).to_owned())).unwrap();
    finish(load(&flags, &|_| None, &mut Cursor::new("")))
}

pub(crate) fn document(text: &str) -> (Option<Lowered>, Findings) {
    let mut findings = Findings::default();
    let config = yaml::parse(text, Format::Yaml, "t.yml", &mut findings);
    finish(Loaded {
        config,
        findings,
        origins: Origins::default(),
        incomplete: false,
    })
}

pub(crate) fn good((lowered, findings): (Option<Lowered>, Findings)) -> Plan {
    match lowered {
        Some(lowered) => lowered.plan,
        None => panic!("{findings:#?}"),
    }
}

pub(crate) fn refused((lowered, findings): (Option<Lowered>, Findings), part: &str) {
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

pub(crate) fn warned((lowered, findings): (Option<Lowered>, Findings), part: &str) {
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
pub(crate) fn listener(word: &str, options: &str) -> (Option<Lowered>, Findings) {
    document(&format!(
        "services:\n- name: s\n  addr: ':1'\n  listener: {{type: {word}, metadata: {options}}}\n"
    ))
}

/// A chain of one node with these dialer options.
pub(crate) fn dialer(word: &str, options: &str) -> (Option<Lowered>, Findings) {
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
