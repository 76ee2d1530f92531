//! Options, by what they put on the wire and by what still gets through.

use std::io::Write;
use std::net::TcpStream;

use ginnel_tests::certificate::{self, Pem};
use ginnel_tests::check::{self, KIB, Targets, Way};
use ginnel_tests::client::{connect, field};
use ginnel_tests::config::{self, Node, Service};
use ginnel_tests::frames::{
    Frame, KEY, Recorder, Smux, Unframed, ask, frame, opcode, upgrade_request,
};
use ginnel_tests::pair::{Pair, every_heartbeat, every_nodelay, every_option};
use ginnel_tests::{Proc, Program, Proxy, Speak, on_both_runtimes};
use serde_json::json;

const PERMESSAGE_DEFLATE: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

on_both_runtimes! {
    fn the_plain_upgrade_request(ginnel: &Program) {
        let (head, recorder) = request(ginnel, "http+ws", "");
        assert!(head.starts_with("GET /ws HTTP/1.1\r\n"), "{head}");
        let host = recorder.addr.to_string();
        for (name, value) in [
            ("Host", Some(host.as_str())),
            ("Upgrade", Some("websocket")),
            ("Connection", Some("Upgrade")),
            ("Sec-WebSocket-Version", Some("13")),
            ("Sec-WebSocket-Extensions", None),
            ("Origin", None),
        ] {
            assert_eq!(field(&head, name), value, "{name} in {head}");
        }
        let key = field(&head, "Sec-WebSocket-Key").expect("a key");
        assert!(key.len() == 24 && key != KEY, "{key}");
    }

    fn path_and_host_are_in_the_request(ginnel: &Program) {
        for node in ["http+ws", "socks5+mws"] {
            let (head, _) = request(ginnel, node, "?path=/tunnel/a&host=front.example.com");
            assert!(head.starts_with("GET /tunnel/a HTTP/1.1\r\n"), "{head}");
            assert_eq!(field(&head, "Host"), Some("front.example.com"), "{head}");
        }
    }

    fn header_is_in_the_request(ginnel: &Program) {
        let recorder = Recorder::new();
        let options = json!({ "header": { "foo": "bar", "baz": 123, "User-Agent": "x/1" } });
        let node = Node::new("http", "ws", recorder.addr).options(options);
        let service = Service::new("http", "tcp").hop(node);
        let client = ginnel.serve_file(&config::file(&[service]), 1);
        let _waiting = want_a_tunnel(&client);
        let (head, _) = recorder.request();
        for (name, value) in [("foo", "bar"), ("baz", "123"), ("User-Agent", "x/1")] {
            assert_eq!(field(&head, name), Some(value), "{name} in {head}");
        }
    }

    fn compression_is_offered(ginnel: &Program) {
        let (head, _) = request(ginnel, "http+ws", "?enableCompression=true");
        assert_eq!(field(&head, "Sec-WebSocket-Extensions"), Some(PERMESSAGE_DEFLATE), "{head}");
    }

    fn compression_is_accepted_and_used(ginnel: &Program) {
        let server = ginnel.serve(&["-L", "socks5+ws://127.0.0.1:0?enableCompression=true"]);
        let offer = "\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
        let request = upgrade_request("/ws").replace("\r\n\r\n", offer);
        let (head, mut stream) = ask(server.addr(), &request);
        assert_eq!(field(&head, "Sec-WebSocket-Extensions"), Some(PERMESSAGE_DEFLATE), "{head}");
        stream.write_all(&frame(opcode::BINARY, &[5, 1, 0], true)).expect("a reader");
        let answer = Frame::read(&mut stream).expect("an answer");
        assert!(answer.compressed, "{answer:?}");
    }

    fn keep_alive_pings(ginnel: &Program) {
        for node in ["http+ws", "http+mws"] {
            for options in ["?keepAlive=true&ttl=1s", "?keepAlive=1s"] {
                let (mut stream, _client) = upgraded(ginnel, node, options);
                let ping = loop {
                    let frame = Frame::read(&mut stream).expect("a frame");
                    if frame.opcode == opcode::PING {
                        break frame;
                    }
                };
                assert!(ping.masked && ping.fin, "{ping:?}");
            }
        }
    }

    fn mux_version_and_frame_size(ginnel: &Program) {
        for (options, version, size) in [
            ("", 1, 32768),
            ("?mux.version=2", 2, 32768),
            ("?mux.maxFrameSize=1024", 1, 1024),
            ("?muxMaxFrameSize=1024", 1, 1024),
        ] {
            let (stream, client) = upgraded(ginnel, "forward+mws", options);
            let mut stream = Unframed::new(stream);
            let mut entry = connect(client.addr());
            // The first request of `upgraded` has its own stream.
            entry.write_all(b"CONNECT x.invalid:1 HTTP/1.1\r\nHost: x\r\n\r\n").expect("a reader");
            entry.write_all(&vec![b'x'; 100_000]).expect("a reader");
            let mut longest = 0;
            let mut total = 0;
            while total < 100_000 {
                let frame = Smux::read(&mut stream).expect("a frame");
                assert_eq!(frame.version, version, "{options}");
                if frame.command == Smux::PSH {
                    longest = longest.max(frame.payload.len());
                    total += frame.payload.len();
                }
                if total == 0 {
                    assert!([Smux::SYN, Smux::NOP].contains(&frame.command), "{frame:?}");
                }
            }
            assert!(longest <= size && longest > size / 64, "{options}: frames of {longest}");
        }
    }

    fn mux_keepalive(ginnel: &Program) {
        for options in ["?mux.keepaliveInterval=1s", "?muxKeepAliveInterval=1s"] {
            let (stream, _client) = upgraded(ginnel, "http+mws", options);
            let mut stream = Unframed::new(stream);
            while Smux::read(&mut stream).expect("a frame").command != Smux::NOP {}
        }
    }

    fn every_option_lets_bytes_through(ginnel: &Program) {
        let targets = Targets::new();
        let pair = Pair::start(ginnel, ginnel, &every_option(), &targets);
        for way in &pair.ways {
            check::both_ways(way, &targets.work, 300 * KIB, 300 * KIB);
            check::half_close(way, &targets.work, 64 * KIB);
            check::concurrent(way, &targets.work, 8, 16 * KIB);
        }
    }

    fn heartbeats_keep_a_silent_tunnel(ginnel: &Program) {
        let targets = Targets::new();
        let pair = Pair::start(ginnel, ginnel, &every_heartbeat(), &targets);
        let open: Vec<_> = pair.ways.iter().map(|way| way.open(&targets.work)).collect();
        check::silence(&open, 3500);
        for (way, stream) in pair.ways.iter().zip(open) {
            check::transfer(&way.name, stream, 100 * KIB, 100 * KIB);
        }
    }

    fn relay_works_with_every_nodelay(ginnel: &Program) {
        let targets = Targets::new();
        let links: Vec<_> = every_nodelay().into_iter().map(|(.., link)| link).collect();
        let pair = Pair::start(ginnel, ginnel, &links, &targets);
        for way in &pair.ways {
            check::both_ways(way, &targets.work, 50 * KIB, 50 * KIB);
            check::banner_first(way, &targets);
        }
    }

    /// `secure` checks the chain and the name; the test's certificate is for localhost.
    fn certificates_are_verified_on_request(ginnel: &Program) {
        let targets = Targets::new();
        let Pem { cert, key } = certificate::localhost();
        let other = certificate::localhost().cert;
        for channel in ["tls", "wss", "mwss"] {
            let listen = format!("http+{channel}://127.0.0.1:0?certFile=cert.pem&keyFile=key.pem");
            let files = [("cert.pem", cert.as_str()), ("key.pem", key.as_str())];
            let server = ginnel.spawn(&["-L", &listen], &files);
            server.wait_for_services(1);
            let dial = |options: &str, ca: &str| {
                let node = format!("http+{channel}://{}?{options}", server.addr());
                let args = ["-L", "socks5://127.0.0.1:0", "-F", node.as_str()];
                let client = ginnel.spawn(&args, &[("ca.pem", ca)]);
                client.wait_for_services(1);
                let proxy = Proxy::new(Speak::Socks5, client.addr());
                (Way::proxy(format!("{channel} {options}"), proxy), client)
            };
            for options in [
                "",
                "secure=true&caFile=ca.pem&serverName=localhost",
                "caFile=ca.pem",
            ] {
                let (way, _client) = dial(options, &cert);
                check::both_ways(&way, &targets.work, KIB, KIB);
            }
            for (options, ca) in [
                ("secure=true&caFile=ca.pem&serverName=localhost", &other),
                ("secure=true&caFile=ca.pem&serverName=example.com", &cert),
                ("secure=true&serverName=localhost", &cert),
            ] {
                let (way, _client) = dial(options, ca);
                check::no_way(&way, &targets.work);
            }
        }
    }
}

