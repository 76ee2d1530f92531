//! The engine: sockets' bytes, results and time in; bytes, actions and a deadline out.
//!
//! A **link** is a transport (a socket or a mux stream) with the layers on it and what sits on top. A
//! **session** joins a client's link to the one towards its target; a **dial** builds the latter through the
//! hops of a chain; a **mux session** sits on a link and carries others. One file each, all methods of [`Engine`].

mod action;
mod admission;
mod alive;
mod away;
mod bind;
mod check;
mod closing;
mod connect;
mod detour;
mod dial;
mod drain;
mod edge;
mod ends;
mod far_port;
mod flow;
mod goal;
mod http;
mod hub;
mod inbox;
mod lane;
mod link;
mod lookup;
mod memory;
mod mux_session;
mod pace;
mod pick;
mod race;
mod relay;
mod retry;
mod reverse;
mod session;
mod sniff;
mod splice;
mod timers;
mod trace;
mod trust;
mod udp;
mod unread;

use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use slotmap::new_key_type;

use crate::entropy::Entropy;
use crate::error::{Eof, Fail};
use crate::event::{ConnectionNo, Event, Traced};
use crate::layer::{Info, Up};
use crate::mux;
use crate::plan::Plan;
use crate::slab::Slab;
use crate::time::Time;
use crate::wire::deflate;

pub use action::{Action, Ask, ConnMeta, Interest};
pub use alive::Reach;
pub use bind::Door;
pub use check::Census;
pub use splice::Splice;
pub use udp::port::Datagram;

use admission::Admission;
use away::Away;
use dial::Dial;
use drain::Drain;
use hub::Hub;
use link::{Base, Link, Top};
use lookup::{Lookup, Names};
use memory::Memory;
use mux_session::MuxSession;
use reverse::Reverses;
use session::Session;
use timers::{Key, Timers};
use udp::port::Port;

new_key_type! {
    /// A link; one whose transport is a socket is known to the driver by it. A stale id reaches nothing.
    pub struct SocketId;
    /// A socket that is bound: for datagrams. A stale id reaches nothing.
    pub struct PortId;
    /// A question to the resolver.
    pub struct QueryId;
    struct SessionId;
    struct MuxId;
    struct LookupId;
}
type LinkId = SocketId;
type DialId = QueryId;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    /// A mux session may have frames to send.
    Pump(MuxId),
    /// A stream's received data may be handed on.
    Inbox(LinkId),
}

/// One engine a thread; nothing is shared but the plan.
pub struct Engine {
    plan: Arc<Plan>,
    entropy: Entropy,
    deflate: deflate::Pool,
    links: Slab<LinkId, Link>,
    sessions: Slab<SessionId, Session>,
    dials: Slab<DialId, Dial>,
    muxes: Slab<MuxId, MuxSession>,
    ports: Slab<PortId, Port>,
    lookups: Slab<LookupId, Lookup>,
    names: Names,
    hub: Hub,
    admission: Admission,
    reverses: Reverses,
    timers: Timers,
    memory: Memory,
    work: VecDeque<Work>,
    actions: VecDeque<Action>,
    events: VecDeque<Event>,
    ups: Vec<Vec<Up>>,
    /// Room for what a read of a mux session holds.
    mux_events: Vec<mux::Event>,
    /// Pieces of one stream, one behind another.
    mux_run: VecDeque<BytesMut>,
    /// Room for whose frames a mux session sends, and whether their sources may go on.
    mux_turns: Vec<(LinkId, bool)>,
    now: Time,
    away: Away,
    drain: Drain,
    next_no: ConnectionNo,
}

impl Engine {
    /// `seed` feeds mask keys, nonces and random selections.
    pub fn new(plan: Arc<Plan>, seed: [u8; 32]) -> Self {
        Self {
            hub: Hub::default(),
            memory: Memory::new(plan.limits.memory),
            admission: Admission::default(),
            reverses: Reverses::default(),
            plan,
            entropy: Entropy::new(seed),
            deflate: deflate::Pool::default(),
            links: Slab::new(),
            sessions: Slab::new(),
            dials: Slab::new(),
            muxes: Slab::new(),
            ports: Slab::new(),
            lookups: Slab::new(),
            names: Names::default(),
            timers: Timers::default(),
            work: VecDeque::new(),
            actions: VecDeque::new(),
            events: VecDeque::new(),
            ups: Vec::new(),
            mux_events: Vec::new(),
            mux_run: VecDeque::new(),
            mux_turns: Vec::new(),
            now: Time::ZERO,
            away: Away::default(),
            drain: Drain::No,
            next_no: 1,
        }
    }

    /// A client connected to the listener of service `service`.
    pub fn handle_accept(&mut self, service: usize, meta: ConnMeta, now: Time) -> SocketId {
        self.tick(now);
        let id = self.accept(Base::Socket, service, meta);
        self.settle();
        id
    }

    /// The result of an [`Action::Connect`]. After a failure the id is gone.
    pub fn handle_connected(&mut self, id: SocketId, result: Result<ConnMeta, Fail>, now: Time) {
        self.tick(now);
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        match result {
            Ok(meta) => {
                link.ends = meta.into();
                link.connected = true;
                self.socket_up(id);
            }
            Err(fail) => {
                link.connected = true;
                self.link_failed(id, fail);
            }
        }
        self.settle();
    }

