//! Associations: a client's datagrams and their answers, between sockets and streams in any combination.
//!
//! An association is a session in [`Stage::Datagrams`]. Each end has a framing and a queue; a queue that is
//! full drops what is oldest in it, for whoever sends datagrams waits for nobody.

mod bound;
pub(super) mod frames;
pub(super) mod names;
pub(super) mod port;
mod queue;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;

use super::link::Base;
use super::memory::PIECE;
use super::session::Stage;
use super::{Engine, LinkId, SessionId};
use crate::addr::{Carries, Host, Target, beside};
use crate::connector::Way;
use crate::error::{Cause, Fail};
use crate::handler::Receiver;
use crate::plan::{ConnectorKind, SocketOptions};
use crate::wire::datagram::Framing;
use frames::Partial;
use names::Names;

pub(super) struct Association {
    /// The client's and the upstream's.
    pub(super) ends: [End; 2],
    pub(super) carries: Carries,
    /// Where all datagrams of the client go to, once that is chosen; `None` where each says it itself.
    target: Option<Target>,
    /// Which of the service's targets that is.
    pub(super) pick: Option<usize>,
    /// What the last node said.
    pub(super) way: Option<Way>,
    /// What is set on a socket that goes the same way as the first one.
    pub(super) options: Arc<SocketOptions>,
    /// The way is open, and sockets are still to be bound.
    pub(super) opened: Option<Opened>,
    pub(super) names: Names,
    pub(super) dropped: u64,
    /// Ports of UDP ASSOCIATE that were tried.
    pub(super) tries: u16,
    /// The port that the client has bound here, as it asked for it.
    pub(super) asked: Option<SocketAddr>,
}

pub(super) type Opened = (LinkId, BytesMut, bool);

pub(super) struct End {
    pub(super) framing: Framing,
    /// Who is at the other side of the socket.
    pub(super) peer: Option<SocketAddr>,
    pub(super) partial: Partial,
    pub(super) queue: VecDeque<Waiting>,
    pub(super) bytes: usize,
}

/// A datagram as it will be sent.
pub(super) struct Waiting {
    pub(super) to: Option<SocketAddr>,
    pub(super) data: BytesMut,
}

impl Association {
    pub(super) fn new(framing: Framing, peer: Option<SocketAddr>, carries: Carries) -> Self {
        Self {
            ends: [End::new(framing, peer), End::new(Framing::Plain, None)],
            carries,
            target: None,
            pick: None,
            way: None,
            options: Arc::default(),
            opened: None,
            names: Names::default(),
            dropped: 0,
            tries: 0,
            asked: None,
        }
    }

    /// The way leads to `target`, which is `pick` of the service's own.
    pub(super) fn aim(&mut self, target: Target, pick: Option<usize>) {
        if self.carries == Carries::Datagrams {
            self.target = Some(target);
            self.pick = pick;
        }
    }

    /// Bytes that wait anywhere in it.
    pub(super) fn bytes(&self) -> usize {
        let rx: usize = self.ends.iter().map(|end| end.partial.len()).sum();
        let queued: usize = self.ends.iter().map(|end| end.bytes).sum();
        rx + queued + self.names.bytes()
    }

    /// What counts of one end against the byte budget.
    pub(super) fn held(&self, side: usize) -> usize {
        let end = &self.ends[side];
        let names = if side == 1 { self.names.held() } else { 0 };
        end.partial.len() + end.bytes + PIECE * end.queue.len() + names
    }
}

impl End {
    fn new(framing: Framing, peer: Option<SocketAddr>) -> Self {
        Self {
            framing,
            peer,
            partial: Partial::default(),
            queue: VecDeque::new(),
            bytes: 0,
        }
    }
}

