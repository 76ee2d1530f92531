//! What is simulated: an entry, one or two hops over any channel, a target.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ginnel_core::addr::Target;
use ginnel_core::limits::Limits;
use ginnel_core::plan::{
    Chain, Channel, Connector, ConnectorKind, Content, Dialer, Edge, Forward, ForwardNode, Handler,
    HandlerKind, Hop, HopPolicy, Listener as ListenerPlan, Mux, Node, NodePolicy, Overrides, Ping,
    Plan, Reverse, Selector, Service, ServicePolicy, Site, Strategy, TlsClient, WsClient, WsServer,
};
use ginnel_core::route::access::SocketFiles;
use ginnel_core::wire::proxy_protocol::Version;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::program::{Program, Speaks};
use crate::random::Random;
use crate::world::{Listener, World};

pub const TARGET: (&str, u16) = ("target.test", 80);

/// Where the target is, too.
pub const FILE: &str = "/run/target.sock";

pub fn entry() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 1080))
}

pub fn target() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 9], 80))
}

/// Where the target is, too: a link-local address, whose zone is to be resolved.
pub const ZONED: &str = "fe80::9%eth0";

/// That of the target, with the number of the zone.
pub fn zoned(port: u16) -> SocketAddr {
    std::net::SocketAddrV6::new([0xfe80, 0, 0, 0, 0, 0, 0, 9].into(), port, 0, 3).into()
}

/// The address of a second node.
pub fn second() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 3], 8000))
}

pub fn server(hop: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], 8000 + hop as u16))
}

#[derive(Clone, Debug)]
pub struct Setting {
    pub speaks: Speaks,
    entry: HandlerKind,
    listens: Channel,
    queue: usize,
    hops: Vec<(Channel, ConnectorKind, HandlerKind)>,
    pub mux: Mux,
    pub compression: bool,
    max_frame: Option<usize>,
    nodelay: bool,
    /// A PROXY header goes in front of each hop.
    pub proxied: Option<Version>,
    /// The hops look like a web site.
    hidden: bool,
    /// The target is a socket file at the end of the chain.
    file: bool,
    /// The target is on a link of the last machine.
    zoned: bool,
    /// The target speaks first, this many bytes.
    pub speaker: Option<usize>,
    pub cuts: bool,
    /// Byte budget of each engine.
    pub memory: Option<usize>,
    /// The limits of small devices.
    pub small: bool,
    /// From how many bytes on a read is a large one, behind which there may be a splice.
    pub splice: Option<usize>,
}

impl Setting {
    pub fn draw(random: &mut Random, tls: bool) -> Self {
        let channels: &[Channel] = match tls {
            false => &[Channel::Tcp, Channel::Ws, Channel::Mws, Channel::Mws],
            true => &[Channel::Tls, Channel::Wss, Channel::Mwss],
        };
        let count = [0, 1, 1, 1, 2, 2][random.below(6)];
        let hops = (0..count).map(|_| hop(random, channels)).collect();
        let mut setting = Self::with(random, hops);
        setting.speaker = random.chance(4).then(|| random.below(100_000));
        setting.cuts = random.chance(3);
        // Peers that did not agree on version 2 begin with windows larger than all of it.
        let windows = setting.mux.version == 2 && !setting.mux.agree;
        if random.chance(3) && !windows {
            // Unfinished compressed messages and TLS handshakes cost something each.
            let roomy = tls || setting.compression;
            setting.memory = Some(if roomy { 16 << 20 } else { 256 << 10 });
        }
        setting
    }

    /// One or two hops over these channels.
    pub fn over(random: &mut Random, channels: &[Channel]) -> Self {
        let count = 1 + random.below(2);
        let hops = (0..count).map(|_| hop(random, channels)).collect();
        let mut setting = Self::with(random, hops);
        setting.speaker = random.chance(4).then(|| random.below(100_000));
        setting
    }

    /// One hop, without a mux.
    pub fn plain(random: &mut Random) -> Self {
        let hops = vec![hop(random, &[Channel::Tcp, Channel::Ws])];
        Self::with(random, hops)
    }

    /// What the entry speaks.
    pub fn entry(&mut self, kind: HandlerKind) {
        self.entry = kind;
    }

    /// A socket file that a relay node reaches.
    pub fn socket_file(random: &mut Random) -> Self {
        let channels = [Channel::Tcp, Channel::Ws, Channel::Mws];
        let count = 1 + random.below(2);
        let mut hops: Vec<_> = (0..count).map(|_| hop(random, &channels)).collect();
        let (_, connector, handler) = &mut hops[count - 1];
        (*connector, *handler) = (ConnectorKind::Relay, HandlerKind::Relay);
        let mut setting = Self::with(random, hops);
        (setting.speaks, setting.entry) = (Speaks::Raw, HandlerKind::Forward);
        setting.file = true;
        setting.speaker = random.chance(3).then(|| random.below(20_000));
        setting
    }

