//! What the engine is to do: the validated form of a configuration. Made once, shared by all threads.
//!
//! Nothing here is text that still has to be understood: the command line reads files, checks
//! references and builds the TLS configurations before a plan exists.

mod caps;
mod edge;
mod forward;
mod mux;
mod ping;
mod policy;
mod resolver;
mod reverse;
mod site;
mod socket;
mod udp;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use subtle::ConstantTimeEq;

use crate::addr::Target;
use crate::limits::Limits;
use crate::route::Net;
use crate::route::access::SocketFiles;
use crate::wire::proxy_protocol;

pub use edge::Edge;
pub use forward::TargetRules;
pub use site::{Backend, Content, Document, Files, Found as FoundFile, Probe, Site};

pub use caps::{Caps, Counted, Refusal};
pub use mux::Mux;
pub use ping::Ping;
pub use resolver::{DnsChannel, NameServer, Resolver};

pub use policy::{
    ChainGroup, GroupMember, HopPolicy, NodePolicy, Overrides, ServicePolicy, SkipAuth,
};
pub use reverse::Reverse;
pub use socket::{Endpoint, Interface, Keepalive, SocketOptions};
pub use udp::Udp;

#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub services: Vec<Service>,
    pub chains: Vec<Chain>,
    pub limits: Limits,
    /// Whether each step of a connection is told.
    pub trace: bool,
}

impl Plan {
    /// The thread that serves this service, if it must be one: a mux node has one session, not one a thread,
    /// limits are counted by one, and so are the clients of a udp listener, which others could not tell apart, targets
    /// whose answers tell that they fail, and the bindings of a client that comes again.
    pub fn pinned(&self, index: usize, threads: usize) -> Option<usize> {
        let service = self.services.get(index)?;
        let muxed = |hop: &Hop| hop.nodes.iter().any(|node| node.dialer.mux.is_some());
        let is_muxed = |chain: &usize| {
            let chain = self.chains.get(*chain);
            chain.is_some_and(|chain| chain.hops.iter().any(muxed))
        };
        let judged = |forward: &Forward| {
            let mut nodes = forward.nodes.iter();
            nodes.any(|node| !node.rules.fail_codes.is_empty())
        };
        let alone = service.policy.has_limits()
            || !service.listener.channel.dials()
            || service.handler.udp.bind
            || service.forward.as_ref().is_some_and(judged);
        let reverse = service
            .listener
            .reverse
            .as_ref()
            .map(|reverse| reverse.chain);
        let chain = service.chains().chain(reverse).find(is_muxed);
        Some(chain.or(alone.then_some(index))? % threads.max(1))
    }
}

/// One listening address with its handler.
#[derive(Clone, Debug)]
pub struct Service {
    pub name: String,
    pub listener: Listener,
    pub handler: Arc<Handler>,
    /// Index into [`Plan::chains`]; `None` connects directly.
    pub chain: Option<usize>,
    /// Targets of a forwarding service.
    pub forward: Option<Forward>,
    /// Further attempts after a failed connect, when no other node or target is left to try.
    pub retries: u32,
    /// Of sockets that go to targets directly.
    pub socket: Arc<SocketOptions>,
    pub policy: ServicePolicy,
}

impl Service {
    /// Those that its connections may go through, by index.
    pub fn chains(&self) -> impl Iterator<Item = usize> + '_ {
        let group = self.policy.group.as_ref();
        let members = group.into_iter().flat_map(|group| &group.members);
        let single = self.chain.filter(|_| group.is_none());
        members.map(|member| member.chain).chain(single)
    }
}

/// The channels, by gost's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    Tcp,
    Tls,
    Ws,
    Wss,
    Mws,
    Mwss,
    /// Datagrams; only to listen on.
    Udp,
    /// Socket files.
    Unix,
    /// At the far end of a chain; only to listen on.
    Rtcp,
    /// The same for datagrams.
    Rudp,
}

