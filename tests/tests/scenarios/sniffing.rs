//! Forwarding services that look at their clients' first bytes.

use std::io::{Read, Write};

use ginnel_tests::check::{self, KIB, Targets};
use ginnel_tests::client::connect;
use ginnel_tests::frames::ask;
use ginnel_tests::target::refusing;
use ginnel_tests::{Program, Target, on_both_runtimes};

/// A web server that always answers this.
fn web(status: u16, body: &'static str) -> Target {
    Target::start(move |mut stream| {
        let _ = ginnel_tests::client::read_head(&mut stream);
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
    })
}

/// The body of the answer to a request for this host.
fn get(addr: std::net::SocketAddr, host: &str, path: &str) -> String {
    let mut stream = connect(addr);
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

const SERVICE: &str = "- {name: s, addr: '127.0.0.1:0', handler: {type: tcp, metadata: {sniffing: true, sniffing.timeout: 2s}}";

on_both_runtimes! {
    fn a_target_is_chosen_by_protocol_host_and_path(ginnel: &Program) {
        let targets = Targets::new();
        let (plain, named, deep) = (web(200, "plain"), web(200, "named"), web(200, "deep"));
        let file = format!("\
services:
{SERVICE}, forwarder: {{selector: {{strategy: fifo}}, nodes: [
  {{name: tls, addr: '{}', protocol: tls}},
  {{name: deep, addr: '{}', filter: {{protocol: http, path: /deep}}}},
  {{name: named, addr: '{}', filter: {{host: '*.example'}}}},
  {{name: web, addr: '{}', protocol: http}},
  {{name: any, addr: '{}'}}]}}}}
", refusing(), deep.addr, named.addr, plain.addr, targets.work.addr);
        let server = ginnel.serve_file(&file, 1);
        let addr = server.named("s");
        for _ in 0..3 {
            assert!(get(addr, "a", "/").ends_with("plain"));
            assert!(get(addr, "www.example:80", "/").ends_with("named"));
            assert!(get(addr, "www.example", "/deep/er").ends_with("deep"));
            check::transfer("other bytes", connect(addr), KIB, KIB);
        }
        assert_eq!(server.count("connection refused"), 0, "a target for others was tried");
    }

    fn a_target_that_answers_with_a_failure_is_left(ginnel: &Program) {
        let (failing, good) = (web(429, "slow down"), web(200, "good"));
        let file = format!("\
services:
{SERVICE}, forwarder: {{selector: {{strategy: fifo, maxFails: 1}}, nodes: [
  {{name: bad, addr: '{}', protocol: http, http: {{failCodes: '5xx,429'}}}},
  {{name: good, addr: '{}', protocol: http}}]}}}}
", failing.addr, good.addr);
        let server = ginnel.serve_file(&file, 1);
        assert!(get(server.named("s"), "a", "/").ends_with("slow down"));
        server.wait_for_line(&["answered 429"]);
        for _ in 0..10 {
            assert!(get(server.named("s"), "a", "/").ends_with("good"));
        }
        assert_eq!(failing.accepted(), 1);
    }

    /// Neither the target of the one before, nor around the bypass.
    fn a_request_for_another_host_goes_its_own_way(ginnel: &Program) {
        let keeping = |body: &'static str| Target::start(move |mut stream| {
            while ginnel_tests::client::read_head(&mut stream).is_some() {
                let answer = format!("HTTP/1.1 200 X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        let (first, second) = (keeping("one"), keeping("two"));
        let file = format!("\
services:
{SERVICE}, bypass: b, forwarder: {{nodes: [
  {{name: first, addr: '{}', filter: {{host: one.example}}}},
  {{name: second, addr: '{}', filter: {{host: two.example}}}}]}}}}
bypasses: [{{name: b, matchers: [three.example]}}]
", first.addr, second.addr);
        let server = ginnel.serve_file(&file, 1);
        let mut stream = connect(server.named("s"));
        for (host, body) in [("one", "one"), ("ONE", "one"), ("two", "two"), ("two", "two"), ("one", "one")] {
            // Its head comes in pieces.
            for piece in ["GET / HT", "TP/1.1\r\nHo", &format!("st: {host}.example\r\n\r\n")] {
                stream.write_all(piece.as_bytes()).expect("a request");
            }
            let head = ginnel_tests::client::read_head(&mut stream).expect("an answer");
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            let mut got = [0; 3];
            stream.read_exact(&mut got).expect("a body");
            assert_eq!(got, body.as_bytes(), "{host}");
        }
        assert_eq!((first.accepted(), second.accepted()), (2, 1));
        stream.write_all(b"GET / HTTP/1.1\r\nHost: three.example\r\n\r\n").expect("a request");
        let mut rest = String::new();
        stream.read_to_string(&mut rest).expect("an end");
        assert!(rest.starts_with("HTTP/1.1 403 "), "{rest}");
    }

    /// The answer is complete, and whoever got it comes again.
    fn every_answer_of_a_connection_counts(ginnel: &Program) {
        let failing = Target::start(|mut stream| {
            for status in [200, 200, 429] {
                let _ = ginnel_tests::client::read_head(&mut stream);
                let head = format!("HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n");
                for piece in [&head, "3\r\nbad\r\n", "0\r\n", "\r\n"] {
                    let _ = stream.write_all(piece.as_bytes());
                }
            }
            // It does not end the connection.
            let _ = stream.read(&mut [0]);
        });
        let good = web(200, "good");
        let file = format!("\
services:
{SERVICE}, forwarder: {{selector: {{strategy: fifo, maxFails: 1}}, nodes: [
  {{name: bad, addr: '{}', protocol: http, http: {{failCodes: 429}}}},
  {{name: good, addr: '{}', protocol: http}}]}}}}
", failing.addr, good.addr);
        let server = ginnel.serve_file(&file, 1);
        let mut stream = connect(server.named("s"));
        for status in [200, 200, 429] {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request");
            let head = ginnel_tests::client::read_head(&mut stream).expect("an answer");
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            let mut body = [0; 13];
            stream.read_exact(&mut body).expect("a body");
            assert_eq!(&body, b"3\r\nbad\r\n0\r\n\r\n");
        }
        assert_eq!(stream.read(&mut [0]).expect("an end"), 0);
        server.wait_for_line(&["answered 429"]);
        assert!(get(server.named("s"), "a", "/").ends_with("good"));
        assert_eq!(failing.accepted(), 1);
    }

    fn a_bypass_refuses_whom_the_client_asks_for(ginnel: &Program) {
        let web = web(200, "reached");
        let file = format!("\
services:
{SERVICE}, bypass: b, forwarder: {{nodes: [{{name: n, addr: '{}'}}]}}}}
bypasses: [{{name: b, matchers: ['127.0.0.0/8', .example]}}]
", web.addr);
        let server = ginnel.serve_file(&file, 1);
        for host in ["127.0.0.1:8000", "a.example"] {
            let (head, _) = ask(server.named("s"), &format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
        }
        assert!(get(server.named("s"), "other", "/").ends_with("reached"));
    }

    fn who_waits_for_the_server_to_speak_gets_through(ginnel: &Program) {
        let targets = Targets::new();
        let file = format!("\
services:
- {{name: s, addr: '127.0.0.1:0', handler: {{type: tcp, metadata: {{sniffing: true, sniffing.timeout: 100ms}}}}, forwarder: {{nodes: [{{name: n, addr: '{}'}}]}}}}
", targets.banner.addr);
        let server = ginnel.serve_file(&file, 1);
        let mut stream = connect(server.named("s"));
        let mut banner = [0; 4];
        stream.read_exact(&mut banner).expect("a banner");
        assert_eq!(&banner, b"SSH-");
    }

    fn codes_that_are_none_are_named(ginnel: &Program) {
        let file = format!("services:\n{SERVICE}, forwarder: {{nodes: [{{name: n, addr: 'a:1', http: {{failCodes: '4xx,many'}}}}]}}}}\n");
        let (status, lines) = ginnel.spawn(&["-C", "gost.yml"], &[("gost.yml", &file)]).wait();
        assert_eq!(status.code(), Some(1));
        let hit = lines.iter().any(|line| line.contains("failCodes") && line.contains("many"));
        assert!(hit, "{lines:#?}");
    }
}
