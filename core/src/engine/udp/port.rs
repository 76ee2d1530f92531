//! Ports: sockets for datagrams, which the driver binds. One belongs to a link, or is a service's listener,
//! whose clients are links without a transport of their own.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use crate::engine::far_port::Far;
use crate::engine::link::{Base, Top};
use crate::engine::{Action, Ask, ConnMeta, Engine, LinkId, PortId, SessionId};
use crate::error::{Cause, Fail};
use crate::plan::SocketOptions;
use crate::time::Time;

pub(in crate::engine) struct Port {
    pub(in crate::engine) owner: Owner,
    pub(in crate::engine) local: SocketAddr,
    pub(in crate::engine) bound: bool,
    /// Links whose datagrams wait to be sent, by turns.
    pub(in crate::engine) ready: VecDeque<LinkId>,
}

pub(in crate::engine) enum Owner {
    Link(LinkId),
    Service {
        service: usize,
        /// The clients.
        peers: HashMap<SocketAddr, LinkId>,
        /// The socket is at a node.
        far: Option<Far>,
    },
}

/// What waits to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    pub data: &'a [u8],
    /// Absent where the socket is connected.
    pub to: Option<SocketAddr>,
}

impl Engine {
    /// The socket of a udp listener is there; it has this id until [`handle_unlisten`](Self::handle_unlisten)
    /// or an [`Action::Unbind`].
    pub fn handle_listen(&mut self, service: usize, local: SocketAddr, now: Time) -> PortId {
        self.tick(now);
        self.ports.insert(Port {
            owner: Owner::Service {
                service,
                peers: HashMap::new(),
                far: None,
            },
            local: ConnMeta::new(local, local).local,
            bound: true,
            ready: VecDeque::new(),
        })
    }

    /// The socket of a listener is closed: those who sent to it cannot be answered any more.
    pub fn handle_unlisten(&mut self, id: PortId, now: Time) {
        self.tick(now);
        let Some(port) = self.ports.get_mut(id) else {
            return;
        };
        if let Owner::Service { peers, .. } = &mut port.owner {
            let fail = Fail::new(Cause::Local, "the service is gone");
            for link in std::mem::take(peers).into_values() {
                self.link_failed(link, fail.clone());
            }
        }
        self.ports.remove(id);
        self.settle();
    }

    /// The result of an [`Action::Bind`]: the address that was bound. After a failure the id is gone.
    pub fn handle_bound(&mut self, id: PortId, result: Result<SocketAddr, Fail>, now: Time) {
        self.tick(now);
        let Some(port) = self.ports.get_mut(id) else {
            return;
        };
        let Owner::Link(link) = port.owner else {
            return;
        };
        match &result {
            Ok(local) => {
                port.local = ConnMeta::new(*local, *local).local;
                port.bound = true;
            }
            Err(_) => {
                self.ports.remove(id);
                self.links[link].port = None;
            }
        }
        match (self.links[link].top, result) {
            (Top::Client(session), result) => self.port_bound(session, 0, result),
            (Top::Upstream(session), result) => self.port_bound(session, 1, result),
            (_, Ok(local)) => {
                let remote = self.links[link].ends.remote();
                self.links[link].ends = ConnMeta { remote, local }.into();
                self.links[link].connected = true;
                self.socket_up(link);
            }
            (_, Err(fail)) => {
                self.links[link].connected = true;
                self.link_failed(link, fail);
            }
        }
        self.settle();
    }

    /// A datagram came. `from` is an IPv4 address also where the socket is for both families.
    pub fn handle_datagram(&mut self, id: PortId, from: SocketAddr, data: &[u8], now: Time) {
        self.tick(now);
        self.datagram_from(id, from, data);
        self.settle();
    }

    pub(in crate::engine) fn datagram_from(&mut self, id: PortId, from: SocketAddr, data: &[u8]) {
        let Some(port) = self.ports.get(id) else {
            return;
        };
        let link = match &port.owner {
            Owner::Link(link) => Some(*link),
            Owner::Service { peers, .. } => match peers.get(&from) {
                Some(link) => Some(*link),
                None => self.new_peer(id, from),
            },
        };
        let Some(link) = link else {
            return;
        };
        match self.side_of(link) {
            Some((session, side)) => self.packet_in(session, side, from, data),
            None => self.server_datagram(link, data),
        }
    }

    /// The system told of a failure (an ICMP message, mostly) that belongs to no datagram in particular.
    pub fn handle_datagram_error(&mut self, id: PortId, fail: Fail, now: Time) {
        self.tick(now);
        self.port_failed(id, fail);
        self.settle();
    }