    /// The result of an [`Action::Resolve`].
    pub fn handle_resolved(
        &mut self,
        query: QueryId,
        result: Result<Vec<SocketAddr>, Fail>,
        now: Time,
    ) {
        self.tick(now);
        if let Ok(addrs) = &result {
            self.trace_dial(query, || Traced::Resolved {
                addrs: addrs.iter().map(SocketAddr::ip).collect(),
            });
        }
        self.dial_resolved(query, result);
        self.settle();
    }

    /// Bytes from a socket; uniquely owned, so that they can be unmasked where they lie.
    pub fn handle_input(&mut self, id: SocketId, chunk: BytesMut, now: Time) {
        self.tick(now);
        if chunk.is_empty() {
            return;
        }
        self.heard(id);
        self.count_in(id, chunk.len());
        self.note_inflow(id, chunk.len());
        self.rise(id, 0, Up::Data(chunk));
        self.keep_inflow(id);
        self.link_timer(id);
        self.settle();
    }

    /// A socket's input ended.
    pub fn handle_eof(&mut self, id: SocketId, how: Eof, now: Time) {
        self.tick(now);
        if let Some(link) = self.links.get(id) {
            // Which end it was, the failed write has taken.
            let how = if link.broken { Eof::Reset } else { how };
            self.lower_end(id, how);
            self.settle();
        }
    }

    /// A write to a socket failed for good. Its input is read on as before.
    pub fn handle_broken(&mut self, id: SocketId, now: Time) {
        self.tick(now);
        self.broken(id);
        self.settle();
    }

    /// `n` bytes of what `transmit` showed are written.
    pub fn handle_sent(&mut self, id: SocketId, n: usize, now: Time) {
        self.tick(now);
        let tight = self.is_tight();
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.out.consume(n);
        // What is outside has a write of its own.
        let more = !link.out.is_empty() && (n == 0 || link.out.outside() == 0);
        link.pace.took(n, more, self.now);
        if n > 0 {
            link.progress(&self.plan.limits, self.now);
        }
        if !link.out.is_empty() {
            link.out.unpin(tight);
            if let Some(later) = &mut link.later {
                later.unpin(tight);
            }
        }
        self.touch(id);
        self.count_out(id, n);
        self.link_timer(id);
        self.sent(id);
        self.settle();
    }

    /// The earliest deadline has come (or a later moment).
    pub fn handle_timeout(&mut self, now: Time) {
        self.tick(now);
        while let Some(key) = self.timers.pop(self.now) {
            match key {
                Key::Link(id) => self.link_timeout(id),
                Key::Session(id) => self.session_timeout(id),
                Key::Dial(id) => self.dial_timeout(id),
                Key::Mux(id) => self.mux_timeout(id),
                Key::Drain => self.drain_timeout(),
                Key::Reverse(service) => self.reverse_timeout(service),
                Key::Traffic(service) => self.traffic_timeout(service),
            }
        }
        self.settle();
    }

    /// Goes on with another plan, in which all services and chains of the old one still are at their
    /// places: those that are new or changed come behind them. What is open stays as it is.
    pub fn handle_reload(&mut self, plan: Arc<Plan>, now: Time) {
        self.tick(now);
        debug_assert!(plan.services.len() >= self.plan.services.len());
        debug_assert!(plan.chains.len() >= self.plan.chains.len());
        self.memory.set_limit(plan.limits.memory);
        self.plan = plan;
        self.names.forget();
        self.settle();
    }

    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.actions.pop_front();
        if let Some(Action::Wake(id)) = action
            && let Some(link) = self.links.get_mut(id)
        {
            link.waking = false;
        }
        action
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When `handle_timeout` is due; moves only with inputs.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.next_timeout()
    }

    /// Sets `iov` to what waits to be written, from the front; returns how many slices are set. It stops at
    /// bytes that are [outside](Self::outside).
    pub fn transmit<'a>(&'a self, id: SocketId, iov: &mut [IoSlice<'a>]) -> usize {
        let room = self.admission.room_out(id, self.now);
        let link = self.links.get(id);
        link.map_or(0, |link| link.out.slices(iov, room))
    }

    /// What the engine wants of a socket now. If it is not to be read, a `Wake` follows when it is again.
    pub fn interest(&mut self, id: SocketId) -> Interest {
        let Some(link) = self.links.get(id) else {
            return Interest {
                read: 0,
                fin: false,
            };
        };
        let read = if self.accepts(link) {
            let room = self
                .read_room(link)
                .min(self.admission.room_in(id, self.now));
            match splice::next_head(link) {
                0 => room,
                head => room.min(head),
            }
        } else {
            0
        };
        let fin = link.finished && link.out.is_empty() && !link.broken;
        let read = match read > 0 && self.waits_for_room(id) {
            true => 0,
            false => read,
        };
        Interest { read, fin }
    }

    /// Whether the id still means something.
    pub fn knows(&self, id: SocketId) -> bool {
        self.links.contains_key(id)
    }

    /// Connections of clients being served.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    fn settle(&mut self) {
        loop {
            while let Some(work) = self.work.pop_front() {
                match work {
                    Work::Pump(id) => self.pump(id),
                    Work::Inbox(id) => self.drain_inbox(id),
                }
            }
            self.count();
            if self.work.is_empty() {
                break;
            }
        }
        self.check_drained();
    }

    fn socket_up(&mut self, id: LinkId) {
        match self.links.get(id).map(|link| link.top) {
            Some(Top::Dial(dial)) => {
                self.trace(id, || Traced::Connected);
                self.dial_connected(dial, id);
            }
            _ => self.rise(id, 0, Up::Ready(Info::default())),
        }
        self.link_timer(id);
    }
}
