//! Link-local addresses, which are nothing without the interface they are on (RFC 4007).
//!
//! A network of its own is made for them, in which the scenario runs a second time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::thread;

use ginnel_tests::check::{self, KIB, Targets, Way};
use ginnel_tests::client::Dest;
use ginnel_tests::datagram::{Client, Echo};
use ginnel_tests::{Program, Proxy, Speak, Target, on_both_runtimes};

const INSIDE: &str = "GINNEL_TEST_ZONE";
/// Two neighbours, who are one machine.
const NETWORK: &str = "ip link set lo up && ip addr add fe80::1/64 dev lo nodad && \
                       ip addr add fe80::2/64 dev lo nodad && exec \"$0\" \"$@\"";

/// Whether the scenario is in a network with link-local addresses. If not, it is run there.
fn is_inside(ginnel: &Program, name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let runtime = ginnel.name().trim_start_matches("ginnel/");
    let network = |program: &str| {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", NETWORK, program]);
        command
    };
    let possible = network("true").output();
    if !possible.as_ref().is_ok_and(|made| made.status.success()) {
        // It needs root, unshare(1) and ip(8).
        println!("zones::{runtime}::{name} is skipped, no network can be made: {possible:?}");
        return false;
    }
    let here = std::env::current_exe().expect("this test");
    let result = network(here.to_str().expect("a path"))
        .args([
            "--exact",
            &format!("zones::{runtime}::{name}"),
            "--nocapture",
        ])
        .env(INSIDE, "1")
        .env("GINNEL_BIN", ginnel.path())
        .output()
        .expect("unshare");
    let text = String::from_utf8_lossy(&result.stdout);
    assert!(
        result.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&result.stderr)
    );
    false
}

fn echo() -> u16 {
    let socket = UdpSocket::bind("[fe80::2%1]:0").expect("a link-local address");
    let port = socket.local_addr().expect("its address").port();
    thread::spawn(move || {
        let mut space = vec![0; 70_000];
        while let Ok((n, from)) = socket.recv_from(&mut space) {
            let _ = socket.send_to(&space[..n], from);
        }
    });
    port
}

