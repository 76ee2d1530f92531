//! Datagrams on their way from one end of an association to the other: whose they are, the limits, the framing of the
//! other end, and its queue.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::BytesMut;

use super::Waiting;
use crate::addr::{Host, Target};
use crate::engine::memory::PIECE;
use crate::engine::session::Stage;
use crate::engine::{Engine, LinkId, SessionId};
use crate::error::{Cause, Fail};
use crate::wire::datagram::{Framing, Packet, write_counted};

impl Engine {
    /// A packet from the socket of one end. What is not understood is ignored: anybody could have sent it.
    pub(in crate::engine) fn packet_in(
        &mut self,
        id: SessionId,
        side: usize,
        from: SocketAddr,
        data: &[u8],
    ) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let remote = session.ends.remote().ip();
        let Some(association) = &mut session.udp else {
            return;
        };
        let end = &mut association.ends[side];
        if end.peer.is_some_and(|peer| peer != from) {
            return;
        }
        match end.framing {
            Framing::Plain => self.datagram(id, side, None, data),
            Framing::Addressed => self.datagram(id, side, Some(Target::from(from)), data),
            Framing::Packet => {
                // RFC 1928, 7: only the client that asked may use it.
                if side == 0 && from.ip() != remote {
                    return;
                }
                let Ok(packet) = Packet::parse(data) else {
                    association.dropped += 1;
                    return;
                };
                end.peer = Some(from);
                self.datagram(id, side, Some(packet.addr), packet.data);
            }
            Framing::Tunnel { .. } | Framing::Counted => {}
        }
    }

    /// A datagram of one end for the other. `addr` is where it goes to or comes from, if that is told.
    pub(in crate::engine) fn datagram(
        &mut self,
        id: SessionId,
        from: usize,
        addr: Option<Target>,
        data: &[u8],
    ) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let Some(association) = &mut session.udp else {
            return;
        };
        if !matches!(session.stage, Stage::Datagrams) {
            let data = BytesMut::from(data);
            return self.enqueue(id, 1, Waiting { to: None, data });
        }
        session.active = now;
        let (client, service) = (session.client, session.service);
        let aim = association.target.clone();
        if !self.in_pace(client, from, data.len()) {
            return self.drop_datagram(id);
        }
        let mut addr = addr;
        if from == 0 {
            self.sessions[id].input += data.len() as u64;
            addr = match (aim, addr) {
                (None, Some(addr)) => match self.datagram_goal(service, addr) {
                    Some(addr) => Some(addr),
                    None => return self.drop_datagram(id),
                },
                (aim, _) => aim,
            };
        } else {
            // What a node hears from elsewhere is not for somebody who speaks to one target.
            if let (Some(target), Some(addr)) = (&aim, &addr)
                && is_other(target, addr)
            {
                return;
            }
            self.sessions[id].output += data.len() as u64;
            let association = self.association(id);
            if let Some(pick) = association.and_then(|association| association.pick.take()) {
                self.hub.targets(service).succeeded(pick);
            }
        }
        self.give(id, 1 - from, addr, data);
    }

    /// Whether the limits let a datagram pass, which is counted then; what comes and goes in a stream is
    /// counted at its socket.
    fn in_pace(&mut self, client: LinkId, from: usize, n: usize) -> bool {
        if self
            .links
            .get(client)
            .is_none_or(|link| link.port.is_none())
        {
            return true;
        }
        let room = match from {
            0 => self.admission.room_in(client, self.now),
            _ => self.admission.room_out(client, self.now),
        };
        if room == 0 {
            return false;
        }
        match from {
            0 => self.count_in(client, n),
            _ => self.count_out(client, n),
        }
        true
    }

    fn drop_datagram(&mut self, id: SessionId) {
        if let Some(association) = self.association(id) {
            association.dropped += 1;
        }
    }

    /// Frames a datagram for one end, and queues it there.
    pub(in crate::engine) fn give(
        &mut self,
        id: SessionId,
        side: usize,
        addr: Option<Target>,
        data: &[u8],
    ) {
        let Some(association) = self.association(id) else {
            return;
        };
        let end = &mut association.ends[side];
        let (framing, mut to) = (end.framing, end.peer);
        let mut out = BytesMut::with_capacity(data.len() + 32);
        let packet = || Packet {
            // A peer means itself by the local machine, which has an address for it.
            addr: match &addr {
                Some(addr) => addr.or_localhost(),
                None => Target::new(Host::Name(String::new()), 0),
            },
            data,
        };
        let written = match framing {
            Framing::Plain => {
                out.extend_from_slice(data);
                Ok(())
            }
            Framing::Addressed => {
                to = match addr.as_ref() {
                    Some(addr) => match self.known_address(id, addr, data) {
                        Some(addr) => Some(addr),
                        None => return,
                    },
                    None => None,
                };
                out.extend_from_slice(data);
                Ok(())
            }
            Framing::Packet => packet().write(&mut out),
            Framing::Tunnel { empties: false } if data.is_empty() => {
                Err(Fail::new(Cause::Unsupported, "no empty datagrams for gost"))
            }
            Framing::Tunnel { .. } => packet().write_tunnel(&mut out),
            Framing::Counted => write_counted(data, &mut out),
        };
        let by_socket = matches!(
            framing,
            Framing::Plain | Framing::Addressed | Framing::Packet
        );
        // A client of UDP ASSOCIATE that has not sent anything yet cannot be sent to.
        if written.is_err() || (by_socket && to.is_none()) {
            if let Some(association) = self.association(id) {
                association.dropped += 1;
            }
            return;
        }
        self.enqueue(id, side, Waiting { to, data: out });
    }

    fn enqueue(&mut self, id: SessionId, side: usize, waiting: Waiting) {
        let room = self.datagrams();
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let link = match side {
            0 => Some(session.client),
            _ => session.upstream,
        };
        let count = self.plan.services[session.service].handler.udp.queue;
        let Some(association) = &mut session.udp else {
            return;
        };
        let end = &mut association.ends[side];
        let idle = end.queue.is_empty();
        end.bytes += waiting.data.len();
        end.queue.push_back(waiting);
        while end.queue.len() > count || end.bytes + PIECE * end.queue.len() > room {
            let Some(oldest) = end.queue.pop_front() else {
                break;
            };
            end.bytes -= oldest.data.len();
            association.dropped += 1;
        }
        let now_empty = end.queue.is_empty();
        self.touch_end(id, side);
        let Some(link) = link.filter(|link| self.links.contains_key(*link)) else {
            return;
        };
        match self.links[link].port {
            Some(port) if idle && !now_empty => self.port_ready(port, link),
            Some(port) if now_empty => self.port_idle(port, link),
            Some(_) => {}
            None => self.flush_frames(id, side),
        }
    }

    /// Takes the first one of a queue off.
    pub(in crate::engine) fn dequeue(&mut self, id: SessionId, side: usize) -> Option<BytesMut> {
        let association = self.sessions.get_mut(id)?.udp.as_mut()?;
        let end = &mut association.ends[side];
        let waiting = end.queue.pop_front()?;
        end.bytes -= waiting.data.len();
        if end.queue.is_empty() {
            end.queue = VecDeque::new();
        }
        Some(waiting.data)
    }
}

/// Whether an answer comes from somebody else, as far as addresses can tell.
fn is_other(target: &Target, from: &Target) -> bool {
    match (target.host.ip(), from.host.ip()) {
        (Some(wanted), Some(got)) if !wanted.is_unspecified() => {
            wanted.to_canonical() != got.to_canonical() || target.port != from.port
        }
        _ => false,
    }
}
