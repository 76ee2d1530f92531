//! By which node, and by which chain.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use ginnel_tests::check::{self, KIB, Targets};
use ginnel_tests::client::{Dest, connect};
use ginnel_tests::gost::{self, STABLE};
use ginnel_tests::target::refusing;
use ginnel_tests::{Program, Proxy, Speak, on_both_runtimes, threads};

use super::way;

on_both_runtimes! {
    fn a_dead_node_costs_no_request(ginnel: &Program) {
        let targets = Targets::new();
        for channel in ["tcp", "ws", "mws"] {
            let server = ginnel.serve(&["-L", &format!("relay+{channel}://127.0.0.1:0?nodelay=true")]);
            for strategy in ["round", "fifo", "random", "hash", "parallel"] {
                let (dead, good) = (refusing(), server.addr());
                let node = format!("relay+{channel}://{dead},{good},{}?strategy={strategy}", refusing());
                let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
                for _ in 0..6 {
                    check::both_ways(&way(client.addr()), &targets.work, KIB, KIB);
                }
            }
        }
    }

    /// After a look at both, all go by the nearer one.
    fn the_node_that_is_reached_soonest_is_taken(ginnel: &Program) {
        let targets = Targets::new();
        let [far, near] = [(); 2].map(|()| ginnel.serve(&["-L", "socks5+ws://127.0.0.1:0"]));
        for option in ["strategy: lowestlatency", "strategy: fifo, maxLatency: 700ms"] {
            let (before_far, before_near) = (far.count(" <> "), near.count(" <> "));
            let file = format!("\
services: [{{name: s, addr: '127.0.0.1:0', handler: {{type: socks5, chain: c}}}}]
chains: [{{name: c, hops: [{{name: h, selector: {{{option}}}, nodes: [
  {{name: far, addr: '{}', connector: {{type: socks5}}, dialer: {{type: ws}}}},
  {{name: near, addr: '{}', connector: {{type: socks5}}, dialer: {{type: ws}}}}]}}]}}]
", slow(far.addr()), near.addr());
            // Each thread finds out by itself.
            let client = ginnel.spawn(&["-threads", "1", "-C", "gost.yml"], &[("gost.yml", &file)]);
            client.wait_for_services(1);
            for _ in 0..7 {
                check::both_ways(&way(client.named("s")), &targets.work, KIB, KIB);
            }
            far.wait_for_count(" <> ", before_far + 1);
            near.wait_for_count(" <> ", before_near + 6);
            assert_eq!(far.count(" <> ") - before_far, 1, "{option}");
            assert_eq!(near.count(" <> ") - before_near, 6, "{option}");
        }
    }

    fn the_real_gost_takes_over_from_a_dead_node(ginnel: &Program) {
        let Some(gost) = gost::program(STABLE) else { return };
        let targets = Targets::new();
        let server = gost.serve(&["-L", "socks5+mws://127.0.0.1:0"]);
        let (first, second) = (server.addr(), ginnel.serve(&["-L", "socks5+mws://127.0.0.1:0"]));
        let node = format!("socks5+mws://{first},{}?strategy=fifo", second.addr());
        let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
        check::both_ways(&way(client.addr()), &targets.work, KIB, KIB);
        server.kill();
        for _ in 0..3 {
            check::both_ways(&way(client.addr()), &targets.work, KIB, KIB);
        }
    }

    fn with_all_nodes_dead_nothing_goes_out_directly(ginnel: &Program) {
        let targets = Targets::new();
        let node = format!("socks5://{},{}", refusing(), refusing());
        let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0?retries=2", "-F", &node]);
        for _ in 0..4 {
            check::no_way(&way(client.addr()), &targets.work);
        }
    }

    fn a_dead_target_is_left_for_another(ginnel: &Program) {
        let targets = Targets::new();
        for strategy in ["round", "fifo"] {
            let line = format!("tcp://127.0.0.1:0/{},{}?strategy={strategy}", refusing(), targets.work.addr);
            let server = ginnel.serve(&["-L", &line]);
            for _ in 0..4 {
                check::transfer(&line, connect(server.addr()), KIB, KIB);
            }
        }
    }

    fn a_bypass_of_the_hop_goes_directly_and_one_of_a_node_around_it(ginnel: &Program) {
        let targets = Targets::new();
        let dead = refusing();
        let line = format!("socks5://{dead}?bypass=127.0.0.1");
        let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &line]);
        check::both_ways(&way(client.addr()), &targets.work, KIB, KIB);

        let server = ginnel.serve(&["-L", "socks5://127.0.0.1:0"]);
        let file = format!("\
services:
- {{name: s, addr: '127.0.0.1:0', handler: {{type: socks5, chain: c}}}}
chains:
- name: c
  hops:
  - name: h
    selector: {{strategy: fifo}}
    nodes:
    - {{name: not, addr: '{dead}', connector: {{type: socks5}}, bypass: local}}
    - {{name: other, addr: '{dead}', connector: {{type: socks5}}, filter: {{host: '*.example.com'}}}}
    - {{name: good, addr: '{}', connector: {{type: socks5}}}}
bypasses:
- {{name: local, matchers: ['127.0.0.0/8']}}
", server.addr());
        let client = ginnel.serve_file(&file, 1);
        check::both_ways(&way(client.named("s")), &targets.work, KIB, KIB);
        assert_eq!(client.count("connection refused"), 0, "a node was tried that must not be");
    }

    fn a_chain_of_a_group_takes_over(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "socks5+ws://127.0.0.1:0"]);
        let chain = |name: &str, addr: SocketAddr| format!(
            "- {{name: {name}, hops: [{{name: h-{name}, nodes: [{{name: n, addr: '{addr}', connector: {{type: socks5}}, dialer: {{type: ws}}}}]}}]}}\n"
        );
        let file = format!(
            "services:\n- {{name: s, addr: '127.0.0.1:0', handler: {{type: socks5, chainGroup: {{chains: [a, b], selector: {{strategy: fifo}}}}}}}}\nchains:\n{}{}",
            chain("a", refusing()), chain("b", server.addr()),
        );
        let client = ginnel.serve_file(&file, 1);
        for _ in 0..6 {
            check::both_ways(&way(client.named("s")), &targets.work, KIB, KIB);
        }
        assert!(client.count("connection refused") <= threads(), "a chain that is out was tried");
    }

    fn a_rule_says_which_chain_and_which_node(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "socks5+ws://127.0.0.1:0"]);
        let node = |addr: SocketAddr, rule: &str| format!(
            "{{name: n{}, addr: '{addr}', connector: {{type: socks5}}, dialer: {{type: ws}}, matcher: {{rule: '{rule}'}}}}", addr.port()
        );
        let file = format!(
            "services:\n- {{name: s, addr: '127.0.0.1:0', handler: {{type: socks5, chainGroup: {{chains: [{{chain: a, matcher: {{rule: 'Host(`nobody`)'}}}}, {{chain: b, matcher: {{rule: '!Host(`nobody`) && !Host(`*.example`)'}}}}]}}}}}}\n\
             chains:\n- {{name: a, hops: [{{name: h-a, nodes: [{{name: n, addr: '{dead}'}}]}}]}}\n\
             - {{name: b, hops: [{{name: h-b, nodes: [{}, {}]}}]}}\n",
            node(refusing(), "Host(`nobody`) && Host(`nobody`)"), node(server.addr(), "Host(`127.0.0.1`)"), dead = refusing(),
        );
        let client = ginnel.serve_file(&file, 1);
        for _ in 0..4 {
            check::both_ways(&way(client.named("s")), &targets.work, KIB, KIB);
        }
        // Neither around the nodes nor around the chains.
        for (host, why) in [("localhost", "their filters name others"), ("a.example", "no chain of the group is for")] {
            let to = Dest::Name(host.to_owned(), targets.work.addr.port());
            let refused = Proxy::new(Speak::Socks5, client.named("s")).open(to);
            assert!(refused.is_err(), "{host} was reached");
            client.wait_for_line(&[why]);
        }
        assert_eq!(client.count("connection refused"), 0, "a node was tried that is for others");
    }
}

/// A server that is a second away.
#[allow(clippy::disallowed_methods)] // It takes real time.
fn slow(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            std::thread::sleep(Duration::from_secs(1));
            let server = TcpStream::connect(to).expect("a server");
            for (mut from, mut to) in [
                (
                    client.try_clone().expect("a socket"),
                    server.try_clone().expect("a socket"),
                ),
                (server, client),
            ] {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    addr
}
