//! The far end of a reverse tunnel for datagrams: an association whose socket is at the port that the client
//! asked for (relay BIND of UDP, gost's UDP-TUN with a port). It ends with the client, or when that comes again.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::BytesMut;

use crate::addr::Carries;
use crate::engine::bind::anew;
use crate::engine::connect::NOWHERE;
use crate::engine::drain::going;
use crate::engine::link::{Base, Top};
use crate::engine::udp::Association;
use crate::engine::{ConnMeta, Engine, SessionId};
use crate::event::Event;
use crate::wire::datagram::Framing;

impl Engine {
    pub(in crate::engine) fn bind_senders(&mut self, id: SessionId, asked: SocketAddr, ours: bool) {
        if self.is_draining() {
            return self.answer_dialed(id, Err(going()));
        }
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        self.replace_senders(session.service, session.ends.remote().ip(), asked);
        let meta = ConnMeta {
            remote: NOWHERE,
            local: asked,
        };
        let link = self.new_link(Base::Port, meta, Top::Upstream(id));
        let framing = Framing::Tunnel { empties: ours };
        let mut association = Association::new(framing, None, Carries::Anywhere);
        association.asked = Some(asked);
        association.ends[1].framing = Framing::Addressed;
        association.opened = Some((link, BytesMut::new(), false));
        let session = &mut self.sessions[id];
        session.udp = Some(Box::new(association));
        session.upstream = Some(link);
        self.bind_datagrams(link, asked, None, Arc::default());
    }

    /// Whoever asks for a port again has lost the stream that had it, even if nobody has noticed yet.
    fn replace_senders(&mut self, service: usize, client: IpAddr, asked: SocketAddr) {
        let old = self.sessions.iter().find(|(_, session)| {
            let had = session.udp.as_ref().and_then(|udp| udp.asked);
            (session.service, session.ends.remote().ip(), had) == (service, client, Some(asked))
        });
        if let Some((old, _)) = old {
            self.end_session(old, Some(anew()));
        }
    }

    pub(in crate::engine) fn senders_bound(&mut self, id: SessionId) {
        let session = &mut self.sessions[id];
        session.connected = true;
        self.events.push_back(Event::Connected {
            no: session.no,
            service: session.service,
            remote: session.ends.remote(),
            target: session.target(),
            route: String::new(),
        });
        self.datagrams_ready(id);
    }

    /// We go: who sent to these ports is not known, and may find the next one.
    pub(in crate::engine) fn leave_senders(&mut self) {
        let bound = self.sessions.iter().filter(|(_, session)| {
            let udp = session.udp.as_ref();
            udp.is_some_and(|udp| udp.asked.is_some())
        });
        for id in bound.map(|(id, _)| id).collect::<Vec<_>>() {
            self.end_session(id, Some(going()));
        }
    }
}
