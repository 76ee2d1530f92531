//! Every command of the README, and how it is checked.

use ginnel_tests::Speak;

use Check::{Alone, Elsewhere, ForwardNode, Node, Servers, Tests};

/// How a command is checked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Check {
    /// A server: reached by a client with this node.
    Node(&'static str),
    /// A server with one target, which is port 22: the same.
    ForwardNode(&'static str),
    /// A client, spoken to like this: these servers at its far end.
    Servers(&'static [&'static str], Speak),
    /// Nothing at its far end.
    Alone(Speak),
    /// Needs others of the README to run: checked by a test of its own.
    Elsewhere,
    /// Runs this test, among others.
    Tests,
}

pub(crate) const WITH_FILES: &str =
    "relay+mwss://user:pass@:8443?certFile=cert.pem&keyFile=key.pem";
pub(crate) const CERTIFICATE: &str = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=example.com -addext subjectAltName=DNS:example.com -keyout key.pem -out cert.pem";
pub(crate) const CURL: &str = "curl -x http://127.0.0.1:8080 http://example.com/";
pub(crate) const NEAR: &str =
    r#"ginnel -L :8080 -F "relay+mwss://user:pass@example.com:8443?secure=true&caFile=cert.pem""#;
pub(crate) const BEHIND_NGINX: &str = r#"ginnel -L "relay+mws://127.0.0.1:8081?path=/ws""#;
pub(crate) const TO_NGINX: &str =
    r#"ginnel -L :8080 -F "relay+mwss://example.com:443?path=/ws&secure=true""#;

pub(crate) const WITH_FILE: &str = "ginnel -R 30s -C config.yml";

