//! Options of sockets, which the system keeps: gost's metadata of services, hops and nodes, and options of
//! listeners and dialers.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What a socket is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Ip(SocketAddr),
    /// A socket file.
    File(Arc<Path>),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(addr) => addr.fmt(f),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// What is set on a socket before it is connected, or listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// Where packets leave (`interface`). The first that fits the address is taken; none of several that fits
    /// is an error.
    pub interface: Vec<Interface>,
    /// `SO_MARK` (`so_mark`), for policy routing.
    pub mark: Option<u32>,
    /// Multipath TCP (RFC 8684) where the system has it, plain TCP elsewhere.
    pub mptcp: bool,
    pub keepalive: Keepalive,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interface {
    /// `SO_BINDTODEVICE`.
    Device(String),
    /// A local address.
    Addr(IpAddr),
    /// The one that the client came in by.
    Auto,
}

/// TCP keep-alive, on at all sockets: the system finds out about peers that are gone without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence before the first probe, and the time between probes.
    pub idle: Duration,
    pub interval: Duration,
    /// Probes without an answer.
    pub count: u32,
}

impl Keepalive {
    /// gost's.
    pub const DEFAULT: Self = Self {
        idle: Duration::from_secs(15),
        interval: Duration::from_secs(15),
        count: 9,
    };
}

impl Default for Keepalive {
    fn default() -> Self {
        Self::DEFAULT
    }
}
