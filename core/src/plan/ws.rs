//! Options of the websocket layer, of either role.

use std::sync::Arc;
use std::time::Duration;

use super::Ping;
use crate::limits::Limits;
use crate::route::Net;

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

impl WsServer {
    /// Takes upgrades of this path, which have 10 s to come, and sends no pings.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            host: None,
            headers: Vec::new(),
            compression: false,
            read_header_timeout: Limits::default().handshake,
            ping: None,
            max_frame: None,
            read: None,
            trusted: Arc::default(),
        }
    }
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

impl WsClient {
    /// Asks this host for this path, and sends no pings.
    pub fn new(host: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            path: path.into(),
            headers: Vec::new(),
            compression: false,
            ping: None,
            max_frame: None,
            read: None,
        }
    }
}
