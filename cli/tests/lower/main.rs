//! From what the user wrote to the plan: options, their spellings, defaults, refusals.

mod channel;
mod findings;
mod parts;
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
