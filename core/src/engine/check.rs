//! The invariants of the engine, for the simulation and the fuzzer.

use super::link::{Base, Top};
use super::session::{Session, Stage};
use super::udp::port::{Owner, Port};
use super::{Engine, Key};

/// How much is alive in an engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pub links: usize,
    pub sessions: usize,
    pub dials: usize,
    pub mux_sessions: usize,
    pub timers: usize,
    /// Sockets for datagrams.
    pub ports: usize,
    /// Names that are being asked for.
    pub lookups: usize,
    /// Bytes queued for output or waiting to be taken.
    pub bytes: usize,
    /// What counts against the byte budget.
    pub memory: usize,
}

impl Engine {
    pub fn census(&self) -> Census {
        let links = self.links.values();
        let rx = self.sessions.values().map(|session| {
            let datagrams = session.udp.as_ref().map_or(0, |udp| udp.bytes());
            let watch = session.watch.as_ref();
            let watched: usize = watch.map_or(0, |watch| watch.held().iter().sum());
            session.rx.len() + session.upstream_rx.len() + datagrams + watched
        });
        Census {
            links: self.links.len(),
            sessions: self.sessions.len(),
            dials: self.dials.len(),
            mux_sessions: self.muxes.len(),
            timers: self.timers.len(),
            ports: self.ports.len(),
            lookups: self.lookups.len(),
            memory: self.memory(),
            bytes: links
                .map(|link| link.queued() + link.waiting().0)
                .chain(rx)
                .sum(),
        }
    }

    /// Panics if the engine contradicts itself. To be called after any input, once its actions are taken.
    pub fn check(&self) {
        assert!(self.work.is_empty(), "work is left over");
        self.check_memory();
        for (id, link) in self.links.iter() {
            for rope in std::iter::once(&link.out).chain(link.later.as_deref()) {
                assert_eq!(rope.recount(), rope.len(), "{id:?}: bytes queued");
            }
            if let Some(later) = &link.later {
                assert!(!later.is_empty(), "{id:?}: kept without need");
                assert!(!link.out.is_empty(), "{id:?}: nothing is in frames");
            }
            if let Some(inbox) = &link.inbox {
                let len: usize = inbox.pieces.iter().map(|piece| piece.len()).sum();
                assert_eq!(len, inbox.len, "{id:?}: bytes to be taken");
            }
            self.check_owner(id, link.top);
            if let Some(at) = link.armed {
                assert!(
                    self.timers.contains(at, Key::Link(id)),
                    "{id:?}: deadline not in the table"
                );
            }
            if let Base::Stream { mux, id: stream } = link.base
                && let Some(session) = self.muxes.get(mux)
            {
                assert_eq!(
                    session.smux.owner(stream),
                    Some(id),
                    "{id:?}: stream of somebody else"
                );
            }
            if let Some(mux) = link.waits_for
                && let Some(session) = self.muxes.get(mux)
            {
                assert!(
                    session.full && session.held_back.contains(&id),
                    "{id:?}: waits for a session that does not know it"
                );
            }
            self.check_bounds(id, link.queued());
            assert!(
                link.out.outside() == 0 || link.base == Base::Socket,
                "{id:?}: bytes of a driver, but no socket"
            );
        }
        for (id, session) in self.sessions.iter() {
            assert!(
                self.links.contains_key(session.client),
                "{id:?}: session without a client"
            );
            if let Some(upstream) = session.upstream {
                assert!(
                    self.links.contains_key(upstream),
                    "{id:?}: upstream is gone"
                );
            }
            if let Some(dial) = session.dial {
                assert!(self.dials.contains_key(dial), "{id:?}: waits for no dial");
            }
            if let Stage::Relay | Stage::Datagrams = session.stage {
                assert!(session.upstream.is_some(), "{id:?}: relay without upstream");
            }
            self.check_paused(session.client, session.upstream);
            self.check_datagrams(id, session);
        }
        for (id, port) in self.ports.iter() {
            self.check_port(id, port);
        }
        self.check_lookups();
        for (id, mux) in self.muxes.iter() {
            assert!(
                self.links.contains_key(mux.link),
                "{id:?}: session without a link"
            );
            mux.smux.check();
        }
    }

    fn check_datagrams(&self, id: super::SessionId, session: &Session) {
        let Some(association) = &session.udp else {
            return;
        };
        let limits = &self.plan.limits;
        let count = self.plan.services[session.service].handler.udp.queue;
        let links = [Some(session.client), session.upstream];
        for (end, link) in association.ends.iter().zip(links) {
            let bytes: usize = end.queue.iter().map(|waiting| waiting.data.len()).sum();
            assert_eq!(bytes, end.bytes, "{id:?}: bytes of datagrams");
            assert!(
                end.queue.len() <= count && bytes <= limits.datagrams,
                "{id:?}: {} datagrams, {bytes} bytes queued",
                end.queue.len()
            );
            let port = link.and_then(|link| Some((link, self.links.get(link)?.port?)));
            if let Some((link, port)) = port {
                let listed = self.ports[port]
                    .ready
                    .iter()
                    .filter(|ready| **ready == link);
                assert_eq!(
                    listed.count(),
                    usize::from(!end.queue.is_empty()),
                    "{id:?}: datagrams wait for nothing"
                );
            }
        }
    }

    fn check_port(&self, id: super::PortId, port: &Port) {
        match &port.owner {
            Owner::Link(link) => {
                assert_eq!(self.links.get(*link).and_then(|link| link.port), Some(id));
            }
            Owner::Service { peers, .. } => {
                for (addr, link) in peers {
                    let link = &self.links[*link];
                    assert_eq!((link.port, link.ends.remote()), (Some(id), *addr));
                }
            }
        }
    }

    fn check_owner(&self, id: super::LinkId, top: Top) {
        match top {
            Top::Client(session) => {
                assert_eq!(
                    self.sessions.get(session).map(|s| s.client),
                    Some(id),
                    "{id:?}: client"
                );
            }
            Top::Upstream(session) => {
                let upstream = self.sessions.get(session).and_then(|s| s.upstream);
                assert_eq!(upstream, Some(id), "{id:?}: upstream");
            }
            Top::Dial(dial) => assert!(self.dials.contains_key(dial), "{id:?}: dial"),
            Top::Port(port) => assert!(self.ports.contains_key(port), "{id:?}: port"),
            Top::Mux(mux) => assert!(self.muxes.contains_key(mux), "{id:?}: mux"),
            Top::Incoming(_) | Top::Closing => {}
        }
    }

    /// A link is paused only while the other end of its session is over low water.
    fn check_paused(&self, client: super::LinkId, upstream: Option<super::LinkId>) {
        let Some(upstream) = upstream else {
            return;
        };
        for (source, sink) in [(client, upstream), (upstream, client)] {
            // With a budget, low water has risen since, maybe.
            let low = match self.plan.limits.memory {
                Some(_) => 0,
                None => self.plan.limits.low,
            };
            if self.links[source].paused {
                assert!(
                    self.links[sink].queued() > low,
                    "{source:?} is paused for nothing"
                );
            }
        }
    }

    fn check_bounds(&self, id: super::LinkId, queued: usize) {
        // High water, one read beyond it, and the overhead of layers; replies stop at four times that.
        let bound = 5 * self.plan.limits.high + 4 * self.plan.limits.read + 1024 * 1024;
        assert!(
            queued <= bound,
            "{id:?}: {queued} bytes queued, more than {bound}"
        );
    }
}
