//! Interoperation with the real gost, in both directions. What gost itself cannot do is not asked of
//! it: half-close inside a mux or behind SOCKS5 and relay, and the banners of `hears_a_banner`.

#[path = "gost/certificates.rs"]
mod certificates;
#[path = "gost/proxy_header.rs"]
mod proxy_header;
#[path = "gost/reverse.rs"]
mod reverse;
#[path = "gost/socket_file.rs"]
mod socket_file;

use certificates::certificates;
use ginnel_tests::check::{self, KIB, MIB, Targets};
use ginnel_tests::client::{Dest, Refused};
use ginnel_tests::config::{self, Node, Service};
use ginnel_tests::datagram::{Client, Echo};
use ginnel_tests::gost::{self, NEWEST, STABLE};
use ginnel_tests::pair::{Inside, Link, Pair, every_heartbeat, every_nodelay, every_option};
use ginnel_tests::{Program, Runtime};
use proxy_header::proxy_header;
use reverse::{any_address, reverse, reverse_chain, reverse_datagrams};
use serde_json::json;
use socket_file::socket_file;

const CHANNELS: [&str; 4] = ["ws", "wss", "mws", "mwss"];

/// Who is where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gost {
    /// Ginnel client, gost server.
    Serves,
    /// gost client, Ginnel server.
    Dials,
    /// gost with itself: checks the tests.
    Both,
}

#[derive(Clone, Debug)]
struct Case {
    version: &'static str,
    gost: Gost,
    client: Program,
    server: Program,
}

impl Case {
    fn new(version: &'static str, gost: Gost, runtime: Runtime) -> Option<Self> {
        let peer = gost::program(version)?;
        let ginnel = || Program::ginnel(runtime);
        let (client, server) = match gost {
            Gost::Serves => (ginnel(), peer),
            Gost::Dials => (peer, ginnel()),
            Gost::Both => (peer.clone(), peer),
        };
        Some(Self {
            version,
            gost,
            client,
            server,
        })
    }

    fn pair(&self, links: &[Link], targets: &Targets) -> Pair {
        let mut links = links.to_vec();
        for link in &mut links {
            // Two gosts choose TLS inside SOCKS5, and the end of that TLS puts a write deadline in
            // the past on the mux session below: every other stream fails. A peer can avoid it.
            if self.gost == Gost::Both && link.channel.starts_with('m') {
                *link = link.clone().options(json!({ "notls": true }));
            }
        }
        Pair::start(&self.client, &self.server, &links, targets)
    }

    fn gost_dials(&self) -> bool {
        self.gost != Gost::Serves
    }

    /// The newest gost cannot be built with its `forward` handler.
    fn can(&self, inside: Inside) -> bool {
        match inside {
            Inside::Forward => self.version == STABLE,
            Inside::ForwardBehindSocks => self.version == STABLE || self.gost == Gost::Dials,
            _ => true,
        }
    }

    fn insides(&self) -> Vec<Inside> {
        let all = Inside::ALL.into_iter();
        all.filter(|inside| self.can(*inside)).collect()
    }
}

/// What gost's client can miss. It holds a relay request back until its user says something; and
/// smux enters a new stream in its table only after the SYN is out, so that an answer to nothing but
/// the SYN is dropped when it is quick.
fn hears_a_banner(case: &Case, channel: &str, inside: Inside) -> bool {
    if !case.gost_dials() {
        return true;
    }
    match inside {
        Inside::Relay | Inside::RelayForward => false,
        Inside::Forward | Inside::ForwardBehindSocks => !channel.starts_with('m'),
        _ => true,
    }
}

fn half_closes(channel: &str, inside: Inside) -> bool {
    let channel = ["tcp", "ws", "wss"].contains(&channel);
    channel && matches!(inside, Inside::Http | Inside::Forward)
}

fn every_protocol(case: &Case) {
    let targets = Targets::new();
    for channel in CHANNELS {
        let insides = case.insides();
        let links: Vec<Link> = insides.iter().map(|i| Link::new(channel, *i)).collect();
        let pair = case.pair(&links, &targets);
        for (link, way) in links.iter().zip(&pair.ways) {
            check::both_ways(way, &targets.work, MIB, MIB);
            check::target_ends(way, &targets.work, 200 * KIB);
            if hears_a_banner(case, channel, link.inside) {
                check::banner_first(way, &targets);
            }
            if half_closes(channel, link.inside) {
                check::half_close(way, &targets.work, 64 * KIB);
                check::half_close(way, &targets.work, MIB);
            }
            check::concurrent(way, &targets.work, 16, 32 * KIB);
        }
    }
}

