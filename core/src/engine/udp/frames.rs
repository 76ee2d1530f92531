//! Datagrams in the stream of one end of an association: frames, one behind the other.

use bytes::{Buf, BytesMut};

use crate::buffer::stash;
use crate::engine::session::{Stage, rope};
use crate::engine::{Engine, SessionId};
use crate::wire::datagram::{Framing, Packet, parse_counted};

/// The beginning of a frame, whose rest is still to come.
#[derive(Default)]
pub(in crate::engine) struct Partial {
    rx: BytesMut,
    /// Bytes still to come of a frame that is dropped.
    skip: usize,
}

impl Partial {
    pub(in crate::engine) fn len(&self) -> usize {
        self.rx.len()
    }

    /// What there is to parse now that `data` came.
    pub(in crate::engine) fn join(&mut self, mut data: BytesMut) -> BytesMut {
        let skipped = self.skip.min(data.len());
        self.skip -= skipped;
        data.advance(skipped);
        let mut rx = std::mem::take(&mut self.rx);
        stash(&mut rx, data);
        rx
    }

    /// Keeps what is no whole frame yet; false if that is more than `room`, and the frame is dropped.
    pub(in crate::engine) fn keep(
        &mut self,
        rest: BytesMut,
        framing: Framing,
        room: usize,
    ) -> bool {
        match framing.frame_len(&rest) {
            Some(len) if rest.len() > room => {
                self.skip = len - rest.len();
                false
            }
            _ => {
                self.rx = rest;
                true
            }
        }
    }
}

impl Engine {
    /// Bytes from the stream of one end.
    pub(in crate::engine) fn frames_in(&mut self, id: SessionId, side: usize, data: BytesMut) {
        let room = self.datagrams();
        let Some(association) = self.association(id) else {
            return;
        };
        let end = &mut association.ends[side];
        let framing = end.framing;
        let mut rx = end.partial.join(data);
        loop {
            let frame = match framing {
                Framing::Tunnel { .. } => Packet::parse_tunnel(&rx).map(|frame| {
                    frame.map(|(packet, used)| (Some(packet.addr), packet.data, used))
                }),
                Framing::Counted => {
                    parse_counted(&rx).map(|frame| frame.map(|(data, used)| (None, data, used)))
                }
                // The connection that an association by sockets belongs to has nothing to say.
                _ => return,
            };
            match frame {
                Ok(None) => break,
                Ok(Some((addr, data, used))) => {
                    self.datagram(id, side, addr, data);
                    rx.advance(used);
                }
                Err(fail) => {
                    if let Some(link) = self.link_of(id, side) {
                        self.link_failed(link, fail);
                    }
                    return;
                }
            }
        }
        if let Some(association) = self.association(id) {
            let kept = association.ends[side].partial.keep(rx, framing, room);
            association.dropped += u64::from(!kept);
        }
        self.touch_end(id, side);
    }

    /// Puts frames into the stream of one end while there is little before them.
    pub(in crate::engine) fn flush_frames(&mut self, id: SessionId, side: usize) {
        let Some(link) = self.link_of(id, side) else {
            return;
        };
        let started = self
            .sessions
            .get(id)
            .is_some_and(|session| matches!(session.stage, Stage::Datagrams));
        if !started || self.links.get(link).is_none_or(|link| link.port.is_some()) {
            return;
        }
        loop {
            let waits = self
                .links
                .get(link)
                .is_none_or(|link| link.queued() > self.low());
            if waits {
                return;
            }
            let Some(data) = self.dequeue(id, side) else {
                return;
            };
            self.touch(link);
            self.send(link, &mut rope(data));
        }
    }
}
