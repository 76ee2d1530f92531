//! Addresses as proxy protocols name them: a host that may be a name, and a port.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// The host of a target. Names keep their spelling; IPv6 literals carry no brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    Ip(IpAddr),
    /// A link-local address and its zone (RFC 4007): the name or the number of an interface of the machine that
    /// connects.
    Zoned(Box<(Ipv6Addr, String)>),
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
    /// `text` is an IP literal (IPv6 with or without brackets, and with a zone behind `%`, or behind `%25` as URLs have
    /// it: RFC 6874, 2) or a name. Only link-local addresses have zones: that of any other says nothing.
    pub fn parse(text: &str) -> Self {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        // An IPv6 address has its first colon here, and no name has one; names are most of what is read.
        let ip = match bare.as_bytes() {
            [b':', ..]
            | [_, b':', ..]
            | [_, _, b':', ..]
            | [_, _, _, b':', ..]
            | [_, _, _, _, b':', ..] => return ipv6(bare, text),
            [b'0'..=b'9', ..] => bare.parse().ok(),
            _ => None,
        };
        match ip {
            Some(ip) => Self::Ip(IpAddr::V4(ip)),
            None => Self::Name(text.to_owned()),
        }
    }

    /// The IP address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Zoned(zoned) => Some(zoned.0.into()),
            Self::Name(_) | Self::File(_) => None,
        }
    }

    /// As a name: without brackets.
    pub fn spelled(&self) -> Cow<'_, str> {
        match self {
            Self::Ip(ip) => ip.to_string().into(),
            Self::Zoned(zoned) => format!("{}%{}", zoned.0, zoned.1).into(),
            Self::Name(name) | Self::File(name) => name.into(),
        }
    }
}

/// `bare` is an address, perhaps with a zone, or what is a name: `text`.
fn ipv6(bare: &str, text: &str) -> Host {
    match bare.parse::<Ipv6Addr>() {
        Ok(ip) => ip.into(),
        Err(_) => zoned(bare).unwrap_or_else(|| Host::Name(text.to_owned())),
    }
}

/// `address%zone`.
fn zoned(text: &str) -> Option<Host> {
    let (ip, zone) = text.split_once('%')?;
    let ip: Ipv6Addr = ip.parse().ok()?;
    // `%25` alone is the interface with the number 25.
    let zone = match zone.strip_prefix("25") {
        Some(escaped) if !escaped.is_empty() => escaped,
        _ => zone,
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+".contains(&byte);
    if zone.is_empty() || zone.len() > ZONE || !zone.bytes().all(fits) {
        return None;
    }
    // RFC 4007, 11.2: zone 0 is the default one, which is that of an address without any.
    let plain = !is_link_local(ip) || zone.parse() == Ok(0_u32);
    Some(match plain {
        true => Host::Ip(ip.into()),
        false => Host::Zoned(Box::new((ip, zone.to_owned()))),
    })
}

/// Bytes of the name of an interface: more than any system has.
const ZONE: usize = 64;

/// Of one link or one interface only, unicast or multicast.
fn is_link_local(ip: Ipv6Addr) -> bool {
    let [kind, scope, ..] = ip.octets();
    ip.is_unicast_link_local() || (kind == 0xff && matches!(scope & 0xf, 1 | 2))
}

/// The number of an address's zone; 0 is none.
pub fn zone(addr: SocketAddr) -> u32 {
    match addr {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(addr) => addr.scope_id(),
    }
}

/// A place on the way to `peer`. If its address is link-local, it is on the link that leads there.
pub fn beside(peer: SocketAddr, ip: IpAddr, port: u16) -> SocketAddr {
    match ip {
        IpAddr::V6(ip) if is_link_local(ip) => SocketAddrV6::new(ip, port, 0, zone(peer)).into(),
        ip => SocketAddr::new(ip, port),
    }
}

/// IPv4 addresses of sockets for both families are named as IPv4. The zone is kept.
pub fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V6(v6) if v6.ip().to_ipv4_mapped().is_none() => {
            SocketAddrV6::new(*v6.ip(), v6.port(), 0, zone(addr)).into()
        }
        addr => SocketAddr::new(addr.ip().to_canonical(), addr.port()),
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

    /// An empty name means itself to whoever reads it: the local machine has an address, too.
    pub fn or_localhost(&self) -> Self {
        match &self.host {
            Host::Name(name) if name.is_empty() => Self::new(Ipv4Addr::LOCALHOST.into(), self.port),
            _ => self.clone(),
        }
    }

    /// The same with an IP address spelled as a name: in a BIND that is how peers of our kind know each other,
    /// for gost never does it and listens there all the same.
    pub fn spelled(&self) -> Self {
        Self::new(Host::Name(self.host.spelled().into_owned()), self.port)
    }

    /// The socket address, if no name has to be resolved, of an interface neither. An empty name is the local machine.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match &self.host {
            Host::Ip(ip) => Some(SocketAddr::new(*ip, self.port)),
            Host::Zoned(zoned) => {
                let scope = zoned.1.parse().ok()?;
                Some(SocketAddrV6::new(zoned.0, self.port, 0, scope).into())
            }
            Host::Name(name) if name.is_empty() => {
                Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.port))
            }
            Host::Name(_) | Host::File(_) => None,
        }
    }
}

