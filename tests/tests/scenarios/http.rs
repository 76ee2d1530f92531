//! The HTTP handler as a forwarding proxy.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use ginnel_tests::client::{connect, field, read_head, status};
use ginnel_tests::frames::{ask, ask_on};
use ginnel_tests::origin::{SEED, digest, origin, read_body};
use ginnel_tests::payload::bytes;
use ginnel_tests::{Proc, Program, Target, on_both_runtimes};

/// A proxy, an origin behind it and one connection to the proxy.
struct Browser {
    stream: TcpStream,
    origin: Target,
    proxy: SocketAddr,
    _proc: Proc,
}

impl Browser {
    fn new(ginnel: &Program) -> Self {
        let proc = ginnel.serve(&["-L", "http://127.0.0.1:0"]);
        Self {
            stream: connect(proc.addr()),
            origin: origin(),
            proxy: proc.addr(),
            _proc: proc,
        }
    }

    fn head(&self, method: &str, path: &str, fields: &str) -> String {
        let host = self.origin.addr;
        format!("{method} http://{host}{path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")
    }

    fn get(&mut self, path: &str) -> (String, Vec<u8>) {
        let request = self.head("GET", path, "");
        let head = ask_on(&mut self.stream, &request);
        let body = read_body(&mut self.stream, &head).expect("a body");
        (head, body)
    }
}

