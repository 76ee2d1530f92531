//! Peers that mean harm, on real sockets: the process survives, its memory returns, others are served, and the
//! log does not fill up.
// A flood lasts for a time, and memory is given back at nobody's word.
#![allow(clippy::disallowed_methods)]

mod attacks;
mod circles;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ginnel_tests::check::{self, KIB, MIB, Targets, Way};
use ginnel_tests::client::{connect, field, read_head};
use ginnel_tests::config::{self, Node, Service};
use ginnel_tests::frames::{ask, upgrade_request};
use ginnel_tests::target::Target;
use ginnel_tests::{Proc, Program, on_both_runtimes};
use tungstenite::handshake::derive_accept_key;

use attacks::{FLOODS, Make, OPENINGS, VIOLATIONS, compressed, zeros};

/// What an allocator keeps.
const SLACK: u64 = 24 * MIB;
/// Of one peer at most.
const FLOOD: usize = 2 << 20;
const FLOOD_TIME: Duration = Duration::from_secs(4);

on_both_runtimes! {
    fn floods_of_clients_end_and_others_are_served(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "socks5+mws://127.0.0.1:0"]);
        let node = format!("socks5+mws://{}", server.addr());
        let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
        let way = Way::socks5("meanwhile", client.addr());
        check::both_ways(&way, &targets.work, MIB, MIB);
        let (before, warned) = (server.resident(), warnings(&server));
        for (name, make) in FLOODS {
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        let (_, stream) = ask(server.addr(), &upgrade_request("/ws"));
                        flood(stream, |n| make(n, true));
                    });
                }
                println!("{name}");
                check::both_ways(&way, &targets.work, 64 * KIB, 64 * KIB);
            });
        }
        check::both_ways(&way, &targets.work, MIB, MIB);
        assert_returned(&server, before);
        let said = warnings(&server) - warned;
        assert!(said <= 4 * FLOODS.len(), "{said} warnings");
    }

    fn floods_of_a_node_harm_no_client(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "relay+mws://127.0.0.1:0"]);
        let nodes = FLOODS.into_iter().chain(VIOLATIONS).map(|(_, make)| bad_node(make));
        let nodes: Vec<Target> = nodes.collect();
        let mut services: Vec<Service> = nodes
            .iter()
            .map(|node| Service::new("socks5", "tcp").hop(Node::new("socks5", "mws", node.addr)))
            .collect();
        services.push(Service::new("socks5", "tcp").hop(Node::new("relay", "mws", server.addr())));
        let client = ginnel.serve_file(&config::file(&services), services.len());
        let way = Way::socks5("the other node", client.service(nodes.len()));
        check::both_ways(&way, &targets.work, MIB, MIB);
        let (before, warned) = (client.resident(), warnings(&client));
        let mut asks: Vec<TcpStream> = (0..nodes.len()).map(|index| ask_socks5(client.service(index))).collect();
        check::both_ways(&way, &targets.work, 64 * KIB, 64 * KIB);
        for (asks, (name, _)) in asks.iter_mut().zip(FLOODS.into_iter().chain(VIOLATIONS)) {
            assert_ends(asks, name);
        }
        check::both_ways(&way, &targets.work, MIB, MIB);
        assert_returned(&client, before);
        let said = warnings(&client) - warned;
        assert!(said <= 20 * nodes.len(), "{said} warnings");
    }

    fn violations_of_clients_end_their_connection_only(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "socks5+mws://127.0.0.1:0", "-L", "socks5://127.0.0.1:0"]);
        let way = Way::socks5("meanwhile", server.service(1));
        let mut all = VIOLATIONS.map(|(name, make)| {
            let (_, mut stream) = ask(server.addr(), &upgrade_request("/ws"));
            stream.write_all(&make(0, true)).expect("a reader");
            (name, stream)
        });
        for (name, stream) in &mut all {
            assert_ends(stream, name);
        }
        check::both_ways(&way, &targets.work, KIB, KIB);
    }

    /// A small message that unfolds to a large one, for a target that takes nothing of it.
    fn a_bomb_goes_off_in_small_steps(ginnel: &Program) {
        let stalled = Target::start(|stream| {
            std::thread::sleep(FLOOD_TIME);
            drop(stream);
        });
        let listen = format!("forward+ws://127.0.0.1:0/{}?enableCompression=true", stalled.addr);
        let server = ginnel.serve(&["-L", &listen]);
        let before = server.resident();
        let request = upgrade_request("/ws").replace(
            "\r\n\r\n",
            "\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n\r\n",
        );
        let (head, mut stream) = ask(server.addr(), &request);
        assert!(head.contains("permessage-deflate"), "{head}");
        stream.set_write_timeout(Some(Duration::from_secs(2))).expect("a socket");
        // 20 MiB each.
        let message = compressed(&zeros(20 << 20));
        for _ in 0..20 {
            if stream.write_all(&message).is_err() {
                break;
            }
        }
        // While it goes off.
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(50));
            let grown = server.resident().zip(before).map(|(now, before)| now.saturating_sub(before));
            assert!(grown.is_none_or(|grown| grown <= SLACK), "{grown:?}");
        }
    }

    /// Openings that are almost right: each first byte wrong, and an end after each.
    fn mutated_openings_leave_the_server_as_it_was(ginnel: &Program) {
        let targets = Targets::new();
        let mut args = Vec::new();
        for (scheme, _) in OPENINGS {
            args.extend(["-L".to_owned(), format!("{scheme}://127.0.0.1:0")]);
        }
        let server = ginnel.serve(&args);
        let before = server.resident();
        for (index, (_, opening)) in OPENINGS.into_iter().enumerate() {
            let at = server.service(index);
            for (place, value) in (0..4.min(opening.len())).flat_map(|i| [(i, 0), (i, 0x80), (i, 0xff)]) {
                let mut bytes = opening.to_vec();
                bytes[place] ^= value;
                say_and_leave(at, &bytes);
            }
            for end in 0..opening.len().min(12) {
                say_and_leave(at, &opening[..end]);
            }
        }
        let way = Way::socks5("afterwards", server.service(0));
        check::both_ways(&way, &targets.work, KIB, KIB);
        assert_returned(&server, before);
    }
}