pub(crate) const COMMANDS: &[(&str, Check)] = &[
    (
        "cargo run --release -p ginnel -- -L :8080",
        Alone(Speak::Http),
    ),
    ("cargo test --workspace", Tests),
    (CERTIFICATE, Elsewhere),
    (
        r#"ginnel -L "relay+mwss://user:pass@:8443?certFile=cert.pem&keyFile=key.pem""#,
        Node("relay+mwss://user:pass@:8443"),
    ),
    (NEAR, Servers(&[WITH_FILES], Speak::Http)),
    (CURL, Elsewhere),
    ("ginnel -L ws://:8080", Node("http+ws://:8080")),
    ("ginnel -L wss://:8080", Node("socks5+wss://:8080")),
    ("ginnel -L mws://:8443", Node("socks4+mws://:8443")),
    ("ginnel -L mwss://:8443", Node("mwss://:8443")),
    (
        r#"ginnel -L "wss://:8443?path=/ws""#,
        Node("wss://:8443?path=/ws"),
    ),
    (
        r#"ginnel -L http://:8080 -F "wss://:8443?path=/ws""#,
        Servers(&["wss://:8443?path=/ws"], Speak::Http),
    ),
    (
        r#"ginnel -L http://:8080 -F "wss://:8443?host=example.com""#,
        Servers(&["wss://:8443?host=example.com"], Speak::Http),
    ),
    (
        r#"ginnel -L http://:8080 -F "wss://:8443?header.foo=bar&header.baz=123""#,
        Servers(&["wss://:8443"], Speak::Http),
    ),
    (
        r#"ginnel -L http://:8080 -F "wss://:8443?keepAlive=true&ttl=15s""#,
        Servers(&["wss://:8443"], Speak::Http),
    ),
    ("ginnel -L http+wss://:8443", Node("http+wss://:8443")),
    ("ginnel -L socks5+wss://:8443", Node("socks5+wss://:8443")),
    ("ginnel -L relay+wss://:8443", Node("relay+wss://:8443")),
    (
        r#"ginnel -L :8080 -F "http+mws://:8443?path=/ws""#,
        Servers(&["http+mws://:8443"], Speak::Socks5),
    ),
    (
        r#"ginnel -L :8080 -F "http+mwss://:8443?path=/ws""#,
        Servers(&["mwss://:8443"], Speak::Socks5),
    ),
    (
        "ginnel -L wss://:8443/:1080 -L socks5://:1080",
        Node("socks5+wss://:8443"),
    ),
    (
        "ginnel -L forward+wss://:8443/:1080 -L socks5://:1080",
        Node("socks5+wss://:8443"),
    ),
    (
        "ginnel -L wss://:8443/127.0.0.1:22",
        ForwardNode("forward+wss://:8443"),
    ),
    (
        r#"ginnel -L "relay+mws://127.0.0.1:8081?trustedProxies=127.0.0.1,10.0.0.0/8""#,
        Node("relay+mws://127.0.0.1:8081"),
    ),
    (
        r#"ginnel -L "relay+mwss://:8443?proxyProtocol=1&trustedProxies=10.0.0.0/8""#,
        Node("relay+mwss://:8443"),
    ),
    (
        r#"ginnel -L "relay+mwss://user:pass@:8443?path=/secret&fallback=http://127.0.0.1:8080""#,
        Node("relay+mwss://user:pass@:8443?path=/secret"),
    ),
    (
        r#"ginnel -L "http://user:pass@:8080?probeResist=web:http://example.com/&knock=open.example.com""#,
        Node("http://user:pass@:8080"),
    ),
    (
        "ginnel -L tcp://:2222 -F forward+wss://example.com:8443",
        Servers(&["wss://:8443/127.0.0.1:22"], Speak::Raw),
    ),
    (
        "ginnel -L tcp://:2222/127.0.0.1:22 -F relay+wss://example.com:8443",
        Servers(&["relay+wss://:8443"], Speak::Raw),
    ),
    (
        "ginnel -L :8080 -F relay+mwss://example.com:8443 -F socks5+ws://example.com:8081",
        Servers(&["relay+mwss://:8443", "socks5+ws://:8081"], Speak::Http),
    ),
    // One of the two nodes is missing: what the retry is for.
    (
        r#"ginnel -L ":8080?retries=1" -F "relay+wss://example.com:8443,example.com:8444?strategy=round&maxFails=1&failTimeout=30s""#,
        Servers(&["relay+wss://:8444"], Speak::Http),
    ),
    ("gost -L relay+mwss://:8443", Node("relay+mwss://:8443")),
    (
        "ginnel -L :8080 -F relay+mwss://example.com:8443",
        Servers(&["relay+mwss://:8443"], Speak::Socks5),
    ),
    ("ginnel -L relay+mwss://:8443", Node("relay+mwss://:8443")),
    (
        "gost -L :8080 -F relay+mwss://example.com:8443",
        Servers(&["relay+mwss://:8443"], Speak::Http),
    ),
    (BEHIND_NGINX, Node("relay+mws://:8081")),
    (
        TO_NGINX,
        Servers(
            &["relay+mwss://:443?certFile=cert.pem&keyFile=key.pem"],
            Speak::Http,
        ),
    ),
    (
        r#"ginnel -L "socks5://:1080?admission=~192.168.0.0/16,127.0.0.1&bypass=10.0.0.0/8,*.example.com,.ads.example:443""#,
        Alone(Speak::Socks5),
    ),
    (
        r#"ginnel -L "http://:8080?hosts=intra.example:10.0.0.5&limiter.in=10MB&limiter.conn.out=1MB&climiter=500&rlimiter=20""#,
        Alone(Speak::Http),
    ),
    (
        r#"ginnel -L :8080 -F "relay+wss://example.com:8443,example.com:8444?strategy=fifo&bypass=.lan&secure=true""#,
        Servers(
            &["relay+wss://:8443?certFile=cert.pem&keyFile=key.pem"],
            Speak::Http,
        ),
    ),
    (
        r#"ginnel -L "socks5://:1080?resolver=tls://1.1.1.1,8.8.8.8&prefer=ipv6""#,
        Alone(Speak::Socks5),
    ),
    (WITH_FILE, Elsewhere),
    (
        "ginnel --runtime mio --threads 1 -L :8080",
        Alone(Speak::Socks4a),
    ),
];