/// Without the zone, which nobody else knows (RFC 4007, 6).
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
            Self::Zoned(zoned) => write!(f, "[{}%{}]", zoned.0, zoned.1),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn addresses_are_those_of_the_standard_library(text in "[0-9a-f]{0,4}[0-9a-f:.]{0,20}") {
            prop_assert_eq!(Host::parse(&text).ip(), text.parse().ok());
        }
    }

    #[test]
    fn zones_are_those_of_link_local_addresses() {
        let zoned =
            |ip: &str, zone: &str| Host::Zoned(Box::new((ip.parse().unwrap(), zone.to_owned())));
        for (text, expected) in [
            ("[fe80::1%eth0]", zoned("fe80::1", "eth0")),
            ("fe80::1%eth0.7", zoned("fe80::1", "eth0.7")),
            ("[fe80::1%25eth0]", zoned("fe80::1", "eth0")),
            ("[fe80::1%25]", zoned("fe80::1", "25")),
            ("[fe80::1%7]", zoned("fe80::1", "7")),
            ("ff02::fb%eth0", zoned("ff02::fb", "eth0")),
            ("ff01::1%lo", zoned("ff01::1", "lo")),
            // Rules have to see these as the addresses they are.
            ("fe80::1%0", Host::Ip("fe80::1".parse().unwrap())),
            ("::1%lo", Host::Ip("::1".parse().unwrap())),
            (
                "[::ffff:10.0.0.1%1]",
                Host::Ip("::ffff:10.0.0.1".parse().unwrap()),
            ),
            (
                "[2001:db8::1%25eth0]",
                Host::Ip("2001:db8::1".parse().unwrap()),
            ),
        ] {
            assert_eq!(Host::parse(text), expected, "{text}");
        }
        for text in [
            "fe80::1%",
            "[fe80::1%]",
            "fe80::1%a b",
            "fe80::1%a/b",
            "fe80::1%a%b",
            "fe80::1%\u{e9}",
            "10.0.0.1%eth0",
            "name%eth0",
            "%eth0",
            "%",
        ] {
            assert_eq!(Host::parse(text), Host::Name(text.to_owned()), "{text}");
        }
        assert!(matches!(
            Host::parse(&format!("fe80::1%{}", "e".repeat(65))),
            Host::Name(_)
        ));
    }

    #[test]
    fn a_zone_with_a_number_needs_nobody_to_resolve_it() {
        let target = Target::parse("[fe80::1%25eth0]:80").unwrap();
        assert_eq!(target.to_string(), "[fe80::1%eth0]:80");
        assert_eq!(target.spelled().host, Host::Name("fe80::1%eth0".to_owned()));
        assert_eq!(target.socket_addr(), None);
        let target = Target::parse("[fe80::1%7]:80").unwrap();
        let addr: SocketAddr = "[fe80::1%7]:80".parse().unwrap();
        assert_eq!(target.socket_addr(), Some(addr));
        assert_eq!(Target::from(addr).to_string(), "[fe80::1]:80");
        assert_eq!(canonical(addr), addr);
        let mapped: SocketAddr = "[::ffff:10.0.0.1]:80".parse().unwrap();
        assert_eq!(canonical(mapped).to_string(), "10.0.0.1:80");
    }
}
