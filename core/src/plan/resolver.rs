//! Name servers that are asked in place of the system's.

use std::net::IpAddr;
use std::time::Duration;

use super::TlsClient;
use crate::addr::Target;
use crate::wire::dns::Family;

/// Its servers are asked in turn, until one knows addresses.
#[derive(Clone, Debug)]
pub struct Resolver {
    /// Unique: answers are remembered by it.
    pub name: String,
    pub servers: Vec<NameServer>,
}

#[derive(Clone, Debug)]
pub struct NameServer {
    /// As it was written, for messages.
    pub name: String,
    pub addr: Target,
    pub speak: DnsChannel,
    /// Index into [`Plan::chains`](super::Plan::chains); `None` connects directly.
    pub chain: Option<usize>,
    /// Asked for first; the other family is, too, if there is nothing of this one.
    pub prefer: Family,
    /// The other family is not asked for.
    pub only: bool,
    /// How long answers are remembered; `None`: as they say, zero: not at all.
    pub ttl: Option<Duration>,
    /// What was remembered too long is still used, while it is asked for anew.
    pub stale: bool,
    /// For one question, with all that it takes to reach the server.
    pub timeout: Duration,
    /// The address that answers are to be good for (EDNS client subnet).
    pub subnet: Option<IpAddr>,
}

#[derive(Clone, Debug)]
pub enum DnsChannel {
    /// RFC 1035 4.2.1; over TCP through a chain, and for answers that do not fit.
    Udp,
    /// RFC 1035 4.2.2.
    Tcp,
    /// RFC 7858.
    Tls(TlsClient),
    /// RFC 8484 in HTTP/1.1: the Host line and the path.
    Https {
        tls: TlsClient,
        host: String,
        path: String,
    },
}

impl NameServer {
    pub fn tls(&self) -> Option<&TlsClient> {
        match &self.speak {
            DnsChannel::Udp | DnsChannel::Tcp => None,
            DnsChannel::Tls(tls) | DnsChannel::Https { tls, .. } => Some(tls),
        }
    }
}

impl DnsChannel {
    /// The same server over a stream.
    pub fn of_stream(&self) -> Self {
        match self {
            Self::Udp => Self::Tcp,
            other => other.clone(),
        }
    }
}
