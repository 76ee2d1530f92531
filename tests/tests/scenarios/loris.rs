//! Clients that are slow or silent, at each stage of a handshake.

use std::io::Write;
use std::net::TcpStream;

use ginnel_tests::check::{self, KIB, Targets, Way};
use ginnel_tests::client::connect;
use ginnel_tests::frames::{ask, frame, opcode, upgrade_request};
use ginnel_tests::{Program, on_both_runtimes};

const TIMES: &str = "?handshakeTimeout=500ms&readHeaderTimeout=500ms&readTimeout=500ms";

on_both_runtimes! {
    fn slow_handshakes_are_reaped_at_every_stage_and_hold_up_nobody(ginnel: &Program) {
        let targets = Targets::new();
        let schemes = ["socks5+tls", "http+wss", "http+ws", "socks5", "http", "socks4", "relay", "auto", "socks5+mws"];
        let mut args = Vec::new();
        for scheme in schemes {
            args.extend(["-L".to_owned(), format!("{scheme}://127.0.0.1:0{TIMES}")]);
        }
        let server = ginnel.serve(&args);
        let at = |scheme: &str| {
            let index = schemes.iter().position(|one| *one == scheme).expect("a service");
            server.service(index)
        };
        let mut slow: Vec<(String, TcpStream)> = Vec::new();
        let hello = &b"\x16\x03\x01\x02\x00\x01\x00"[..];
        for (scheme, said) in [
            ("socks5+tls", hello),
            ("http+wss", hello),
            ("http+ws", b"GET /ws HTTP/1.1\r\nHost: a"),
            ("socks5", b"\x05"),
            ("socks5", b"\x05\x01\x00"),
            ("socks4", b"\x04\x01\x00"),
            ("http", b"CONNECT a:1 HTTP/1.1\r\nHo"),
            ("relay", b"\x01"),
            ("auto", b"\x05\x02"),
        ] {
            for said in [&b""[..], said] {
                let mut stream = connect(at(scheme));
                stream.write_all(said).expect("a listener");
                slow.push((format!("{scheme} {said:?}"), stream));
            }
        }
        // Behind the upgrade, on the connection and on a stream of a session.
        for said in [&b"CONN"[..], b""] {
            let (_, mut stream) = ask(at("http+ws"), &upgrade_request("/ws"));
            if !said.is_empty() {
                stream.write_all(&frame(opcode::BINARY, said, true)).expect("a listener");
            }
            slow.push((format!("upgraded {said:?}"), stream));
        }
        // One silent client is enough to hold up a listener that waits for it.
        let way = Way::socks5("auto", at("auto"));
        check::both_ways(&way, &targets.work, KIB, KIB);
        let node = format!("socks5+tls://{}", at("socks5+tls"));
        let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
        let way = Way::socks5("tls", client.addr());
        check::both_ways(&way, &targets.work, KIB, KIB);
        for (name, mut stream) in slow {
            let rest = std::io::copy(&mut stream, &mut std::io::sink());
            let timed_out = rest.as_ref().is_err_and(|e| e.kind() != std::io::ErrorKind::ConnectionReset);
            assert!(!timed_out, "{name}: {rest:?}");
        }
    }
}
