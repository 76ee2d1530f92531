//! SOCKS5 BIND (RFC 1928, 4): one connection to a port of this machine, which goes on in the client's.
//!
//! ```text
//! request ─► listen ─► first reply, with the address ─► somebody comes ─► second reply, with theirs ─► relay
//! ```
//!
//! The RFC's address in the request is that of whoever is to come; gost's is where to listen. One that is not
//! of this machine can be the RFC's only.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;

use crate::addr::beside;
use crate::engine::link::{Base, Top};
use crate::engine::session::{Stage, rope};
use crate::engine::udp::port::Owner;
use crate::engine::{Ask, ConnMeta, Engine, LinkId, PortId, SessionId};
use crate::error::{Cause, Fail};
use crate::handler::{self, Handler, Negotiate};

/// For somebody to come. gost waits for ever.
const PATIENCE: Duration = Duration::from_secs(120);

/// Somebody is to come to a port that the client has bound.
pub(in crate::engine) struct Awaiting {
    pub(in crate::engine) handler: Box<Handler>,
    asked: SocketAddr,
    /// `None` lets anybody in.
    from: Option<IpAddr>,
}

impl Engine {
    pub(in crate::engine) fn bind_client(&mut self, id: SessionId, asked: SocketAddr) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let stage = std::mem::replace(&mut session.stage, Stage::Dialing(None));
        if let Stage::Dialing(Some(handler)) = stage {
            let from = None;
            session.stage = Stage::Awaiting(Box::new(Awaiting {
                handler,
                asked,
                from,
            }));
        }
        let client = session.client;
        self.bind(client, Ask::Connections { local: asked });
    }

    pub(in crate::engine) fn awaits_client(&self, id: SessionId) -> bool {
        let session = self.sessions.get(id);
        session.is_some_and(|session| matches!(session.stage, Stage::Awaiting(_)))
    }

    /// The port is bound, or cannot be.
    pub(in crate::engine) fn listens_for_client(
        &mut self,
        id: SessionId,
        result: Result<SocketAddr, Fail>,
    ) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let (client, local) = (session.client, session.ends.local());
        let Stage::Awaiting(awaited) = &mut session.stage else {
            return;
        };
        let ip = awaited.asked.ip();
        let elsewhere = !ip.is_unspecified() && !ip.is_loopback() && ip != local.ip();
        match result {
            Err(_) if elsewhere && awaited.from.is_none() => {
                awaited.from = Some(ip.to_canonical());
                let local = beside(local, local.ip(), 0);
                self.bind(client, Ask::Connections { local });
            }
            Err(fail) => {
                self.answer_bind(id, Err(&fail));
                self.end_session(id, Some(fail));
            }
            Ok(bound) => {
                let told = self.told(&self.sessions[id], bound);
                self.answer_bind(id, Ok(told));
                self.sessions[id].deadline = Some(self.now + PATIENCE);
                self.session_timer(id);
            }
        }
    }

    /// The session that waits for somebody at this port.
    pub(in crate::engine) fn awaiting_at(&self, port: PortId) -> Option<SessionId> {
        let Owner::Link(link) = self.ports.get(port)?.owner else {
            return None;
        };
        match self.links.get(link)?.top {
            Top::Client(session) => Some(session).filter(|id| self.awaits_client(*id)),
            _ => None,
        }
    }

    /// The first one is the one, if it is who was named.
    pub(in crate::engine) fn client_came(
        &mut self,
        id: SessionId,
        port: PortId,
        meta: ConnMeta,
    ) -> LinkId {
        let Some(session) = self.sessions.get_mut(id) else {
            return self.shut_out(meta);
        };
        let (client, remote) = (session.client, session.ends.remote());
        let Stage::Awaiting(awaited) = &session.stage else {
            return self.shut_out(meta);
        };
        if awaited.from.is_some_and(|from| from != meta.remote.ip()) {
            return self.shut_out(meta);
        }
        self.links[client].port = None;
        self.leave_port(port, client, remote);
        self.answer_bind(id, Ok(meta.remote));
        let link = self.new_link(Base::Socket, meta, Top::Upstream(id));
        let session = &mut self.sessions[id];
        session.stage = Stage::Dialing(None);
        session.deadline = None;
        session.target = Some(meta.remote.to_string().into());
        self.session_timer(id);
        self.dialed(id, Ok((link, BytesMut::new(), false)), &[]);
        link
    }

    /// Nobody came.
    pub(in crate::engine) fn await_timeout(&mut self, id: SessionId) {
        let text = format!("nobody came to the bound port in {} s", PATIENCE.as_secs());
        let fail = Fail::new(Cause::TimedOut, text);
        self.answer_bind(id, Err(&fail));
        self.end_session(id, Some(fail));
    }

    /// One of the two replies.
    fn answer_bind(&mut self, id: SessionId, result: Result<SocketAddr, &Fail>) {
        let plan = self.plan.clone();
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let client = session.client;
        let Stage::Awaiting(awaited) = &mut session.stage else {
            return;
        };
        let cx = handler::Cx {
            plan: &plan.services[session.service].handler,
            remote: session.ends.remote(),
            now: self.now,
            encrypted: true,
            forwards: false,
            bound: result.ok(),
        };
        let mut out = BytesMut::new();
        awaited.handler.dialed(&cx, result.map(|_| ()), &mut out);
        self.send(client, &mut rope(out));
    }
}