/// A node that upgrades and then sends what it must not.
fn bad_node(make: Make) -> Target {
    Target::start(move |mut stream| {
        let Some(head) = read_head(&mut stream) else {
            return;
        };
        let key = field(&head, "Sec-WebSocket-Key").unwrap_or_default();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            derive_accept_key(key.as_bytes())
        );
        if stream.write_all(answer.as_bytes()).is_ok() {
            flood(stream, |n| make(n, false));
        }
    })
}

/// A request for a target that refuses, greeting and all.
fn ask_socks5(proxy: SocketAddr) -> TcpStream {
    let mut stream = connect(proxy);
    stream
        .write_all(b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x01")
        .expect("a reader");
    stream
}

fn warnings(proc: &Proc) -> usize {
    proc.count("\"level\":\"warn\"")
}

/// Writes what `make` makes until it is stopped, or for a while. Reads nothing.
fn flood(mut stream: TcpStream, make: impl Fn(u32) -> Vec<u8>) {
    let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
    let (begin, mut sent, mut n) = (Instant::now(), 0, 0);
    while sent < FLOOD && begin.elapsed() < FLOOD_TIME {
        let pieces: Vec<u8> = (0..200).flat_map(|i| make(n + i)).collect();
        n += 200;
        sent += pieces.len();
        if stream.write_all(&pieces).is_err() {
            return;
        }
    }
}

/// What was said has an answer or none, and an end.
fn assert_ends(stream: &mut TcpStream, name: &str) {
    let end = std::io::copy(stream, &mut std::io::sink());
    let waits = |error: &std::io::Error| {
        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
    };
    assert!(!end.as_ref().is_err_and(waits), "{name}: no end");
}

fn say_and_leave(at: SocketAddr, bytes: &[u8]) {
    let mut stream = connect(at);
    // It may have been refused already.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut some = [0; 256];
    let _ = stream.set_read_timeout(Some(Duration::from_millis(100)));
    let _ = stream.read(&mut some);
}

/// Within some seconds, for what is counted lags behind what is closed.
fn assert_returned(proc: &Proc, before: Option<u64>) {
    let Some(before) = before else {
        return;
    };
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let now = proc.resident().expect("a process that lives");
        let grown = now.saturating_sub(before);
        if grown <= SLACK {
            return;
        }
        assert!(Instant::now() < deadline, "{} KiB are kept", grown / KIB);
        std::thread::sleep(Duration::from_millis(50));
    }
}
