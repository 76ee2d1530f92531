//! Addresses as proxy protocols name them: a host that may be a name, and a port.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The host of a target. Names keep their spelling; IPv6 literals carry no brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    Ip(IpAddr),
    Name(String),
    /// A socket file, by its path: of this machine, or of that at the end of a chain.
    File(String),
}

/// Where a connection should go. An empty name means the local machine (`:1080`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    pub host: Host,
    pub port: u16,
}

/// What is to reach a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carries {
    #[default]
    Bytes,
    /// All to the same target.
    Datagrams,
    /// Each with an address of its own; the target means nothing.
    Anywhere,
    /// Connections in the other direction: the target is where to listen.
    Clients,
    /// Datagrams of whoever sends some to where the target is: a port of UDP.
    Senders,
}

impl Host {
    /// `text` is an IP literal (IPv6 with or without brackets) or a name.
    pub fn parse(text: &str) -> Self {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        match bare.parse() {
            Ok(ip) => Self::Ip(ip),
            Err(_) => Self::Name(text.to_owned()),
        }
    }
}

impl Target {
    pub fn new(host: Host, port: u16) -> Self {
        Self { host, port }
    }

    /// A socket file.
    pub fn file(path: &str) -> Self {
        Self::new(Host::File(path.to_owned()), 0)
    }

    pub fn is_file(&self) -> bool {
        matches!(self.host, Host::File(_))
    }

    /// Neither host nor port: the far end chooses.
    pub fn is_nowhere(&self) -> bool {
        self.port == 0 && matches!(&self.host, Host::Name(name) if name.is_empty())
    }

    /// Reads `host:port`, `[v6]:port` or `:port`. `None` if the port is missing or no number, or
    /// an unbracketed host contains a colon.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
            return None;
        }
        if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Self::new(Host::parse(host), port.parse().ok()?))
    }

    /// Names are the same in any case.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.host, &other.host) {
            (Host::Name(a), Host::Name(b)) => self.port == other.port && a.eq_ignore_ascii_case(b),
            _ => self == other,
        }
    }

    /// Where to listen: an empty name means all addresses, which are `any`.
    pub fn or_all(&self, any: IpAddr) -> Self {
        match &self.host {
            Host::Name(name) if name.is_empty() => Self::new(Host::Ip(any), self.port),
            _ => self.clone(),
        }
    }

    /// The same with an IP address spelled as a name: in a BIND that is how peers of our kind know each other,
    /// for gost never does it and listens there all the same.
    pub fn spelled(&self) -> Self {
        let name = match &self.host {
            Host::Ip(ip) => ip.to_string(),
            Host::Name(name) | Host::File(name) => name.clone(),
        };
        Self::new(Host::Name(name), self.port)
    }

    /// The socket address, if no name has to be resolved. An empty name is the local machine.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match &self.host {
            Host::Ip(ip) => Some(SocketAddr::new(*ip, self.port)),
            Host::Name(name) if name.is_empty() => {
                Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.port))
            }
            Host::Name(_) | Host::File(_) => None,
        }
    }
}

impl From<SocketAddr> for Target {
    fn from(addr: SocketAddr) -> Self {
        Self::new(Host::Ip(addr.ip()), addr.port())
    }
}

impl From<Ipv6Addr> for Host {
    fn from(ip: Ipv6Addr) -> Self {
        Self::Ip(ip.into())
    }
}

impl From<Ipv4Addr> for Host {
    fn from(ip: Ipv4Addr) -> Self {
        Self::Ip(ip.into())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) | Self::File(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::File(path) => f.write_str(path),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}
