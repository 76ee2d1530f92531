//! Two processes with one channel between them: whatever is on the two ends.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use crate::check::{Targets, Way};
use crate::client::{Proxy, Speak};
use crate::config::{self, Node, Service};
use crate::process::Proc;
use crate::program::Program;
use crate::target::Target;

/// The listener and dialer words.
pub const CHANNELS: [&str; 6] = ["tcp", "tls", "ws", "wss", "mws", "mwss"];

/// What is spoken inside the channel, and what leads into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inside {
    Http,
    Socks5,
    Socks4,
    Relay,
    /// The `auto` handler, spoken to in HTTP.
    AutoHttp,
    AutoSocks5,
    AutoSocks4,
    /// Nothing: the server's service has one target. The client's service is `forward` as well.
    Forward,
    /// The same behind a SOCKS5 entry that ignores what it is asked for.
    ForwardBehindSocks,
    /// Relay to a service with a target of its own.
    RelayForward,
}

impl Inside {
    pub const ALL: [Self; 10] = [
        Self::Http,
        Self::Socks5,
        Self::Socks4,
        Self::Relay,
        Self::AutoHttp,
        Self::AutoSocks5,
        Self::AutoSocks4,
        Self::Forward,
        Self::ForwardBehindSocks,
        Self::RelayForward,
    ];

    /// The server's handler.
    fn handler(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Socks5 => "socks5",
            Self::Socks4 => "socks4",
            Self::Relay | Self::RelayForward => "relay",
            Self::AutoHttp | Self::AutoSocks5 | Self::AutoSocks4 => "auto",
            Self::Forward | Self::ForwardBehindSocks => "forward",
        }
    }

    /// The client's connector.
    fn connector(self) -> &'static str {
        match self {
            Self::Http | Self::AutoHttp => "http",
            Self::Socks5 | Self::AutoSocks5 => "socks5",
            Self::Socks4 | Self::AutoSocks4 => "socks4",
            Self::Relay | Self::RelayForward => "relay",
            Self::Forward | Self::ForwardBehindSocks => "forward",
        }
    }

    /// The client's own handler, and how the test speaks to it.
    fn entry(self) -> (&'static str, Speak) {
        match self {
            Self::Http => ("http", Speak::Http),
            Self::Socks5 => ("socks5", Speak::Socks5),
            Self::Socks4 => ("socks4", Speak::Socks4a),
            Self::Relay => ("auto", Speak::Http),
            Self::AutoHttp => ("auto", Speak::Socks5),
            Self::AutoSocks5 => ("auto", Speak::Socks4),
            Self::AutoSocks4 => ("socks5", Speak::Socks5),
            Self::Forward => ("forward", Speak::Raw),
            Self::ForwardBehindSocks | Self::RelayForward => ("auto", Speak::Socks5),
        }
    }

    fn is_fixed(self) -> bool {
        matches!(
            self,
            Self::Forward | Self::ForwardBehindSocks | Self::RelayForward
        )
    }
}

/// One tunnel of a pair.
#[derive(Clone, Debug)]
pub struct Link {
    pub channel: &'static str,
    pub inside: Inside,
    /// Options of the server's listener and handler.
    pub server: Value,
    /// Options of the client's dialer and connector.
    pub client: Value,
    /// Name and password that the server wants, and those that the client has.
    pub users: Option<[(String, String); 2]>,
}

impl Link {
    pub fn new(channel: &'static str, inside: Inside) -> Self {
        Self {
            channel,
            inside,
            server: json!({}),
            client: json!({}),
            users: None,
        }
    }

    /// Further options of both ends.
    pub fn options(self, options: Value) -> Self {
        self.server_options(options.clone()).client_options(options)
    }

    pub fn server_options(mut self, options: Value) -> Self {
        add(&mut self.server, options);
        self
    }

    pub fn client_options(mut self, options: Value) -> Self {
        add(&mut self.client, options);
        self
    }

    pub fn users(mut self, wanted: (&str, &str), given: (&str, &str)) -> Self {
        let pair = |(name, password): (&str, &str)| (name.to_owned(), password.to_owned());
        self.users = Some([pair(wanted), pair(given)]);
        self
    }

    fn name(&self) -> String {
        let mut name = format!("{:?} in {}", self.inside, self.channel);
        for (side, options) in [("server", &self.server), ("client", &self.client)] {
            if options.as_object().is_some_and(|o| !o.is_empty()) {
                name += &format!(" {side} {options}");
            }
        }
        name
    }
}

fn add(to: &mut Value, more: Value) {
    let (Some(to), Value::Object(more)) = (to.as_object_mut(), more) else {
        panic!("options are a map");
    };
    let more: Map<String, Value> = more;
    to.extend(more);
}

