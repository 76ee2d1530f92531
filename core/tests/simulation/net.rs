//! Datagrams in the simulated world: one network for all, which loses nothing itself.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use ginnel_core::engine::{Ask, PortId};
use ginnel_core::error::{Cause, Fail};

use crate::world::World;

#[derive(Default)]
pub struct Net {
    owners: BTreeMap<SocketAddr, Owner>,
    wire: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
    pub peers: Vec<Peer>,
    next_port: u16,
    /// To addresses that nobody has.
    pub lost: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Port {
        engine: usize,
        id: PortId,
        peer: Option<SocketAddr>,
    },
    Peer(usize),
}

/// A program that sends datagrams, or one that sends back what it gets.
#[derive(Debug)]
pub struct Peer {
    pub echo: bool,
    /// What it still has to send.
    pub to_send: VecDeque<(SocketAddr, Vec<u8>)>,
    pub received: Vec<(SocketAddr, Vec<u8>)>,
}

impl Net {
    pub fn add(&mut self, addr: SocketAddr, echo: bool) -> usize {
        let index = self.peers.len();
        self.owners.insert(addr, Owner::Peer(index));
        self.peers.push(Peer {
            echo,
            to_send: VecDeque::new(),
            received: Vec::new(),
        });
        index
    }

    pub fn listen(&mut self, addr: SocketAddr, engine: usize, id: PortId) {
        let peer = None;
        self.owners.insert(addr, Owner::Port { engine, id, peer });
    }

    pub fn unbind(&mut self, e: usize, port: PortId) {
        self.owners.retain(
            |_, owner| !matches!(owner, Owner::Port { engine, id, .. } if (*engine, *id) == (e, port)),
        );
    }

    pub fn is_used(&self) -> bool {
        !self.owners.is_empty() || !self.wire.is_empty()
    }

    /// Whether an engine has that address.
    pub fn is_bound(&self, addr: SocketAddr) -> bool {
        matches!(self.owners.get(&addr), Some(Owner::Port { .. }))
    }

    /// Sockets of engines.
    pub fn ports(&self) -> usize {
        let ports = self.owners.values();
        ports
            .filter(|owner| matches!(owner, Owner::Port { .. }))
            .count()
    }
}

impl World {
    pub fn bind(&mut self, e: usize, id: PortId, ask: Ask) {
        let (Ask::Datagrams { local, .. } | Ask::Connections { local }) = ask;
        let ip = match local.ip() {
            ip if ip.is_unspecified() => IpAddr::from([10, 0, 0, 1 + e as u8]),
            ip => ip,
        };
        let peer = match ask {
            Ask::Datagrams { peer, .. } => peer,
            Ask::Connections { .. } => {
                return self.bind_listener(e, id, SocketAddr::new(ip, local.port()));
            }
        };
        let port = match local.port() {
            0 => {
                self.net.next_port += 1;
                20_000 + self.net.next_port
            }
            port => port,
        };
        let addr = SocketAddr::new(ip, port);
        if self.net.owners.contains_key(&addr) {
            let fail = Fail::new(Cause::Local, "address in use");
            return self.engines[e].handle_bound(id, Err(fail), self.now);
        }
        let owner = Owner::Port {
            engine: e,
            id,
            peer,
        };
        self.net.owners.insert(addr, owner);
        self.engines[e].handle_bound(id, Ok(addr), self.now);
    }

    /// One datagram leaves its sender or reaches its receiver; false if none can.
    pub fn datagram_step(&mut self) -> bool {
        if !self.net.wire.is_empty() && self.random.chance(2) {
            return self.deliver();
        }
        let owners: Vec<_> = self.net.owners.iter().map(|(a, o)| (*a, *o)).collect();
        let from = self.random.below(owners.len());
        for offset in 0..owners.len() {
            let (addr, owner) = owners[(from + offset) % owners.len()];
            if self.send_one(addr, owner) {
                return true;
            }
        }
        self.deliver()
    }

    fn send_one(&mut self, addr: SocketAddr, owner: Owner) -> bool {
        let (to, data) = match owner {
            Owner::Peer(index) => match self.net.peers[index].to_send.pop_front() {
                Some(sent) => sent,
                None => return false,
            },
            Owner::Port { engine, id, peer } => {
                let Some(datagram) = self.engines[engine].transmit_datagram(id) else {
                    return false;
                };
                let to = peer.or(datagram.to).expect("an address");
                let data = datagram.data.to_vec();
                self.engines[engine].handle_datagram_sent(id, Ok(()), self.now);
                self.act(engine);
                (to, data)
            }
        };
        self.net.wire.push_back((addr, to, data));
        true
    }

    fn deliver(&mut self) -> bool {
        let Some((from, to, data)) = self.net.wire.pop_front() else {
            return false;
        };
        match self.net.owners.get(&to).copied() {
            None => self.net.lost += 1,
            Some(Owner::Peer(index)) => {
                let peer = &mut self.net.peers[index];
                if peer.echo {
                    peer.to_send.push_back((from, data));
                } else {
                    peer.received.push((from, data));
                }
            }
            Some(Owner::Port { peer, .. }) if peer.is_some_and(|peer| peer != from) => {}
            Some(Owner::Port { engine, id, .. }) => {
                self.engines[engine].handle_datagram(id, from, &data, self.now);
                self.act(engine);
            }
        }
        true
    }
}
