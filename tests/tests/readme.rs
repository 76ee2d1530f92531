//! Every block of the README as printed there but for port numbers, with the loopback for
//! `example.com`, and with traffic through it. A block or command that is unknown here fails.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use ginnel_tests::check::{self, KIB, Targets, Way};
use ginnel_tests::origin::origin;
use ginnel_tests::program::Folder;
use ginnel_tests::target::free_addr;
use ginnel_tests::{Proc, Program, Proxy, Speak, gost, on_both_runtimes};
use rcgen::generate_simple_self_signed;

const README: &str = include_str!("../../README.md");

/// How a command is checked.
#[derive(Clone, Copy, Debug)]
enum Check {
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

use Check::{Alone, Elsewhere, ForwardNode, Node, Servers, Tests};

const WITH_FILES: &str = "relay+mwss://user:pass@:8443?certFile=cert.pem&keyFile=key.pem";
const CERTIFICATE: &str = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=example.com -addext subjectAltName=DNS:example.com -keyout key.pem -out cert.pem";
const CURL: &str = "curl -x http://127.0.0.1:8080 http://example.com/";
const NEAR: &str =
    r#"ginnel -L :8080 -F "relay+mwss://user:pass@example.com:8443?secure=true&caFile=cert.pem""#;
const BEHIND_NGINX: &str = r#"ginnel -L "relay+mws://127.0.0.1:8081?path=/ws""#;
const TO_NGINX: &str = r#"ginnel -L :8080 -F "relay+mwss://example.com:443?path=/ws&secure=true""#;

const WITH_FILE: &str = "ginnel -R 30s -C config.yml";

const COMMANDS: &[(&str, Check)] = &[
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

on_both_runtimes! {
    fn commands(ginnel: &Program) {
        let targets = Targets::new();
        // Trusted like the roots of the system.
        let ginnel = &ginnel.var("SSL_CERT_FILE", "cert.pem");
        check::each(COMMANDS, |(command, how)| run(ginnel, command, *how, &targets));
    }

    fn file(ginnel: &Program) {
        let [text] = &blocks("yaml")[..] else {
            panic!("more than one file in the README");
        };
        let targets = Targets::new();
        let machine = Machine::new(ginnel, &targets);
        let _server = machine.serve(&["-L", WITH_FILES]);
        let client = machine.start(&strings(&words(WITH_FILE)[1..]), &[("config.yml", &machine.local(text))]);
        client.wait_for_services(1);
        let proxy = Proxy::new(Speak::Http, client.named("entry")).user("user", "pass");
        traffic(&Way::proxy("config.yml", proxy), &targets);
    }

    /// The four commands of the first tunnel, one after the other.
    fn a_tunnel(ginnel: &Program) {
        if certificate().is_none() || !is_here("curl") {
            println!("skipped: no openssl or no curl");
            return;
        }
        let targets = Targets::new();
        let machine = Machine::new(ginnel, &targets);
        let _far = machine.serve(&["-L", WITH_FILES]);
        let _near = machine.serve(&strings(&words(NEAR)[1..]));
        let origin = origin();
        let site = format!("http://{}/", origin.addr);
        let curl = machine.local(CURL).replace("http://localhost/", &site);
        assert!(curl.contains(&site), "{curl}");
        let status = program("curl", &words(&curl)[1..], None).status().expect("curl");
        assert!(status.success(), "{curl}: {status}");
        assert_eq!(origin.accepted(), 1);
    }

    fn behind_nginx(ginnel: &Program) {
        if !is_here("nginx") {
            println!("skipped: no nginx");
            return;
        }
        let [location] = &blocks("nginx")[..] else {
            panic!("more than one nginx block in the README");
        };
        let targets = Targets::new();
        let ginnel = &ginnel.var("SSL_CERT_FILE", "cert.pem");
        for channel in ["mws", "ws"] {
            let machine = Machine::new(ginnel, &targets);
            let [far, near] = [BEHIND_NGINX, TO_NGINX].map(|line| line.replace("mws", channel));
            let _far = machine.serve(&strings(&words(&far)[1..]));
            let port = machine.local("127.0.0.1:443");
            let _nginx = nginx(&machine, &port, &machine.local(location));
            let near = machine.serve(&strings(&words(&near)[1..]));
            let way = Way::proxy(format!("nginx, {channel}"), Proxy::new(Speak::Http, near.addr()));
            traffic(&way, &targets);
            check::half_close(&way, &targets.work, 200 * KIB);
            check::target_ends(&way, &targets.work, 200 * KIB);
            check::upload_behind_the_end(&way, &targets.work, 200 * KIB, 200 * KIB);
        }
    }
}

#[test]
fn nothing_is_unknown_and_nothing_is_gone() {
    let printed: BTreeSet<String> = blocks("sh")
        .iter()
        .flat_map(|block| block.lines())
        .map(|line| line.to_owned())
        .collect();
    let known: BTreeSet<String> = COMMANDS
        .iter()
        .map(|(line, _)| (*line).to_owned())
        .collect();
    let unknown: Vec<_> = printed.difference(&known).collect();
    assert!(unknown.is_empty(), "say how to check: {unknown:#?}");
    let gone: Vec<_> = known.difference(&printed).collect();
    assert!(gone.is_empty(), "not in the README any more: {gone:#?}");
    for (language, _) in fences() {
        assert!(
            ["sh", "yaml", "nginx", "ini"].contains(&language.as_str()),
            "a block in {language:?}"
        );
    }
    for span in README.split('`').skip(1).step_by(2) {
        let is_command = span.starts_with("ginnel ") || span.starts_with("gost ");
        assert!(
            !(is_command && span.contains("://")),
            "{span:?} would not be checked: make it a block"
        );
    }
}

/// The README's blocks: language and text.
fn fences() -> Vec<(String, String)> {
    let mut lines = README.lines();
    let mut fences = Vec::new();
    while let Some(line) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        fences.push((language.to_owned(), block.join("\n") + "\n"));
    }
    fences
}

fn blocks(language: &str) -> Vec<String> {
    let fences = fences().into_iter();
    fences
        .filter_map(|(of, text)| (of == language).then_some(text))
        .collect()
}

fn run(ginnel: &Program, command: &str, how: Check, targets: &Targets) {
    let line = words(command);
    let example = match line[0].as_str() {
        "cargo" | "ginnel" => Some(ginnel.clone()),
        "gost" => gost::program(gost::STABLE),
        _ => None,
    };
    let arguments = match line[0].as_str() {
        "cargo" => line.split(|word| word == "--").nth(1).unwrap_or_default(),
        _ => &line[1..],
    };
    let machine = Machine::new(ginnel, targets);
    let example = || {
        let program = example.as_ref()?;
        Some(machine.serve_with(program, &strings(arguments)))
    };
    let (speak, client, _others) = match how {
        Tests | Elsewhere => return,
        Alone(speak) => (speak, example(), Vec::new()),
        Node(node) | ForwardNode(node) => {
            let Some(server) = example() else { return };
            let (listen, speak) = match how {
                ForwardNode(_) => ("tcp://127.0.0.1:0", Speak::Raw),
                _ => ("socks5://127.0.0.1:0", Speak::Socks5),
            };
            let client = machine.serve(&["-L", listen, "-F", node]);
            (speak, Some(client), vec![server])
        }
        Servers(servers, speak) => {
            let servers = servers.iter().map(|listen| machine.serve(&["-L", listen]));
            let servers = servers.collect();
            (speak, example(), servers)
        }
    };
    let Some(client) = client else { return };
    let proxy = Proxy::new(speak, client.addr());
    let way = match speak {
        Speak::Raw => Way::fixed(command, vec![(targets.work.addr, proxy)]),
        _ => Way::proxy(command, proxy),
    };
    traffic(&way, targets);
}

fn traffic(way: &Way, targets: &Targets) {
    println!("{}", way.name);
    check::both_ways(way, &targets.work, 200 * KIB, 200 * KIB);
    check::concurrent(way, &targets.work, 4, 10 * KIB);
}

/// What the commands of one example run on: free ports for the printed ones, and a certificate.
struct Machine<'a> {
    ginnel: &'a Program,
    ports: RefCell<HashMap<String, u16>>,
    certificate: (String, String),
}

