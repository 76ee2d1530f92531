//! What stands in front of a service: proxies that speak for its clients, and a site that hides it.

use std::net::IpAddr;
use std::sync::Arc;

use super::Site;
use crate::route::Net;

/// The outermost side of a listener.
#[derive(Clone, Debug, Default)]
pub struct Edge {
    /// Proxies that may say who the client is; also in [`WsServer`](super::WsServer), for its request.
    pub trusted: Arc<[Net]>,
    /// Connections begin with a PROXY header: all of them, or with `trusted` those of the trusted.
    pub proxy_protocol: bool,
    /// Websocket: whatever is not the right upgrade is for this site.
    pub fallback: Option<Arc<Site>>,
}

impl Edge {
    pub fn trusts(&self, ip: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(ip))
    }

    /// Whether `peer` may say, or has to, who the client is.
    pub fn speaks_for_others(&self, peer: IpAddr) -> bool {
        self.trusts(peer) || self.expects_header(peer)
    }

    /// Whether a connection from `peer` has to begin with a PROXY header.
    pub fn expects_header(&self, peer: IpAddr) -> bool {
        self.proxy_protocol && (self.trusted.is_empty() || self.trusts(peer))
    }
}
