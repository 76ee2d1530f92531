//! SIGTERM: nobody is accepted, who is idle is told, what is under way may finish.

use std::io::{Read, Write};
use std::net::TcpStream;

use ginnel_tests::check::{self, KIB, MIB, Targets, Way};
use ginnel_tests::frames::{Frame, ask, upgrade_request};
use ginnel_tests::payload::{self, Hash};
use ginnel_tests::target::{free_addr, hash_of, order};
use ginnel_tests::{Proc, Program, on_both_runtimes};
use rustix::process::Signal;

/// More than all buffers on the way can hold.
const LONG: u64 = 32 * MIB;

on_both_runtimes! {
    fn a_download_outlives_sigterm_while_a_successor_serves(ginnel: &Program) {
        let targets = Targets::new();
        for channel in ["tcp", "wss", "mws"] {
            let listen = format!("http+{channel}://{}", free_addr());
            let server = ginnel.serve(&["-L", &listen, "-drainTimeout", "5m"]);
            let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &listen]);
            let way = way(channel, &client);
            let download = begin(&way, &targets);
            server.signal(Signal::TERM);
            server.wait_for_line(&["SIGTERM: accepting no more, 1 connection left"]);
            // Also through the client that has a mux session with the old one.
            let successor = ginnel.serve(&["-L", &listen]);
            check::both_ways(&way, &targets.work, KIB, KIB);
            successor.wait_for_line(&[" <-> "]);
            finish(download, channel);
            let (status, lines) = server.wait();
            assert_eq!(status.code(), Some(0), "{channel}: {lines:#?}");
            assert!(lines.last().is_some_and(|line| line.contains("all connections were finished")), "{lines:#?}");
        }
    }

    fn the_second_signal_ends_it_at_once(ginnel: &Program) {
        let targets = Targets::new();
        for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
            let server = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-drainTimeout", "5m"]);
            let download = begin(&way("direct", &server), &targets);
            server.signal(Signal::TERM);
            server.wait_for_line(&["1 connection left, up to 5m0s"]);
            server.signal(signal);
            assert_eq!(server.wait().0.code(), Some(code));
            assert_cut(download, "direct");
        }
    }

    fn what_is_not_finished_in_time_is_cut_and_does_not_look_finished(ginnel: &Program) {
        let targets = Targets::new();
        for channel in ["tcp", "tls", "ws", "mwss"] {
            let text = "drainTimeout: 300ms\nservices:\n- {name: service-0, addr: '127.0.0.1:0', \
                        handler: {type: http}, listener: {type: CHANNEL}}\n";
            let server = ginnel.serve_file(&text.replace("CHANNEL", channel), 1);
            let node = format!("http+{channel}://{}", server.addr());
            let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
            let download = begin(&way(channel, &client), &targets);
            server.signal(Signal::TERM);
            let (status, lines) = server.wait();
            assert_eq!(status.code(), Some(0), "{channel}: {lines:#?}");
            assert!(lines.iter().any(|line| line.contains("ended: 1 connection was cut")), "{lines:#?}");
            assert_cut(download, channel);
            client.wait_for_line(&[" >< ", "\"error\":"]);
        }
    }

    fn the_log_of_a_client_says_that_its_server_went_away(ginnel: &Program) {
        let targets = Targets::new();
        for channel in ["ws", "wss", "mws"] {
            let server = ginnel.serve(&["-L", &format!("http+{channel}://127.0.0.1:0"), "-drainTimeout", "100ms"]);
            let node = format!("http+{channel}://{}", server.addr());
            let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
            let mut tunnel = way(channel, &client).open(&targets.work);
            tunnel.write_all(&order(order::ECHO, 0, 0, 0)).expect("a reader");
            server.wait_for_line(&[" <-> "]);
            server.signal(Signal::TERM);
            assert_eq!(server.wait().0.code(), Some(0));
            client.wait_for_line(&[" >< ", "peer closed with 1001", "going away"]);
            assert_cut(tunnel, channel);
        }
    }

    fn idle_websockets_are_told_and_delay_nothing(ginnel: &Program) {
        for scheme in ["http+ws", "socks5+mws"] {
            let server = ginnel.serve(&["-L", &format!("{scheme}://127.0.0.1:0"), "-drainTimeout", "5m"]);
            let (_, mut idle) = ask(server.addr(), &upgrade_request("/ws"));
            // It says nothing at all.
            let _silent = TcpStream::connect(server.addr()).expect("a listener");
            server.signal(Signal::TERM);
            let close = Frame::read(&mut idle).expect("a close frame");
            assert_eq!((close.opcode, &close.payload[..]), (8, &b"\x03\xe9going away"[..]), "{scheme}");
            let (status, lines) = server.wait();
            assert_eq!(status.code(), Some(0), "{lines:#?}");
        }
    }

    fn workers_drain_as_well(ginnel: &Program) {
        let targets = Targets::new();
        let (one, two) = (free_addr(), free_addr());
        let (a, b) = (format!("socks5://{one}"), format!("http://{two}"));
        let args = ["-L", &a, "-drainTimeout", "5m", "--", "-L", &b];
        let server = ginnel.spawn(&args, &[]);
        server.wait_for_services(1);
        server.wait_for_count("listening on", 2);
        let download = begin(&Way::socks5("worker", one), &targets);
        server.signal(Signal::TERM);
        server.wait_for_line(&["1 connection left, up to 5m0s"]);
        finish(download, "worker");
        let (status, lines) = server.wait();
        assert_eq!(status.code(), Some(0), "{lines:#?}");
    }

    fn a_second_signal_ends_all_workers_at_once(ginnel: &Program) {
        let targets = Targets::new();
        let one = free_addr();
        let a = format!("socks5://{one}");
        let server = ginnel.spawn(&["-L", &a, "-drainTimeout", "5m", "--", "-L", "http://127.0.0.1:0"], &[]);
        server.wait_for_count("listening on", 2);
        let download = begin(&Way::socks5("worker", one), &targets);
        server.signal(Signal::TERM);
        server.wait_for_line(&["1 connection left, up to 5m0s"]);
        server.signal(Signal::TERM);
        assert_eq!(server.wait().0.code(), Some(143));
        assert_cut(download, "worker");
    }
}

/// A part must not end like a whole.
fn assert_cut(mut stream: TcpStream, name: &str) {
    let rest = std::io::copy(&mut stream, &mut std::io::sink());
    assert!(rest.is_err(), "{name}: a part that ends in order: {rest:?}");
}

fn way(name: &str, proc: &Proc) -> Way {
    Way::socks5(name, proc.addr())
}

/// A download whose reader waits behind the first bytes.
fn begin(way: &Way, targets: &Targets) -> TcpStream {
    let mut stream = way.open(&targets.work);
    stream
        .write_all(&order(order::SOURCE, 0, LONG, 7))
        .expect("a reader");
    let mut first = [0; 1];
    stream.read_exact(&mut first).expect("a byte");
    assert_eq!(first[..], payload::bytes(7, 1)[..]);
    stream
}

fn finish(mut stream: TcpStream, name: &str) {
    let hash = hash_of(&mut stream, LONG - 1).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(
        hash,
        Hash::of(&payload::bytes(7, LONG as usize)[1..]),
        "{name}"
    );
    check::assert_end(&mut stream, name);
}