    /// A link-local target, which http nodes cannot be told. Without hops, the entry connects to it.
    pub fn zoned(random: &mut Random) -> Self {
        let channels = [Channel::Tcp, Channel::Ws, Channel::Mws];
        let mut hops: Vec<_> = (0..random.below(3))
            .map(|_| hop(random, &channels))
            .collect();
        if let Some((_, connector, handler)) = hops.last_mut()
            && *connector == ConnectorKind::Http
        {
            (*connector, *handler) = (ConnectorKind::Socks5, HandlerKind::Auto);
        }
        let mut setting = Self::with(random, hops);
        (setting.speaks, setting.entry) = (Speaks::Raw, HandlerKind::Forward);
        setting.zoned = true;
        setting
    }

    /// Datagrams from a udp listener, or of SOCKS5 UDP ASSOCIATE, by nodes that carry them.
    pub fn datagrams(random: &mut Random, associate: bool) -> Self {
        let channels = [Channel::Tcp, Channel::Ws, Channel::Mws];
        let count = random.below(3);
        let mut hops: Vec<_> = (0..count).map(|_| hop(random, &channels)).collect();
        if let Some((_, connector, handler)) = hops.last_mut() {
            (*connector, *handler) = carriers(random);
        }
        let mut setting = Self::with(random, hops);
        setting.entry = match associate {
            true => [HandlerKind::Socks5, HandlerKind::Auto][random.below(2)],
            false => HandlerKind::Forward,
        };
        setting.queue = [1, 3, 128][random.below(3)];
        setting.memory = random.chance(3).then_some(256 << 10);
        setting.listens = if associate {
            Channel::Tcp
        } else {
            Channel::Udp
        };
        setting
    }

    /// A port that the last hop opens.
    pub fn reverse(random: &mut Random) -> Self {
        let channels = [Channel::Tcp, Channel::Ws, Channel::Mws];
        let count = 1 + random.below(2);
        let mut hops: Vec<_> = (0..count).map(|_| hop(random, &channels)).collect();
        let (_, connector, handler) = &mut hops[count - 1];
        (*connector, *handler) = [
            (ConnectorKind::Relay, HandlerKind::Relay),
            (ConnectorKind::Socks5, HandlerKind::Socks5),
            (ConnectorKind::Socks5, HandlerKind::Auto),
        ][random.below(3)];
        let mut setting = Self::with(random, hops);
        setting.entry = HandlerKind::Forward;
        setting.listens = Channel::Rtcp;
        setting.speaker = random.chance(2).then(|| random.below(50_000));
        setting
    }

    /// The same for datagrams.
    pub fn reverse_datagrams(random: &mut Random) -> Self {
        let queue = [2, 128][random.below(2)];
        Self {
            listens: Channel::Rudp,
            queue,
            small: false,
            ..Self::reverse(random)
        }
    }

    /// Nothing on the way asks whether the other end is there.
    pub fn is_bare(&self) -> bool {
        self.hops.iter().all(|hop| !hop.0.has_ws())
    }

    fn is_reverse(&self) -> bool {
        matches!(self.listens, Channel::Rtcp | Channel::Rudp)
    }

    pub fn muxed(random: &mut Random) -> Self {
        let hops = vec![hop(random, &[Channel::Mws])];
        Self::with(random, hops)
    }

    pub fn with(random: &mut Random, hops: Vec<(Channel, ConnectorKind, HandlerKind)>) -> Self {
        let agree = random.chance(2);
        let (speaks, entry) = [
            (Speaks::Socks5, HandlerKind::Socks5),
            (Speaks::Socks5, HandlerKind::Auto),
            (Speaks::Socks4a, HandlerKind::Auto),
            (Speaks::Connect, HandlerKind::Http),
            (Speaks::Connect, HandlerKind::Auto),
            (Speaks::Raw, HandlerKind::Forward),
        ][random.below(6)];
        Self {
            speaks,
            entry,
            listens: Channel::Tcp,
            queue: 128,
            hops,
            mux: Mux {
                version: 1 + random.below(2) as u8,
                agree,
                max_frame: [100, 1500, 32768, 65535][random.below(4)],
                max_receive: [70_000, 4_194_304][random.below(2)],
                max_agreed: [70_000, 64 << 20][random.below(2)],
                max_stream: [4000, 65536][random.below(2)],
                ..Mux::default()
            },
            compression: random.chance(4),
            max_frame: random.chance(4).then(|| 50 + random.below(3000)),
            nodelay: random.chance(2),
            proxied: [None, None, Some(Version::V1), Some(Version::V2)][random.below(4)],
            hidden: random.chance(3),
            file: false,
            zoned: false,
            speaker: None,
            cuts: false,
            memory: None,
            small: random.chance(4),
            splice: [None, Some(1), Some(30), Some(1000)][random.below(4)],
        }
    }

