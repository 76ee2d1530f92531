//! The first step of a dial: from an address or a name to one socket that is connected.
//!
//! The addresses of a name run a race (RFC 8305): the next one starts when the one before has failed or is
//! silent for a moment, the first that connects is taken, and the others are closed.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use super::dial::{Dial, Purpose};
use super::link::{Base, Top};
use super::udp::names::preferred;
use super::udp::unspecified;
use super::{Action, ConnMeta, DialId, Engine, LinkId};
use crate::addr::{Carries, Host, Target, zone};
use crate::error::{Cause, Fail};
use crate::event::Traced;
use crate::plan::{ConnectorKind, Endpoint, Interface, Node, SocketOptions};
use crate::route::families::{self, ATTEMPT_DELAY};

pub(super) const NOWHERE: SocketAddr =
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

/// The addresses that the node's own host table has for it.
pub(super) fn mapped(node: &Node) -> Option<&[IpAddr]> {
    match (&node.policy.hosts, &node.addr.host) {
        (Some(hosts), Host::Name(name)) => hosts.lookup(name),
        _ => None,
    }
}

/// The addresses that are known of node `at`: from a host table, or from its resolver.
fn known(dial: &Dial, at: usize) -> Option<&[IpAddr]> {
    let asked = dial.places.iter().find(|(place, _)| *place == at);
    mapped(dial.route.nodes.get(at)?).or(asked.map(|(_, addrs)| &addrs[..]))
}

/// Where node `at` is, for whoever connects to it.
pub(super) fn place_of(dial: &Dial, at: usize) -> Option<Target> {
    let addr = &dial.route.nodes.get(at)?.addr;
    match known(dial, at).and_then(|addrs| addrs.first()) {
        Some(ip) => Some(Target::new(Host::Ip(*ip), addr.port)),
        None => Some(addr.clone()),
    }
}

/// Whether a node can be asked for a socket file of its machine, or chooses itself what it connects to.
fn names_files(node: &Node) -> bool {
    matches!(
        node.connector.kind,
        ConnectorKind::Relay | ConnectorKind::Forward
    )
}

impl Engine {
    /// Connects to the first node of the route, or to the target itself.
    pub(super) fn connect_first(&mut self, id: DialId) {
        let dial = &self.dials[id];
        if dial.route.nodes.is_empty() && dial.carries == Carries::Anywhere {
            return self.open_port(id, ([0_u16; 8], 0).into(), None);
        }
        let (target, known) = match dial.route.nodes.first() {
            Some(node) => (
                node.addr.clone(),
                known(dial, 0).unwrap_or_default().to_vec(),
            ),
            None => (dial.target.clone(), dial.known.clone()),
        };
        if !known.is_empty() {
            let known = known.into_iter().map(|ip| SocketAddr::new(ip, target.port));
            return self.connect_any(id, known.collect());
        }
        if dial.is_for_datagram() && self.asks_for_target(id) {
            return;
        }
        if let Some(addr) = target.socket_addr() {
            return self.connect_any(id, vec![addr]);
        }
        if let Host::File(path) = &target.host {
            return self.connect_to(id, NOWHERE, Endpoint::File(Path::new(path).into()));
        }
        let host = target.host.spelled().into_owned();
        self.dials[id].stage = "resolving the name";
        self.actions.push_back(Action::Resolve {
            query: id,
            host: host.clone(),
            port: target.port,
        });
        self.trace_dial(id, || Traced::Resolving { host });
        self.dial_timer(id);
    }

    /// Why a dial cannot be made, whatever is there.
    pub(super) fn hinders(&self, id: DialId) -> Option<Fail> {
        let dial = &self.dials[id];
        if dial.target.is_file() && dial.carries != Carries::Bytes {
            let text = format!("{} is a socket file: it takes no datagrams", dial.target);
            return Some(Fail::new(Cause::Unsupported, text));
        }
        let nodes = &dial.route.nodes;
        // Of an association each datagram names its own.
        if dial.target.is_nowhere() && nodes.is_empty() && dial.carries != Carries::Anywhere {
            let text = "no target: the client leaves it to this service, which has no forwarder";
            return Some(Fail::new(Cause::Protocol, text));
        }
        let behind = nodes.iter().skip(1).map(|node| &node.addr);
        let target = (!dial.is_for_mux()).then_some(&dial.target);
        let mut ways = nodes.iter().zip(behind.chain(target));
        let (node, file) = ways.find(|(node, next)| next.is_file() && !names_files(node))?;
        let text = format!(
            "{file} is a socket file: {} nodes cannot connect to one, relay nodes can",
            node.connector.kind.name()
        );
        Some(Fail::new(Cause::Unsupported, text))
    }

    /// What is set on the first socket of a dial.
    fn socket_options(&self, id: DialId) -> Arc<SocketOptions> {
        let dial = &self.dials[id];
        let options = match dial.route.nodes.first() {
            Some(node) => node.dialer.socket.clone(),
            None => match self.plan.services.get(dial.service) {
                Some(service) => service.socket.clone(),
                None => Arc::default(),
            },
        };
        if !options.interface.contains(&Interface::Auto) {
            return options;
        }
        let session = self.dial_session(id).and_then(|id| self.sessions.get(id));
        let mut options = SocketOptions::clone(&options);
        if let Some(session) = session {
            let ip = session.ends.local().ip();
            let auto = options.interface.iter_mut();
            auto.filter(|one| **one == Interface::Auto)
                .for_each(|one| *one = Interface::Addr(ip));
        }
        Arc::new(options)
    }

