//! Reverse tunnels: a port of the server that leads to a target of the client.

use std::net::SocketAddr;

use ginnel_tests::check::{self, KIB, MIB, Targets, Way};
use ginnel_tests::target::free_addr;
use ginnel_tests::{Proc, Program, Proxy, Speak, on_both_runtimes};
use rustix::process::Signal;

fn far(ginnel: &Program, words: &str) -> Proc {
    ginnel.serve(&["-L", &format!("{words}://127.0.0.1:0?bind=true")])
}

fn near(ginnel: &Program, port: SocketAddr, targets: &Targets, node: &str) -> Proc {
    let listen = format!("rtcp://{port}/{}", targets.work.addr);
    ginnel.serve(&["-L", &listen, "-F", node])
}

fn way(name: &str, port: SocketAddr, targets: &Targets) -> Way {
    Way::fixed(
        name,
        vec![(targets.work.addr, Proxy::new(Speak::Raw, port))],
    )
}

on_both_runtimes! {
    fn a_port_of_the_server_leads_to_a_target_of_the_client(ginnel: &Program) {
        let targets = Targets::new();
        for words in ["relay", "relay+wss", "relay+mws", "socks5", "socks5+mwss", "auto+ws"] {
            let server = far(ginnel, words);
            let connector = words.replace("auto", "socks5");
            let node = format!("{connector}://{}", server.addr());
            let port = free_addr();
            let client = near(ginnel, port, &targets, &node);
            let way = way(words, port, &targets);
            check::both_ways(&way, &targets.work, 100 * KIB, MIB);
            check::concurrent(&way, &targets.work, 10, 20 * KIB);
            // The client knows who came.
            let visitor = way.open(&targets.work);
            let own = visitor.local_addr().expect("an address");
            client.wait_for_line(&[&format!("{own} <> ")]);
        }
    }

    /// The last node of the chain listens; those before it lead there.
    fn a_port_is_asked_for_through_a_chain(ginnel: &Program) {
        let targets = Targets::new();
        let first = ginnel.serve(&["-L", "http+ws://127.0.0.1:0", "-L", "socks5+mwss://127.0.0.1:0"]);
        for (index, words) in ["http+ws", "socks5+mwss"].into_iter().enumerate() {
            for last in ["relay+ws", "socks5", "relay+mwss"] {
                let server = far(ginnel, last);
                let port = free_addr();
                let listen = format!("rtcp://{port}/{}", targets.work.addr);
                let nodes = [
                    format!("{words}://{}", first.service(index)),
                    format!("{last}://{}", server.addr()),
                ];
                let _client = ginnel.serve(&["-L", &listen, "-F", &nodes[0], "-F", &nodes[1]]);
                let way = way(&format!("{words} {last}"), port, &targets);
                check::both_ways(&way, &targets.work, 20 * KIB, 200 * KIB);
                check::concurrent(&way, &targets.work, 4, 10 * KIB);
            }
        }
    }

    fn a_port_without_a_host_is_open_on_all_addresses(ginnel: &Program) {
        let targets = Targets::new();
        let server = far(ginnel, "relay+ws");
        let port = free_addr().port();
        let listen = format!("rtcp://:{port}/:{}", targets.work.addr.port());
        let node = format!("relay+ws://{}", server.addr());
        let _client = ginnel.serve(&["-L", &listen, "-F", &node]);
        let way = way("no host", SocketAddr::from(([127, 0, 0, 1], port)), &targets);
        check::both_ways(&way, &targets.work, KIB, KIB);
    }

    fn the_port_comes_back_and_is_not_left_behind(ginnel: &Program) {
        let targets = Targets::new();
        let listen = format!("relay+ws://{}?bind=true", free_addr());
        let server = ginnel.serve(&["-L", &listen]);
        let port = free_addr();
        let node = format!("relay+ws://{}", server.addr());
        let client = near(ginnel, port, &targets, &node);
        let way = way("relay+ws", port, &targets);
        server.kill();
        client.wait_for_line(&["not listening: "]);
        let server = ginnel.serve(&["-L", &listen]);
        client.wait_for_count("listening on ", 2);
        check::both_ways(&way, &targets.work, KIB, KIB);
        client.kill();
        server.wait_for_line(&[" >< "]);
        check::until_closed(port);
        // Another client may have it.
        let client = near(ginnel, port, &targets, &node);
        check::both_ways(&way, &targets.work, KIB, KIB);
        client.signal(Signal::TERM);
        assert_eq!(client.wait().0.code(), Some(0));
    }

    /// Each direction ends on its own, between two of us also where a stream of gost's would end whole.
    fn a_direction_ends_and_the_other_goes_on(ginnel: &Program) {
        let targets = Targets::new();
        for words in ["relay+ws", "relay+mws", "socks5+mwss"] {
            let server = far(ginnel, words);
            let port = free_addr();
            let client = near(ginnel, port, &targets, &format!("{words}://{}", server.addr()));
            client.wait_for_line(&["listening on "]);
            let way = way(words, port, &targets);
            check::half_close(&way, &targets.work, MIB);
            check::upload_behind_the_end(&way, &targets.work, 10 * KIB, MIB);
            check::target_ends(&way, &targets.work, MIB);
        }
    }

    /// Nobody new comes in, and who is in it may finish.
    fn the_port_is_closed_as_soon_as_its_client_is_to_end(ginnel: &Program) {
        let targets = Targets::new();
        for words in ["relay+ws", "socks5+mws"] {
            let server = far(ginnel, words);
            let port = free_addr();
            let client = near(ginnel, port, &targets, &format!("{words}://{}", server.addr()));
            client.wait_for_line(&["listening on "]);
            let way = way(words, port, &targets);
            let open = way.open(&targets.work);
            let own = open.local_addr().expect("an address");
            client.wait_for_line(&[&format!("{own} <> ")]);
            client.signal(Signal::TERM);
            check::until_closed(port);
            check::transfer(&way.name, open, 100 * KIB, MIB);
            assert_eq!(client.wait().0.code(), Some(0));
        }
    }

    fn whoever_binds_again_takes_the_port_over(ginnel: &Program) {
        let targets = Targets::new();
        let server = far(ginnel, "relay+ws");
        let node = format!("relay+ws://{}", server.addr());
        let port = free_addr();
        let frozen = near(ginnel, port, &targets, &node);
        frozen.signal(Signal::STOP);
        let client = near(ginnel, port, &targets, &node);
        let way = way("relay+ws", port, &targets);
        check::both_ways(&way, &targets.work, KIB, KIB);
        frozen.signal(Signal::CONT);
        drop((client, frozen));
    }

    fn without_bind_the_port_is_refused_clearly(ginnel: &Program) {
        let targets = Targets::new();
        for words in ["relay+ws", "socks5"] {
            let server = ginnel.serve(&["-L", &format!("{words}://127.0.0.1:0")]);
            let node = format!("{words}://{}", server.addr());
            let listen = format!("rtcp://{}/{}", free_addr(), targets.work.addr);
            let client = ginnel.spawn(&["-L", &listen, "-F", &node], &[]);
            client.wait_for_line(&["not listening: ", "node-0"]);
            server.wait_for_line(&["needs bind=true"]);
        }
    }
}