impl<'a> Machine<'a> {
    fn new(ginnel: &'a Program, targets: &Targets) -> Self {
        let ssh = ("22".to_owned(), targets.work.addr.port());
        let certificate = certificate().unwrap_or_else(|| {
            let made =
                generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
            (made.cert.pem(), made.signing_key.serialize_pem())
        });
        Self {
            ginnel,
            ports: RefCell::new(HashMap::from([ssh])),
            certificate,
        }
    }

    /// `localhost` for `example.com`, and for every printed port always the same free one.
    fn local(&self, text: &str) -> String {
        let text = text.replace("example.com", "localhost");
        let mut pieces = text.split(':');
        let mut out = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let end = piece.find(|c: char| !c.is_ascii_digit());
            let (digits, rest) = piece.split_at(end.unwrap_or(piece.len()));
            out.push(':');
            match digits {
                "" | "0" => out += digits,
                // An address, not a port.
                _ if rest.starts_with('.') => out += digits,
                _ => {
                    let mut ports = self.ports.borrow_mut();
                    let free = || free_addr().port();
                    let port = ports.entry(digits.to_owned()).or_insert_with(free);
                    out += &port.to_string();
                }
            }
            out += rest;
        }
        out
    }

    fn serve(&self, args: &[&str]) -> Proc {
        self.serve_with(self.ginnel, args)
    }

    fn serve_with(&self, program: &Program, args: &[&str]) -> Proc {
        let args: Vec<String> = args.iter().map(|arg| self.local(arg)).collect();
        let proc = program.spawn(&args, &self.files());
        proc.wait_for_services(args.iter().filter(|arg| *arg == "-L").count());
        proc
    }

    fn start(&self, args: &[&str], files: &[(&str, &str)]) -> Proc {
        let mut all = self.files();
        all.extend(files);
        self.ginnel.spawn(args, &all)
    }

    fn files(&self) -> Vec<(&str, &str)> {
        let (certificate, key) = &self.certificate;
        vec![("cert.pem", certificate), ("key.pem", key)]
    }
}

