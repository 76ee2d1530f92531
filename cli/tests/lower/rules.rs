//! Rules: bypasses, admissions, hosts, limiters, groups; what is wrong with them.

use ginnel_core::plan::Interface;
use ginnel_core::route::sniff::Seen;

use super::*;

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
    assert_eq!(service.chains().collect::<Vec<_>>(), [0, 1]);
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
fn the_scope_of_a_limiter_takes_lines_away() {
    let traffic = |scope: &str| {
        let text = format!(
            "services:\n- {{name: s, addr: ':1', limiter: l, metadata: {{limiter.scope: {scope}}}}}\n\
             limiters:\n- {{name: l, limits: ['$ 3MB', '$$ 2MB', '10.0.0.0/8 1MB']}}\n"
        );
        let plan = good(document(&text));
        let traffic = plan.services[0].policy.traffic.clone().unwrap();
        let client = traffic.client([10, 0, 0, 1].into());
        [traffic.service, traffic.each, client].map(|flows| flows.is_some())
    };
    assert_eq!(traffic("''"), [true, true, true]);
    assert_eq!(traffic("service"), [true, false, false]);
    assert_eq!(traffic("conn"), [false, true, true]);
    let text = "services:\n- {name: s, addr: ':1', limiter: l, metadata: {limiter.scope: client}}\n\
                limiters:\n- {name: l, limits: ['$ 3MB']}\n";
    refused(
        document(text),
        "limiter.scope: expected service or conn, got \"client\"",
    );
}

#[test]
fn a_target_is_not_for_those_whom_its_bypass_names() {
    let plan = good(document(
        "services:\n- name: s\n  addr: ':1'\n  handler: {type: tcp, metadata: {sniffing: true}}\n  \
         forwarder: {nodes: [{name: t, addr: 'a:1', bypass: b}]}\n\
         bypasses:\n- {name: b, matchers: ['*.example.com']}\n",
    ));
    let rules = &plan.services[0].forward.as_ref().unwrap().nodes[0].rules;
    let asks = |name: &str| Seen::Tls {
        name: Some(name.to_owned()),
    };
    assert!(!rules.fits(Some(&asks("a.example.com"))));
    assert!(rules.fits(Some(&asks("a.example.org"))));
    assert!(rules.fits(None), "nobody was asked for");
}

/// As gost 3.0 has them; `metadata` is what later versions read first.
#[test]
fn interface_and_mark_of_earlier_versions() {
    let plan = good(document(
        "services:\n- name: s\n  addr: ':1'\n  interface: 10.0.0.1\n  sockopts: {mark: 7}\n  \
         metadata: {so_mark: 8}\n  handler: {chain: c}\n\
         chains:\n- name: c\n  hops:\n  - name: h\n    interface: eth1\n    sockopts: {mark: 9}\n    nodes:\n    \
         - {name: n, addr: 'a:1', interface: eth0}\n",
    ));
    let socket = &plan.services[0].socket;
    let addr = Interface::Addr([10, 0, 0, 1].into());
    assert_eq!((&socket.interface[..], socket.mark), (&[addr][..], Some(8)));
    let socket = &plan.chains[0].hops[0].nodes[0].dialer.socket;
    let device = Interface::Device("eth0".to_owned());
    assert_eq!(
        (&socket.interface[..], socket.mark),
        (&[device][..], Some(9))
    );
    let text = "services:\n- {name: s, addr: ':1', sockopts: {marc: 7}}\n";
    refused(document(text), "sockopts.marc: unknown, expected mark");
}

#[test]
fn routing_rules_are_for_nodes_targets_and_chains_of_a_group() {
    let plan = good(document(
        "services:\n- name: s\n  addr: ':1'\n  handler: {type: http, chainGroup: {chains: [{chain: c, matcher: {rule: 'Host(`a`)'}}, d]}}\n\
         - name: t\n  addr: ':2'\n  handler: {type: tcp, metadata: {sniffing: true}}\n  \
         forwarder: {nodes: [{name: n, addr: 'a:1', matcher: {rule: 'Proto(`tls`) && Host(`a`)', priority: 7}}]}\n\
         chains:\n- name: c\n  hops:\n  - {name: h, nodes: [{name: n, addr: 'a:1', matcher: {rule: '!Host(`*.b`)'}}]}\n\
         - name: d\n  hops:\n  - {name: i, nodes: [{name: n, addr: 'a:1'}]}\n",
    ));
    let target = |text: &str| Target::parse(text).unwrap();
    let members = &plan.services[0].policy.group.as_ref().unwrap().members;
    assert!(members[0].fits(&target("a:1")) && !members[0].fits(&target("b:1")));
    assert!(members[1].fits(&target("b:1")));
    let node = &plan.chains[0].hops[0].nodes[0].policy;
    assert!(node.fits(&target("a:1")) && !node.fits(&target("x.b:1")));
    let rules = &plan.services[1].forward.as_ref().unwrap().nodes[0].rules;
    let name = Some("a".to_owned());
    assert!(rules.fits(Some(&Seen::Tls { name })) && !rules.fits(None));
    assert_eq!(rules.rule.as_ref().unwrap().priority, 7);
    for (rule, part) in [
        (
            "{rule: 'Path(`/a`)'}",
            "are known to targets of forwarders only",
        ),
        (
            "{rule: 'Host(a)'}",
            "matcher.rule: expected a value in back quotes",
        ),
        (
            "{bodySize: 1}",
            "matcher.bodySize: expected rule or priority",
        ),
    ] {
        let chain = format!(
            "chains:\n- name: c\n  hops:\n  - {{name: h, nodes: [{{name: n, addr: 'a:1', matcher: {rule}}}]}}\n"
        );
        let text = format!("services:\n- {{name: s, addr: ':1', handler: {{chain: c}}}}\n{chain}");
        refused(document(&text), part);
    }
}
