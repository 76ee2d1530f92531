//! Reverse tunnels with gost at either end.

use ginnel_tests::target::free_addr;
use ginnel_tests::{Proxy, Speak};

use super::*;

/// A host is given, for the newest gost asks a relay node for `:PORT` in a form that no other gost understands.
pub(super) fn reverse(case: &Case) {
    let targets = Targets::new();
    for words in ["relay+wss", "relay+mws", "socks5+ws", "socks5+mwss"] {
        let listen = format!("{words}://127.0.0.1:0?bind=true&notls=true");
        let server = case.server.serve(&["-L", &listen]);
        let node = format!("{words}://{}?notls=true", server.addr());
        let port = free_addr();
        let listen = format!("rtcp://{port}/{}", targets.work.addr);
        let client = case.client.serve(&["-L", &listen, "-F", &node]);
        let name = format!("{} by {}: {node}", case.client.name(), case.server.name());
        let proxy = Proxy::new(Speak::Raw, port);
        let way = check::Way::fixed(name, vec![(targets.work.addr, proxy)]);
        check::until_open(port);
        check::both_ways(&way, &targets.work, 50 * KIB, 100 * KIB);
        check::concurrent(&way, &targets.work, 5, 20 * KIB);
        drop((client, server));
    }
}

/// Through a node of the other program, and opened by the last.
pub(super) fn reverse_chain(case: &Case) {
    let targets = Targets::new();
    let first = case.client.serve(&["-L", "http+wss://127.0.0.1:0"]);
    for words in ["relay+ws", "relay+mwss", "socks5+ws"] {
        let listen = format!("{words}://127.0.0.1:0?bind=true&notls=true");
        let server = case.server.serve(&["-L", &listen]);
        let nodes = [
            format!("http+wss://{}", first.addr()),
            format!("{words}://{}?notls=true", server.addr()),
        ];
        let port = free_addr();
        let listen = format!("rtcp://{port}/{}", targets.work.addr);
        let args = ["-L", &listen, "-F", &nodes[0], "-F", &nodes[1]];
        let client = case.client.serve(&args);
        let name = format!("{} by {}: {words}", case.client.name(), case.server.name());
        let proxy = Proxy::new(Speak::Raw, port);
        let way = check::Way::fixed(name, vec![(targets.work.addr, proxy)]);
        check::until_open(port);
        check::both_ways(&way, &targets.work, 50 * KIB, 50 * KIB);
        drop((client, server));
    }
}

/// The same for datagrams. A gost reads up to 4096 bytes, and loses its place behind an empty one.
pub(super) fn reverse_datagrams(case: &Case) {
    let echo = Echo::start();
    for words in ["relay+wss", "relay+mws", "socks5+ws", "socks5+mwss"] {
        let listen = format!("{words}://127.0.0.1:0?bind=true&notls=true");
        let server = case.server.serve(&["-L", &listen]);
        let node = format!("{words}://{}?notls=true", server.addr());
        let port = free_addr();
        let listen = format!("rudp://{port}/{}", echo.addr);
        let client = case.client.serve(&["-L", &listen, "-F", &node]);
        let name = format!("{} by {}: {node}", case.client.name(), case.server.name());
        Client::until_open(port);
        let clients = [(); 3].map(|()| Client::raw(port));
        if case.gost != Gost::Both && case.gost_dials() {
            clients[0].send(b"");
        }
        for client in &clients {
            for n in [1, 500, 4000] {
                client.echoes(&name, n);
            }
        }
        drop((client, server));
    }
}

/// A port without a host is open on all addresses, whoever is at the other end.
pub(super) fn any_address(case: &Case) {
    if case.gost_dials() {
        return;
    }
    let (targets, echo) = (Targets::new(), Echo::start());
    for words in ["relay+ws", "socks5+ws"] {
        let listen = format!("{words}://127.0.0.1:0?bind=true&notls=true");
        let server = case.server.serve(&["-L", &listen]);
        let node = format!("{words}://{}?notls=true", server.addr());
        let port = free_addr();
        let tcp = format!("rtcp://:{}/{}", port.port(), targets.work.addr);
        let udp = format!("rudp://:{}/{}", port.port(), echo.addr);
        let client = case.client.serve(&["-L", &tcp, "-L", &udp, "-F", &node]);
        let way = check::Way::fixed(
            words,
            vec![(targets.work.addr, Proxy::new(Speak::Raw, port))],
        );
        check::until_open(port);
        check::both_ways(&way, &targets.work, KIB, KIB);
        Client::until_open(port);
        Client::raw(port).echoes(words, 300);
        drop((client, server));
    }
}
