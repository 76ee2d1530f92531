//! Names as addresses of datagrams: asked for once, remembered for a while.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;

use crate::addr::{Host, Target};
use crate::engine::{DialId, Engine, SessionId};
use crate::error::Fail;
use crate::time::Time;

/// Names of one association.
const NAMES: usize = 64;
/// Datagrams that wait for one name.
const WAITING: usize = 16;
/// How long an answer is good for, and how long "no such name".
const GOOD: Duration = Duration::from_secs(60);
const BAD: Duration = Duration::from_secs(5);

/// A name, with its lookup or its answer.
const COST: usize = 512;

#[derive(Default)]
pub(in crate::engine) struct Names {
    known: HashMap<Host, Name>,
    /// Of all payloads that wait.
    bytes: usize,
}

enum Name {
    Asked {
        query: DialId,
        /// Ports and payloads.
        waiting: VecDeque<(u16, BytesMut)>,
    },
    Known {
        addr: Option<SocketAddr>,
        until: Time,
    },
}

impl Names {
    pub(in crate::engine) fn queries(&self) -> Vec<DialId> {
        let queries = self.known.values().filter_map(|name| match name {
            Name::Asked { query, .. } => Some(*query),
            Name::Known { .. } => None,
        });
        queries.collect()
    }

    pub(in crate::engine) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What counts against the byte budget.
    pub(in crate::engine) fn held(&self) -> usize {
        self.bytes + COST * self.known.len()
    }
}

impl Engine {
    /// The address for a datagram. Without one, it waits for the name or is dropped.
    pub(in crate::engine) fn known_address(
        &mut self,
        id: SessionId,
        to: &Target,
        data: &[u8],
    ) -> Option<SocketAddr> {
        if let Some(addr) = to.socket_addr() {
            return Some(addr);
        }
        if let Host::Name(name) = &to.host
            && let Some(addrs) = self.remembered(id, name)
        {
            return preferred(&addrs, IpAddr::is_ipv4).map(|ip| SocketAddr::new(ip, to.port));
        }
        let now = self.now;
        let room = self.datagrams();
        self.touch_end(id, 1);
        let association = self.sessions.get_mut(id)?.udp.as_mut()?;
        let names = &mut association.names;
        let fits = names.held() + data.len() + COST <= room;
        match names.known.get_mut(&to.host) {
            Some(Name::Known { addr, until }) if *until > now => {
                association.dropped += u64::from(addr.is_none());
                return addr.map(|addr| at(addr, to.port));
            }
            Some(Name::Asked { waiting, .. }) => {
                if waiting.len() == WAITING || !fits {
                    association.dropped += 1;
                } else {
                    names.bytes += data.len();
                    waiting.push_back((to.port, BytesMut::from(data)));
                }
                return None;
            }
            _ => {}
        }
        if names.known.len() >= NAMES || !fits {
            let asked = |name: &Name| matches!(name, Name::Asked { .. });
            names.known.retain(|_, name| asked(name));
        }
        if names.known.len() >= NAMES || names.held() + data.len() + COST > room {
            association.dropped += 1;
            return None;
        }
        names.bytes += data.len();
        let waiting = VecDeque::from([(to.port, BytesMut::from(data))]);
        let query = self.start_lookup(id, to);
        if let Some(association) = self.sessions.get_mut(id)?.udp.as_mut() {
            let asked = Name::Asked { query, waiting };
            association.names.known.insert(to.host.clone(), asked);
        }
        None
    }

    /// The answer to a lookup: what waited for it goes on, or is dropped.
    pub(in crate::engine) fn name_resolved(
        &mut self,
        id: SessionId,
        host: Host,
        result: Result<Vec<SocketAddr>, Fail>,
    ) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let Some(association) = &mut session.udp else {
            return;
        };
        let addr = result
            .ok()
            .and_then(|addrs| preferred(&addrs, SocketAddr::is_ipv4));
        let until = now + if addr.is_some() { GOOD } else { BAD };
        let known = Name::Known { addr, until };
        let names = &mut association.names;
        let Some(Name::Asked { waiting, .. }) = names.known.insert(host.clone(), known) else {
            return;
        };
        names.bytes -= waiting.iter().map(|(_, data)| data.len()).sum::<usize>();
        self.touch_end(id, 1);
        for (port, data) in waiting {
            match addr {
                // Now it is known.
                Some(_) => self.give(id, 1, Some(Target::new(host.clone(), port)), &data),
                None => {
                    if let Some(association) = &mut self.sessions[id].udp {
                        association.dropped += 1;
                    }
                }
            }
        }
    }
}

fn at(mut addr: SocketAddr, port: u16) -> SocketAddr {
    addr.set_port(port);
    addr
}

/// Nobody says whether a datagram arrived, so there is no second try: IPv4 reaches more, and gost prefers it.
pub(in crate::engine) fn preferred<T: Copy>(addrs: &[T], is_ipv4: fn(&T) -> bool) -> Option<T> {
    let v4 = addrs.iter().find(|addr| is_ipv4(addr));
    v4.or(addrs.first()).copied()
}
