//! Socket files, and options that the system keeps for a socket.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use ginnel_tests::check::{self, KIB, MIB, Targets, Way};
use ginnel_tests::datagram::{Client, mirror};
use ginnel_tests::{Program, on_both_runtimes};

/// A path that no other test has; nothing is there.
fn path(name: &str) -> PathBuf {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("ginnel-{}-{number}-{name}.sock", std::process::id());
    std::env::temp_dir().join(name)
}

on_both_runtimes! {
    fn a_socket_file_is_listened_on_and_dialed(ginnel: &Program) {
        let targets = Targets::new();
        let path = path("proxy");
        let file = path.display();
        // Nobody waits for a port there: its own log says when it listens.
        let server = ginnel.spawn(&["-L", &format!("socks5+unix://{file}")], &[]);
        server.wait_for_line(&[&format!("listening on {file}")]);
        let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &format!("socks5+unix://{file}")]);
        let way = Way::socks5("unix", client.addr());
        check::both_ways(&way, &targets.work, MIB, MIB);
        drop(client);
        // What a killed process leaves behind is no obstacle for the next one.
        drop(server);
        assert!(path.exists());
        let again = ginnel.spawn(&["-L", &format!("socks5+unix://{file}")], &[]);
        again.wait_for_line(&[&format!("listening on {file}")]);
        let mut stream = UnixStream::connect(&path).expect("a proxy");
        stream.write_all(&[5, 1, 0]).expect("a greeting");
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(answer, [5, 0]);
        drop(again);
        let _ = std::fs::remove_file(path);
    }

    fn a_socket_file_can_be_a_target(ginnel: &Program) {
        let targets = Targets::new();
        let path = path("target");
        let file = path.display();
        let behind = ginnel.spawn(&["-L", &format!("socks5+unix://{file}")], &[]);
        behind.wait_for_line(&[&format!("listening on {file}")]);
        let front = ginnel.serve_file(&format!("\
services:
- name: service-0
  addr: 127.0.0.1:0
  handler: {{type: tcp}}
  listener: {{type: tcp}}
  forwarder:
    nodes: [{{name: target-0, addr: {file}, network: unix}}]
"), 1);
        let way = Way::socks5("file", front.addr());
        check::both_ways(&way, &targets.work, 64 * KIB, 64 * KIB);
        drop(behind);
        let _ = std::fs::remove_file(path);
    }

    fn relay_reaches_a_socket_file_of_the_far_end(ginnel: &Program) {
        let targets = Targets::new();
        let path = path("far");
        let file = path.display();
        let behind = ginnel.spawn(&["-L", &format!("socks5+unix://{file}")], &[]);
        behind.wait_for_line(&[&format!("listening on {file}")]);
        let folder = std::env::temp_dir();
        let first = ginnel.serve(&["-L", "http+wss://127.0.0.1:0"]);
        for (words, option) in [
            ("relay", "true".to_owned()),
            ("relay+ws", format!("/nowhere/,{file}")),
            ("relay+mwss", format!("{}/", folder.display())),
        ] {
            let server = ginnel.serve(&["-L", &format!("{words}://127.0.0.1:0?unix={option}")]);
            let dialer = words.strip_prefix("relay+").unwrap_or("tcp");
            let node = |name: &str, words: (&str, &str), addr| format!(
                "{{name: {name}, nodes: [{{name: {name}, addr: '{addr}', connector: {{type: {}}}, dialer: {{type: {}}}}}]}}", words.0, words.1
            );
            let last = node("last", ("relay", dialer), server.addr());
            let before = node("first", ("http", "wss"), first.addr());
            for hops in [last.clone(), format!("{before}, {last}")] {
                let front = ginnel.serve_file(&format!("\
services:
- name: service-0
  addr: 127.0.0.1:0
  handler: {{type: tcp, chain: chain-0}}
  listener: {{type: tcp}}
  forwarder:
    nodes: [{{name: target-0, addr: {file}, network: unix}}]
chains: [{{name: chain-0, hops: [{hops}]}}]
"), 1);
                let way = Way::socks5(words, front.addr());
                check::both_ways(&way, &targets.work, 64 * KIB, 64 * KIB);
            }
        }
        drop(behind);
        let _ = std::fs::remove_file(path);
    }

    fn a_socket_file_of_the_far_end_has_to_be_allowed(ginnel: &Program) {
        for (words, options, said) in [
            ("relay+ws", "", "needs unix=true"),
            ("relay+ws", "?unix=/run/apps/", "not among those of the option unix"),
            ("socks5+ws", "", "relay nodes can"),
        ] {
            let server = ginnel.serve(&["-L", &format!("{words}://127.0.0.1:0{options}")]);
            let near = path("near");
            let listen = format!("unix://{}", near.display());
            let file = format!("\
services:
- name: service-0
  addr: {}
  handler: {{type: unix, chain: chain-0}}
  listener: {{type: unix}}
  forwarder: {{nodes: [{{name: target-0, addr: /run/../etc/far.sock}}]}}
chains: [{{name: chain-0, hops: [{{name: h, nodes: [{{name: n, addr: '{}', connector: {{type: {}}}, dialer: {{type: ws}}}}]}}]}}]
", near.display(), server.addr(), words.trim_end_matches("+ws"));
            let client = ginnel.spawn(&["-C", "gost.yml"], &[("gost.yml", &file)]);
            client.wait_for_line(&["listening on ", &listen["unix://".len()..]]);
            let mut stream = UnixStream::connect(&near).expect("a service");
            let _ = stream.write_all(b"hello");
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert_eq!(answer, b"");
            let said_by = if words == "relay+ws" { &server } else { &client };
            said_by.wait_for_line(&[said]);
            drop(client);
            let _ = std::fs::remove_file(near);
        }
    }

    /// The mark needs a privilege that a test may not have: it is tried by hand.
    fn connections_leave_by_the_interface_that_is_named(ginnel: &Program) {
        let targets = Targets::new();
        for interface in ["127.0.0.1", "lo", "::1,127.0.0.1", "auto"] {
            let proxy = ginnel.serve(&["-L", &format!("socks5://127.0.0.1:0?interface={interface}")]);
            let way = Way::socks5(interface, proxy.addr());
            check::both_ways(&way, &targets.work, KIB, KIB);
        }
        let proxy = ginnel.serve(&["-L", "socks5://127.0.0.1:0?interface=none-such"]);
        check::no_way(&Way::socks5("none", proxy.addr()), &targets.work);
    }

    fn datagrams_leave_by_the_interface_that_is_named(ginnel: &Program) {
        let target = mirror();
        for (interface, from) in [("127.0.0.2", "127.0.0.2:"), ("lo", "127."), ("::1,127.0.0.3", "127.0.0.3:")] {
            let listen = format!("udp://127.0.0.1:0/{target}?interface={interface}");
            let proxy = ginnel.serve(&["-L", &listen, "-L", &format!("socks5://127.0.0.1:0?udp=true&interface={interface}")]);
            let associated = Client::associate(proxy.service(1), target).expect("an association");
            for client in [Client::raw(proxy.service(0)), associated] {
                client.send(b"");
                let answer = client.receive(Duration::from_secs(5)).expect("an answer");
                let source = String::from_utf8_lossy(&answer);
                assert!(source.starts_with(from), "{interface}: {source}");
            }
        }
        let proxy = ginnel.serve(&["-L", &format!("udp://127.0.0.1:0/{target}?interface=none-such")]);
        let client = Client::raw(proxy.addr());
        client.send(b"");
        proxy.wait_for_line(&["no such device"]);
    }

    fn keepalive_and_multipath_change_nothing_for_clients(ginnel: &Program) {
        let targets = Targets::new();
        for options in [
            "mptcp=true&keepalive=true&keepalive.idle=20s&keepalive.count=3",
            // Less than the system can count.
            "keepalive=true&keepalive.idle=500ms&keepalive.interval=1ms",
        ] {
            let server = ginnel.serve(&["-L", &format!("socks5+tcp://127.0.0.1:0?{options}")]);
            let node = format!("socks5+tcp://{}?{options}", server.addr());
            let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
            let way = Way::socks5("options", client.addr());
            check::both_ways(&way, &targets.work, 64 * KIB, 64 * KIB);
        }
    }
}
