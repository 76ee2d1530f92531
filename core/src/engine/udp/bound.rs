//! The sockets that an association waits for before its client is answered.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::addr::beside;
use crate::engine::link::Base;
use crate::engine::{Engine, LinkId, SessionId};
use crate::error::Fail;

/// Ports of UDP ASSOCIATE to try besides the first.
const PORTS: u16 = 63;

impl Engine {
    /// The socket of a UDP ASSOCIATE: where the client is connected to.
    pub(in crate::engine) fn bind_for_client(
        &mut self,
        id: SessionId,
        client: LinkId,
        local: SocketAddr,
    ) {
        let session = &mut self.sessions[id];
        let ports = &self.plan.services[session.service].handler.udp.ports;
        let port = match ports {
            None => 0,
            Some(ports) => {
                let count = u64::from(ports.end().saturating_sub(*ports.start())) + 1;
                ports.start() + self.entropy.below(count) as u16
            }
        };
        let local = beside(local, local.ip(), port);
        self.bind_datagrams(client, local, None, Arc::default());
    }

    /// A socket that an association waits for is bound.
    pub(in crate::engine) fn port_bound(
        &mut self,
        id: SessionId,
        side: usize,
        result: Result<SocketAddr, Fail>,
    ) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let (client, local) = (session.client, session.ends.local());
        let ports = &self.plan.services[session.service].handler.udp.ports;
        let Some(association) = &mut session.udp else {
            return self.client_bound(id, result);
        };
        match result {
            Ok(_) if association.asked.is_some() => self.senders_bound(id),
            Ok(_) => self.datagrams_ready(id),
            Err(_) if side == 0 && ports.is_some() && association.tries < PORTS => {
                association.tries += 1;
                self.bind_for_client(id, client, local);
            }
            Err(fail) => {
                association.opened = None;
                self.answer_dialed(id, Err(fail));
            }
        }
    }

    /// Answers the client once all sockets are bound.
    pub(in crate::engine) fn datagrams_ready(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let bound = |link: LinkId| {
            let port = self.links.get(link).and_then(|link| link.port);
            port.is_none_or(|port| self.ports.get(port).is_some_and(|port| port.bound))
        };
        let ready = bound(session.client) && session.upstream.is_none_or(bound);
        if ready
            && let Some(association) = &mut session.udp
            && let Some(opened) = association.opened.take()
        {
            self.answer_dialed(id, Ok(opened));
        }
    }

    /// Where the client's datagrams are awaited, for the reply.
    pub(in crate::engine) fn datagrams_bound(&self, id: SessionId) -> Option<SocketAddr> {
        let session = self.sessions.get(id)?;
        if session.udp.as_ref().is_some_and(|udp| udp.asked.is_some()) {
            let link = self.links.get(session.upstream?)?;
            return Some(self.told(session, self.ports.get(link.port?)?.local));
        }
        let link = self.links.get(session.client)?;
        if link.base == Base::Port {
            return None;
        }
        let local = self.ports.get(link.port?)?.local;
        let public = self.plan.services[session.service].handler.udp.public;
        Some(SocketAddr::new(public.unwrap_or(local.ip()), local.port()))
    }
}