impl Channel {
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "tcp" => Self::Tcp,
            "tls" => Self::Tls,
            "ws" => Self::Ws,
            "wss" => Self::Wss,
            "mws" => Self::Mws,
            "mwss" => Self::Mwss,
            "udp" => Self::Udp,
            "unix" => Self::Unix,
            "rtcp" => Self::Rtcp,
            "rudp" => Self::Rudp,
            _ => return None,
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Mws => "mws",
            Self::Mwss => "mwss",
            Self::Udp => "udp",
            Self::Unix => "unix",
            Self::Rtcp => "rtcp",
            Self::Rudp => "rudp",
        }
    }

    pub fn has_tls(self) -> bool {
        matches!(self, Self::Tls | Self::Wss | Self::Mwss)
    }

    pub fn has_ws(self) -> bool {
        matches!(self, Self::Ws | Self::Wss | Self::Mws | Self::Mwss)
    }

    /// Whether nodes can be reached by it.
    pub fn dials(self) -> bool {
        !matches!(self, Self::Udp | Self::Rtcp | Self::Rudp)
    }

    pub fn has_mux(self) -> bool {
        matches!(self, Self::Mws | Self::Mwss)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The accepting side of a channel. `tls`, `ws` and `mux` are present as `channel` says.
#[derive(Clone, Debug)]
pub struct Listener {
    pub channel: Channel,
    /// With `enable_secret_extraction`: rustls makes the keys, the records are ours.
    pub tls: Option<Arc<ServerConfig>>,
    pub ws: Option<Arc<WsServer>>,
    pub mux: Option<Mux>,
    pub edge: Edge,
    /// TLS and upgrade together.
    pub handshake_timeout: Duration,
    /// `None` takes any number of connections.
    pub caps: Option<Arc<Caps>>,
    /// Present as `channel` says.
    pub reverse: Option<Reverse>,
}

/// The dialing side of a channel.
#[derive(Clone, Debug)]
pub struct Dialer {
    pub channel: Channel,
    pub tls: Option<TlsClient>,
    pub ws: Option<Arc<WsClient>>,
    pub mux: Option<Mux>,
    /// A PROXY header goes in front of everything else.
    pub proxy_protocol: Option<proxy_protocol::Version>,
    /// TLS and upgrade together; the whole dial has its own limit.
    pub handshake_timeout: Duration,
    /// Of the first node's socket; those after it have none.
    pub socket: Arc<SocketOptions>,
}

#[derive(Clone, Debug)]
pub struct TlsClient {
    /// With `enable_secret_extraction`, as at a [`Listener`].
    pub config: Arc<ClientConfig>,
    /// Sent as SNI when it is a name, and verified when the configuration verifies.
    pub name: ServerName<'static>,
}

/// Options of an accepting websocket layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WsServer {
    /// Unescaped, with a leading slash. A trailing slash matches everything below; any other path
    /// matches exactly.
    pub path: String,
    /// The `Host` header must name this host (a port is compared only if it is given here).
    pub host: Option<String>,
    /// Added to the 101 response, in this order.
    pub headers: Vec<(String, String)>,
    pub compression: bool,
    /// For receiving the request head.
    pub read_header_timeout: Duration,
    /// `None` sends no pings.
    pub ping: Option<Ping>,
    /// Payload bytes of one frame; longer messages are fragmented. `None`: one frame a message.
    pub max_frame: Option<usize>,
    /// Bytes of one read from the socket; `None`: as the engine's limits say.
    pub read: Option<usize>,
    /// Proxies whose requests may name the client.
    pub trusted: Arc<[Net]>,
}

/// Options of a dialing websocket layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WsClient {
    /// The `Host` line.
    pub host: String,
    /// Unescaped, as the user wrote it; escaped when the request is written.
    pub path: String,
    /// Added to the request. `Host` and `User-Agent` replace the standard lines.
    pub headers: Vec<(String, String)>,
    pub compression: bool,
    pub ping: Option<Ping>,
    pub max_frame: Option<usize>,
    pub read: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandlerKind {
    Auto,
    Http,
    Socks4,
    Socks5,
    Relay,
    Forward,
}

impl HandlerKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Http => "http",
            Self::Socks4 => "socks4",
            Self::Socks5 => "socks5",
            Self::Relay => "relay",
            Self::Forward => "forward",
        }
    }
}

/// What speaks to the client of a service.
#[derive(Clone, Debug)]
pub struct Handler {
    pub kind: HandlerKind,
    /// `None` lets everybody in; an empty list lets nobody in.
    pub users: Option<Users>,
    pub skip_auth: SkipAuth,
    pub http: Http,
    /// `probeResist`: what those see who do not authenticate.
    pub probe: Option<Arc<Probe>>,
    /// Forwarding: a PROXY header for the target goes in front of the client's bytes.
    pub proxy_protocol: Option<proxy_protocol::Version>,
    /// For TLS inside SOCKS5 (methods 0x80 and 0x82); `None` is `notls`.
    pub socks_tls: Option<Arc<ServerConfig>>,
    /// Limit for the negotiation with the client.
    pub read_timeout: Duration,
    /// Longest wait for an origin's response head; `None` waits on.
    pub response_timeout: Option<Duration>,
    /// Per direction, of tunnels; `None` is no limit.
    pub idle_timeout: Option<Duration>,
    /// Forwarding: the target is chosen by the client's first bytes, if they come within this time.
    pub sniffing: Option<Duration>,
    pub udp: Udp,
    /// Relay: those of this machine.
    pub files: SocketFiles,
}