    /// The engine at the entry, and the one that has all servers.
    pub fn plans(&self) -> Vec<Plan> {
        let hop = |(index, kinds): (usize, &(Channel, ConnectorKind, HandlerKind))| Hop {
            name: format!("hop-{index}"),
            nodes: vec![Arc::new(self.node(index, *kinds))],
            selector: Selector {
                strategy: match self.nodelay {
                    true => Strategy::Latency,
                    false => Strategy::Round,
                },
                ..Selector::default()
            },
            policy: HopPolicy::default(),
        };
        let chain = Chain {
            name: "chain-0".to_owned(),
            hops: self.hops.iter().enumerate().map(hop).collect(),
        };
        // A reverse service connects to its target itself.
        let has_chain = !chain.hops.is_empty() && !self.is_reverse();
        let client = Plan {
            services: vec![self.service(self.entry, self.listens, has_chain.then_some(0), false)],
            chains: vec![chain],
            limits: self.limits(),
            ..Plan::default()
        };
        let services = self
            .hops
            .iter()
            .map(|(channel, _, handler)| self.service(*handler, *channel, None, true));
        let server = Plan {
            services: services.collect(),
            limits: self.limits(),
            ..Plan::default()
        };
        vec![client, server]
    }

    fn limits(&self) -> Limits {
        let limits = match self.small {
            true => Limits::small(),
            false => Limits::default(),
        };
        Limits {
            memory: self.memory,
            splice: self.splice.unwrap_or(limits.splice),
            ..limits
        }
    }

    /// Sessions that may stay when all clients are gone, an engine: a mux session through an earlier hop.
    pub fn lasting_sessions(&self) -> [usize; 2] {
        let muxed = |hop: &(Channel, ConnectorKind, HandlerKind)| hop.0.has_mux();
        [0, self.hops.iter().skip(1).filter(|hop| muxed(hop)).count()]
    }

    pub fn listen(&self, world: &mut World) {
        world.listen(entry(), Listener::Engine(0, 0));
        for hop in 0..self.hops.len() {
            world.listen(server(hop), Listener::Engine(1, hop));
        }
        world.listen(second(), Listener::Engine(1, 0));
        let speaker = self.speaker;
        let target = move |_: &mut Random| match speaker {
            Some(n) => Program::speaker(n),
            None => Program::echo(),
        };
        world.listen(self::target(), Listener::Program(Box::new(target)));
    }

    /// What is sent to the node follows at once on what opens the stream.
    pub fn eager(&mut self) {
        self.nodelay = false;
    }

    /// These pings at both ends of the channel.
    pub fn pings(&self, plans: &mut [Plan], ping: Option<Ping>) {
        for service in &mut plans[1].services {
            if let Some(ws) = &mut service.listener.ws {
                Arc::make_mut(ws).ping = ping;
            }
        }
        self.pings_of_nodes(plans, ping);
    }

    pub fn pings_of_nodes(&self, plans: &mut [Plan], ping: Option<Ping>) {
        for node in plans[0].chains[0]
            .hops
            .iter_mut()
            .flat_map(|hop| &mut hop.nodes)
        {
            if let Some(ws) = &mut Arc::make_mut(node).dialer.ws {
                Arc::make_mut(ws).ping = ping;
            }
        }
    }

    /// A second node for the first hop, at another address of the same server.
    pub fn second_node(&self, plans: &mut [Plan]) {
        let hop = &mut plans[0].chains[0].hops[0];
        let mut node = Node::clone(&hop.nodes[0]);
        node.addr = second().into();
        hop.nodes.push(Arc::new(node));
    }

