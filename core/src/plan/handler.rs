//! Options of a handler: what speaks to the clients of a service, and who may use it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use subtle::ConstantTimeEq;

use super::{Probe, SkipAuth, Udp};
use crate::route::access::SocketFiles;
use crate::wire::proxy_protocol;

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
