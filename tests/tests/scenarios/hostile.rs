//! Peers that mean harm, on real sockets: the process survives, its memory returns, others are served, and the
//! log does not fill up.
// A flood lasts for a time, and memory is given back at nobody's word.
#![allow(clippy::disallowed_methods)]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ginnel_tests::check::{self, KIB, MIB, Targets, Way};
use ginnel_tests::client::{connect, field, read_head};
use ginnel_tests::config::{self, Node, Service};
use ginnel_tests::frames::{Smux, ask, frame, opcode, upgrade_request};
use ginnel_tests::target::Target;
use ginnel_tests::{Proc, Program, Proxy, Speak, on_both_runtimes};
use tungstenite::handshake::derive_accept_key;

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

    /// A proxy that is its own node, through another service: descriptors end, the process does not.
    fn a_circle_of_two_services_is_survived(ginnel: &Program) {
        let targets = Targets::new();
        let [a, b] = [(); 2].map(|()| ginnel_tests::target::free_addr());
        let circle = |name: &str, at: SocketAddr, to: SocketAddr| format!(
            "- {{name: {name}, addr: '{at}', handler: {{type: socks5, chain: {name}}}, listener: {{type: tcp}}}}\n\
             CHAINS- {{name: {name}, hops: [{{name: {name}, nodes: [{{name: {name}, addr: '{to}', connector: {{type: socks5}}, dialer: {{type: tcp}}}}]}}]}}\n"
        );
        let parts = [circle("service-0", a, b), circle("service-1", b, a)].map(|text| {
            let (service, chain) = text.split_once("CHAINS").expect("both");
            (service.to_owned(), chain.to_owned())
        });
        let plain = "- {name: service-2, addr: '127.0.0.1:0', handler: {type: socks5}, listener: {type: tcp}}\n";
        let text = format!(
            "services:\n{}{}{plain}chains:\n{}{}",
            parts[0].0, parts[1].0, parts[0].1, parts[1].1
        );
        let server = ginnel.descriptors(300).serve_file(&text, 3);
        assert_ends(&mut ask_socks5(a), "a circle");
        // Each round of it gives its descriptors back.
        server.wait_for_count(" >< ", server.count(" <> "));
        let way = Way::socks5("afterwards", server.service(2));
        check::both_ways(&way, &targets.work, KIB, KIB);
    }

    /// Three processes, of which each is the node of the one before: the ninth proxy refuses.
    fn a_circle_of_three_processes_is_told(ginnel: &Program) {
        for channel in ["ws", "mws"] {
            let targets = Targets::new();
            let at = [(); 3].map(|()| ginnel_tests::target::free_addr());
            let circle: Vec<Proc> = (0..3)
                .map(|index| {
                    let listen = format!("socks5+{channel}://{}", at[index]);
                    let node = format!("socks5+{channel}://{}", at[(index + 1) % 3]);
                    ginnel.descriptors(300).serve(&["-L", &listen, "-F", &node, "-L", "socks5://127.0.0.1:0"])
                })
                .collect();
            let before: Vec<_> = circle.iter().map(|proc| proc.descriptors()).collect();
            let node = format!("socks5+{channel}://{}", at[0]);
            let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
            let begin = Instant::now();
            let refused = Proxy::new(Speak::Socks5, client.addr()).open(targets.work.addr);
            assert!(refused.is_err(), "a way out of a circle");
            assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
            // The fourth round begins at the first again; the last proxy of the third was its client.
            circle[0].wait_for_line(&["came through 9 proxies"]);
            circle[2].wait_for_line(&["the nodes lead in a circle, expected 101"]);
            for (proc, before) in circle.iter().zip(before) {
                let more = proc.descriptors().zip(before).map(|(now, before)| now.saturating_sub(before));
                assert!(more.is_none_or(|more| more < 30), "{more:?} more descriptors");
            }
        }
    }
}

type Make = fn(u32, bool) -> Vec<u8>;

