//! The near end of a reverse tunnel: a service whose port the last node of a chain opens.
//!
//! ```text
//! pause ─► dial, with BIND in place of a target ─► mux session: each stream is a client
//!   ▲                     │ failed              │  or frames: datagrams of clients
//!   │                     │                     │ lost
//!   └─────────────────────┴─────────────────────┘
//! ```

use std::collections::HashMap;
use std::time::Duration;

use super::dial::{Dial, Purpose};
use super::link::{Base, Top};
use super::mux_session::Side;
use super::pick::Wish;
use super::{ConnMeta, DialId, Engine, Key, LinkId, MuxId, PortId};
use crate::addr::{Carries, Host, Target};
use crate::connector::Bound;
use crate::error::{Cause, Fail};
use crate::event::Event;
use crate::layer::proxied::{Form, Proxied};
use crate::layer::{AnyLayer, Info, Up};
use crate::plan::{Channel, ConnectorKind, Mux};
use crate::time::Time;

/// A port that was open for less is one that failed.
const STABLE: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Reverses(HashMap<usize, Reverse>);

struct Reverse {
    state: State,
    /// Since the port was open for a while.
    failures: u32,
    /// The last failure that was told.
    told: Option<Fail>,
    armed: Option<Time>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Pause,
    Dialing(DialId),
    Open(Open, Time),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Clients(MuxId),
    Senders(PortId),
}

impl Engine {
    /// Begins to serve a service that listens at the far end of its chain, until
    /// [`handle_unserve`](Self::handle_unserve).
    pub fn handle_serve(&mut self, service: usize, now: Time) {
        self.tick(now);
        self.reverses.0.entry(service).or_insert(Reverse {
            state: State::Pause,
            failures: 0,
            told: None,
            armed: None,
        });
        self.ask_for_port(service);
        self.settle();
    }

    /// Gives the port back; its clients may finish.
    pub fn handle_unserve(&mut self, service: usize, now: Time) {
        self.tick(now);
        self.leave_reverse(service);
        self.settle();
    }

    /// The pause is over.
    pub(super) fn reverse_timeout(&mut self, service: usize) {
        if let Some(reverse) = self.reverses.0.get_mut(&service) {
            reverse.armed = None;
            self.ask_for_port(service);
        }
    }

    fn ask_for_port(&mut self, service: usize) {
        let planned = self.plan.services.get(service);
        let Some(planned) = planned.filter(|planned| planned.listener.reverse.is_some()) else {
            return;
        };
        let addr = match &planned.listener.reverse {
            Some(reverse) => reverse.addr.clone(),
            None => return,
        };
        let carries = match planned.listener.channel {
            Channel::Rudp => Carries::Senders,
            _ => Carries::Clients,
        };
        let dial = Dial::new(Purpose::Port(service), service, addr, self.now);
        let dial = self.dials.insert(Dial { carries, ..dial });
        if let Some(reverse) = self.reverses.0.get_mut(&service) {
            reverse.state = State::Dialing(dial);
        }
        self.attempt(dial);
    }

    /// Chooses a way; there must be a node at its end.
    pub(super) fn attempt_port(&mut self, id: DialId) {
        let service = self.dials[id].service;
        let failed = self.dials[id].failed.clone();
        self.dials[id].until = self.now + self.dial_limit(service);
        // Rules for targets say nothing of where to listen.
        let nowhere = Target::new(Host::Name(String::new()), 0);
        let wish = Wish {
            service,
            chain: self.own_chain(id),
            source: "",
            target: &nowhere,
            failed: &failed,
        };
        match self.pick_route(&wish) {
            Ok(picked) if picked.route.nodes.is_empty() => {
                let text = "the chain has no node that could listen";
                self.give_up(id, Fail::new(Cause::NetUnreachable, text));
            }
            Ok(picked) => self.take_route(id, picked),
            Err(fail) => self.give_up(id, fail),
        }
    }

    /// The chain of a dial for a port, or to a name server.
    pub(super) fn own_chain(&self, id: DialId) -> Option<usize> {
        let dial = self.dials.get(id)?;
        let Purpose::Port(service) = dial.purpose else {
            return dial.exchange.as_ref()?.chain();
        };
        let reverse = self.plan.services[service].listener.reverse.as_ref()?;
        Some(reverse.chain)
    }

