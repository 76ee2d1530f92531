//! Names that are asked of name servers of the configuration.

use std::net::SocketAddr;

use ginnel_tests::check::{self, KIB, Targets};
use ginnel_tests::client::{Dest, Refused};
use ginnel_tests::target::refusing;
use ginnel_tests::{Program, Proxy, Speak, names, on_both_runtimes, threads};

const NAMES: &[(&str, &str)] = &[
    ("target.example", "127.0.0.1"),
    ("node.example", "127.0.0.1"),
];

on_both_runtimes! {
    fn names_are_asked_of_the_servers_of_the_service(ginnel: &Program) {
        let targets = Targets::new();
        let (tcp, http) = (names::tcp(NAMES), names::http(NAMES));
        // Their TLS is ours.
        let front = |to: SocketAddr| ginnel.serve(&["-L", &format!("tls://127.0.0.1:0/{to}")]);
        let (dot, doh) = (front(tcp.addr), front(http.addr));
        for servers in [
            names::udp(NAMES).to_string(),
            format!("udp://{},udp://{}", refusing(), names::udp(NAMES)),
            format!("tcp://{}", tcp.addr),
            format!("tls://{}", dot.addr()),
            format!("https://{}/dns-query", doh.addr()),
            format!("tcp://{},tcp://{}&prefer=ipv6", refusing(), tcp.addr),
        ] {
            let line = format!("auto://127.0.0.1:0?resolver={servers}");
            let server = ginnel.serve(&["-L", &line]);
            for (speak, missing) in [(Speak::Socks5, 4), (Speak::Http, 502), (Speak::Socks4a, 91)] {
                let proxy = Proxy::new(speak, server.addr());
                let name = |name: &str| Dest::Name(name.to_owned(), targets.work.addr.port());
                let stream = proxy.open(name("target.example")).expect(&servers);
                check::transfer(&servers, stream, KIB, KIB);
                let refused = proxy.open(name("missing.example")).map(drop);
                assert_eq!(refused.map_err(|why| why.code()), Err(missing), "{servers} {speak:?}");
            }
        }
    }

    /// A client of three requests asks once; `ttl` below zero remembers nothing.
    fn answers_are_remembered(ginnel: &Program) {
        let targets = Targets::new();
        for (ttl, most) in [("0s", threads()), ("-1s", usize::MAX)] {
            let names = names::tcp(NAMES);
            let file = format!("\
services:
- {{name: s, addr: '127.0.0.1:0', resolver: r, handler: {{type: socks5}}}}
resolvers:
- {{name: r, nameservers: [{{addr: 'tcp://{}', ttl: {ttl}}}]}}
", names.addr);
            let server = ginnel.serve_file(&file, 1);
            let proxy = Proxy::new(Speak::Socks5, server.named("s"));
            let requests = 4 * threads();
            for _ in 0..requests {
                let dest = Dest::Name("target.example".to_owned(), targets.work.addr.port());
                check::transfer(ttl, proxy.open(dest).expect(ttl), KIB, KIB);
            }
            let asked = names.accepted();
            assert!(asked <= most, "{ttl}: asked {asked} times");
            assert!(most < usize::MAX || asked == requests, "{ttl}: asked {asked} times");
        }
    }

    fn a_name_server_is_reached_through_its_chain(ginnel: &Program) {
        let targets = Targets::new();
        let (tcp, http) = (names::tcp(NAMES), names::http(NAMES));
        let doh = ginnel.serve(&["-L", &format!("tls://127.0.0.1:0/{}", http.addr)]);
        for connector in ["socks5", "relay", "http"] {
            for dialer in ["tcp", "mws"] {
                let node = ginnel.serve(&["-L", &format!("{connector}+{dialer}://127.0.0.1:0")]);
                for server in [format!("tcp://{}", tcp.addr), format!("https://{}", doh.addr())] {
                    let file = format!("\
services:
- {{name: s, addr: '127.0.0.1:0', resolver: r, handler: {{type: socks5}}}}
resolvers:
- {{name: r, nameservers: [{{addr: '{server}', chain: c}}]}}
chains:
- name: c
  hops:
  - {{name: h, nodes: [{{name: n, addr: '{}', connector: {{type: {connector}}}, dialer: {{type: {dialer}}}}}]}}
", node.addr());
                    let server = ginnel.serve_file(&file, 1);
                    let proxy = Proxy::new(Speak::Socks5, server.named("s"));
                    let dest = Dest::Name("target.example".to_owned(), targets.work.addr.port());
                    check::transfer(connector, proxy.open(dest).expect(connector), KIB, KIB);
                    node.wait_for_line(&[">-<"]);
                }
            }
        }
    }

    fn names_of_nodes_are_asked_of_the_resolver_of_the_hop(ginnel: &Program) {
        let targets = Targets::new();
        let names = names::tcp(NAMES);
        for dialer in ["tcp", "ws", "mws"] {
            let node = ginnel.serve(&["-L", &format!("socks5+{dialer}://127.0.0.1:0")]);
            let second = ginnel.serve(&["-L", &format!("socks5+{dialer}://127.0.0.1:0")]);
            let hop = |port: u16| format!("socks5+{dialer}://node.example:{port}?resolver=tcp://{}", names.addr);
            let (first, last) = (hop(node.addr().port()), hop(second.addr().port()));
            let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &first, "-F", &last]);
            let way = Proxy::new(Speak::Socks5, client.addr());
            check::transfer(dialer, way.open(targets.work.addr).expect(dialer), KIB, KIB);
        }
        // A node without an address is left for another.
        let node = ginnel.serve(&["-L", "socks5://127.0.0.1:0"]);
        let port = node.addr().port();
        let hop = format!("socks5://missing.example:{port},node.example:{port}?strategy=fifo&resolver=tcp://{}", names.addr);
        let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &hop]);
        let way = Proxy::new(Speak::Socks5, client.addr());
        check::transfer("fifo", way.open(targets.work.addr).expect("the other node"), KIB, KIB);
    }

    fn a_name_server_that_is_not_who_it_should_be_is_not_believed(ginnel: &Program) {
        let targets = Targets::new();
        let tcp = names::tcp(NAMES);
        let dot = ginnel.serve(&["-L", &format!("tls://127.0.0.1:0/{}", tcp.addr)]);
        let file = format!("\
services:
- {{name: s, addr: '127.0.0.1:0', resolver: r, handler: {{type: socks5}}}}
resolvers:
- {{name: r, nameservers: [{{addr: 'tls://{}', hostname: dns.example}}]}}
", dot.addr());
        let server = ginnel.serve_file(&file, 1);
        let dest = Dest::Name("target.example".to_owned(), targets.work.addr.port());
        let refused = Proxy::new(Speak::Socks5, server.named("s")).open(dest).map(drop);
        assert!(matches!(refused, Err(Refused::Socks5(_))), "{refused:?}");
        server.wait_for_line(&["target.example", "certificate"]);
    }

    fn what_is_wrong_with_a_name_server_names_its_place(ginnel: &Program) {
        for (servers, words) in [
            ("{addr: 'quic://1.1.1.1'}", ["nameservers[0]", "expected udp, tcp, tls or https"]),
            ("{addr: 'tcp://1.1.1.1', chain: none}", ["nameservers[0]", "no chain named"]),
            ("{addr: 'tcp://1.1.1.1', only: ipv5}", ["nameservers[0]", "expected ipv4 or ipv6"]),
            ("{addr: 'tcp://1.1.1.1', clientIP: me}", ["nameservers[0]", "expected an address"]),
            ("", ["resolver \"r\"", "there is none to ask"]),
        ] {
            let file = format!("services: [{{name: s, addr: ':0', resolver: r}}]\nresolvers: [{{name: r, nameservers: [{servers}]}}]\n");
            let (status, lines) = ginnel.spawn(&["-C", "gost.yml"], &[("gost.yml", &file)]).wait();
            assert_eq!(status.code(), Some(1), "{servers}");
            let hit = lines.iter().any(|line| words.iter().all(|word| line.contains(&word.replace('"', "\\\"")) || line.contains(word)));
            assert!(hit, "{servers}: {words:?} not in {lines:#?}");
        }
    }
}