/// Credentials that fit open the way, others do not.
fn credentials(case: &Case) {
    let targets = Targets::new();
    let insides = [
        Inside::Http,
        Inside::Socks5,
        Inside::Relay,
        Inside::AutoHttp,
        Inside::AutoSocks5,
    ];
    let right = ("alice", "s3cret");
    let links: Vec<Link> = ["ws", "mwss"]
        .into_iter()
        .flat_map(|channel| insides.map(|inside| Link::new(channel, inside)))
        .flat_map(|link| {
            [
                link.clone().users(right, right),
                link.users(right, ("alice", "wrong")),
            ]
        })
        .collect();
    let pair = case.pair(&links, &targets);
    for (link, way) in links.iter().zip(&pair.ways) {
        let [wanted, given] = link.users.as_ref().expect("users");
        if wanted == given {
            check::both_ways(way, &targets.work, 10 * KIB, 10 * KIB);
        } else {
            check::no_way(way, &targets.work);
        }
    }
}

/// A target that refuses, and a name that does not exist, are refusals for the client.
fn no_target(case: &Case) {
    let targets = Targets::new();
    let insides = [Inside::Http, Inside::Socks5, Inside::Socks4];
    let links = insides.map(|inside| Link::new("ws", inside));
    let pair = case.pair(&links, &targets);
    let refusing = Dest::Addr(ginnel_tests::target::refusing());
    for way in &pair.ways {
        for dest in [refusing.clone(), Dest::Name("no.such.invalid".into(), 80)] {
            let refused = way.try_dest(dest.clone()).map(drop);
            let Err(refused) = refused else {
                panic!("{}: {dest} opened", way.name);
            };
            assert_ne!(refused, Refused::Closed, "{}: {dest}", way.name);
        }
    }
}

fn options(case: &Case) {
    let targets = Targets::new();
    let mut links = every_option();
    if case.can(Inside::ForwardBehindSocks) {
        links.push(
            Link::new("mwss", Inside::ForwardBehindSocks)
                .options(json!({ "mux.version": 2, "enableCompression": true, "path": "/f" })),
        );
    }
    let pair = case.pair(&links, &targets);
    for way in &pair.ways {
        check::both_ways(way, &targets.work, 300 * KIB, 300 * KIB);
        check::concurrent(way, &targets.work, 8, 16 * KIB);
    }
}

/// Different paths do not meet.
fn other_path(case: &Case) {
    let targets = Targets::new();
    let link = |channel| {
        Link::new(channel, Inside::Http)
            .server_options(json!({ "path": "/right" }))
            .client_options(json!({ "path": "/wrong" }))
    };
    let pair = case.pair(&["ws", "wss", "mws", "mwss"].map(link), &targets);
    for way in &pair.ways {
        check::no_way(way, &targets.work);
    }
}

/// Heartbeats of either kind keep a silent tunnel alive and do not disturb it.
fn heartbeat(case: &Case) {
    let targets = Targets::new();
    let links = every_heartbeat();
    let pair = case.pair(&links, &targets);
    silent(&pair.ways, &targets, 3500);
}

/// Tunnels on which nothing was said for so many milliseconds are open.
fn silent(ways: &[check::Way], targets: &Targets, millis: u64) {
    let open: Vec<_> = ways.iter().map(|way| way.open(&targets.work)).collect();
    check::silence(&open, millis);
    for (way, stream) in ways.iter().zip(open) {
        check::transfer(&way.name, stream, 100 * KIB, 100 * KIB);
    }
}

/// Both kinds of pings from Ginnel, whichever end it is: gost answers while it is idle, and is not given up
/// while it stalls, which it does without a word.
fn liveness(case: &Case) {
    let targets = Targets::new();
    let short = json!({
        "ttl": "1s",
        "mux.keepaliveInterval": "1s",
        "mux.keepaliveTimeout": "3s",
    });
    let links = CHANNELS.map(|channel| Link::new(channel, Inside::Socks5).options(short.clone()));
    let pair = case.pair(&links, &targets);
    silent(&pair.ways, &targets, 5000);
    for way in &pair.ways[..2] {
        check::stalled_for(way, &targets.work, 5000);
        check::stalled_client(way, &targets.work, 5000);
    }
}

/// Relay's `nodelay` on either end: whoever speaks first. Left out are the settings with which gost's
/// client waits for a response that gost's server holds back, or says nothing until its user does.
fn nodelay(case: &Case) {
    let targets = Targets::new();
    let settings = every_nodelay();
    let links: Vec<Link> = settings.iter().map(|(.., link)| link.clone()).collect();
    let pair = case.pair(&links, &targets);
    for ((client, server, _), way) in settings.iter().zip(&pair.ways) {
        if case.gost != Gost::Both || !client || *server {
            check::both_ways(way, &targets.work, 50 * KIB, 50 * KIB);
        }
        if !case.gost_dials() || *client {
            check::banner_first(way, &targets);
        }
    }
}

