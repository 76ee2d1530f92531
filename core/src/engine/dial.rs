//! Dials: the way to a target (or to a mux session) through the hops of a chain, stage by stage.
//!
//! ```text
//! resolve ─► connect ─► layers of node 0 ─► connector of node 0 ─► layers of node 1 ─► … ─► open
//!                              ▲ a stream of a mux session enters here ┘
//! ```
//!
//! A connector negotiates on top of the link and vanishes; the next node's layers go on the same link. Here are a
//! dial's state and its time limits. How one begins is in `dial/start.rs`, the first two stages are in `connect.rs`,
//! those of the nodes in `dial/stages.rs`, the choice of the route is in `pick.rs`, what follows a failure in `retry.rs`.

mod stages;
mod start;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;

use super::hub::HubKey;
use super::link::Top;
use super::lookup::{Asked, Exchange};
use super::pick::{Pick, Route};
use super::{DialId, Engine, Key, LinkId, LookupId, MuxId, SessionId};
use crate::addr::{Carries, Target};
use crate::connector::Connector;
use crate::error::{Cause, Fail};
use crate::event::ConnectionNo;
use crate::layer::Info;
use crate::plan::{Node, TlsClient};
use crate::time::Time;

/// The stage of a dial that waits for a mux session.
pub(super) const WAITING: &str = "waiting for the mux session";
/// The stage of one that waits for the first of several nodes.
pub(super) const RACING: &str = "waiting for the first node";
pub(super) const ANSWER: &str = "waiting for the node's answer";
pub(super) const LATE: &str = "no answer in time";
/// Ways that one dial tries without being told to by `retries`.
const DETOURS: u32 = 15;

pub(super) struct Dial {
    pub(super) purpose: Purpose,
    pub(super) service: usize,
    pub(super) route: Route,
    /// The node whose layers and connector are being worked on.
    pub(super) at: usize,
    pub(super) target: Target,
    pub(super) carries: Carries,
    /// Addresses of the target that a host table or a resolver has.
    pub(super) known: Vec<IpAddr>,
    /// Those of nodes of the route, from their resolvers.
    pub(super) places: Vec<(usize, Vec<IpAddr>)>,
    /// The lookup that it waits for.
    pub(super) asked: Option<Asked>,
    /// With a name server.
    pub(super) exchange: Option<Box<Exchange>>,
    /// To one of the service's own targets: which one, once it is chosen, and which failed.
    pub(super) forward: Option<Option<usize>>,
    pub(super) failed_targets: Vec<usize>,
    pub(super) link: Option<LinkId>,
    pub(super) connector: Option<Connector>,
    pub(super) rx: BytesMut,
    /// Addresses still to try, and sockets that are connecting to others.
    pub(super) addrs: VecDeque<SocketAddr>,
    pub(super) attempts: Vec<LinkId>,
    /// Dials to the nodes of a `parallel` hop.
    pub(super) racers: Vec<DialId>,
    pub(super) stage: &'static str,
    /// The end of the attempt, and of its present stage.
    pub(super) until: Time,
    pub(super) stage_until: Option<Time>,
    pub(super) armed: Option<Time>,
    /// Attempts left after this one, by other ways and by any.
    pub(super) detours: u32,
    pub(super) retries: u32,
    /// Nodes that failed this dial.
    pub(super) failed: Vec<Pick>,
    /// On a stream of this session: if it dies now, a new one is tried.
    pub(super) mux: Option<MuxId>,
    /// How often that happened; from then on `retries` counts no more.
    pub(super) lost: u32,
    /// When to begin again.
    pub(super) retry_at: Option<Time>,
    /// Since when the node at hand is being reached, where that is not by a session that is there.
    pub(super) begun: Option<Time>,
    /// How long it took to reach those of the route.
    pub(super) took: Vec<(usize, Duration)>,
    /// With the target itself.
    pub(super) tls: Option<TlsClient>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Session(SessionId),
    Mux(HubKey),
    /// For an exchange with it.
    NameServer(LookupId),
    /// For another dial, up to this place of the route.
    Race(DialId, usize),
    /// A port for this service at the end of a chain.
    Port(usize),
    /// Only the address of the target's name, for datagrams of this session.
    Lookup(SessionId),
}

impl Dial {
    /// Needs a socket and no connection.
    pub(super) fn is_direct_for_datagrams(&self) -> bool {
        let datagrams = matches!(self.carries, Carries::Datagrams | Carries::Anywhere);
        datagrams && self.route.nodes.is_empty()
    }

    /// The response may come with the first data.
    pub(super) fn is_lazy(&self) -> bool {
        matches!(self.carries, Carries::Bytes | Carries::Datagrams)
    }

    /// Only an address is wanted.
    pub(super) fn is_for_datagram(&self) -> bool {
        matches!(self.purpose, Purpose::Lookup(_))
    }

    pub(super) fn is_for_mux(&self) -> bool {
        matches!(self.purpose, Purpose::Mux(_))
    }

    pub(super) fn new(purpose: Purpose, service: usize, target: Target, until: Time) -> Self {
        Self {
            purpose,
            service,
            route: Route::default(),
            at: 0,
            target,
            carries: Carries::Bytes,
            known: Vec::new(),
            places: Vec::new(),
            asked: None,
            exchange: None,
            forward: None,
            failed_targets: Vec::new(),
            link: None,
            connector: None,
            rx: BytesMut::new(),
            addrs: VecDeque::new(),
            attempts: Vec::new(),
            racers: Vec::new(),
            stage: "",
            until,
            stage_until: None,
            armed: None,
            detours: DETOURS,
            retries: 0,
            failed: Vec::new(),
            mux: None,
            lost: 0,
            retry_at: None,
            begun: None,
            took: Vec::new(),
            tls: None,
        }
    }
}