    pub(super) fn dial_resolved(&mut self, id: DialId, result: Result<Vec<SocketAddr>, Fail>) {
        let Some(dial) = self.dials.get_mut(id) else {
            return;
        };
        if let Purpose::Lookup(session) = dial.purpose {
            let host = dial.target.host.clone();
            self.cancel_dial(id);
            return self.name_resolved(session, host, result);
        }
        match result {
            Ok(addrs) if !addrs.is_empty() => self.connect_any(id, addrs),
            Ok(_) => self.dial_failed(
                id,
                Fail::new(Cause::NameNotFound, "the name has no address"),
            ),
            Err(fail) => self.dial_failed(id, fail),
        }
    }

    fn connect_any(&mut self, id: DialId, addrs: Vec<SocketAddr>) {
        let dial = &mut self.dials[id];
        if dial.is_direct_for_datagrams() {
            let addr = preferred(&addrs, SocketAddr::is_ipv4);
            dial.addrs = addr.into_iter().collect();
            return self.connect_next(id);
        }
        dial.addrs = families::interleave(addrs);
        dial.stage = "connecting";
        self.connect_next(id);
    }

    fn connect_next(&mut self, id: DialId) {
        let Some(addr) = self.dials[id].addrs.pop_front() else {
            return;
        };
        if self.is_own(id, addr) {
            let text = format!("{addr} is the address of this service: it would connect to itself");
            return self.attempt_failed(id, Fail::new(Cause::Denied, text));
        }
        if self.dials[id].is_direct_for_datagrams() {
            return self.open_port(id, unspecified(addr), Some(addr));
        }
        self.connect_to(id, addr, Endpoint::Ip(addr));
    }

    fn connect_to(&mut self, id: DialId, remote: SocketAddr, to: Endpoint) {
        let meta = ConnMeta {
            remote,
            local: NOWHERE,
        };
        let link = self.new_link(Base::Socket, meta, Top::Dial(id));
        self.links[link].connected = false;
        let options = self.socket_options(id);
        let dial = &mut self.dials[id];
        dial.attempts.push(link);
        dial.stage_until = (!dial.addrs.is_empty()).then(|| self.now + ATTEMPT_DELAY);
        self.actions.push_back(Action::Connect {
            id: link,
            to,
            options,
        });
        self.trace(link, || Traced::Connecting);
        self.dial_timer(id);
    }

    /// Whether that is where the client came in: a circle would last until all descriptors are used up.
    fn is_own(&self, id: DialId, addr: SocketAddr) -> bool {
        // A port at the far end of a chain is not one of this machine.
        let listener = &self.plan.services[self.dials[id].service].listener;
        if listener.reverse.is_some() {
            return false;
        }
        let session = self.dial_session(id);
        let session = session.and_then(|id| self.sessions.get(id));
        // A port of TCP and one of UDP have nothing to do with each other.
        let came_in = session.and_then(|session| self.links.get(session.client));
        let alike = came_in.is_some_and(|link| {
            (link.base == Base::Port) == self.dials[id].is_direct_for_datagrams()
        });
        let local = session
            .filter(|_| alike)
            .map(|session| session.ends.local());
        local.is_some_and(|local| {
            let ip = addr.ip().to_canonical();
            // The same link-local address on another link is that of somebody else.
            let here = ip == local.ip() && [0, zone(local)].contains(&zone(addr));
            local.port() == addr.port() && (here || ip.is_unspecified())
        })
    }

    /// Without nodes, datagrams need a socket and no connection.
    pub(super) fn open_port(&mut self, id: DialId, local: SocketAddr, peer: Option<SocketAddr>) {
        let meta = ConnMeta {
            remote: peer.unwrap_or(NOWHERE),
            local,
        };
        let link = self.new_link(Base::Port, meta, Top::Dial(id));
        self.links[link].connected = false;
        let dial = &mut self.dials[id];
        dial.link = Some(link);
        dial.stage = "binding";
        let options = self.socket_options(id);
        self.bind_datagrams(link, local, peer, options);
        self.dial_timer(id);
    }

    /// The first socket that is connected is the one.
    pub(super) fn dial_connected(&mut self, id: DialId, link: LinkId) {
        let dial = &mut self.dials[id];
        dial.link = Some(link);
        dial.attempts.retain(|attempt| *attempt != link);
        self.drop_attempts(id);
        self.start_layers(id, link, 0);
    }

    /// A link of a dial failed: one of several that connect, or the one that was connected.
    pub(super) fn dial_link_failed(&mut self, id: DialId, link: LinkId, fail: Fail) {
        let Some(dial) = self.dials.get_mut(id) else {
            return;
        };
        dial.attempts.retain(|attempt| *attempt != link);
        self.attempt_failed(id, fail);
    }

    fn attempt_failed(&mut self, id: DialId, fail: Fail) {
        let dial = &self.dials[id];
        // We leave: no other address is tried.
        if dial.link.is_none() && fail.cause != Cause::Local {
            if !dial.addrs.is_empty() && dial.until > self.now {
                return self.connect_next(id);
            }
            if !dial.attempts.is_empty() {
                return;
            }
        }
        self.dial_failed(id, fail);
    }

    /// The moment of the next address. False if it is not what the dial waits for.
    pub(super) fn connect_timeout(&mut self, id: DialId) -> bool {
        let dial = &self.dials[id];
        let due = dial.link.is_none() && !dial.addrs.is_empty() && dial.until > self.now;
        if due {
            self.connect_next(id);
        }
        due
    }

    /// Nothing more is to come of the addresses.
    pub(super) fn drop_attempts(&mut self, id: DialId) {
        let Some(dial) = self.dials.get_mut(id) else {
            return;
        };
        dial.addrs.clear();
        for link in std::mem::take(&mut dial.attempts) {
            self.remove_link(link, true);
        }
    }
}
