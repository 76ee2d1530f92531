//! Every block of the README as printed there but for port numbers, with the loopback for
//! `example.com`, and with traffic through it. A block or command that is unknown here fails.

mod commands;
mod machine;
mod text;

use std::collections::BTreeSet;

use ginnel_tests::check::{self, KIB, Targets, Way};
use ginnel_tests::origin::origin;
use ginnel_tests::{Program, Proxy, Speak, gost, on_both_runtimes};

use commands::{BEHIND_NGINX, COMMANDS, CURL, Check, NEAR, TO_NGINX, WITH_FILE, WITH_FILES};
use machine::{Machine, certificate, is_here, nginx, program};
use text::{README, blocks, fences, strings, words};

on_both_runtimes! {
    fn commands(ginnel: &Program) {
        let targets = Targets::new();
        // Trusted like the roots of the system.
        let ginnel = &ginnel.var("SSL_CERT_FILE", "cert.pem");
        check::each(COMMANDS, |(command, how)| run(ginnel, command, *how, &targets));
    }

    fn file(ginnel: &Program) {
        let [text] = &blocks("yaml")[..] else {
            panic!("more than one file in the README");
        };
        let targets = Targets::new();
        let machine = Machine::new(ginnel, &targets);
        let _server = machine.serve(&["-L", WITH_FILES]);
        let client = machine.start(&strings(&words(WITH_FILE)[1..]), &[("config.yml", &machine.local(text))]);
        client.wait_for_services(1);
        let proxy = Proxy::new(Speak::Http, client.named("entry")).user("user", "pass");
        traffic(&Way::proxy("config.yml", proxy), &targets);
    }

    /// The four commands of the first tunnel, one after the other.
    fn a_tunnel(ginnel: &Program) {
        if certificate().is_none() || !is_here("curl") {
            println!("skipped: no openssl or no curl");
            return;
        }
        let targets = Targets::new();
        let machine = Machine::new(ginnel, &targets);
        let _far = machine.serve(&["-L", WITH_FILES]);
        let _near = machine.serve(&strings(&words(NEAR)[1..]));
        let origin = origin();
        let site = format!("http://{}/", origin.addr);
        let curl = machine.local(CURL).replace("http://localhost/", &site);
        assert!(curl.contains(&site), "{curl}");
        let status = program("curl", &words(&curl)[1..], None).status().expect("curl");
        assert!(status.success(), "{curl}: {status}");
        assert_eq!(origin.accepted(), 1);
    }

    fn behind_nginx(ginnel: &Program) {
        if !is_here("nginx") {
            println!("skipped: no nginx");
            return;
        }
        let [location] = &blocks("nginx")[..] else {
            panic!("more than one nginx block in the README");
        };
        let targets = Targets::new();
        let ginnel = &ginnel.var("SSL_CERT_FILE", "cert.pem");
        for channel in ["mws", "ws"] {
            let machine = Machine::new(ginnel, &targets);
            let [far, near] = [BEHIND_NGINX, TO_NGINX].map(|line| line.replace("mws", channel));
            let _far = machine.serve(&strings(&words(&far)[1..]));
            let port = machine.local("127.0.0.1:443");
            let _nginx = nginx(&machine, &port, &machine.local(location));
            let near = machine.serve(&strings(&words(&near)[1..]));
            let way = Way::proxy(format!("nginx, {channel}"), Proxy::new(Speak::Http, near.addr()));
            traffic(&way, &targets);
            check::half_close(&way, &targets.work, 200 * KIB);
            check::target_ends(&way, &targets.work, 200 * KIB);
            check::upload_behind_the_end(&way, &targets.work, 200 * KIB, 200 * KIB);
        }
    }
}

#[test]
fn nothing_is_unknown_and_nothing_is_gone() {
    let printed: BTreeSet<String> = blocks("sh")
        .iter()
        .flat_map(|block| block.lines())
        .map(|line| line.to_owned())
        .collect();
    let known: BTreeSet<String> = COMMANDS
        .iter()
        .map(|(line, _)| (*line).to_owned())
        .collect();
    let unknown: Vec<_> = printed.difference(&known).collect();
    assert!(unknown.is_empty(), "say how to check: {unknown:#?}");
    let gone: Vec<_> = known.difference(&printed).collect();
    assert!(gone.is_empty(), "not in the README any more: {gone:#?}");
    for (language, _) in fences() {
        assert!(
            ["sh", "yaml", "nginx", "ini"].contains(&language.as_str()),
            "a block in {language:?}"
        );
    }
    for span in README.split('`').skip(1).step_by(2) {
        let is_command = span.starts_with("ginnel ") || span.starts_with("gost ");
        assert!(
            !(is_command && span.contains("://")),
            "{span:?} would not be checked: make it a block"
        );
    }
}

fn run(ginnel: &Program, command: &str, how: Check, targets: &Targets) {
    let line = words(command);
    let example = match line[0].as_str() {
        "cargo" | "ginnel" => Some(ginnel.clone()),
        "gost" => gost::program(gost::STABLE),
        _ => None,
    };
    let arguments = match line[0].as_str() {
        "cargo" => line.split(|word| word == "--").nth(1).unwrap_or_default(),
        _ => &line[1..],
    };
    let machine = Machine::new(ginnel, targets);
    let example = || {
        let program = example.as_ref()?;
        Some(machine.serve_with(program, &strings(arguments)))
    };
    let (speak, client, _others) = match how {
        Check::Tests | Check::Elsewhere => return,
        Check::Alone(speak) => (speak, example(), Vec::new()),
        Check::Node(node) | Check::ForwardNode(node) => {
            let Some(server) = example() else { return };
            let (listen, speak) = match how {
                Check::ForwardNode(_) => ("tcp://127.0.0.1:0", Speak::Raw),
                _ => ("socks5://127.0.0.1:0", Speak::Socks5),
            };
            let client = machine.serve(&["-L", listen, "-F", node]);
            (speak, Some(client), vec![server])
        }
        Check::Servers(servers, speak) => {
            let servers = servers.iter().map(|listen| machine.serve(&["-L", listen]));
            let servers = servers.collect();
            (speak, example(), servers)
        }
    };
    let Some(client) = client else { return };
    let proxy = Proxy::new(speak, client.addr());
    let way = match speak {
        Speak::Raw => Way::fixed(command, vec![(targets.work.addr, proxy)]),
        _ => Way::proxy(command, proxy),
    };
    traffic(&way, targets);
}

fn traffic(way: &Way, targets: &Targets) {
    println!("{}", way.name);
    check::both_ways(way, &targets.work, 200 * KIB, 200 * KIB);
    check::concurrent(way, &targets.work, 4, 10 * KIB);
}