/// Hops of both programs in one chain, muxed ones among them.
fn mixed_chain(case: &Case) {
    let targets = Targets::new();
    let outer = case.server.serve(&[
        "-L",
        "socks5+mws://127.0.0.1:0",
        "-L",
        "http+wss://127.0.0.1:0",
        "-L",
        "relay+mwss://127.0.0.1:0?nodelay=true",
    ]);
    let inner = case.client.serve(&[
        "-L",
        "socks5+ws://127.0.0.1:0",
        "-L",
        "http+mwss://127.0.0.1:0",
    ]);
    let node = |connector, dialer, addr| Node::new(connector, dialer, addr);
    // As in `Case::pair`.
    let first = match case.gost {
        Gost::Both => json!({ "notls": true }),
        _ => json!({}),
    };
    let services = [
        Service::new("auto", "tcp")
            .hop(node("socks5", "mws", outer.service(0)).options(first))
            .hop(node("socks5", "ws", inner.service(0))),
        Service::new("auto", "tcp")
            .hop(node("http", "wss", outer.service(1)))
            .hop(node("http", "mwss", inner.service(1)))
            .hop(node("relay", "mwss", outer.service(2)).options(json!({ "nodelay": true }))),
    ];
    let client = case
        .client
        .serve_file(&config::file(&services), services.len());
    for index in 0..services.len() {
        let name = format!(
            "{} by {}: chain {index}",
            case.client.name(),
            case.server.name()
        );
        let way = check::Way::socks5(name, client.service(index));
        check::both_ways(&way, &targets.work, 200 * KIB, 200 * KIB);
        check::banner_first(&way, &targets);
        check::concurrent(&way, &targets.work, 8, 16 * KIB);
    }
}

/// Datagrams by every kind of node that carries them. A gost reads up to 4096 bytes and loses empty ones.
fn datagrams(case: &Case) {
    let echo = Echo::start();
    // The newest gost cannot be built with its `forward` handler.
    let forwards = case.version == STABLE || case.gost == Gost::Serves;
    let server = case.server.serve(&[
        "-L",
        "socks5+mws://127.0.0.1:0?udp=true",
        "-L",
        "http+ws://127.0.0.1:0?udp=true",
        "-L",
        "relay+wss://127.0.0.1:0?bind=true",
        "-L",
        "socks5+tls://127.0.0.1:0?udp=true",
    ]);
    let nodes = [
        ("socks5+mws", "notls=true"),
        ("http+ws", ""),
        ("relay+wss", ""),
        ("socks5+tls", "relay=udp"),
    ];
    for (index, (words, option)) in nodes.iter().enumerate() {
        let node = format!("{words}://{}?{option}", server.service(index));
        let forward = format!("udp://127.0.0.1:0/{}?keepalive=true", echo.addr);
        let proxy = "socks5://127.0.0.1:0?udp=true";
        let mut args = vec!["-L", proxy, "-F", &node];
        if forwards {
            args.extend(["-L", &forward]);
        }
        let client = case.client.serve(&args);
        let name = format!("{} by {}: {node}", case.client.name(), case.server.name());
        let one = Client::associate(client.service(0), echo.addr).expect("an association");
        for n in [1, 1200, 4000, 5] {
            one.echoes(&format!("{name}, associated"), n);
        }
        if forwards {
            let one = Client::raw(client.service(1));
            for n in [1, 1200, 4000, 5] {
                one.echoes(&format!("{name}, forwarded"), n);
            }
        }
    }
}

macro_rules! cases {
    ($($module:ident: $version:ident $gost:ident $runtime:ident;)*) => {
        $(cases!(@module $module $version $gost $runtime
            every_protocol credentials no_target options other_path heartbeat liveness nodelay mixed_chain
            proxy_header datagrams reverse reverse_chain reverse_datagrams any_address socket_file
            certificates);)*
    };
    (@module $module:ident $version:ident $gost:ident $runtime:ident $($check:ident)*) => {
        mod $module {
            use super::*;
            $(
                #[test]
                fn $check() {
                    if let Some(case) = Case::new($version, Gost::$gost, Runtime::$runtime) {
                        super::$check(&case);
                    }
                }
            )*
        }
    };
}

cases! {
    stable_serves_smol: STABLE Serves Smol;
    stable_serves_mio: STABLE Serves Mio;
    stable_dials_smol: STABLE Dials Smol;
    stable_dials_mio: STABLE Dials Mio;
    newest_serves_smol: NEWEST Serves Smol;
    newest_dials_smol: NEWEST Dials Smol;
    // The checks themselves, against nothing but gost.
    stable_alone: STABLE Both Smol;
    newest_alone: NEWEST Both Smol;
}