/// What the `n`th piece of a flood is, masked or not.
const FLOODS: [(&str, Make); 9] = [
    ("SYN", |n, masked| smux(Smux::SYN, 3 + 2 * n, b"", masked)),
    ("NOP", |_, masked| smux(Smux::NOP, 0, b"", masked)),
    ("empty data", |_, masked| smux(Smux::PSH, 3, b"", masked)),
    ("data of nobody", |_, masked| {
        smux(Smux::PSH, 9, b"x", masked)
    }),
    ("ends of nobody", |n, masked| {
        smux(Smux::FIN, 2 * n, b"", masked)
    }),
    ("SYN and end", |n, masked| {
        let mut bytes = smux(Smux::SYN, 3 + 2 * n, b"", masked);
        bytes.extend(smux(Smux::FIN, 3 + 2 * n, b"", masked));
        bytes
    }),
    ("ping", |_, masked| frame(opcode::PING, b"x", masked)),
    ("empty frames", |_, masked| {
        frame(opcode::BINARY, b"", masked)
    }),
    ("one byte frames", |n, masked| {
        let header = [1, Smux::NOP, 0, 0, 0, 0, 0, 0];
        frame(opcode::BINARY, &header[n as usize % 8..][..1], masked)
    }),
];

/// What ends a connection at once.
const VIOLATIONS: [(&str, Make); 8] = [
    ("a length of 2^63", |_, masked| {
        let mut bytes = vec![0x82, 0x7f | u8::from(masked) << 7, 0x80];
        bytes.extend([0; 11]);
        bytes
    }),
    ("a length that is not minimal", |_, masked| {
        vec![
            0x82,
            0x7e | u8::from(masked) << 7,
            0,
            5,
            0,
            0,
            0,
            0,
            1,
            1,
            1,
            1,
            1,
        ]
    }),
    ("a mask where none belongs, or none", |_, masked| {
        frame(opcode::BINARY, b"hello", !masked)
    }),
    ("a reserved bit", |_, masked| {
        let mut bytes = frame(opcode::BINARY, b"hello", masked);
        bytes[0] |= 0x40;
        bytes
    }),
    ("a reserved opcode", |_, masked| frame(3, b"hello", masked)),
    ("a control frame in pieces", |_, masked| {
        let mut bytes = frame(opcode::PING, b"hello", masked);
        bytes[0] &= 0x7f;
        bytes
    }),
    ("another version of smux", |_, masked| {
        frame(opcode::BINARY, &[9, 0, 0, 0, 3, 0, 0, 0], masked)
    }),
    ("an unknown command of smux", |_, masked| {
        smux(77, 3, b"", masked)
    }),
];

/// Right beginnings, for a target that refuses.
const OPENINGS: [(&str, &[u8]); 9] = [
    (
        "auto",
        b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x01",
    ),
    (
        "socks5",
        b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x01",
    ),
    ("socks4", b"\x04\x01\x00\x01\x7f\x00\x00\x01u\x00"),
    (
        "http",
        b"CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n",
    ),
    (
        "relay",
        b"\x01\x01\x00\x00\x0a\x02\x00\x07\x01\x7f\x00\x00\x01\x00\x01",
    ),
    ("socks5+tls", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"),
    ("http+wss", b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03"),
    (
        "http+ws",
        b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
    ),
    (
        "relay+mws",
        b"GET /ws HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ),
];

fn smux(command: u8, stream: u32, payload: &[u8], masked: bool) -> Vec<u8> {
    let mut bytes = vec![1, command];
    bytes.extend((payload.len() as u16).to_le_bytes());
    bytes.extend(stream.to_le_bytes());
    bytes.extend(payload);
    frame(opcode::BINARY, &bytes, masked)
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

/// `n` zero bytes in the form of RFC 1951: one literal, and matches of 258 bytes one byte back.
fn zeros(n: usize) -> Vec<u8> {
    let (mut bytes, mut word, mut bits) = (Vec::new(), 0u32, 0);
    let mut put = |value: u32, count: u32| {
        word |= value << bits;
        bits += count;
        while bits >= 8 {
            bytes.push(word as u8);
            word >>= 8;
            bits -= 8;
        }
    };
    // Not the last block, fixed codes; the literal 0 is 00110000, from its highest bit on.
    put(0b010, 3);
    put(0b0000_1100, 8);
    for _ in 0..n / 258 {
        // Length code 285 is 11000101, distance code 0 is 00000.
        put(0b1010_0011, 8);
        put(0, 5);
    }
    // The end of the block, and an empty stored one, whose last four bytes are left out (RFC 7692, 7.2.1).
    put(0, 7);
    put(0, 3);
    put(0, 7);
    bytes
}

/// A masked message with the bit of permessage-deflate.
fn compressed(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xc2, 0xff];
    bytes.extend((payload.len() as u64).to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}