    fn service(
        &self,
        kind: HandlerKind,
        channel: Channel,
        chain: Option<usize>,
        is_hop: bool,
    ) -> Service {
        let mut handler = Handler::new(kind);
        handler.udp.enabled = true;
        handler.udp.bind = true;
        handler.udp.queue = self.queue;
        handler.files = SocketFiles::All;
        let target = ForwardNode {
            name: "target-0".to_owned(),
            addr: match (self.file, self.zoned) {
                (true, _) => Target::file(FILE),
                (_, true) => Target::parse(&format!("[{ZONED}]:80")).unwrap(),
                _ => Target::parse("target.test:80").unwrap(),
            },
            weight: 1,
            backup: false,
            overrides: Overrides::default(),
            rules: Default::default(),
        };
        Service {
            name: "service-0".to_owned(),
            listener: ListenerPlan {
                channel,
                tls: channel.has_tls().then(|| tls().0.clone()),
                ws: channel.has_ws().then(|| {
                    Arc::new(WsServer {
                        path: "/ws".to_owned(),
                        host: None,
                        headers: Vec::new(),
                        compression: self.compression,
                        read_header_timeout: Duration::from_secs(10),
                        ping: Some(Ping::default()),
                        max_frame: self.max_frame,
                        read: None,
                        trusted: Arc::default(),
                    })
                }),
                mux: channel.has_mux().then(|| self.mux.clone()),
                edge: Edge {
                    proxy_protocol: is_hop && self.proxied.is_some(),
                    fallback: self.hidden.then(|| {
                        Arc::new(Site {
                            content: Content::Status(404),
                            headers: Vec::new(),
                            epoch: None,
                        })
                    }),
                    ..Edge::default()
                },
                handshake_timeout: Duration::from_secs(10),
                caps: None,
                reverse: matches!(channel, Channel::Rtcp | Channel::Rudp).then(|| Reverse {
                    chain: 0,
                    addr: Target::parse(":2222").unwrap(),
                }),
            },
            handler: Arc::new(handler),
            chain,
            forward: (kind == HandlerKind::Forward).then(|| Forward {
                nodes: vec![target],
                selector: Selector::default(),
            }),
            retries: 0,
            socket: Arc::default(),
            policy: ServicePolicy::default(),
        }
    }

    fn node(
        &self,
        index: usize,
        (channel, connector, _): (Channel, ConnectorKind, HandlerKind),
    ) -> Node {
        Node {
            name: format!("node-{index}"),
            addr: server(index).into(),
            dialer: Dialer {
                channel,
                proxy_protocol: self.proxied,
                socket: Arc::default(),
                tls: channel.has_tls().then(|| TlsClient {
                    config: tls().1.clone(),
                    name: ServerName::try_from("server.test").unwrap(),
                }),
                ws: channel.has_ws().then(|| {
                    Arc::new(WsClient {
                        host: "server.test:8000".to_owned(),
                        path: "/ws".to_owned(),
                        headers: Vec::new(),
                        compression: self.compression,
                        ping: Some(Ping::default()),
                        max_frame: self.max_frame,
                        read: None,
                    })
                }),
                mux: channel.has_mux().then(|| self.mux.clone()),
                handshake_timeout: Duration::from_secs(10),
            },
            connector: Connector {
                nodelay: self.nodelay,
                ..Connector::new(connector)
            },
            weight: 1,
            backup: false,
            policy: NodePolicy::default(),
        }
    }
}

fn hop(random: &mut Random, channels: &[Channel]) -> (Channel, ConnectorKind, HandlerKind) {
    let channel = channels[random.below(channels.len())];
    let (connector, handler) = [
        (ConnectorKind::Http, HandlerKind::Http),
        (ConnectorKind::Http, HandlerKind::Auto),
        (ConnectorKind::Socks5, HandlerKind::Socks5),
        (ConnectorKind::Socks5, HandlerKind::Auto),
        (ConnectorKind::Socks4, HandlerKind::Socks4),
        (ConnectorKind::Relay, HandlerKind::Relay),
    ][random.below(6)];
    (channel, connector, handler)
}

fn carriers(random: &mut Random) -> (ConnectorKind, HandlerKind) {
    [
        (ConnectorKind::Http, HandlerKind::Http),
        (ConnectorKind::Http, HandlerKind::Auto),
        (ConnectorKind::Socks5, HandlerKind::Socks5),
        (ConnectorKind::Socks5, HandlerKind::Auto),
        (ConnectorKind::Relay, HandlerKind::Relay),
    ][random.below(5)]
}

/// One certificate for all runs.
fn tls() -> &'static (Arc<ServerConfig>, Arc<ClientConfig>) {
    static TLS: OnceLock<(Arc<ServerConfig>, Arc<ClientConfig>)> = OnceLock::new();
    TLS.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["server.test".to_owned()]).unwrap();
        let certificate = CertificateDer::from(made.cert.der().to_vec());
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let mut server = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        server.enable_secret_extraction = true;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let mut client = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.enable_secret_extraction = true;
        (Arc::new(server), Arc::new(client))
    })
}
