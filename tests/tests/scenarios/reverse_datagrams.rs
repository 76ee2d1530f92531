//! Reverse tunnels for datagrams: a UDP port of the server that leads to a target of the client.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use ginnel_tests::check;
use ginnel_tests::datagram::{Client, Echo, mirror};
use ginnel_tests::target::free_addr;
use ginnel_tests::{Proc, Program, on_both_runtimes};
use rustix::process::Signal;

fn far(ginnel: &Program, words: &str) -> Proc {
    ginnel.serve(&["-L", &format!("{words}://127.0.0.1:0?bind=true")])
}

fn near(ginnel: &Program, port: SocketAddr, target: SocketAddr, node: &str) -> Proc {
    let client = ginnel.serve(&["-L", &format!("rudp://{port}/{target}?ttl=1s"), "-F", node]);
    client.wait_for_line(&["listening on "]);
    client
}

/// The socket goes behind the line in the log that tells of its end.
fn until_free(port: SocketAddr) {
    check::until(&format!("{port}/udp to be free"), || {
        UdpSocket::bind(port).is_ok()
    });
}

on_both_runtimes! {
    fn a_udp_port_of_the_server_leads_to_a_target_of_the_client(ginnel: &Program) {
        let echo = Echo::start();
        for words in ["relay", "relay+wss", "relay+mws", "socks5", "socks5+mwss", "auto+ws"] {
            let server = far(ginnel, words);
            let node = format!("{}://{}", words.replace("auto", "socks5"), server.addr());
            let port = free_addr();
            let client = near(ginnel, port, echo.addr, &node);
            let raw = Client::raw(port);
            for n in [0, 1, 1200, 20_000, 65_507] {
                raw.echoes(words, n);
            }
            // The client knows who came, and forgets who is silent.
            let visitor = raw.addr();
            client.wait_for_line(&[&format!("{visitor} <> ")]);
            client.wait_for_line(&[&format!("{visitor} >< ")]);
            raw.echoes(words, 3);
        }
    }

    fn clients_of_a_udp_port_are_kept_apart(ginnel: &Program) {
        let server = far(ginnel, "relay+ws");
        let node = format!("relay+ws://{}", server.addr());
        let port = free_addr();
        let _client = near(ginnel, port, mirror(), &node);
        let clients = [(); 5].map(|()| Client::raw(port));
        let mut sources = std::collections::HashSet::new();
        for (number, client) in clients.iter().enumerate() {
            client.send(&[number as u8]);
            let answer = client.receive(Duration::from_secs(5)).expect("an answer");
            assert_eq!(answer[0], number as u8);
            sources.insert(answer);
        }
        assert_eq!(sources.len(), clients.len(), "each has a socket of its own");
    }

    fn a_udp_port_comes_back_and_is_not_left_behind(ginnel: &Program) {
        let echo = Echo::start();
        let listen = format!("relay+ws://{}?bind=true", free_addr());
        let server = ginnel.serve(&["-L", &listen]);
        let port = free_addr();
        let node = format!("relay+ws://{}", server.addr());
        let client = near(ginnel, port, echo.addr, &node);
        Client::raw(port).echoes("before", 100);
        server.kill();
        client.wait_for_line(&["not listening: "]);
        let server = ginnel.serve(&["-L", &listen]);
        client.wait_for_count("listening on ", 2);
        Client::raw(port).echoes("after", 100);
        client.kill();
        server.wait_for_line(&[" >< "]);
        until_free(port);
        let client = near(ginnel, port, echo.addr, &node);
        Client::raw(port).echoes("another", 100);
        client.signal(Signal::TERM);
        assert_eq!(client.wait().0.code(), Some(0));
        server.wait_for_count(" >< ", 2);
        until_free(port);
    }

    fn whoever_binds_again_takes_the_udp_port_over(ginnel: &Program) {
        let echo = Echo::start();
        for words in ["relay+ws", "socks5"] {
            let server = far(ginnel, words);
            let node = format!("{words}://{}", server.addr());
            let port = free_addr();
            let frozen = near(ginnel, port, echo.addr, &node);
            frozen.signal(Signal::STOP);
            let client = near(ginnel, port, echo.addr, &node);
            Client::raw(port).echoes(words, 100);
            frozen.signal(Signal::CONT);
            drop((client, frozen));
        }
    }

    fn without_bind_a_udp_port_is_refused_clearly(ginnel: &Program) {
        let echo = Echo::start();
        for words in ["relay+ws", "socks5"] {
            let server = ginnel.serve(&["-L", &format!("{words}://127.0.0.1:0?udp=true")]);
            let node = format!("{words}://{}", server.addr());
            let listen = format!("rudp://{}/{}", free_addr(), echo.addr);
            let client = ginnel.spawn(&["-L", &listen, "-F", &node], &[]);
            client.wait_for_line(&["not listening: ", "node-0"]);
            server.wait_for_line(&["needs bind=true"]);
        }
    }

    fn a_udp_port_from_a_file_with_a_forwarder(ginnel: &Program) {
        let echo = Echo::start();
        let server = far(ginnel, "relay+mws");
        let port = free_addr();
        let text = format!(
            "services:\n- name: dns\n  addr: {port}\n  handler: {{type: rudp}}\n  \
             listener: {{type: rudp, chain: out}}\n  forwarder:\n    nodes:\n    - {{name: a, addr: \"{}\"}}\n\
             chains:\n- name: out\n  hops:\n  - name: hop\n    nodes:\n    - name: node\n      addr: {}\n      \
             connector: {{type: relay}}\n      dialer: {{type: mws}}\n",
            echo.addr,
            server.addr(),
        );
        let client = ginnel.spawn(&["-C", "gost.yml"], &[("gost.yml", &text)]);
        client.wait_for_line(&["listening on "]);
        Client::raw(port).echoes("from a file", 1000);
    }
}
