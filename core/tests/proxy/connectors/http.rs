use ginnel_core::connector::Step;
use ginnel_core::error::Cause;
use ginnel_core::plan::ConnectorKind::Http;

use crate::support::*;

#[track_caller]
fn http_request(node: &Node) -> String {
    String::from_utf8(node.ask(b"").out).unwrap()
}

#[test]
fn http_requests_are_those_of_gost() {
    let node = Node::new(Http, "10.1.2.3:99").with_auth("user", "pa:ss");
    assert_eq!(
        http_request(&node),
        "CONNECT 10.1.2.3:99 HTTP/1.1\r\nHost: 10.1.2.3:99\r\nUser-Agent: Go-http-client/1.1\r\n\
         Proxy-Authorization: Basic dXNlcjpwYTpzcw==\r\nProxy-Connection: keep-alive\r\n\r\n"
    );
    let node = Node::new(Http, "[2001:db8::1]:443");
    assert_eq!(
        http_request(&node),
        "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\
         User-Agent: Go-http-client/1.1\r\nProxy-Connection: keep-alive\r\n\r\n"
    );
}

#[test]
fn http_headers_replace_or_join() {
    let mut node = Node::new(Http, "example.com:443");
    node.plan.headers = [
        ("X-Zone", "z"),
        ("user-agent", "curl/8"),
        ("Accept", "a"),
        ("Content-Length", "5"),
        ("Proxy-Connection", "close"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    assert_eq!(
        http_request(&node),
        "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nUser-Agent: curl/8\r\n\
         Accept: a\r\nProxy-Connection: close\r\nX-Zone: z\r\n\r\n"
    );
}

#[test]
fn http_names_cannot_write_header_lines() {
    for name in ["a\r\nX: y", "a b", "a:1", "a/b", "u@a"] {
        let mut node = Node::new(Http, ":80");
        node.target.host = ginnel_core::addr::Host::Name(name.to_owned());
        assert_eq!(
            node.ask(b""),
            Outcome::failed(vec![], "", Cause::Protocol),
            "{name}"
        );
    }
}

#[test]
fn http_takes_any_2xx_and_keeps_what_follows() {
    let node = Node::new(Http, "example.com:443");
    for head in [
        "HTTP/1.1 200 Connection established\r\nProxy-Agent: gost/3.0\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200\r\n\r\n",
    ] {
        let outcome = node.ask(format!("{head}SSH-2.0\r\n").as_bytes());
        assert_eq!(outcome.steps, [Step::Done], "{head}");
        assert_eq!(outcome.rest, b"SSH-2.0\r\n");
    }
}

#[test]
fn http_refusals_have_a_cause_and_a_text() {
    let node = Node::new(Http, "example.com:443");
    for (line, cause, text) in [
        ("403 Forbidden", Cause::Denied, "403 Forbidden"),
        ("407 Who", Cause::Auth, "407 Who"),
        ("502 Bad Gateway", Cause::HostUnreachable, "502 Bad Gateway"),
        ("503", Cause::HostUnreachable, "503 Service Unavailable"),
        ("504 Late", Cause::TimedOut, "504 Late"),
        ("404 Not Found", Cause::Protocol, "404 Not Found"),
        ("101 Switching", Cause::Protocol, "101 Switching"),
        ("302 Found", Cause::Protocol, "302 Found"),
    ] {
        let wire = format!("HTTP/1.1 {line}\r\nConnection: close\r\n\r\nbody");
        let outcome = node.ask(wire.as_bytes());
        assert_eq!(
            (outcome.steps, outcome.fail),
            (vec![], Some(cause)),
            "{line}"
        );
        assert_eq!(
            node.complaint(wire.as_bytes()),
            format!("proxy answered {text} to CONNECT")
        );
    }
}

#[test]
fn http_heads_are_bounded() {
    let node = Node::new(Http, "example.com:443");
    let mut wire = b"HTTP/1.1 200 OK\r\nA: ".to_vec();
    wire.resize(16 * 1024, b'a');
    assert_eq!(node.ask_pieces(&[&wire]).fail, None);
    wire.push(b'a');
    assert_eq!(node.ask_pieces(&[&wire]).fail, Some(Cause::Limit));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: 1\r\n".repeat(101));
    assert_eq!(node.ask_pieces(&[many.as_bytes()]).fail, Some(Cause::Limit));
    assert_eq!(node.ask(b"SSH-2.0\r\n\r\n").fail, Some(Cause::Protocol));
}
