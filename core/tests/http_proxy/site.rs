//! What strangers see: a site in front of a listener, and a proxy that hides.

use std::sync::Arc;
use std::time::Duration;

use ginnel_core::addr::Target;
use ginnel_core::handler::http::Proxy;
use ginnel_core::plan::{Backend, Content, Document, Files, Probe, Site, WsServer};

use crate::rig::Rig;

fn ws() -> Arc<WsServer> {
    Arc::new(WsServer::new("/ws"))
}

fn site(content: Content) -> Arc<Site> {
    Arc::new(Site {
        content,
        headers: Vec::new(),
        epoch: Some(784_111_777),
    })
}

fn backend(own: bool, page: Option<(&str, &str)>) -> Content {
    Content::Backend(Backend {
        target: Target::parse("127.0.0.1:8080").unwrap(),
        tls: None,
        page: page.map(|(host, path)| (host.to_owned(), path.to_owned())),
        own,
    })
}

fn document(body: &str) -> Document {
    Document {
        kind: "text/html".into(),
        body: body.to_owned().into(),
        etag: "\"1-2\"".into(),
        modified: "Sun, 06 Nov 1994 08:49:37 GMT".into(),
    }
}

fn files() -> Content {
    let names = ["index.html", "docs/index.html", "large"];
    let body = |name: &str| match name {
        "large" => "x".repeat(1_000_000),
        name => name.to_owned(),
    };
    let files = names.map(|name| (name.to_owned(), document(&body(name))));
    Content::Files(Files(files.into_iter().collect()))
}

fn front(content: Content) -> Rig {
    let mut rig = Rig::new();
    rig.proxy = Proxy::site(site(content), ws());
    rig
}