impl Engine {
    /// The number of the connection that a dial is for.
    pub(super) fn dial_no(&self, id: DialId) -> Option<ConnectionNo> {
        self.session_no(self.dial_session(id)?)
    }

    /// The session that a dial is for.
    pub(super) fn dial_session(&self, id: DialId) -> Option<SessionId> {
        match self.dials.get(id)?.purpose {
            Purpose::Session(session) => Some(session),
            Purpose::Race(waits, _) => self.dial_session(waits),
            Purpose::Mux(_) | Purpose::Lookup(_) | Purpose::NameServer(_) | Purpose::Port(_) => {
                None
            }
        }
    }

    /// What is said about the number of proxies that the client came through.
    pub(super) fn dial_hops(&self, id: DialId) -> u8 {
        if let Some(Purpose::Mux(key)) = self.dials.get(id).map(|dial| &dial.purpose) {
            return key.hops;
        }
        let session = self.dial_session(id).and_then(|id| self.sessions.get(id));
        let client = session.and_then(|session| self.links.get(session.client));
        client.map_or(0, |client| client.hops)
    }

    /// The client is gone, or another dial was faster.
    pub(super) fn cancel_dial(&mut self, id: DialId) {
        self.leave_lookup(id);
        self.drop_attempts(id);
        self.drop_racers(id, None);
        let Some(mut dial) = self.dials.remove(id) else {
            return;
        };
        self.timers.arm(Key::Dial(id), &mut dial.armed, None);
        self.hub.forget(id);
        if let Some(link) = dial.link {
            self.links[link].top = Top::Closing;
            self.close(link);
        }
    }

    /// A stream of a mux session takes the place of the socket.
    pub(super) fn dial_on_stream(&mut self, id: DialId, link: LinkId, mux: MuxId) {
        let dial = &mut self.dials[id];
        dial.link = Some(link);
        dial.mux = Some(mux);
        self.dial_up(id, Info::default());
    }

    pub(super) fn dial_route(&self, id: DialId) -> Option<(usize, Route)> {
        let dial = self.dials.get(id)?;
        Some((dial.service, dial.route.clone()))
    }

    pub(super) fn dial_purpose(&self, id: DialId) -> Option<&Purpose> {
        self.dials.get(id).map(|dial| &dial.purpose)
    }

    pub(super) fn take_mux_dial(&mut self, id: DialId) -> Option<(HubKey, Arc<Node>, BytesMut)> {
        let mut dial = self.dials.remove(id)?;
        self.timers.arm(Key::Dial(id), &mut dial.armed, None);
        let node = dial.route.nodes.last()?.clone();
        self.note_success(&dial.route, &dial.took);
        match dial.purpose {
            Purpose::Mux(key) => Some((key, node, dial.rx)),
            _ => None,
        }
    }

    pub(super) fn note_success(&mut self, route: &Route, took: &[(usize, Duration)]) {
        for (at, (hop, node)) in route.picks.iter().enumerate() {
            let pool = self.hub.pool(route.chain, *hop);
            pool.succeeded(*node);
            if let Some((_, took)) = took.iter().find(|(place, _)| *place == at) {
                pool.took(*node, *took, self.now);
            }
        }
    }

    pub(super) fn dial_accepts(&self, id: DialId) -> bool {
        self.dials
            .get(id)
            .is_none_or(|dial| dial.rx.len() < self.early())
    }

    pub(super) fn dial_holds(&self, id: DialId) -> usize {
        self.dials.get(id).map_or(0, |dial| dial.rx.len())
    }

    pub(super) fn dial_timer(&mut self, id: DialId) {
        let Some(dial) = self.dials.get_mut(id) else {
            return;
        };
        let ends = [Some(dial.until), dial.stage_until, dial.retry_at];
        let at = ends.into_iter().flatten().min();
        self.timers.arm(Key::Dial(id), &mut dial.armed, at);
    }

    pub(super) fn dial_timeout(&mut self, id: DialId) {
        let Some(dial) = self.dials.get_mut(id) else {
            return;
        };
        dial.armed = None;
        if self.ask_again(id) {
            return;
        }
        let Some(dial) = self.dials.get_mut(id) else {
            return;
        };
        if dial.retry_at.take().is_some() && dial.until > self.now {
            return self.enter(id);
        }
        if let (Some(Connector::Relay(_)), true) = (&dial.connector, dial.until > self.now) {
            let node = &dial.route.nodes[dial.at];
            let last = dial.at + 1 == dial.route.nodes.len();
            if node.connector.nodelay && last && dial.is_lazy() {
                // The response is read when it comes, in front of the first data.
                return self.connected_through(id, true);
            }
        }
        if self.connect_timeout(id) {
            return;
        }
        let fail = Fail::new(Cause::TimedOut, LATE);
        let Some(dial) = self.dials.get_mut(id) else {
            return;
        };
        match dial.link.take() {
            Some(link) if self.links.contains_key(link) => self.link_failed(link, fail),
            _ => self.dial_failed(id, fail),
        }
    }
}
