//! The near end of a reverse tunnel for datagrams: a UDP port at a node, whose datagrams come and go in the
//! stream by which it was asked for, with their peers' addresses. For all else it is a udp listener's.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use bytes::{Buf, BytesMut};

use super::drain::going;
use super::link::Top;
use super::session::rope;
use super::udp::frames::Partial;
use super::udp::port::{Owner, Port};
use super::{Engine, LinkId, PortId};
use crate::addr::{Target, canonical};
use crate::error::{Cause, Fail};
use crate::wire::datagram::{Framing, Packet};

pub(super) struct Far {
    link: LinkId,
    partial: Partial,
    /// The node takes a frame without data for an empty datagram.
    empties: bool,
    /// It is closed with the last of those who are known.
    pub(super) left: bool,
}

impl Engine {
    /// The node listens: `link` carries frames from now on.
    pub(super) fn far_port(
        &mut self,
        link: LinkId,
        service: usize,
        local: SocketAddr,
        empties: bool,
    ) -> PortId {
        let far = Far {
            link,
            partial: Partial::default(),
            empties,
            left: false,
        };
        let id = self.ports.insert(Port {
            owner: Owner::Service {
                service,
                peers: HashMap::new(),
                far: Some(far),
            },
            local,
            bound: true,
            ready: VecDeque::new(),
        });
        self.links[link].top = Top::Port(id);
        self.links[link].deadline = None;
        self.link_timer(link);
        self.touch(link);
        id
    }

    /// Frames from the node.
    pub(super) fn far_data(&mut self, id: PortId, data: BytesMut) {
        let room = self.datagrams();
        let Some(far) = self.far_mut(id) else {
            return;
        };
        let link = far.link;
        let mut rx = far.partial.join(data);
        loop {
            match Packet::parse_tunnel(&rx) {
                Ok(None) => break,
                Ok(Some((packet, used))) => {
                    if let Some(from) = packet.addr.socket_addr() {
                        let from = canonical(from);
                        self.datagram_from(id, from, packet.data);
                    }
                    rx.advance(used);
                }
                Err(fail) => return self.link_failed(link, fail),
            }
        }
        if let Some(far) = self.far_mut(id) {
            let framing = Framing::Tunnel { empties: true };
            far.partial.keep(rx, framing, room);
        }
        self.touch(link);
    }

    /// Puts frames into the stream while there is little before them.
    pub(super) fn far_flush(&mut self, id: PortId) {
        loop {
            let Some(far) = self.far_mut(id) else {
                return;
            };
            let (stream, empties) = (far.link, far.empties);
            let below = self.links.get(stream);
            if below.is_none_or(|link| link.queued() > self.low()) {
                return;
            }
            let ready = self
                .ports
                .get_mut(id)
                .and_then(|port| port.ready.pop_front());
            let Some(link) = ready else {
                return;
            };
            let Some((session, side)) = self.side_of(link) else {
                continue;
            };
            let Some(data) = self.dequeue(session, side) else {
                continue;
            };
            self.touch(link);
            let packet = Packet {
                addr: Target::from(self.links[link].ends.remote()),
                data: &data,
            };
            let mut frame = BytesMut::with_capacity(data.len() + 32);
            let drops = data.is_empty() && !empties;
            let written = !drops && packet.write_tunnel(&mut frame).is_ok();
            if let Some(association) = self.association(session) {
                association.dropped += u64::from(!written);
                if !association.ends[side].queue.is_empty() {
                    self.ports[id].ready.push_back(link);
                }
            }
            self.send(stream, &mut rope(frame));
        }
    }

    /// Nobody new may come; it is closed when those who are known have been silent for long enough.
    pub(super) fn leave_far_port(&mut self, id: PortId) {
        if let Some(far) = self.far_mut(id) {
            far.left = true;
            self.end_far_port_if_left(id);
        }
    }

    pub(super) fn end_far_port_if_left(&mut self, id: PortId) {
        let port = self.ports.get(id);
        if let Some(Owner::Service {
            peers,
            far: Some(far),
            ..
        }) = port.map(|port| &port.owner)
            && far.left
            && peers.is_empty()
        {
            let fail = match self.is_draining() {
                true => going(),
                false => Fail::new(Cause::Local, "the service is gone"),
            };
            self.link_failed(far.link, fail);
        }
    }

    /// The stream failed, and the port is closed with it.
    pub(super) fn far_port_lost(&mut self, id: PortId, fail: Fail) {
        let Some(Owner::Service { service, peers, .. }) =
            self.ports.get_mut(id).map(|port| &mut port.owner)
        else {
            return;
        };
        let (service, peers) = (*service, std::mem::take(peers));
        for link in peers.into_values() {
            let text = format!("the port at the node is lost: {}", fail.text);
            self.link_failed(link, Fail::new(fail.cause, text));
        }
        self.ports.remove(id);
        self.port_lost(service, fail);
    }

    /// Bytes of a frame that is not complete.
    pub(super) fn far_holds(&self, id: PortId) -> usize {
        match self.ports.get(id).map(|port| &port.owner) {
            Some(Owner::Service { far: Some(far), .. }) => far.partial.len(),
            _ => 0,
        }
    }

    fn far_mut(&mut self, id: PortId) -> Option<&mut Far> {
        match &mut self.ports.get_mut(id)?.owner {
            Owner::Service { far, .. } => far.as_mut(),
            Owner::Link(_) => None,
        }
    }
}
