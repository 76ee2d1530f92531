//! What the engines are given for a setting.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ginnel_core::addr::Target;
use ginnel_core::limits::Limits;
use ginnel_core::plan::{
    Chain, Channel, Connector, ConnectorKind, Content, Dialer, Edge, Forward, ForwardNode, Handler,
    HandlerKind, Hop, HopPolicy, Listener as ListenerPlan, Node, NodePolicy, Overrides, Ping, Plan,
    Reverse, Selector, Service, ServicePolicy, Site, Strategy, TlsClient, WsClient, WsServer,
};
use ginnel_core::route::access::SocketFiles;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::{FILE, Setting, ZONED, server};

impl Setting {
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
                        compression: self.compression,
                        ping: Some(Ping::default()),
                        max_frame: self.max_frame,
                        ..WsServer::new("/ws")
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
                        compression: self.compression,
                        ping: Some(Ping::default()),
                        max_frame: self.max_frame,
                        ..WsClient::new("server.test:8000", "/ws")
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
