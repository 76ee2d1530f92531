//! Channels by their names, and the two sides of one: what accepts, and what dials a node.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};

use super::{Caps, Edge, Mux, Reverse, SocketOptions, WsClient, WsServer};
use crate::wire::proxy_protocol;

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