    /// The node listens: what comes by this link from now on is the node's mux session, or datagrams.
    pub(super) fn port_opened(&mut self, id: DialId, bound: Bound) {
        let Some(mut dial) = self.dials.remove(id) else {
            return;
        };
        self.timers.arm(Key::Dial(id), &mut dial.armed, None);
        self.note_success(&dial.route, &dial.took);
        let (Purpose::Port(service), Some(link)) = (dial.purpose, dial.link) else {
            return;
        };
        let Some(node) = dial.route.nodes.last().cloned() else {
            return;
        };
        let form = match node.connector.kind {
            ConnectorKind::Socks5 => Form::Socks5,
            _ => Form::Relay,
        };
        let below = &mut self.links[link];
        if let Some(local) = bound.addr.socket_addr() {
            let remote = below.client().remote;
            below.client_is(ConnMeta { remote, local });
        }
        let local = below.client().local;
        let open = match dial.carries {
            Carries::Senders => {
                let local = ConnMeta::new(local, local).local;
                Open::Senders(self.far_port(link, service, local, bound.ours))
            }
            _ => {
                let side = Side::Reverse { service, form };
                Open::Clients(self.new_mux(link, &version_1(), side, agreed(bound.ours)))
            }
        };
        if let Some(reverse) = self.reverses.0.get_mut(&service) {
            reverse.state = State::Open(open, self.now);
            reverse.told = None;
        }
        self.events.push_back(Event::PortOpened {
            service,
            addr: bound.addr.to_string(),
            place: format!("{} ({})", node.name, node.addr),
        });
        if dial.rx.is_empty() {
            return;
        }
        match open {
            Open::Clients(mux) => self.mux_data(mux, dial.rx),
            Open::Senders(port) => self.far_data(port, dial.rx),
        }
    }

    /// It did not open, or its session is gone.
    pub(super) fn port_lost(&mut self, service: usize, fail: Fail) {
        let draining = self.is_draining();
        let Some(reverse) = self.reverses.0.get_mut(&service) else {
            return;
        };
        if let State::Open(_, since) = reverse.state
            && self.now.since(since) >= STABLE
        {
            reverse.failures = 0;
        }
        reverse.state = State::Pause;
        reverse.failures = reverse.failures.saturating_add(1);
        if draining {
            return;
        }
        let times = reverse.failures;
        // The same again and again is told once.
        if reverse.told.as_ref() != Some(&fail) {
            reverse.told = Some(fail.clone());
            self.events.push_back(Event::PortLost { service, fail });
        }
        let at = self.now + self.retry_pause(times);
        if let Some(reverse) = self.reverses.0.get_mut(&service) {
            let key = Key::Reverse(service);
            self.timers.arm(key, &mut reverse.armed, Some(at));
        }
    }

    /// The node says that a client came: a stream, which begins with the client's address.
    pub(super) fn reverse_stream(
        &mut self,
        mux: MuxId,
        stream: u32,
        service: usize,
        form: Form,
    ) -> LinkId {
        let ends = self.links[self.muxes[mux].link].client_ends();
        let base = Base::Stream { mux, id: stream };
        let link = self.new_link(base, ends, Top::Incoming(service));
        let layer = AnyLayer::Proxied(Box::new(Proxied::of(form)));
        self.links[link].add(layer);
        self.links[link].deadline = Some(self.now + self.plan.limits.handshake);
        self.muxes[mux].smux.adopt(stream, link);
        self.rise(link, 0, Up::Ready(Info::default()));
        self.link_timer(link);
        link
    }

    /// None of them asks for a port any more.
    pub(super) fn leave_reverses(&mut self) {
        for service in self.reverses.0.keys().copied().collect::<Vec<_>>() {
            self.leave_reverse(service);
        }
    }

    fn leave_reverse(&mut self, service: usize) {
        let Some(mut reverse) = self.reverses.0.remove(&service) else {
            return;
        };
        let key = Key::Reverse(service);
        self.timers.arm(key, &mut reverse.armed, None);
        match reverse.state {
            State::Pause => {}
            State::Dialing(dial) => self.cancel_dial(dial),
            State::Open(Open::Clients(mux), _) => self.leave_mux(mux),
            State::Open(Open::Senders(port), _) => self.leave_far_port(port),
        }
    }
}

/// What peers of our kind agree on inside a BIND.
pub(super) fn agreed(ours: bool) -> Info {
    Info {
        half_close: ours,
        mux_v2: ours,
        signals: ours,
        ..Info::default()
    }
}

/// gost agrees on nothing there.
pub(super) fn version_1() -> Mux {
    Mux {
        agree: false,
        ..Mux::default()
    }
}