fn hiding(content: Content, knock: &[&str]) -> Rig {
    let mut rig = Rig::with_user("u", "p");
    rig.handler.probe = Some(Arc::new(Probe {
        site: site(content),
        knock: knock.iter().map(|one| (*one).to_owned()).collect(),
    }));
    rig
}

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[test]
fn requests_are_passed_on_as_they_came_and_the_connections_stay() {
    let mut rig = front(backend(true, None));
    let request = "GET /a%20b?c HTTP/1.1\r\nHost: site.example:8443\r\nX-Forwarded-For: 1.1.1.1\r\n\
                   Proxy-Authorization: x\r\nAccept: */*\r\n\r\n";
    let response = "HTTP/1.1 404 Not Found\r\nServer: Caddy\r\nContent-Length: 2\r\n\r\nno";
    let (news, up, down) = rig.exchange(request, response);
    assert_eq!(news, "reach 127.0.0.1:8080");
    assert_eq!(
        up,
        "GET /a%20b?c HTTP/1.1\r\nHost: site.example:8443\r\nProxy-Authorization: x\r\n\
         Accept: */*\r\nX-Forwarded-For: 1.1.1.1, 192.0.2.1\r\n\r\n"
    );
    assert_eq!(down, response);
    let (news, up, down) = rig.exchange(
        "POST /ws HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    );
    assert_eq!(news, "");
    assert!(
        up.ends_with("X-Forwarded-For: 192.0.2.1\r\n\r\nabc"),
        "{up}"
    );
    assert!(down.ends_with("\r\n\r\n2\r\nok\r\n0\r\n\r\n"), "{down}");
    // The right upgrade leaves, with everything behind it.
    rig.client(format!("{UPGRADE}early"));
    assert_eq!(rig.news(), "upgrade");
    assert_eq!(&rig.client_rx[..], format!("{UPGRADE}early").as_bytes());
    assert_eq!(rig.down(), "");
}

#[test]
fn the_sites_own_websocket_is_a_tunnel() {
    let mut rig = front(backend(true, None));
    rig.client(UPGRADE.replacen("/ws", "/chat", 1));
    assert!(
        rig.up()
            .contains("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    );
    rig.upstream(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    );
    assert_eq!(rig.news(), "reach 127.0.0.1:8080, tunnel");
}

#[test]
fn a_site_that_is_down_is_a_web_servers_502() {
    let mut rig = front(backend(true, None));
    rig.dials.push_back(Err(ginnel_core::error::Fail::new(
        ginnel_core::error::Cause::Refused,
        "secret",
    )));
    rig.client("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let down = rig.down();
    assert!(
        down.starts_with("HTTP/1.1 502 Bad Gateway\r\nServer: nginx\r\nDate: "),
        "{down}"
    );
    assert!(
        down.contains("<hr><center>nginx</center>") && !down.contains("8080"),
        "{down}"
    );
    assert_eq!(rig.news(), "reach 127.0.0.1:8080, close");
}

#[test]
fn files_are_served_and_a_wrong_path_is_a_404() {
    let mut rig = front(files());
    let mut get = |line: &str, fields: &str| {
        rig.client(format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        rig.down()
    };
    assert_eq!(
        get("GET /", ""),
        "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
         Content-Type: text/html\r\nContent-Length: 10\r\n\
         Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: keep-alive\r\n\
         ETag: \"1-2\"\r\nAccept-Ranges: bytes\r\n\r\nindex.html"
    );
    assert!(get("HEAD /", "").ends_with("Accept-Ranges: bytes\r\n\r\n"));
    assert!(get("GET /docs/", "").ends_with("\r\n\r\ndocs/index.html"));
    assert!(get("GET /docs", "").contains("\r\nLocation: http://a/docs/\r\n"));
    assert!(get("GET /", "If-None-Match: \"1-2\"\r\n").starts_with("HTTP/1.1 304 "));
    assert!(get("GET /../x", "").starts_with("HTTP/1.1 400 "));
    assert!(get("POST /", "").starts_with("HTTP/1.1 405 Not Allowed\r\n"));
    let plain = get("GET /wrong", "");
    assert!(
        plain.starts_with("HTTP/1.1 404 Not Found\r\nServer: nginx\r\n"),
        "{plain}"
    );
    let websocket = &UPGRADE[UPGRADE.find("Connection").unwrap()..UPGRADE.len() - 2];
    assert_eq!(get("GET /wrong", websocket), plain);
    assert_eq!(rig.news(), "");
    rig.client(UPGRADE);
    assert_eq!(rig.news(), "upgrade");
}

/// As nginx 1.22 answers them.
#[test]
fn a_part_of_a_file_is_served() {
    let mut rig = front(files());
    let mut get = |fields: &str| {
        rig.client(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n"));
        rig.down()
    };
    assert_eq!(
        get("Range: bytes=2-4"),
        "HTTP/1.1 206 Partial Content\r\nServer: nginx\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
         Content-Type: text/html\r\nContent-Length: 3\r\n\
         Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: keep-alive\r\n\
         ETag: \"1-2\"\r\nContent-Range: bytes 2-4/10\r\n\r\ndex"
    );
    let missing = get("Range: bytes=10-");
    let head = "HTTP/1.1 416 Requested Range Not Satisfiable\r\nServer: nginx\r\n";
    assert!(missing.starts_with(head), "{missing}");
    assert!(
        missing.contains("\r\nContent-Range: bytes */10\r\n"),
        "{missing}"
    );
    let same = get("If-Range: \"1-2\"\r\nRange: bytes=-1");
    assert!(
        same.starts_with("HTTP/1.1 206 ") && same.ends_with("\r\n\r\nl"),
        "{same}"
    );
    let other = get("If-Range: \"9-9\"\r\nRange: bytes=-1");
    assert!(
        other.starts_with("HTTP/1.1 200 ") && other.ends_with("index.html"),
        "{other}"
    );
    let several = get("Range: bytes=0-1,3-4");
    assert!(several.starts_with("HTTP/1.1 200 "), "{several}");
}

#[test]
fn what_is_no_request_gets_the_answer_of_a_web_server() {
    for (bytes, status) in [
        ("\u{16}\u{3}\u{1}", 400),
        ("A B C\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
    ] {
        let mut rig = front(files());
        rig.client(bytes);
        let down = rig.down();
        assert!(
            down.starts_with(&format!(
                "HTTP/1.1 {status} Bad Request\r\nServer: nginx\r\n"
            )),
            "{down}"
        );
        assert!(!down.to_lowercase().contains("proxy"), "{down}");
    }
}

#[test]
fn a_large_file_waits_for_room() {
    let mut rig = front(files());
    rig.client("GET /large HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut all = 0;
    for _ in 0..1000 {
        assert!(rig.queued() <= 3 * 64 * 1024, "{}", rig.queued());
        let down = rig.down();
        all += down.len();
        if !rig.proxy.wants_room() {
            assert!(down.ends_with("\r\n\r\nindex.html"));
            assert!(all > 1_000_000, "{all}");
            return;
        }
        rig.client("");
    }
    panic!("the file does not end");
}

#[test]
fn an_idle_connection_to_the_site_is_closed() {
    let mut rig = front(files());
    rig.client("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    rig.forget();
    rig.wait(Duration::from_secs(64));
    assert!(!rig.over);
    rig.wait(Duration::from_secs(1));
    assert_eq!((rig.news().as_str(), rig.down().as_str()), ("close", ""));
}

const KNOWN: &str = "Proxy-Authorization: Basic dTpw\r\n";

#[test]
fn a_hiding_proxy_is_a_proxy_for_its_users() {
    let mut rig = hiding(Content::Status(404), &[]);
    let strangers = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\nProxy-Authorization: Basic eDp5\r\n\r\n",
    ];
    for request in strangers {
        rig.client(request);
        let down = rig.down();
        assert!(
            down.starts_with("HTTP/1.1 404 Not Found\r\nServer: nginx\r\nDate: "),
            "{down}"
        );
        assert!(!down.to_lowercase().contains("proxy"), "{down}");
    }
    assert_eq!(rig.news(), "");
    rig.client(format!(
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n{KNOWN}\r\n"
    ));
    assert_eq!(rig.news(), "dial a.example:443, tunnel");
}

#[test]
fn a_knock_is_answered_with_a_challenge() {
    let knock = ["open.example"];
    for (request, status) in [
        ("GET http://open.example/x HTTP/1.1\r\nHost: a\r\n\r\n", 407),
        ("CONNECT OPEN.example:443 HTTP/1.1\r\nHost: a\r\n\r\n", 407),
        (
            "GET http://other.example/ HTTP/1.1\r\nHost: open.example\r\n\r\n",
            404,
        ),
        ("GET / HTTP/1.1\r\nHost: open.example\r\n\r\n", 404),
    ] {
        let mut rig = hiding(Content::Status(404), &knock);
        rig.client(request);
        assert!(
            rig.down().starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}"
        );
    }
}

#[test]
fn a_hiding_proxy_shows_a_page_or_another_server() {
    let mut rig = hiding(Content::Page(document("hello")), &[]);
    rig.client("GET /whatever HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(rig.down().ends_with("\r\n\r\nhello"));

    let wrong = "POST /x HTTP/1.1\r\nHost: a\r\nProxy-Authorization: Basic eDp5\r\nContent-Length: 2\r\n\r\nab";
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let mut rig = hiding(backend(false, Some(("site.example", "/page"))), &[]);
    let (news, up, down) = rig.exchange(wrong, response);
    assert_eq!(news, "reach 127.0.0.1:8080, close");
    assert_eq!(
        up,
        "GET /page HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n"
    );
    assert!(down.ends_with("ok"), "{down}");

    let mut rig = hiding(backend(false, None), &[]);
    let (_, up, _) = rig.exchange(wrong, response);
    assert_eq!(
        up,
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"
    );
    // A user of the same connection is not connected to the site.
    rig.client(format!(
        "GET http://127.0.0.1:8080/ HTTP/1.1\r\nHost: a\r\n{KNOWN}\r\n"
    ));
    assert_eq!(rig.news(), "dial 127.0.0.1:8080");
}