impl Engine {
    /// Starts the way for a client's datagrams.
    pub(super) fn dial_datagrams(&mut self, id: SessionId, framing: Framing, to: Receiver) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let peer = (framing == Framing::Plain).then_some(session.ends.remote());
        let carries = match to {
            Receiver::Each => Carries::Anywhere,
            Receiver::Target(_) | Receiver::Forward => Carries::Datagrams,
        };
        session.udp = Some(Box::new(Association::new(framing, peer, carries)));
        match to {
            Receiver::Each => {
                session.target = Some("udp".into());
                let anywhere = Target::new(Host::Name(String::new()), 0);
                self.start_dial(id, Some(anywhere));
            }
            Receiver::Target(target) => self.dial_target(id, target),
            Receiver::Forward => self.start_dial(id, None),
        }
    }

    /// The way is open: binds what is still missing, or goes on.
    pub(super) fn datagrams_dialed(&mut self, id: SessionId, opened: Opened) {
        let link = opened.0;
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let (client, local) = (session.client, session.ends.local());
        let Some(association) = &mut session.udp else {
            return;
        };
        association.opened = Some(opened);
        let fixed = association.target.is_some();
        let upstream = &self.links[link];
        let way = association.way.take();
        let end = &mut association.ends[1];
        let mut outside = None;
        match way {
            Some(Way::Framed(framing)) => end.framing = framing,
            Some(Way::Socket(bound)) => {
                end.framing = Framing::Packet;
                end.peer = Some(reachable(&bound, upstream.ends.remote()));
                outside = end.peer;
            }
            // Only a relay node says nothing before its first datagram.
            None if upstream.port.is_none() => end.framing = Framing::Counted,
            None if fixed => end.peer = Some(upstream.ends.remote()),
            None => end.framing = Framing::Addressed,
        }
        let inside = association.ends[0].framing == Framing::Packet;
        if let Some(addr) = outside {
            let options = association.options.clone();
            let local = unspecified(addr);
            self.bind_datagrams(link, local, Some(addr), options);
        }
        if inside {
            self.bind_for_client(id, client, local);
        }
        self.datagrams_ready(id);
    }

    /// The client is answered: what waited goes on its way.
    pub(super) fn start_datagrams(&mut self, id: SessionId, rest: BytesMut) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.stage = Stage::Datagrams;
        session.deadline = None;
        session.active = self.now;
        let early = session.rx.take();
        let kept = session.upstream_rx.take();
        let (client, upstream) = (session.client, session.upstream);
        let ended = session.client_ended || session.upstream_ended;
        let mut waited = VecDeque::new();
        if let Some(association) = &mut session.udp {
            let end = &mut association.ends[1];
            waited = std::mem::take(&mut end.queue);
            end.bytes = 0;
        }
        for waiting in waited {
            self.datagram(id, 0, None, &waiting.data);
        }
        for (side, data) in [(0, early), (1, kept), (1, rest)] {
            if !data.is_empty() {
                self.frames_in(id, side, data);
            }
        }
        for link in [Some(client), upstream].into_iter().flatten() {
            self.touch(link);
            self.reread(link);
        }
        if ended {
            return self.end_session(id, None);
        }
        self.datagrams_timer(id);
    }

    /// The peer of a connected socket is not there.
    pub(super) fn peer_failed(&mut self, id: SessionId, fail: Fail) {
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        let Some(association) = &session.udp else {
            return;
        };
        if association.ends[1].peer.is_none() {
            return;
        }
        let (service, pick) = (session.service, association.pick);
        if let Some(pick) = pick {
            self.hub.targets(service).failed(pick, self.now);
        }
        self.end_session(id, Some(fail.at("upstream")));
    }

    /// As for a tunnel: looked up when it fires, not moved with every datagram.
    fn datagrams_timer(&mut self, id: SessionId) {
        let limit = self.datagrams_limit(id);
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.deadline = limit.map(|limit| session.active + limit);
        self.session_timer(id);
    }

    pub(super) fn datagrams_timeout(&mut self, id: SessionId) {
        let Some(limit) = self.datagrams_limit(id) else {
            return;
        };
        if self.sessions[id].active + limit > self.now {
            return self.datagrams_timer(id);
        }
        self.end_session(id, None);
    }

    fn datagrams_limit(&self, id: SessionId) -> Option<std::time::Duration> {
        let session = self.sessions.get(id)?;
        let handler = &self.plan.services[session.service].handler;
        // A port stays for as long as its client.
        if session.udp.as_ref()?.asked.is_some() {
            return None;
        }
        match self.links.get(session.client)?.base {
            Base::Port => Some(handler.udp.ttl),
            _ => handler.idle_timeout,
        }
    }

    /// Before the way is open, all that waits is the client's.
    pub(super) fn touch_end(&mut self, id: SessionId, side: usize) {
        if let Some(session) = self.sessions.get(id) {
            let upstream = session.upstream.filter(|_| side == 1);
            self.touch(upstream.unwrap_or(session.client));
        }
    }

    pub(super) fn association(&mut self, id: SessionId) -> Option<&mut Association> {
        self.sessions.get_mut(id)?.udp.as_deref_mut()
    }

    pub(super) fn link_of(&self, id: SessionId, side: usize) -> Option<LinkId> {
        let session = self.sessions.get(id)?;
        match side {
            0 => Some(session.client),
            _ => session.upstream,
        }
    }
}

/// Whether the last node of a way can do what is wanted of it. Error: `Unsupported`.
pub(super) fn can_carry(carries: Carries, kind: ConnectorKind) -> Result<(), Fail> {
    use ConnectorKind::{Forward, Relay, Socks5};
    let text = match (carries, kind) {
        (Carries::Datagrams | Carries::Anywhere, Forward) => {
            "connector forward carries no datagrams: use relay, socks5 or http"
        }
        (Carries::Clients | Carries::Senders, kind) if !matches!(kind, Relay | Socks5) => {
            "this connector opens no port at its node: use relay or socks5"
        }
        _ => return Ok(()),
    };
    Err(Fail::new(Cause::Unsupported, text))
}

/// Any port at the family of `addr`.
pub(super) fn unspecified(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
    }
}

/// Where a node wants datagrams: one that does not know its own address has the one it was reached at.
fn reachable(bound: &Target, node: SocketAddr) -> SocketAddr {
    let ip = bound.host.ip().filter(|ip| !ip.is_unspecified());
    beside(
        node,
        ip.map_or(node.ip(), |ip| ip.to_canonical()),
        bound.port,
    )
}
