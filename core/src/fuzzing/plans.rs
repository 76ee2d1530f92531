//! Plans for scripts: every channel without TLS with every handler, over one of a few chains.

use std::sync::Arc;
use std::time::Duration;

use crate::addr::Target;
use crate::limits::Limits;
use crate::plan::{
    Chain, Channel, Connector, ConnectorKind, Dialer, Edge, Forward, ForwardNode, Handler,
    HandlerKind, Hop, HopPolicy, Listener, Mux, Node, NodePolicy, Overrides, Ping, Plan, Selector,
    Service, ServicePolicy, Users, WsClient, WsServer,
};

const CHANNELS: [Channel; 3] = [Channel::Tcp, Channel::Ws, Channel::Mws];
pub(super) const HANDLERS: [HandlerKind; 6] = [
    HandlerKind::Auto,
    HandlerKind::Http,
    HandlerKind::Socks4,
    HandlerKind::Socks5,
    HandlerKind::Relay,
    HandlerKind::Forward,
];

pub(super) const SERVICES: usize = CHANNELS.len() * HANDLERS.len();

type Way = &'static [(Channel, ConnectorKind)];

const CHAINS: [Way; 8] = {
    use {Channel as C, ConnectorKind as K};
    [
        &[],
        &[(C::Tcp, K::Http)],
        &[(C::Ws, K::Socks5)],
        &[(C::Mws, K::Relay)],
        &[(C::Tcp, K::Socks4), (C::Ws, K::Http)],
        &[(C::Ws, K::Relay), (C::Mws, K::Socks5)],
        &[(C::Mws, K::Http), (C::Ws, K::Relay)],
        &[(C::Mws, K::Forward)],
    ]
};

/// The choices in front of a script, a bit or a few each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) chain: usize,
    pub(super) users: bool,
    pub(super) mux_version: u8,
    pub(super) small: bool,
    pub(super) compression: bool,
    pub(super) nodelay: bool,
    pub(super) retries: u32,
    /// Two nodes in the first hop, the second one by name.
    pub(super) two_nodes: bool,
    pub(super) ping: bool,
    pub(super) idle: bool,
    pub(super) max_frame: bool,
}

impl Choice {
    pub(super) fn new(a: u8, b: u8) -> Self {
        let bit = |byte: u8, at: u8| byte >> at & 1 == 1;
        Self {
            chain: usize::from(a & 7),
            users: bit(a, 5),
            mux_version: 1 + (a >> 6 & 1),
            small: bit(a, 7),
            compression: bit(b, 0),
            nodelay: bit(b, 1),
            retries: u32::from(b >> 2 & 3),
            two_nodes: bit(b, 4),
            ping: bit(b, 5),
            idle: bit(b, 6),
            max_frame: bit(b, 7),
        }
    }

    pub(super) fn plan(&self) -> Plan {
        let services = CHANNELS
            .iter()
            .flat_map(|channel| HANDLERS.iter().map(|kind| self.service(*channel, *kind)));
        let hops = CHAINS[self.chain]
            .iter()
            .enumerate()
            .map(|(index, way)| self.hop(index, *way));
        Plan {
            services: services.collect(),
            chains: vec![Chain {
                name: "chain".to_owned(),
                hops: hops.collect(),
            }],
            limits: self.limits(),
            trace: true,
        }
    }

    /// Small enough for a short script to reach them.
    fn limits(&self) -> Limits {
        if !self.small {
            return Limits::default();
        }
        Limits {
            head: 700,
            fields: 12,
            high: 4000,
            low: 1000,
            ahead: 2000,
            // Not below the longest unit of a handshake: reading stops there.
            early: 5000,
            read: 1500,
            ws_payload: 300,
            splice: 200,
            ..Limits::default()
        }
    }

    fn mux(&self) -> Mux {
        let (max_frame, max_receive, max_stream) = match self.small {
            true => (100, 3000, 1000),
            false => (32768, 4_194_304, 65536),
        };
        Mux {
            max_streams: 3,
            version: self.mux_version,
            agree: self.mux_version == 1,
            max_frame,
            max_receive,
            max_agreed: 4 * max_receive,
            max_stream,
            ..Mux::default()
        }
    }

    fn service(&self, channel: Channel, kind: HandlerKind) -> Service {
        let ws = WsServer {
            compression: self.compression,
            ping: self.ping.then(Ping::default),
            max_frame: self.max_frame.then_some(50),
            ..WsServer::new("/ws")
        };
        let target = ForwardNode {
            name: "target".to_owned(),
            addr: Target::from(std::net::SocketAddr::from(([10, 0, 0, 9], 80))),
            weight: 1,
            backup: false,
            overrides: Overrides::default(),
            rules: Default::default(),
        };
        let users = vec![("u".to_owned(), "p".to_owned())];
        Service {
            name: format!("{channel}-{}", kind.name()),
            listener: Listener {
                channel,
                tls: None,
                ws: channel.has_ws().then(|| Arc::new(ws)),
                mux: channel.has_mux().then(|| self.mux()),
                edge: Edge::default(),
                handshake_timeout: Limits::default().handshake,
                caps: None,
                reverse: None,
            },
            handler: Arc::new(Handler {
                users: self.users.then_some(Users(users)),
                idle_timeout: self.idle.then_some(Duration::from_secs(40)),
                ..Handler::new(kind)
            }),
            chain: (self.chain > 0).then_some(0),
            forward: (kind == HandlerKind::Forward).then(|| Forward {
                nodes: vec![target],
                selector: Selector::default(),
            }),
            retries: self.retries,
            socket: Arc::default(),
            policy: ServicePolicy::default(),
        }
    }

    fn hop(&self, index: usize, (channel, connector): (Channel, ConnectorKind)) -> Hop {
        let node = |name: &str, addr: &str| {
            Arc::new(Node {
                name: name.to_owned(),
                // Cannot fail: both are literals with a port.
                addr: Target::parse(addr).unwrap_or_else(|| unreachable!("{addr}")),
                dialer: Dialer {
                    channel,
                    tls: None,
                    ws: channel.has_ws().then(|| Arc::new(self.ws_client())),
                    mux: channel.has_mux().then(|| self.mux()),
                    proxy_protocol: None,
                    handshake_timeout: Duration::from_secs(10),
                    socket: Arc::default(),
                },
                connector: Connector {
                    nodelay: self.nodelay,
                    auth: self.users.then(|| ("u".to_owned(), "p".to_owned())),
                    ..Connector::new(connector)
                },
                weight: 1,
                backup: false,
                policy: NodePolicy::default(),
            })
        };
        let mut nodes = vec![node("node-0", "10.0.0.2:8000")];
        if self.two_nodes && index == 0 {
            nodes.push(node("node-1", "node.test:8001"));
        }
        Hop {
            name: format!("hop-{index}"),
            nodes,
            selector: Selector::default(),
            policy: HopPolicy::default(),
        }
    }

    fn ws_client(&self) -> WsClient {
        WsClient {
            compression: self.compression,
            ping: self.ping.then(Ping::default),
            max_frame: self.max_frame.then_some(50),
            ..WsClient::new("node.test", "/ws")
        }
    }
}