/// An association whose datagrams name their target.
fn associated(proxy: SocketAddr, name: &str, port: u16) {
    let mut control = TcpStream::connect(proxy).expect("the proxy");
    control.write_all(&[5, 1, 0]).expect("a greeting");
    let mut answer = [0; 12];
    control.read_exact(&mut answer[..2]).expect("a method");
    control
        .write_all(&[5, 3, 0, 1, 0, 0, 0, 0, 0, 0])
        .expect("a request");
    control.read_exact(&mut answer[..10]).expect("a reply");
    assert_eq!(answer[..4], [5, 0, 0, 1]);
    let relay = u16::from_be_bytes([answer[8], answer[9]]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket
        .set_read_timeout(Some(ginnel_tests::PATIENCE))
        .expect("a socket");
    let mut packet = vec![0, 0, 0, 3, name.len() as u8];
    packet.extend(name.as_bytes());
    packet.extend(port.to_be_bytes());
    packet.extend(b"hello");
    let relay = SocketAddr::from(([127, 0, 0, 1], relay));
    socket.send_to(&packet, relay).expect("sent");
    let mut space = [0; 64];
    let n = socket.recv(&mut space).expect(name);
    assert!(space[..n].ends_with(b"hello"), "{name}");
}

on_both_runtimes! {
    fn nodes_in_a_zone_are_reached(ginnel: &Program) {
        if !is_inside(ginnel, "nodes_in_a_zone_are_reached") {
            return;
        }
        let targets = Targets::new();
        for scheme in ["http", "socks5", "relay+ws", "relay+wss", "socks5+mws", "relay+mwss", "http+tls"] {
            let node = ginnel.serve(&["-L", &format!("{scheme}://[fe80::1%25lo]:0")]);
            let port = node.addr().port();
            for to in [
                format!("{scheme}://[fe80::1%25lo]:{port}"),
                format!("{scheme}://[fe80::1%lo]:{port}?interface=lo"),
                format!("{scheme}://[fe80::1%1]:{port}?interface=fe80::2"),
            ] {
                let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &to]);
                let way = Proxy::new(Speak::Socks5, client.addr());
                check::transfer(&to, way.open(targets.work.addr).expect(&to), 64 * KIB, 64 * KIB);
            }
        }
        let node = ginnel.serve(&["-L", "relay+mws://[fe80::1%lo]:0"]);
        let file = format!("\
services:
- {{name: s, addr: '127.0.0.1:0', handler: {{type: auto, chain: c}}}}
chains:
- name: c
  hops:
  - {{name: h, nodes: [{{name: n, addr: '[fe80::1%lo]:{}', connector: {{type: relay}}, dialer: {{type: mws}}}}]}}
", node.addr().port());
        let client = ginnel.serve_file(&file, 1);
        let way = Way::proxy("a file", Proxy::new(Speak::Http, client.named("s")));
        check::both_ways(&way, &targets.work, 64 * KIB, 64 * KIB);
    }

    fn targets_in_a_zone_are_reached(ginnel: &Program) {
        if !is_inside(ginnel, "targets_in_a_zone_are_reached") {
            return;
        }
        let work = Target::work_at("[fe80::2%1]:0").expect("a link-local address");
        let port = work.addr.port();
        let forward = format!("tcp://127.0.0.1:0/[fe80::2%25lo]:{port}");
        let server = ginnel.serve(&["-L", &forward, "-L", "auto://127.0.0.1:0", "-L", "relay+mws://127.0.0.1:0"]);
        let raw = Proxy::new(Speak::Raw, server.service(0));
        check::transfer("forward", raw.open(work.addr).expect("forward"), KIB, KIB);
        let node = format!("relay+mws://{}", server.service(2));
        let by_node = ginnel.serve(&["-L", "auto://127.0.0.1:0", "-F", &node]);
        for proxy in [server.service(1), by_node.addr()] {
            for (speak, host) in [
                (Speak::Socks5, "fe80::2%lo"),
                (Speak::Socks5, "fe80::2%1"),
                (Speak::Socks4a, "fe80::2%lo"),
                (Speak::Http, "[fe80::2%25lo]"),
                (Speak::Http, "[fe80::2%lo]"),
            ] {
                let dest = Dest::Name(host.to_owned(), port);
                let stream = Proxy::new(speak, proxy).open(dest).expect(host);
                check::transfer(host, stream, KIB, KIB);
            }
        }
        // What is wrong is told with its cure.
        for (host, words) in [
            ("fe80::2%nope", "no interface nope"),
            ("fe80::2", "fe80::2 is link-local: name its interface, as in [fe80::2%eth0]"),
        ] {
            let dest = Dest::Name(host.to_owned(), port);
            let refused = Proxy::new(Speak::Socks5, server.service(1)).open(dest).map(drop);
            assert!(refused.is_err(), "{host}");
            server.wait_for_line(&[words]);
        }
        let http = ginnel.serve(&["-L", &forward, "-F", &format!("http://{}", server.service(1))]);
        drop(Proxy::new(Speak::Raw, http.addr()).open(work.addr));
        http.wait_for_line(&["an http node is told no zone"]);
        let ruled = ginnel.serve(&["-L", "socks5://127.0.0.1:0?bypass=fe80::/10"]);
        let dest = Dest::Name("fe80::2%lo".to_owned(), port);
        assert!(Proxy::new(Speak::Socks5, ruled.addr()).open(dest).is_err());
        ruled.wait_for_line(&["refused (bypass)"]);
        let other = ginnel.serve(&["-L", "auto://[fe80::1%lo]:0"]);
        let itself = Dest::Name("fe80::1%lo".to_owned(), other.addr().port());
        assert!(Proxy::new(Speak::Socks5, other.addr()).open(itself).is_err());
        other.wait_for_line(&["it would connect to itself"]);
    }

    fn datagrams_find_their_zone(ginnel: &Program) {
        if !is_inside(ginnel, "datagrams_find_their_zone") {
            return;
        }
        let port = echo();
        for to in ["[fe80::2%25lo]", "[fe80::2%1]"] {
            for options in ["", "?interface=lo", "?interface=fe80::1"] {
                let forward = format!("udp://127.0.0.1:0/{to}:{port}{options}");
                let server = ginnel.serve(&["-L", &forward]);
                Client::raw(server.addr()).echoes(&forward, 1200);
            }
        }
        let node = ginnel.serve(&["-L", "relay+ws://127.0.0.1:0?bind=true"]);
        let forward = format!("udp://127.0.0.1:0/[fe80::2%25lo]:{port}");
        let through = ginnel.serve(&["-L", &forward, "-F", &format!("relay+ws://{}", node.addr())]);
        Client::raw(through.addr()).echoes("through a node", 1200);
        let echo = Echo::start();
        let forward = format!("udp://127.0.0.1:0/{}", echo.addr);
        let node = ginnel.serve(&["-L", "socks5://[fe80::1%25lo]:0?udp=true"]);
        let node = format!("socks5://[fe80::1%25lo]:{}?relay=udp", node.addr().port());
        let through = ginnel.serve(&["-L", &forward, "-F", &node]);
        Client::raw(through.addr()).echoes("an association in a zone", 1200);
        let proxy = ginnel.serve(&["-L", "socks5://127.0.0.1:0?udp=true"]);
        associated(proxy.addr(), "fe80::2%lo", port);
        associated(proxy.addr(), "fe80::2%1", port);
        // A client of the link is answered there.
        let server = ginnel.serve(&["-L", &format!("udp://[fe80::1%25lo]:0/[fe80::2%25lo]:{port}")]);
        let client = UdpSocket::bind("[fe80::2%1]:0").expect("a link-local address");
        client.set_read_timeout(Some(ginnel_tests::PATIENCE)).expect("a socket");
        client.send_to(b"hello", server.addr()).expect("sent");
        let mut space = [0; 64];
        let (n, from) = client.recv_from(&mut space).expect("an answer");
        assert_eq!((&space[..n], from.port()), (&b"hello"[..], server.addr().port()));
    }
}