/// Links that differ in every option that changes bytes on the wire, and in several at once.
pub fn every_option() -> Vec<Link> {
    let frame = |n: u32| json!({ "mux.maxFrameSize": n });
    let windows = json!({
        "mux.version": 2,
        "mux.maxStreamBuffer": 8192,
        "mux.maxReceiveBuffer": 65536,
    });
    let compressed = json!({ "enableCompression": true });
    vec![
        Link::new("ws", Inside::Http).options(json!({ "path": "/tunnel" })),
        Link::new("wss", Inside::Socks5).options(json!({ "path": "/" })),
        Link::new("mws", Inside::Relay).options(json!({ "path": "/a/b" })),
        Link::new("ws", Inside::Http).client_options(json!({ "host": "front.example.com" })),
        Link::new("mwss", Inside::Http).client_options(json!({ "host": "front.example.com:8443" })),
        Link::new("ws", Inside::Socks5).options(json!({ "header": { "foo": "bar", "baz": 123 } })),
        Link::new("ws", Inside::Socks5)
            .client_options(json!({ "header": { "User-Agent": "x/1" } })),
        Link::new("mws", Inside::Http).options(compressed.clone()),
        Link::new("ws", Inside::Http).options(compressed.clone()),
        Link::new("wss", Inside::Socks5).options(compressed.clone()),
        // One end alone: the other declines.
        Link::new("ws", Inside::Http).client_options(compressed.clone()),
        Link::new("ws", Inside::Http).server_options(compressed),
        Link::new("mws", Inside::Socks5).options(json!({ "mux.version": 2 })),
        Link::new("mwss", Inside::Relay).options(json!({ "mux.version": 2, "path": "/two" })),
        Link::new("mws", Inside::Http).options(windows),
        Link::new("mws", Inside::Http).options(frame(1024)),
        Link::new("mws", Inside::Http).options(frame(65535)),
        Link::new("mws", Inside::Http).server_options(frame(4096)),
        Link::new("mws", Inside::Http).client_options(frame(4096)),
        Link::new("ws", Inside::Socks5).options(json!({ "notls": true })),
        Link::new("ws", Inside::Http)
            .options(json!({ "readBufferSize": 8192, "writeBufferSize": 1024 })),
        Link::new("wss", Inside::Http)
            .options(json!({ "handshakeTimeout": "5s", "readHeaderTimeout": "5s" })),
    ]
}

/// Links with heartbeats every second: pings, those of the mux, and both.
pub fn every_heartbeat() -> Vec<Link> {
    let ping = json!({ "keepAlive": true, "ttl": "1s" });
    let nop = json!({ "mux.keepaliveInterval": "1s", "mux.keepaliveTimeout": "3s" });
    vec![
        Link::new("ws", Inside::Http).client_options(ping.clone()),
        Link::new("wss", Inside::Socks5).client_options(ping.clone()),
        Link::new("mws", Inside::Relay).client_options(ping.clone()),
        Link::new("mwss", Inside::Http)
            .client_options(ping)
            .options(nop.clone()),
        Link::new("mws", Inside::Http).options(nop),
    ]
}

/// Relay links with each setting of `nodelay` on each end: client, server.
pub fn every_nodelay() -> Vec<(bool, bool, Link)> {
    let settings = [(false, false), (false, true), (true, false), (true, true)];
    let link = |channel, (client, server)| {
        let link = Link::new(channel, Inside::Relay)
            .client_options(json!({ "nodelay": client }))
            .server_options(json!({ "nodelay": server }));
        (client, server, link)
    };
    ["ws", "mwss"]
        .into_iter()
        .flat_map(|channel| settings.map(|setting| link(channel, setting)))
        .collect()
}

/// A client process and a server process, and the ways through them in the order of their links.
pub struct Pair {
    pub client: Proc,
    pub server: Proc,
    pub ways: Vec<Way>,
    /// The counting relay in front of each link's server, if asked for.
    pub taps: Vec<Target>,
}

impl Pair {
    pub fn start(client: &Program, server: &Program, links: &[Link], targets: &Targets) -> Self {
        Self::build(client, server, links, targets, false)
    }

    /// With a relay before every node that counts connections.
    pub fn tapped(client: &Program, server: &Program, links: &[Link], targets: &Targets) -> Self {
        Self::build(client, server, links, targets, true)
    }

    fn build(
        client: &Program,
        server: &Program,
        links: &[Link],
        targets: &Targets,
        tapped: bool,
    ) -> Self {
        let goals = [targets.work.addr, targets.banner.addr];
        let title = format!("{} to {}", client.name(), server.name());

        // A fixed link is two services on each side: one for each target.
        let mut services = Vec::new();
        for link in links {
            let mut service = Service::new(link.inside.handler(), link.channel);
            service.options = link.server.clone();
            service.auth = link.users.as_ref().map(|users| users[0].clone());
            if link.inside.is_fixed() {
                services.extend(goals.map(|to| service.clone().forward(to)));
            } else {
                services.push(service);
            }
        }
        let server = server.serve_file(&config::file(&services), services.len());

        let mut taps = Vec::new();
        let mut node = |index: usize| -> SocketAddr {
            let addr = server.service(index);
            if !tapped {
                return addr;
            }
            taps.push(Target::tap(addr));
            taps[taps.len() - 1].addr
        };

        let mut entries = Vec::new();
        for link in links {
            let (handler, _) = link.inside.entry();
            let fixed: &[SocketAddr] = if link.inside.is_fixed() {
                &goals
            } else {
                &goals[..1]
            };
            for to in fixed {
                let mut hop = Node::new(link.inside.connector(), link.channel, node(entries.len()));
                hop.options = link.client.clone();
                hop.auth = link.users.as_ref().map(|users| users[1].clone());
                let mut entry = Service::new(handler, "tcp").hop(hop);
                if handler == "forward" {
                    entry = entry.forward(*to);
                }
                entries.push(entry);
            }
        }
        let client = client.serve_file(&config::file(&entries), entries.len());

        let mut ways = Vec::new();
        let mut index = 0;
        for link in links {
            let name = format!("{title}: {}", link.name());
            let (_, speak) = link.inside.entry();
            let proxy = |index| Proxy::new(speak, client.service(index));
            if link.inside.is_fixed() {
                let entries = goals.iter().enumerate();
                let entries = entries.map(|(i, to)| (*to, proxy(index + i))).collect();
                ways.push(Way::fixed(name, entries));
                index += 2;
            } else {
                ways.push(Way::proxy(name, proxy(index)));
                index += 1;
            }
        }
        Self {
            client,
            server,
            ways,
            taps,
        }
    }
}
