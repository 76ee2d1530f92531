//! What comes before a connection is one of the service's: layers that only look at its beginning, and the
//! address of the client behind a proxy.

use std::net::SocketAddr;

use super::link::{Link, Top};
use super::{ConnMeta, DialId, Engine, LinkId};
use crate::buffer::Rope;
use crate::layer::{Found, Info, Up};
use crate::plan::Dialer;
use crate::wire::proxy_protocol::{self, Header};

use super::dial::Purpose;

impl Engine {
    /// Layer `level` is ready. Returns the level to which its input goes from now on.
    pub(super) fn ready(&mut self, id: LinkId, level: usize, info: Info) -> usize {
        if let Some(client) = info.client {
            self.client_told(id, client);
        }
        let Some(found) = info.found else {
            self.rise(id, level + 1, Up::Ready(info));
            return level + 1;
        };
        let Some(link) = self.links.get_mut(id) else {
            return level;
        };
        match found {
            Found::Proxied(header) => {
                if let Header::Proxied {
                    source,
                    destination,
                } = header
                {
                    link.meta = ConnMeta::new(source, destination);
                }
                link.layers.remove(level);
                self.rise(id, level, Up::Ready(Info::default()));
            }
        }
        level
    }

    /// The request said who the client is: that counts if it came from a trusted proxy.
    fn client_told(&mut self, id: LinkId, client: SocketAddr) {
        let plan = self.plan.clone();
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let Top::Incoming(service) = link.top else {
            return;
        };
        let edge = &plan.services[service].listener.edge;
        if edge.trusts(link.meta.remote.ip()) {
            link.meta.remote = client;
        }
    }

    /// The PROXY header that the node expects in front of everything else.
    pub(super) fn send_proxy_header(&mut self, dial: DialId, link: LinkId, dialer: &Dialer) {
        if let Some(version) = dialer.proxy_protocol
            && let Some(meta) = self.dial_client(dial)
        {
            self.send_header(link, version, meta);
        }
    }

    pub(super) fn send_header(
        &mut self,
        link: LinkId,
        version: proxy_protocol::Version,
        client: ConnMeta,
    ) {
        let mut header = Vec::new();
        proxy_protocol::write(version, client.remote, client.local, &mut header);
        let mut out = Rope::default();
        out.push_slice(&header);
        self.send(link, &mut out);
    }

    /// The client that a dial is for; of a mux session, the one that it is dialed for first.
    fn dial_client(&self, dial: DialId) -> Option<ConnMeta> {
        match self.dial_purpose(dial)? {
            Purpose::Session(session) => {
                let client = self.sessions.get(*session)?.client;
                self.links.get(client).map(|link: &Link| link.meta)
            }
            Purpose::Mux(key) => self.dial_client(self.hub.first_waiting(key)?),
        }
    }
}
