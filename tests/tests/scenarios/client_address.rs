//! Who the client is: PROXY headers in and out, and the fields of a proxy in front.

use std::io::{Read, Write};
use std::net::TcpStream;

use ginnel_tests::check::{self, KIB, Targets, Way};
use ginnel_tests::client::{connect, read_head, status};
use ginnel_tests::frames::{ask, upgrade_request};
use ginnel_tests::{Proc, Program, Target, on_both_runtimes};

const V1: &[u8] = b"PROXY TCP4 203.0.113.7 192.0.2.1 51000 8080\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\xc0\0\x02\x01\xc7\x38\x1f\x90";
const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

on_both_runtimes! {
    fn a_proxy_header_names_the_client(ginnel: &Program) {
        let target = Target::work();
        for listener in ["tcp", "tls", "ws", "wss", "mws", "mwss"] {
            let listen = format!("http+{listener}://127.0.0.1:0?proxyProtocol=1");
            let server = ginnel.serve(&["-L", &listen]);
            for (version, named) in [("1", "127.0.0.1:"), ("2", "127.0.0.1:")] {
                let node = format!("http+{listener}://{}?proxyProtocol={version}", server.addr());
                let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
                let way = Way::socks5(listener, client.addr());
                let stream = way.open(&target);
                let own = stream.local_addr().expect("an address").to_string();
                assert!(own.starts_with(named));
                server.wait_for_line(&["<-> ", &format!("\"remote\":\"{own}\"")]);
                check::transfer(listener, stream, KIB, KIB);
            }
        }
    }

    fn headers_of_both_versions_are_read(ginnel: &Program) {
        let target = Target::work();
        let server = ginnel.serve(&["-L", "http://127.0.0.1:0?proxyProtocol=1"]);
        for header in [V1, V2] {
            let _tunnel = tunnel(&server, header, &target);
        }
        server.wait_for_count("203.0.113.7:51000 <> 192.0.2.1:8080", 2);
        let own = tunnel(&server, V2_LOCAL, &target).local_addr().expect("an address");
        server.wait_for_line(&[&format!("{own} <> ")]);
    }

    /// As the specification asks: whether there is a header is not guessed.
    fn without_the_header_nobody_comes_in(ginnel: &Program) {
        let server = ginnel.serve(&["-L", "http://127.0.0.1:0?proxyProtocol=2"]);
        let mut stream = connect(server.addr());
        stream.write_all(b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(answer, b"");
        server.wait_for_line(&["`GET http://a/ HTTP/1.1`, expected a PROXY header"]);
    }

    fn only_trusted_proxies_say_who_the_client_is(ginnel: &Program) {
        let target = Target::work();
        let trusting = ginnel.serve(&["-L", "http://127.0.0.1:0?proxyProtocol=1&trustedProxies=10.0.0.0/8,127.0.0.1"]);
        let _tunnel = tunnel(&trusting, V1, &target);
        trusting.wait_for_line(&["203.0.113.7:51000 <> "]);
        // Others come without a header, and one of theirs is no request.
        let other = ginnel.serve(&["-L", "http://127.0.0.1:0?proxyProtocol=1&trustedProxies=10.0.0.0/8"]);
        let _tunnel = tunnel(&other, b"", &target);
        let mut stream = connect(other.addr());
        stream.write_all(V1).and_then(|()| stream.write_all(b"\r\n")).expect("a header");
        assert_eq!(status(&read_head(&mut stream).expect("an answer")), 400);
        assert_eq!(other.count("203.0.113.7"), 0);
    }

    fn silent_clients_hold_up_nobody(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "http://127.0.0.1:0?proxyProtocol=1"]);
        let _silent: Vec<TcpStream> = (0..20).map(|_| connect(server.addr())).collect();
        let _tunnel = tunnel(&server, V1, &targets.work);
    }

    fn an_upgrade_through_a_trusted_proxy_names_the_client(ginnel: &Program) {
        for listener in ["ws", "mws"] {
            let listen = |trusted: &str| format!("{listener}://127.0.0.1:0?trustedProxies={trusted}");
            let server = ginnel.serve(&["-L", &listen("127.0.0.0/8"), "-L", &listen("10.0.0.0/8")]);
            let fields = [
                ("X-Forwarded-For: 9.9.9.9, 198.51.100.9, 127.0.0.2", "198.51.100.9"),
                ("CF-Connecting-IP: 198.51.100.10\r\nX-Forwarded-For: 9.9.9.9", "198.51.100.10"),
                ("X-Real-IP: 2001:db8::7", "2001:db8::7"),
            ];
            for (fields, client) in fields {
                let request = upgrade_request("/ws").replacen("\r\n\r\n", &format!("\r\n{fields}\r\n\r\n"), 1);
                for index in [0, 1] {
                    let (head, stream) = ask(server.service(index), &request);
                    assert_eq!(status(&head), 101, "{head}");
                    if listener == "ws" {
                        let client = match index {
                            0 => format!("\"client\":\"{client}\""),
                            _ => format!("\"remote\":\"{}\"", stream.local_addr().expect("an address")),
                        };
                        server.wait_for_line(&["<> ", &client]);
                    }
                }
            }
        }
    }

    fn a_target_gets_the_header_that_the_handler_is_to_send(ginnel: &Program) {
        let target = Target::start(|mut stream| {
            let mut line = Vec::new();
            let mut byte = [0];
            while !line.ends_with(b"\n") && stream.read_exact(&mut byte).is_ok() {
                line.push(byte[0]);
            }
            let _ = stream.write_all(&line);
        });
        let args = ["-L", &format!("tcp://127.0.0.1:0/{}?handler.proxyProtocol=1&proxyProtocol=1", target.addr)];
        let server = ginnel.serve(&args);
        let mut stream = connect(server.addr());
        stream.write_all(V2).expect("a header");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert_eq!(answer.as_bytes(), V1);
    }
}

/// Through a CONNECT, behind `header`.
fn tunnel(server: &Proc, header: &[u8], target: &Target) -> TcpStream {
    let mut stream = connect(server.addr());
    let request = format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n", target.addr);
    let bytes = [header, request.as_bytes()].concat();
    stream.write_all(&bytes).expect("a request");
    assert_eq!(status(&read_head(&mut stream).expect("an answer")), 200);
    stream
}
