//! Every protocol in every channel, Ginnel on both ends.

use ginnel_tests::check::{self, KIB, MIB, Targets, Way};
use ginnel_tests::config::{self, Node, Service};
use ginnel_tests::pair::{CHANNELS, Inside, Link, Pair};
use ginnel_tests::target::free_addr;
use ginnel_tests::{Program, on_both_runtimes};

fn every_protocol(ginnel: &Program, channel: &'static str) {
    let targets = Targets::new();
    let pair = all_in(channel, ginnel, &targets);
    for way in &pair.ways {
        check::both_ways(way, &targets.work, MIB, MIB);
        check::banner_first(way, &targets);
        check::target_ends(way, &targets.work, 200 * KIB);
        check::half_close(way, &targets.work, 64 * KIB);
        check::concurrent(way, &targets.work, 16, 32 * KIB);
    }
}

fn long_answers_after_half_close(ginnel: &Program, channel: &'static str) {
    let targets = Targets::new();
    let pair = all_in(channel, ginnel, &targets);
    for way in &pair.ways {
        check::half_close(way, &targets.work, 8 * MIB);
    }
}

fn all_in(channel: &'static str, ginnel: &Program, targets: &Targets) -> Pair {
    let links = Inside::ALL.map(|inside| Link::new(channel, inside));
    Pair::start(ginnel, ginnel, &links, targets)
}

on_both_runtimes! {
    fn tcp(ginnel: &Program) { every_protocol(ginnel, "tcp"); }
    fn tls(ginnel: &Program) { every_protocol(ginnel, "tls"); }
    fn ws(ginnel: &Program) { every_protocol(ginnel, "ws"); }
    fn wss(ginnel: &Program) { every_protocol(ginnel, "wss"); }
    fn mws(ginnel: &Program) { every_protocol(ginnel, "mws"); }
    fn mwss(ginnel: &Program) { every_protocol(ginnel, "mwss"); }

    fn long_answer_tcp(ginnel: &Program) { long_answers_after_half_close(ginnel, "tcp"); }
    fn long_answer_tls(ginnel: &Program) { long_answers_after_half_close(ginnel, "tls"); }
    fn long_answer_ws(ginnel: &Program) { long_answers_after_half_close(ginnel, "ws"); }
    fn long_answer_wss(ginnel: &Program) { long_answers_after_half_close(ginnel, "wss"); }
    fn long_answer_mws(ginnel: &Program) { long_answers_after_half_close(ginnel, "mws"); }
    fn long_answer_mwss(ginnel: &Program) { long_answers_after_half_close(ginnel, "mwss"); }

    fn a_stalled_target_holds_up_nobody_else(ginnel: &Program) {
        for channel in CHANNELS {
            let targets = Targets::new();
            let pair = Pair::start(ginnel, ginnel, &[Link::new(channel, Inside::Http)], &targets);
            check::stalled_target(&pair.ways[0], &targets.work);
        }
    }

    fn many_streams_share_the_one_connection_of_a_mux_node(ginnel: &Program) {
        let targets = Targets::new();
        let links = ["mws", "mwss", "ws"].map(|channel| Link::new(channel, Inside::Socks5));
        let pair = Pair::tapped(ginnel, ginnel, &links, &targets);
        for way in &pair.ways {
            check::concurrent(way, &targets.work, 16, 10 * KIB);
            check::both_ways(way, &targets.work, 10 * KIB, 10 * KIB);
        }
        let accepted: Vec<usize> = pair.taps.iter().map(|tap| tap.accepted()).collect();
        assert_eq!(accepted, [1, 1, 17], "connections of mws, mwss, ws");
    }

    /// The command line has one chain for all of its services; `-F` adds a hop.
    fn two_hops(ginnel: &Program) {
        let targets = Targets::new();
        for (first, second) in [("http+ws", "socks5+wss"), ("socks5+mws", "relay+mwss")] {
            let servers = ginnel.serve(&[
                "-L", &format!("{first}://127.0.0.1:0"),
                "-L", &format!("{second}://127.0.0.1:0"),
            ]);
            let client = ginnel.serve(&[
                "-L", "socks5://127.0.0.1:0",
                "-F", &format!("{first}://{}", servers.service(0)),
                "-F", &format!("{second}://{}", servers.service(1)),
            ]);
            all_of(&proxy(&format!("{first}, {second}"), client.addr()), &targets);
        }
    }

    fn three_hops(ginnel: &Program) {
        let targets = Targets::new();
        let servers = ginnel.serve(&[
            "-L", "socks5+mws://127.0.0.1:0",
            "-L", "socks4+tls://127.0.0.1:0",
            "-L", "relay+mwss://127.0.0.1:0",
            "-L", "http+ws://127.0.0.1:0",
        ]);
        let node = |connector, dialer, index| Node::new(connector, dialer, servers.service(index));
        let services = [
            Service::new("auto", "tcp")
                .hop(node("socks5", "mws", 0))
                .hop(node("socks4", "tls", 1))
                .hop(node("relay", "mwss", 2)),
            Service::new("auto", "tcp")
                .hop(node("http", "ws", 3))
                .hop(node("relay", "mwss", 2))
                .hop(node("socks5", "mws", 0)),
        ];
        let client = ginnel.serve_file(&config::file(&services), services.len());
        for index in 0..services.len() {
            all_of(&proxy(&format!("chain {index}"), client.service(index)), &targets);
        }
    }

    /// A crash of the server costs the tunnels that were open, not the next one.
    fn the_next_request_finds_a_restarted_server(ginnel: &Program) {
        let targets = Targets::new();
        for channel in CHANNELS {
            let listen = format!("http+{channel}://{}", free_addr());
            let server = ginnel.serve(&["-L", &listen]);
            let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &listen]);
            let way = proxy(channel, client.addr());
            check::both_ways(&way, &targets.work, KIB, KIB);
            let mut open = way.open(&targets.work);
            server.kill();
            check::assert_end(&mut open, channel);
            let _server = ginnel.serve(&["-L", &listen]);
            check::both_ways(&way, &targets.work, KIB, KIB);
        }
    }

    fn a_node_that_is_down_is_a_refusal_and_comes_back(ginnel: &Program) {
        let targets = Targets::new();
        for channel in CHANNELS {
            let listen = format!("http+{channel}://{}", free_addr());
            let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &listen]);
            let way = proxy(channel, client.addr());
            let refused = way.try_open(&targets.work).expect_err("a refusal");
            assert!((1..=8).contains(&refused.code()), "{channel}: {refused:?}");
            let _server = ginnel.serve(&["-L", &listen]);
            check::both_ways(&way, &targets.work, KIB, KIB);
        }
    }
}

fn proxy(name: &str, addr: std::net::SocketAddr) -> Way {
    Way::socks5(name, addr)
}

fn all_of(way: &Way, targets: &Targets) {
    check::both_ways(way, &targets.work, 300 * KIB, 300 * KIB);
    check::banner_first(way, targets);
    check::half_close(way, &targets.work, 64 * KIB);
    check::concurrent(way, &targets.work, 16, 10 * KIB);
}