impl Handler {
    pub fn new(kind: HandlerKind) -> Self {
        Self {
            kind,
            users: None,
            skip_auth: SkipAuth::default(),
            http: Http::default(),
            probe: None,
            proxy_protocol: None,
            socks_tls: None,
            read_timeout: Duration::from_secs(15),
            response_timeout: Some(Duration::from_secs(15)),
            idle_timeout: None,
            sniffing: None,
            udp: Udp::default(),
            files: SocketFiles::None,
        }
    }
}

/// Options of the http handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Added to the proxy's own responses.
    pub headers: Vec<(String, String)>,
    pub realm: String,
    /// Value of `Proxy-Agent`; empty sends none.
    pub agent: String,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            headers: Vec::new(),
            realm: "gost".to_owned(),
            agent: "gost/3.0".to_owned(),
        }
    }
}

/// Who may use a service. An empty password accepts any password, as in gost.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Users(pub Vec<(String, String)>);

impl Users {
    /// Takes the same time for every wrong password of a given length.
    pub fn accepts(&self, user: &[u8], password: &[u8]) -> bool {
        let mut accepted = false;
        for (name, secret) in &self.0 {
            let same_name = bool::from(name.as_bytes().ct_eq(user));
            let same_secret = secret.is_empty() || bool::from(secret.as_bytes().ct_eq(password));
            accepted |= same_name && same_secret;
        }
        accepted
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(user, _)| user))
            .finish()
    }
}

#[derive(Clone, Debug)]
pub struct Chain {
    pub name: String,
    pub hops: Vec<Hop>,
}

/// One of its nodes is taken for each connection.
#[derive(Clone, Debug)]
pub struct Hop {
    pub name: String,
    pub nodes: Vec<Arc<Node>>,
    pub selector: Selector,
    pub policy: HopPolicy,
}

#[derive(Clone, Debug)]
pub struct Node {
    pub name: String,
    pub addr: Target,
    pub dialer: Dialer,
    pub connector: Connector,
    pub weight: u32,
    pub backup: bool,
    pub policy: NodePolicy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectorKind {
    /// Dials the target itself; the node's address is not used.
    Direct,
    Http,
    Socks4,
    Socks5,
    Relay,
    /// Passes bytes on: the far end chooses the target.
    Forward,
}

impl ConnectorKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Http => "http",
            Self::Socks4 => "socks4",
            Self::Socks5 => "socks5",
            Self::Relay => "relay",
            Self::Forward => "forward",
        }
    }
}

/// What speaks to a node to reach the next one or the target.
#[derive(Clone)]
pub struct Connector {
    pub kind: ConnectorKind,
    pub auth: Option<(String, String)>,
    /// Added to an HTTP CONNECT.
    pub headers: Vec<(String, String)>,
    /// For TLS inside SOCKS5; offered only on a channel that is not encrypted. `None` is `notls`.
    pub socks_tls: Option<TlsClient>,
    /// SOCKS4: resolve here and send the plain form.
    pub disable_4a: bool,
    /// Relay: wait for the response before the tunnel counts as open.
    pub nodelay: bool,
    /// SOCKS5: carry datagrams outside the channel (UDP ASSOCIATE), not in it (UDP-TUN).
    pub associate: bool,
    /// For the exchange with the node.
    pub timeout: Duration,
}

impl Connector {
    pub fn new(kind: ConnectorKind) -> Self {
        Self {
            kind,
            auth: None,
            headers: Vec::new(),
            socks_tls: None,
            disable_4a: false,
            nodelay: false,
            associate: false,
            timeout: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("kind", &self.kind)
            .field("user", &self.auth.as_ref().map(|(user, _)| user))
            .finish_non_exhaustive()
    }
}

/// The targets of a forwarding service.
#[derive(Clone, Debug)]
pub struct Forward {
    pub nodes: Vec<ForwardNode>,
    pub selector: Selector,
}

#[derive(Clone, Debug)]
pub struct ForwardNode {
    pub name: String,
    pub addr: Target,
    pub weight: u32,
    pub backup: bool,
    pub overrides: Overrides,
    pub rules: TargetRules,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    Round,
    Random,
    Fifo,
    /// By the client's IP address, or by the target.
    Hash,
    /// All at once: the first that answers. For what cannot be raced, as `Round`.
    Parallel,
    /// The one that was reached soonest of late.
    Latency,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    pub strategy: Strategy,
    /// Failures in a row that take a node out; 0 never does.
    pub max_fails: u32,
    /// For how long it stays out.
    pub fail_timeout: Duration,
    /// Those that took longer to reach are left out while there are others.
    pub max_latency: Option<Duration>,
}

impl Default for Selector {
    fn default() -> Self {
        Self {
            strategy: Strategy::Round,
            max_fails: 1,
            fail_timeout: Duration::from_secs(10),
            max_latency: None,
        }
    }
}
