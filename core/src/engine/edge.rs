//! What comes before a connection is one of the service's: layers that only look at its beginning, and the
//! address of the client behind a proxy.

use std::net::SocketAddr;

use super::dial::{Dial, Purpose};
use super::link::{Link, Top};
use super::session::Stage;
use super::{ConnMeta, DialId, Engine, LinkId, SessionId};
use crate::addr::Target;
use crate::buffer::Rope;
use crate::handler::http;
use crate::layer::ws::Ws;
use crate::layer::{AnyLayer, Found, Info, Up};
use crate::plan::{Dialer, TlsClient};
use crate::wire::proxy_protocol::{self, Header};

impl Engine {
    /// Layer `level` is ready. Returns the level to which its input goes from now on.
    pub(super) fn ready(&mut self, id: LinkId, level: usize, info: Info) -> usize {
        if let Some(link) = self.links.get_mut(id) {
            link.hops = link.hops.max(info.hops);
        }
        if let Some(client) = info.client
            && !self.client_told(id, client)
        {
            return level;
        }
        let Some(found) = info.found else {
            self.rise(id, level + 1, Up::Ready(info));
            return level + 1;
        };
        let Some(link) = self.links.get_mut(id) else {
            return level;
        };
        match found {
            Found::Proxied(_) | Found::Peer(_) => {
                let client = match found {
                    Found::Proxied(Header::Proxied {
                        source,
                        destination,
                    }) => Some(ConnMeta::new(source, destination)),
                    Found::Peer(Some(peer)) => Some(ConnMeta::new(peer, link.client().local)),
                    _ => None,
                };
                if let Some(client) = client
                    && let Top::Incoming(service) = link.top
                    && !self.client_is(id, service, client)
                {
                    return level;
                }
                let Some(link) = self.links.get_mut(id) else {
                    return level;
                };
                link.layers.remove(level);
                self.rise(id, level, Up::Ready(Info::default()));
            }
            Found::Upgrade => {
                link.layers.remove(level);
                self.rise(id, level, Up::Ready(Info::default()));
            }
            Found::Stranger => {
                link.layers.truncate(level);
                self.open_site(id);
            }
        }
        level
    }

    /// The request said who the client is: that counts if it came from a trusted proxy. False if that client
    /// may not come in.
    fn client_told(&mut self, id: LinkId, client: SocketAddr) -> bool {
        let plan = self.plan.clone();
        let Some(link) = self.links.get_mut(id) else {
            return false;
        };
        let Top::Incoming(service) = link.top else {
            return true;
        };
        let edge = &plan.services[service].listener.edge;
        if !edge.trusts(link.client().remote.ip()) {
            return true;
        }
        let client = ConnMeta {
            remote: client,
            ..link.client()
        };
        self.client_is(id, service, client)
    }

    /// A stranger is shown the site.
    fn open_site(&mut self, id: LinkId) {
        let plan = self.plan.clone();
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let Top::Incoming(service) = link.top else {
            return;
        };
        link.deadline = None;
        if !self.is_admitted(id, service) {
            return;
        }
        let listener = &plan.services[service].listener;
        if let (Some(site), Some(ws)) = (&listener.edge.fallback, &listener.ws) {
            let proxy = http::Proxy::site(site.clone(), ws.clone());
            let session = self.new_session(id, service);
            self.sessions[session].stage = Stage::Http(Box::new(proxy));
        }
    }

    /// Who was shown the site knows the way in: the connection begins anew with this request.
    pub(super) fn leave_site(&mut self, id: SessionId) {
        let plan = self.plan.clone();
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let (client, service) = (session.client, session.service);
        let request = session.rx.take();
        // The session ends without its client.
        session.client = LinkId::default();
        self.end_session(id, None);
        let Some(link) = self.links.get_mut(client) else {
            return;
        };
        link.top = Top::Incoming(service);
        link.paused = false;
        link.deadline = Some(self.now + plan.limits.handshake);
        let listener = &plan.services[service].listener;
        if let Some(ws) = &listener.ws {
            let level = link.layers.len();
            let layer = Ws::server(ws.clone(), listener.mux.is_some());
            link.add(AnyLayer::Ws(Box::new(layer)));
            self.rise(client, level, Up::Ready(Info::default()));
            self.rise(client, level, Up::Data(request));
        }
        self.link_timer(client);
    }

    /// A connection to the server of a site.
    pub(super) fn reach(&mut self, id: SessionId, target: Target) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.target = Some(target.to_string().into());
        let tls = match &session.stage {
            Stage::Http(proxy) => proxy.backend().and_then(|backend| backend.tls.clone()),
            _ => None,
        };
        self.start_direct_dial(id, target, tls);
    }

    /// Without a chain, and only once.
    fn start_direct_dial(&mut self, session: SessionId, target: Target, tls: Option<TlsClient>) {
        let service = self.sessions[session].service;
        let until = self.now + self.dial_limit(service);
        let mut dial = Dial::new(Purpose::Session(session), service, target, until);
        dial.tls = tls;
        let dial = self.dials.insert(dial);
        self.sessions[session].dial = Some(dial);
        self.enter(dial);
    }

    /// The PROXY header that the node expects in front of everything else.
    pub(super) fn send_proxy_header(&mut self, dial: DialId, link: LinkId, dialer: &Dialer) {
        let Some(version) = dialer.proxy_protocol else {
            return;
        };
        // A port is asked for by nobody but us.
        let own = self.links[link].ends.meta();
        let own = ConnMeta::new(own.local, own.remote);
        let client = self.dial_client(dial).unwrap_or(own);
        self.send_header(link, version, client);
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
                self.links.get(client).map(|link: &Link| link.client())
            }
            Purpose::Race(waits, _) => self.dial_client(*waits),
            Purpose::Mux(key) => self.dial_client(self.hub.first_waiting(key)?),
            Purpose::Lookup(_) | Purpose::Port(_) => None,
            Purpose::NameServer(id) => self.dial_client(*self.lookups.get(*id)?.waiting.first()?),
        }
    }
}