/// What the README's command makes, for `localhost`. `None` without openssl.
fn certificate() -> Option<(String, String)> {
    static MADE: OnceLock<Option<(String, String)>> = OnceLock::new();
    let make = || {
        if !is_here("openssl") {
            return None;
        }
        let dir = Folder::new();
        let line = CERTIFICATE.replace("example.com", "localhost");
        let status = program("openssl", &words(&line)[1..], Some(&dir)).status();
        assert!(status.expect("openssl").success(), "{line}");
        let file = |name| fs::read_to_string(dir.path().join(name)).expect(name);
        Some((file("cert.pem"), file("key.pem")))
    };
    MADE.get_or_init(make).clone()
}

/// Words of a shell, of which the README needs double quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (index, piece) in line.split('"').enumerate() {
        let quoted = index % 2 == 1;
        assert!(
            quoted || !piece.contains(['&', '?', '*', '\'', '\\', '$', ';', '#', '|']),
            "a shell would not take {line:?} as it is meant"
        );
        let last = words.len() - 1;
        if quoted {
            words[last] += piece;
            continue;
        }
        let mut parts = piece.split(' ');
        words[last] += parts.next().unwrap_or_default();
        words.extend(parts.map(str::to_owned));
    }
    words.retain(|word| !word.is_empty());
    words
}

fn strings(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn program(name: &str, args: &[String], dir: Option<&Folder>) -> Command {
    let mut command = Command::new(name);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(dir) = dir {
        command.current_dir(dir.path());
    }
    command
}

fn is_here(name: &str) -> bool {
    find(name).is_some()
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    // Where Debian keeps nginx, for root only.
    folders.push("/usr/sbin".into());
    let mut files = folders.iter().map(|folder| folder.join(name));
    files.find(|file| file.is_file())
}

/// An nginx with TLS in front of one location.
fn nginx(machine: &Machine, addr: &str, location: &str) -> Proc {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {kind};\n"))
        .concat();
    // One process: what is killed at the end of the test leaves no workers behind.
    let config = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr notice;\n\
         events {{}}\n\
         http {{\naccess_log off;\n{temporary}\
         server {{\nlisten {addr} ssl;\nssl_certificate cert.pem;\nssl_certificate_key key.pem;\n\
         {location}}}\n}}\n"
    );
    let mut files = machine.files();
    files.push(("nginx.conf", &config));
    let path = find("nginx").expect("nginx");
    let args = ["-e", "stderr", "-p", ".", "-c", "nginx.conf"];
    let nginx = Program::other(path, "nginx").spawn(&args, &files);
    // Written when it listens already.
    nginx.wait_for_line(&["event method"]);
    nginx
}
