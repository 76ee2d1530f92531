//! A listener or a proxy that looks like a web site.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use ginnel_tests::check::{self, KIB, MIB, Targets, Way};
use ginnel_tests::client::{Refused, connect, field, read_head, status};
use ginnel_tests::frames::{ask, ask_on, upgrade_request};
use ginnel_tests::origin::{digest, origin, read_body};
use ginnel_tests::payload::bytes;
use ginnel_tests::{Program, Proxy, Speak, Target, on_both_runtimes};

/// Says in its answer what it was asked, and never more than one request is needed to see it.
fn mirror() -> Target {
    Target::start(|mut stream| {
        while let Some(head) = read_head(&mut stream) {
            let answer = format!(
                "HTTP/1.1 200 OK\r\nServer: mirror\r\nContent-Length: {}\r\n\r\n{head}",
                head.len()
            );
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    })
}

fn get(stream: &mut TcpStream, path: &str, host: &str) -> (String, String) {
    let head = ask_on(
        stream,
        &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    );
    let body = read_body(stream, &head).expect("a body");
    (head, String::from_utf8_lossy(&body).into_owned())
}

on_both_runtimes! {
    fn strangers_see_the_site_and_clients_the_tunnel(ginnel: &Program) {
        let targets = Targets::new();
        let site = mirror();
        for listener in ["ws", "wss", "mws", "mwss"] {
            let listen = format!("auto+{listener}://127.0.0.1:0?path=/secret&fallback=http://{}", site.addr);
            let server = ginnel.serve(&["-L", &listen]);
            let node = format!("http+{listener}://{}?path=/secret", server.addr());
            let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
            let way = Way::socks5(listener, client.addr());
            check::both_ways(&way, &targets.work, MIB, MIB);
            check::banner_first(&way, &targets);
            if listener.ends_with("wss") {
                continue;
            }
            let mut stream = connect(server.addr());
            for path in ["/", "/ws", "/secret", "/a%20b?c=d"] {
                let (head, body) = get(&mut stream, path, "site.example");
                assert_eq!(field(&head, "Server"), Some("mirror"), "{head}");
                let seen = format!("GET {path} HTTP/1.1\r\nHost: site.example\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n");
                assert_eq!(body, seen);
            }
            // The same connection still knows the way in.
            assert_eq!(status(&ask_on(&mut stream, &upgrade_request("/secret"))), 101);
            let (head, _) = ask(server.addr(), &upgrade_request("/ws"));
            assert_eq!((status(&head), field(&head, "Server")), (200, Some("mirror")), "{head}");
        }
    }

    fn bodies_go_both_ways_through_the_site(ginnel: &Program) {
        let site = origin();
        let server = ginnel.serve(&["-L", &format!("ws://127.0.0.1:0?fallback=http://{}", site.addr)]);
        let mut stream = connect(server.addr());
        let body = bytes(7, 3_000_000);
        for _ in 0..2 {
            let head = format!("POST /hash HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).expect("a request");
            let head = read_head(&mut stream).expect("a head");
            assert_eq!(status(&head), 200, "{head}");
            let answer = read_body(&mut stream, &head).expect("a body");
            assert_eq!(String::from_utf8_lossy(&answer), digest(&body));
        }
    }

    fn a_site_that_is_down_looks_like_one(ginnel: &Program) {
        let down = ginnel_tests::target::refusing();
        let server = ginnel.serve(&["-L", &format!("ws://127.0.0.1:0?fallback=http://{down}")]);
        let (head, body) = get(&mut connect(server.addr()), "/", "a");
        assert_eq!((status(&head), field(&head, "Server")), (502, Some("nginx")), "{head}");
        assert!(!body.contains(&down.to_string()), "{body}");
    }

    fn files_are_the_site_and_are_followed(ginnel: &Program) {
        let large = "x".repeat(2_000_000);
        let dir = std::env::temp_dir().join(format!("ginnel-site-{}-{}", std::process::id(), ginnel.name().replace('/', "-")));
        fs::create_dir_all(dir.join("docs")).expect("a folder");
        let write = |name: &str, text: &str| fs::write(dir.join(name), text).expect("a file");
        write("index.html", "welcome");
        write("docs/index.html", "docs");
        write("large.js", &large);
        write(".hidden", "secret");
        let server = ginnel
            .var("GINNEL_WATCH", "20ms")
            .serve(&["-L", &format!("ws://127.0.0.1:0?fallback=file:{}", dir.display())]);
        let mut stream = connect(server.addr());
        let (head, body) = get(&mut stream, "/", "a");
        assert_eq!((status(&head), body.as_str(), field(&head, "Content-Type")), (200, "welcome", Some("text/html")));
        assert!(field(&head, "Date").is_some_and(|date| date.ends_with(" GMT")), "{head}");
        assert_eq!(get(&mut stream, "/docs/", "a").1, "docs");
        assert_eq!(get(&mut stream, "/large.js?v=1", "a").1, large);
        let missing = get(&mut stream, "/missing", "a");
        assert_eq!(status(&missing.0), 404);
        for path in ["/.hidden", "/docs/../.hidden"] {
            assert_eq!(get(&mut stream, path, "a").1, missing.1);
        }
        assert_eq!(status(&get(&mut stream, "/../etc/passwd", "a").0), 400);
        // A wrong path of a websocket is just as missing.
        let head = ask_on(&mut stream, &upgrade_request("/missing"));
        let body = read_body(&mut stream, &head).expect("a body");
        let no_date = |head: &str| head.lines().filter(|line| !line.starts_with("Date")).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!((no_date(&head), body), (no_date(&missing.0), missing.1.into_bytes()));
        write("index.html", "changed now");
        server.wait_for_line(&["sites changed: 0 services added, 1 changed"]);
        assert_eq!(get(&mut connect(server.addr()), "/", "a").1, "changed now");
        let _ = fs::remove_dir_all(&dir);
    }

    fn a_hiding_proxy_shows_itself_to_its_users(ginnel: &Program) {
        let targets = Targets::new();
        let site = mirror();
        let page = std::env::temp_dir().join(format!("ginnel-page-{}", std::process::id()));
        fs::write(&page, "under construction").expect("a file");
        let cases = [
            ("code:403".to_owned(), 403, "<h1>403 Forbidden</h1>".to_owned()),
            (format!("web:http://{}/front", site.addr), 200, format!("GET /front HTTP/1.1\r\nHost: {}\r\n", site.addr)),
            (format!("host:{}", site.addr), 200, "GET /x HTTP/1.1\r\nHost: a\r\n".to_owned()),
            (format!("file:{}", page.display()), 200, "under construction".to_owned()),
        ];
        for (resist, code, shown) in cases {
            for handler in ["http", "auto"] {
                let listen = format!("{handler}://u:p@127.0.0.1:0?probeResist={resist}&knock=open.example");
                let server = ginnel.serve(&["-L", &listen]);
                let proxy = Proxy::new(Speak::Http, server.addr());
                check::both_ways(&Way::proxy(resist.as_str(), proxy.clone().user("u", "p")), &targets.work, KIB, KIB);
                let (head, body) = get(&mut connect(server.addr()), "/x", "a");
                assert_eq!(status(&head), code, "{resist}: {head}");
                assert!(body.contains(&shown), "{resist}: {body}");
                assert!(!format!("{head}{body}").to_lowercase().contains("proxy"), "{resist}: {head}");
                let refused = proxy.open(targets.work.addr).map(drop);
                assert!(!matches!(&refused, Err(Refused::Http(407, _))), "{resist}: {refused:?}");
                let wrong = proxy.user("eve", "x").open(targets.work.addr).map(drop);
                assert!(!matches!(&wrong, Err(Refused::Http(407, _))), "{resist}: {wrong:?}");
                server.wait_for_line(&["auth_failed client=127.0.0.1 user=eve service=service-0"]);
                let (head, _) = ask(server.addr(), "GET http://open.example/ HTTP/1.1\r\nHost: a\r\n\r\n");
                assert_eq!(status(&head), 407, "{resist}: {head}");
            }
        }
        let _ = fs::remove_file(&page);
    }

    fn what_is_no_http_gets_the_answer_of_the_site(ginnel: &Program) {
        let site = mirror();
        let server = ginnel.serve(&["-L", &format!("ws://127.0.0.1:0?fallback=http://{}", site.addr)]);
        let mut stream = connect(server.addr());
        stream.write_all(b"\x16\x03\x01\x02\x00\x01").expect("a hello");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n"), "{answer}");
    }
}
