//! What gost gets wrong and no other test shows; `docs/assurance.md` lists all of it.

use std::io::{Read, Write};

use ginnel_tests::check::{self, KIB, Targets, Way};
use ginnel_tests::client::{connect, read_head};
use ginnel_tests::target::{Target, free_addr};
use ginnel_tests::{Program, on_both_runtimes};
use rustix::process::Signal;

/// A record of TLS with the beginning of a ClientHello.
const HELLO: &[u8] = b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03";

on_both_runtimes! {
    /// gost keeps the session under the node's address and looks for it by its name.
    fn a_node_given_by_name_keeps_its_session(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "relay+mws://127.0.0.1:0"]);
        let tap = Target::tap(server.addr());
        let node = format!("relay+mws://localhost:{}", tap.addr.port());
        let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
        let way = Way::socks5("by name", client.addr());
        for _ in 0..5 {
            check::both_ways(&way, &targets.work, KIB, KIB);
        }
        assert_eq!(tap.accepted(), 1);
    }

    /// gost's sessions of a listener that is gone go on taking streams that nobody serves.
    fn streams_to_a_removed_listener_do_not_hang(ginnel: &Program) {
        let targets = Targets::new();
        let [goes, stays] = [(); 2].map(|()| free_addr());
        let both = [service("goes", "mws", goes), service("stays", "mws", stays)];
        let text = |services: &[String]| format!("services:\n{}", services.concat());
        let server = ginnel.serve_file(&text(&both), 2);
        let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &format!("socks5+mws://{goes}")]);
        let way = Way::socks5("removed", client.addr());
        check::both_ways(&way, &targets.work, KIB, KIB);
        std::fs::write(server.dir().join("gost.yml"), text(&both[1..])).expect("a file");
        server.signal(Signal::HUP);
        server.wait_for_line(&["reload: 0 services added, 0 changed, 1 removed, 1 unchanged"]);
        for _ in 0..140 {
            // Served on the session that is still there, or refused: either at once.
            if let Ok(stream) = way.try_open(&targets.work) {
                check::transfer("removed", stream, KIB, KIB);
            }
        }
    }

    /// gost adds the fields of one answer to those of the next, whoever asked.
    fn nothing_of_one_answer_is_in_another(ginnel: &Program) {
        let origin = Target::start(|mut stream| {
            while let Some(head) = read_head(&mut stream) {
                let more = match head.contains(" /first ") {
                    true => "Set-Cookie: secret=1\r\nX-Gost-Protocol: udp\r\n",
                    false => "",
                };
                let answer = format!("HTTP/1.1 200 OK\r\n{more}Content-Length: 0\r\n\r\n");
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        });
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "http://127.0.0.1:0"]);
        let answer = |path: &str| {
            let mut stream = connect(server.addr());
            let request = format!("GET http://{0}{path} HTTP/1.1\r\nHost: {0}\r\nX-Gost-Protocol: tcp\r\n\r\n", origin.addr);
            stream.write_all(request.as_bytes()).expect("a reader");
            read_head(&mut stream).expect("an answer")
        };
        assert!(answer("/first").contains("secret"));
        assert!(!answer("/second").contains("secret"));
        let mut tunnel = connect(server.addr());
        let request = format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n", targets.work.addr);
        tunnel.write_all(request.as_bytes()).expect("a reader");
        let head = read_head(&mut tunnel).expect("an answer");
        assert!(head.starts_with("HTTP/1.1 200 ") && !head.contains("secret"), "{head}");
        check::transfer("a tunnel afterwards", tunnel, KIB, KIB);
    }

    /// gost's `auto` forwards TLS by its server name, past its users, and leaves the connection open when
    /// that fails.
    fn tls_at_auto_is_closed_at_once(ginnel: &Program) {
        let server = ginnel.serve(&["-L", "auto://user:secret@127.0.0.1:0"]);
        let mut stream = connect(server.addr());
        stream.write_all(HELLO).expect("a reader");
        let mut rest = Vec::new();
        let end = stream.read_to_end(&mut rest);
        let timed_out = end.is_err_and(|error| error.kind() != std::io::ErrorKind::ConnectionReset);
        let refused = rest.is_empty() || rest.starts_with(b"HTTP/1.1 400 ");
        assert!(!timed_out && refused, "{rest:?}");
    }

    /// Some of these end a gost with a panic.
    fn any_path_is_served_or_refused(ginnel: &Program) {
        for path in ["", "ws", "/%7Bx", "/%7Bx%7D/%7Bx%7D", "/a%20b", "//", "/%2e%2e", "/GET%20/"] {
            let listen = format!("ws://127.0.0.1:0?path={path}");
            let (status, lines) = ginnel.spawn(&["check", "-L", &listen], &[]).wait();
            assert!(matches!(status.code(), Some(0..=2)), "{path}: {status} {lines:#?}");
            let text = lines.concat();
            assert!(!text.contains("panicked"), "{path}: {text}");
        }
    }
}

fn service(name: &str, listener: &str, addr: std::net::SocketAddr) -> String {
    format!(
        "- {{name: {name}, addr: '{addr}', handler: {{type: socks5}}, listener: {{type: {listener}}}}}\n"
    )
}
