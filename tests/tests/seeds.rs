//! Every command line and configuration file of the two pages that users start from, as printed
//! there but for the port numbers, with traffic through it.

use ginnel_tests::check::{self, KIB, Targets, Way};
use ginnel_tests::target::free_addr;
use ginnel_tests::{Proc, Program, Proxy, Speak, on_both_runtimes};

/// What the other end has to be.
#[derive(Clone, Copy, Debug)]
enum Other {
    /// The example is a server: a client with this node.
    Node(&'static str),
    /// The example is a client, spoken to like this: a server on the example's node.
    Server(&'static str, Speak),
}

use Other::{Node, Server};

/// The arguments behind `gost`.
const COMMAND_LINES: [(&str, &[&str], Other); 15] = [
    ("S01", &["-L", "ws://:8080"], Node("http+ws://:8080")),
    ("S02", &["-L", "wss://:8080"], Node("socks5+wss://:8080")),
    ("S03", &["-L", "mws://:8443"], Node("socks4+mws://:8443")),
    ("S04", &["-L", "mwss://:8443"], Node("mwss://:8443")),
    (
        "S05",
        &["-L", "wss://:8443?path=/ws"],
        Node("wss://:8443?path=/ws"),
    ),
    (
        "S06",
        &["-L", "http://:8080", "-F", "wss://:8443?path=/ws"],
        Server("wss://:8443?path=/ws", Speak::Http),
    ),
    (
        "S07",
        &["-L", "http://:8080", "-F", "wss://:8443?host=example.com"],
        Server("wss://:8443", Speak::Http),
    ),
    (
        "S08",
        &[
            "-L",
            "http://:8080",
            "-F",
            "wss://:8443?keepAlive=true&ttl=15s",
        ],
        Server("wss://:8443", Speak::Http),
    ),
    ("S09", &["-L", "http+wss://:8443"], Node("http+wss://:8443")),
    (
        "S10",
        &["-L", "socks5+wss://:8443"],
        Node("socks5+wss://:8443"),
    ),
    (
        "S11",
        &["-L", "relay+wss://:8443"],
        Node("relay+wss://:8443"),
    ),
    (
        "S12",
        &["-L", "wss://:8443/:1080", "-L", "socks5://:1080"],
        Node("socks5+wss://:8443"),
    ),
    (
        "S13",
        &["-L", "forward+wss://:8443/:1080", "-L", "socks5://:1080"],
        Node("socks5+wss://:8443"),
    ),
    (
        "S14",
        &["-L", ":8080", "-F", "http+mws://:8443?path=/ws"],
        Server("http+mws://:8443", Speak::Socks5),
    ),
    (
        "S15",
        &["-L", ":8080", "-F", "http+mwss://:8443?path=/ws"],
        Server("http+mwss://:8443", Speak::Socks5),
    ),
];

macro_rules! file {
    ($id:literal) => {
        ($id, include_str!(concat!("data/seeds/", $id, ".yml")))
    };
}

/// The files, the number of their services, and the other end. `ADDR` stands for where the first
/// service listens: the first three say `:` and leave the port to the system.
const FILES: [((&str, &str), usize, Other); 14] = [
    (file!("Y01"), 1, Node("http+ws://ADDR")),
    (file!("Y02"), 1, Node("socks5+wss://ADDR")),
    (file!("Y03"), 1, Node("socks5+mws://ADDR")),
    (file!("Y04"), 1, Node("http+wss://:8443?path=/ws")),
    (file!("Y05"), 1, Server("wss://:8443?path=/ws", Speak::Http)),
    (file!("Y06"), 1, Server("wss://:8443", Speak::Http)),
    (file!("Y07"), 1, Server("wss://:8443", Speak::Http)),
    (file!("Y08"), 1, Server("wss://:8443", Speak::Http)),
    (file!("Y09"), 1, Node("http+wss://:8443")),
    (file!("Y10"), 1, Node("socks5+wss://:8443")),
    (file!("Y11"), 1, Node("relay+wss://:8443")),
    (file!("Y12"), 2, Node("socks5+wss://:8443")),
    (file!("Y13"), 1, Server("mws://:8443", Speak::Socks5)),
    (file!("Y14"), 1, Server("mwss://:8443", Speak::Http)),
];

on_both_runtimes! {
    fn command_lines(ginnel: &Program) {
        let targets = Targets::new();
        check::each(COMMAND_LINES, |(id, args, other)| {
            let ports = Ports::new();
            let args: Vec<String> = args.iter().map(|arg| ports.replace(arg)).collect();
            run(ginnel, id, &ports, other, &targets, || ginnel.serve(&args));
        });
    }

    fn files(ginnel: &Program) {
        let targets = Targets::new();
        check::each(FILES, |((id, text), services, other)| {
            let ports = Ports::new();
            let text = ports.replace(text);
            run(ginnel, id, &ports, other, &targets, || ginnel.serve_file(&text, services));
        });
    }
}

/// Free ports for the three of the pages.
struct Ports([(&'static str, u16); 3]);

impl Ports {
    fn new() -> Self {
        Self([":8080", ":8443", ":1080"].map(|printed| (printed, free_addr().port())))
    }

    fn replace(&self, text: &str) -> String {
        let replaced = |text: String, (printed, port): &(&str, u16)| {
            text.replace(printed, &format!(":{port}"))
        };
        self.0.iter().fold(text.to_owned(), replaced)
    }
}

fn run(
    ginnel: &Program,
    id: &str,
    ports: &Ports,
    other: Other,
    targets: &Targets,
    example: impl FnOnce() -> Proc,
) {
    println!("{id}:");
    let (speak, client, _server) = match other {
        Node(node) => {
            let server = example();
            let node = ports
                .replace(node)
                .replace("ADDR", &server.addr().to_string());
            let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
            (Speak::Socks5, client, server)
        }
        Server(listen, speak) => {
            let server = ginnel.serve(&["-L", &ports.replace(listen)]);
            (speak, example(), server)
        }
    };
    let way = Way::proxy(id, Proxy::new(speak, client.addr()));
    check::both_ways(&way, &targets.work, 200 * KIB, 200 * KIB);
    check::banner_first(&way, targets);
    check::concurrent(&way, &targets.work, 4, 10 * KIB);
}
