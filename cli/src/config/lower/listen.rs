//! Where a service listens, and with what the system is asked to do there.

use super::{Lowering, reverse, socket};
use crate::config::model;
use crate::listen::Network;
use crate::url;

/// Where a service listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    pub service: String,
    pub addr: String,
    pub network: Network,
    /// Connections waiting to be accepted.
    pub backlog: i32,
    /// The user left the port out, so the chosen one must not be missed in the log.
    pub random: bool,
}

impl Lowering<'_> {
    pub(super) fn listen(&mut self, service: &model::Service) -> Option<Listen> {
        let at = &service.origin;
        let options = service.listener.as_ref().map(model::Listener::options);
        let file = options
            .as_ref()
            .is_some_and(|options| options.word == "unix");
        if file && service.addr.is_empty() {
            let text = "addr: expected the path of a socket file, such as unix:///run/proxy.sock";
            self.findings.error(at, text);
            return None;
        }
        let port = match url::listen_address(&service.addr) {
            _ if file => None,
            Ok(port) => port,
            Err(error) => {
                self.findings.error(at, format_args!("addr: {error}"));
                return None;
            }
        };
        let random = port.is_none() && !file;
        if random {
            self.findings.warn(
                at,
                format_args!(
                    "addr {:?} has no port: it is chosen at random",
                    service.addr
                ),
            );
        }
        let reversed = service.listener.as_ref().is_some_and(reverse::is_reverse);
        let network = match &options {
            Some(_) if reversed => Network::Reverse,
            Some(options) if matches!(options.word, "udp" | "rudp") => Network::Udp,
            Some(_) if file => Network::File,
            Some(options) => Network::Tcp(socket::listening(options)),
            None => Network::TCP,
        };
        let backlog = options.as_ref().and_then(|options| options.int("backlog"));
        Some(Listen {
            service: service.name.clone(),
            addr: service.addr.clone(),
            network,
            backlog: backlog
                .and_then(|backlog| i32::try_from(backlog).ok())
                .filter(|backlog| *backlog > 0)
                .unwrap_or(1024),
            random,
        })
    }
}