on_both_runtimes! {
    fn bodies_of_every_framing_on_one_connection(ginnel: &Program) {
        let mut browser = Browser::new(ginnel);
        for path in ["/length/0", "/length/10", "/chunked/100000", "/length/300000", "/chunked/0"] {
            let (head, body) = browser.get(path);
            assert_eq!(status(&head), 200, "{path}: {head}");
            let n = path.rsplit('/').next().and_then(|n| n.parse().ok()).expect("a number");
            assert!(body == bytes(SEED, n), "{path}: {} bytes", body.len());
        }
        assert_eq!(browser.origin.accepted(), 1, "the connection to the origin is kept");
    }

    fn no_body_after_head_204_and_304(ginnel: &Program) {
        let mut browser = Browser::new(ginnel);
        let request = browser.head("HEAD", "/length/1000", "");
        let head = ask_on(&mut browser.stream, &request);
        assert_eq!((status(&head), field(&head, "Content-Length")), (200, Some("1000")), "{head}");
        for code in [204, 304] {
            let request = browser.head("GET", &format!("/{code}"), "");
            assert_eq!(status(&ask_on(&mut browser.stream, &request)), code);
        }
        // Had one of them brought a body, this would not start with a status line.
        assert_eq!(browser.get("/length/5").1, bytes(SEED, 5));
    }

    fn a_body_up_to_the_end_of_the_connection(ginnel: &Program) {
        let mut browser = Browser::new(ginnel);
        let request = browser.head("GET", "/close/50000", "");
        let head = ask_on(&mut browser.stream, &request);
        let body = if field(&head, "Transfer-Encoding").is_some() {
            read_body(&mut browser.stream, &head).expect("chunks")
        } else {
            let mut body = Vec::new();
            browser.stream.read_to_end(&mut body).expect("the end");
            body
        };
        assert!(body == bytes(SEED, 50000), "{} bytes", body.len());
    }

    fn request_bodies_by_length_and_in_chunks(ginnel: &Program) {
        let mut browser = Browser::new(ginnel);
        let body = bytes(3, 100_000);
        let request = browser.head("POST", "/hash", "Content-Length: 100000\r\n");
        browser.stream.write_all(request.as_bytes()).expect("a reader");
        browser.stream.write_all(&body).expect("a reader");
        answers(&mut browser.stream, &digest(&body));

        let request = browser.head("POST", "/hash", "Transfer-Encoding: chunked\r\n");
        browser.stream.write_all(request.as_bytes()).expect("a reader");
        for piece in body.chunks(7000) {
            write!(browser.stream, "{:x}\r\n", piece.len()).expect("a reader");
            browser.stream.write_all(piece).expect("a reader");
            browser.stream.write_all(b"\r\n").expect("a reader");
        }
        browser.stream.write_all(b"0\r\n\r\n").expect("a reader");
        answers(&mut browser.stream, &digest(&body));
    }

    /// RFC 9110 10.1.1: the interim response is the origin's to give and ours to pass on.
    fn expect_100_continue(ginnel: &Program) {
        let mut browser = Browser::new(ginnel);
        let fields = "Expect: 100-continue\r\nContent-Length: 5\r\n";
        let request = browser.head("POST", "/hash", fields);
        let interim = ask_on(&mut browser.stream, &request);
        assert_eq!(status(&interim), 100, "{interim}");
        browser.stream.write_all(b"hello").expect("a reader");
        answers(&mut browser.stream, &digest(b"hello"));
    }

    fn pipelined_requests_are_answered_in_order(ginnel: &Program) {
        let mut browser = Browser::new(ginnel);
        let paths = ["/length/11", "/chunked/22", "/length/33"];
        let all: String = paths.iter().map(|path| browser.head("GET", path, "")).collect();
        browser.stream.write_all(all.as_bytes()).expect("a reader");
        for n in [11, 22, 33] {
            let head = read_head(&mut browser.stream).expect("a response");
            let body = read_body(&mut browser.stream, &head).expect("a body");
            assert_eq!(body.len(), n, "{head}");
        }
    }

    fn the_origin_sees_an_origin_form_request_without_our_fields(ginnel: &Program) {
        let mut browser = Browser::new(ginnel);
        let fields = "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\nUser-Agent: x/1\r\n\
                      Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\n";
        let request = browser.head("GET", "/seen", fields);
        let head = ask_on(&mut browser.stream, &request);
        let seen = read_body(&mut browser.stream, &head).expect("a body");
        let seen = String::from_utf8(seen).expect("text");
        assert!(seen.starts_with("GET /seen HTTP/1.1\r\n"), "{seen}");
        let host = browser.origin.addr.to_string();
        for (name, value) in [
            ("Host", Some(host.as_str())),
            ("User-Agent", Some("x/1")),
            ("X-End", Some("2")),
            ("X-Hop", None),
            ("Proxy-Connection", None),
            ("Proxy-Authorization", None),
        ] {
            assert_eq!(field(&seen, name), value, "{name} in {seen}");
        }
    }

    /// As a web server passes it on (nginx: `proxy_pass`).
    fn a_request_for_an_origin_goes_to_its_host(ginnel: &Program) {
        let mut browser = Browser::new(ginnel);
        let host = browser.origin.addr;
        let request = format!("GET /seen HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let head = ask_on(&mut browser.stream, &request);
        let seen = read_body(&mut browser.stream, &head).expect("a body");
        let seen = String::from_utf8(seen).expect("text");
        assert!(seen.starts_with("GET /seen HTTP/1.1\r\n"), "{seen}");
        assert_eq!(field(&seen, "Via"), Some("1.1 ginnel"), "{seen}");
        let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", browser.proxy);
        let (head, _) = ask(browser.proxy, &request);
        assert_eq!(status(&head), 403, "it leads back: {head}");
    }

    fn an_upgrade_becomes_a_tunnel(ginnel: &Program) {
        let mut browser = Browser::new(ginnel);
        let request = browser.head("GET", "/upgrade", "Connection: Upgrade\r\nUpgrade: echo\r\n");
        let head = ask_on(&mut browser.stream, &request);
        assert_eq!((status(&head), field(&head, "Upgrade")), (101, Some("echo")), "{head}");
        browser.stream.write_all(b"through").expect("a reader");
        let mut back = [0; 7];
        browser.stream.read_exact(&mut back).expect("an echo");
        assert_eq!(&back, b"through");
    }

    fn two_origins_on_one_connection(ginnel: &Program) {
        let mut browser = Browser::new(ginnel);
        browser.get("/length/1");
        let first = std::mem::replace(&mut browser.origin, origin());
        let (head, body) = browser.get("/length/2");
        assert_eq!((status(&head), body.len()), (200, 2));
        assert_eq!((first.accepted(), browser.origin.accepted()), (1, 1));
    }

    /// As nc and ncat write it.
    fn connect_in_http_1_0_without_host(ginnel: &Program) {
        let browser = Browser::new(ginnel);
        let request = format!("CONNECT {} HTTP/1.0\r\n\r\n", browser.origin.addr);
        let (head, mut tunnel) = ask(browser.proxy, &request);
        assert_eq!(status(&head), 200, "{head}");
        assert_eq!(field(&head, "Content-Length"), None, "{head}");
        let head = ask_on(&mut tunnel, "GET /length/3 HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(read_body(&mut tunnel, &head).expect("a body").len(), 3);
    }

    /// A client need not wait for the answer to its CONNECT.
    fn data_right_behind_connect(ginnel: &Program) {
        let browser = Browser::new(ginnel);
        let host = browser.origin.addr;
        let request = format!(
            "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\nGET /length/4 HTTP/1.1\r\nHost: x\r\n\r\n"
        );
        let (head, mut tunnel) = ask(browser.proxy, &request);
        assert_eq!(status(&head), 200, "{head}");
        let head = read_head(&mut tunnel).expect("a response from the origin");
        assert_eq!(read_body(&mut tunnel, &head).expect("a body").len(), 4);
    }

    fn an_http_1_0_client_sees_the_end(ginnel: &Program) {
        let browser = Browser::new(ginnel);
        let request = format!("GET http://{}/length/6 HTTP/1.0\r\n\r\n", browser.origin.addr);
        let (head, mut stream) = ask(browser.proxy, &request);
        assert_eq!(status(&head), 200, "{head}");
        let mut body = Vec::new();
        stream.read_to_end(&mut body).expect("the end");
        assert_eq!(body, bytes(SEED, 6));
    }

    fn requests_that_are_not_for_a_proxy_get_400(ginnel: &Program) {
        let browser = Browser::new(ginnel);
        for request in [
            "GET / HTTP/1.1\r\nHost: bad!\r\n\r\n",
            "GET https://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
            "CONNECT example.com HTTP/1.1\r\nHost: example.com\r\n\r\n",
        ] {
            let (head, _) = ask(browser.proxy, request);
            assert_eq!(status(&head), 400, "{request} {head}");
        }
    }

    fn a_head_without_end_is_cut_off(ginnel: &Program) {
        let browser = Browser::new(ginnel);
        let mut stream = connect(browser.proxy);
        let line = format!("X-Long: {}\r\n", "x".repeat(1000));
        let mut request = format!("GET http://{}/ HTTP/1.1\r\n", browser.origin.addr);
        request += &line.repeat(40);
        // It may close before it has read all of it.
        let _ = stream.write_all(request.as_bytes());
        if let Some(head) = read_head(&mut stream) {
            assert!([400, 431].contains(&status(&head)), "{head}");
            let mut body = Vec::new();
            if let Err(e) = stream.read_to_end(&mut body) {
                assert_eq!(e.kind(), ErrorKind::ConnectionReset, "long head: {e}");
            }
        }
        assert_eq!(browser.origin.accepted(), 0);
    }

    fn an_origin_that_refuses_is_502(ginnel: &Program) {
        let browser = Browser::new(ginnel);
        let host = ginnel_tests::target::refusing();
        let request = format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let (head, _) = ask(browser.proxy, &request);
        assert_eq!(status(&head), 502, "{head}");
    }

    fn plain_requests_go_through_a_chain(ginnel: &Program) {
        for node in ["http+ws", "socks5+mws", "relay+wss"] {
            let server = ginnel.serve(&["-L", &format!("{node}://127.0.0.1:0")]);
            let node = format!("{node}://{}", server.addr());
            let client = ginnel.serve(&["-L", "http://127.0.0.1:0", "-F", &node]);
            let mut browser = Browser::new(ginnel);
            browser.stream = connect(client.addr());
            for _ in 0..2 {
                let (head, body) = browser.get("/chunked/70000");
                assert!(status(&head) == 200 && body == bytes(SEED, 70000), "{node}: {head}");
            }
        }
    }
}

fn answers(stream: &mut TcpStream, text: &str) {
    let head = read_head(stream).expect("a response");
    let body = read_body(stream, &head).expect("a body");
    assert_eq!(status(&head), 200, "{head}");
    assert_eq!(String::from_utf8_lossy(&body), text);
}