/// The request that a client with this node writes.
fn request(ginnel: &Program, node: &str, options: &str) -> (String, Recorder) {
    let recorder = Recorder::new();
    let node = format!("{node}://{}{options}", recorder.addr);
    let client = ginnel.serve(&["-L", "http://127.0.0.1:0", "-F", &node]);
    let _waiting = want_a_tunnel(&client);
    let (head, _) = recorder.request();
    (head, recorder)
}

/// The connection of a client whose upgrade was answered.
fn upgraded(ginnel: &Program, node: &str, options: &str) -> (TcpStream, Running) {
    let recorder = Recorder::new();
    let node = format!("{node}://{}{options}", recorder.addr);
    let client = ginnel.serve(&["-L", "http://127.0.0.1:0", "-F", &node]);
    let waiting = want_a_tunnel(&client);
    let (_, stream) = recorder.upgrade();
    (stream, Running(client, waiting))
}

/// A client and its user, who waits for a tunnel.
struct Running(Proc, #[expect(dead_code, reason = "kept open")] TcpStream);

impl std::ops::Deref for Running {
    type Target = Proc;

    fn deref(&self) -> &Proc {
        &self.0
    }
}

/// Asks for a tunnel and does not wait for the answer, which never comes.
fn want_a_tunnel(client: &Proc) -> TcpStream {
    let mut stream = connect(client.addr());
    stream
        .write_all(b"CONNECT x.invalid:1 HTTP/1.1\r\nHost: x.invalid:1\r\n\r\n")
        .expect("a reader");
    stream
}