    /// What waits to be sent first; it stays where it is until `handle_datagram_sent`.
    pub fn transmit_datagram(&self, id: PortId) -> Option<Datagram<'_>> {
        let port = self.ports.get(id).filter(|port| port.bound)?;
        let link = *port.ready.front()?;
        if let Some(data) = self.question_of(link) {
            return Some(Datagram { data, to: None });
        }
        let (session, side) = self.side_of(link)?;
        let association = self.sessions.get(session)?.udp.as_ref()?;
        let waiting = association.ends[side].queue.front()?;
        Some(Datagram {
            data: &waiting.data,
            to: waiting.to,
        })
    }

    /// What `transmit_datagram` showed is sent, or cannot be.
    pub fn handle_datagram_sent(&mut self, id: PortId, result: Result<(), Fail>, now: Time) {
        self.tick(now);
        let Some(port) = self.ports.get_mut(id) else {
            return;
        };
        let Some(link) = port.ready.pop_front() else {
            return;
        };
        if let Some((session, side)) = self.side_of(link) {
            self.dequeue(session, side);
            self.touch(link);
            let association = self.sessions[session].udp.as_mut();
            if let Some(association) = association {
                association.dropped += u64::from(result.is_err());
                if !association.ends[side].queue.is_empty() {
                    self.ports[id].ready.push_back(link);
                }
            }
        }
        if let Err(fail) = result {
            self.port_failed(id, fail);
        }
        self.settle();
    }

    /// A socket for datagrams. `peer`: nobody else is sent to or heard of.
    pub(in crate::engine) fn bind_datagrams(
        &mut self,
        link: LinkId,
        local: SocketAddr,
        peer: Option<SocketAddr>,
        options: Arc<SocketOptions>,
    ) {
        let ask = Ask::Datagrams {
            local,
            peer,
            options,
        };
        self.bind(link, ask);
    }

    /// Has a socket bound for this link.
    pub(in crate::engine) fn bind(&mut self, link: LinkId, ask: Ask) {
        let (Ask::Datagrams { local, .. } | Ask::Connections { local }) = ask;
        let id = self.ports.insert(Port {
            owner: Owner::Link(link),
            local,
            bound: false,
            ready: VecDeque::new(),
        });
        self.links[link].port = Some(id);
        self.actions.push_back(Action::Bind { id, ask });
    }

    /// A link leaves its port.
    pub(in crate::engine) fn leave_port(&mut self, id: PortId, link: LinkId, remote: SocketAddr) {
        let Some(port) = self.ports.get_mut(id) else {
            return;
        };
        match &mut port.owner {
            Owner::Service { peers, far, .. } => {
                peers.remove(&remote);
                port.ready.retain(|ready| *ready != link);
                if far.is_some() {
                    self.end_far_port_if_left(id);
                }
            }
            Owner::Link(_) => self.unbind(id),
        }
    }

    /// At the end of all.
    pub(in crate::engine) fn unbind_all(&mut self) {
        for id in self.ports.keys().collect::<Vec<_>>() {
            self.unbind(id);
        }
    }

    fn unbind(&mut self, id: PortId) {
        self.ports.remove(id);
        self.actions.push_back(Action::Unbind(id));
    }

    /// The first datagram of a client.
    fn new_peer(&mut self, id: PortId, from: SocketAddr) -> Option<LinkId> {
        let port = &self.ports[id];
        let Owner::Service {
            service,
            peers,
            far,
        } = &port.owner
        else {
            return None;
        };
        let full = peers.len() >= self.plan.limits.associations || !self.accepting();
        let left = far.as_ref().is_some_and(|far| far.left);
        if full || left || self.is_draining() {
            return None;
        }
        let service = *service;
        let meta = ConnMeta {
            remote: from,
            local: port.local,
        };
        let link = self.new_link(Base::Port, meta, Top::Incoming(service));
        self.links[link].port = Some(id);
        if let Owner::Service { peers, .. } = &mut self.ports[id].owner {
            peers.insert(from, link);
        }
        if !self.comes_in(link, service) {
            return None;
        }
        self.open_session(link, service);
        // It may have failed at once.
        self.links.contains_key(link).then_some(link)
    }

    /// Whose datagrams go by this link, and which end of the association it is.
    pub(in crate::engine) fn side_of(&self, link: LinkId) -> Option<(SessionId, usize)> {
        match self.links.get(link)?.top {
            Top::Client(session) => Some((session, 0)),
            Top::Upstream(session) => Some((session, 1)),
            _ => None,
        }
    }

    /// Only a connected socket's failure is that of its peer: all others serve on.
    fn port_failed(&mut self, id: PortId, fail: Fail) {
        let Some(Owner::Link(link)) = self.ports.get(id).map(|port| &port.owner) else {
            return;
        };
        let unreachable = matches!(
            fail.cause,
            Cause::Refused | Cause::HostUnreachable | Cause::NetUnreachable
        );
        match self.side_of(*link) {
            Some((session, 1)) if unreachable => self.peer_failed(session, fail),
            None if unreachable => self.link_failed(*link, fail),
            _ => {}
        }
    }

    /// There is something to send by this port for `link`.
    pub(in crate::engine) fn port_ready(&mut self, id: PortId, link: LinkId) {
        let Some(port) = self.ports.get_mut(id) else {
            return;
        };
        let far = matches!(port.owner, Owner::Service { far: Some(_), .. });
        if port.ready.is_empty() && !far {
            self.actions.push_back(Action::WakePort(id));
        }
        port.ready.push_back(link);
        if far {
            self.far_flush(id);
        }
    }

    /// All that `link` had for this port is dropped.
    pub(in crate::engine) fn port_idle(&mut self, id: PortId, link: LinkId) {
        if let Some(port) = self.ports.get_mut(id) {
            port.ready.retain(|ready| *ready != link);
        }
    }
}
