//! What a service does with datagrams.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Udp {
    /// Serve SOCKS5 UDP ASSOCIATE and UDP-TUN, and UDP over HTTP.
    pub enabled: bool,
    /// Serve what binds: relay associations.
    pub bind: bool,
    /// A client of a udp listener that is silent for this long, and gets nothing, is forgotten.
    pub ttl: Duration,
    /// Datagrams that wait for one end of an association.
    pub queue: usize,
    /// Told to clients of UDP ASSOCIATE in place of the address that they are connected to.
    pub public: Option<IpAddr>,
    /// Ports of UDP ASSOCIATE; `None` leaves the choice to the system.
    pub ports: Option<RangeInclusive<u16>>,
}

impl Default for Udp {
    fn default() -> Self {
        Self {
            enabled: false,
            bind: false,
            ttl: Duration::from_secs(5),
            queue: 128,
            public: None,
            ports: None,
        }
    }
}
