//! The lane of control frames. Of what waits at a websocket only half a second ([`Pace`]), and at most
//! [`Limits::ahead`], is in frames, and under TLS in records, whose order is fixed; the rest waits above the
//! layers. A ping, a pong or a close frame goes before that, so that a saturated uplink does not look dead to
//! its peer.
//!
//! [`Limits::ahead`]: crate::limits::Limits::ahead
//! [`Pace`]: super::pace::Pace

use super::link::{Link, Top};
use super::{Engine, LinkId};
use crate::buffer::Rope;
use crate::layer::AnyLayer;

impl Engine {
    /// Puts what the top sends into frames, or behind what waits for that.
    pub(super) fn queue(&mut self, id: LinkId, data: &mut Rope) {
        let link = &self.links[id];
        let level = link.layers.len();
        if link.later.is_none() && data.len() <= self.frame_room(link) {
            return self.sink(id, level, data);
        }
        if !data.is_empty() {
            let later = &mut self.links[id].later;
            later.get_or_insert_default().append(data);
            self.frame(id);
        }
    }

    /// Puts what waits into frames, as far as there is room below.
    pub(super) fn frame(&mut self, id: LinkId) {
        while let Some(link) = self.links.get(id)
            && link.later.is_some()
        {
            match self.frame_room(link) {
                0 => return,
                room => self.frame_part(id, room),
            }
        }
    }

    /// Bytes that may be put into frames. None before half of the room is free: frames are not to become as small
    /// as the pieces in which the transport takes them.
    fn frame_room(&self, link: &Link) -> usize {
        let ahead = self.ahead(link);
        match link.out.len() > ahead / 2 {
            true => 0,
            false => ahead - link.out.len(),
        }
    }

    /// Puts all that waits into frames: an end follows, or another layer.
    pub(super) fn frame_all(&mut self, id: LinkId) {
        if self.links.get(id).is_some_and(|link| link.later.is_some()) {
            self.frame_part(id, usize::MAX);
        }
    }

    fn frame_part(&mut self, id: LinkId, most: usize) {
        let link = &mut self.links[id];
        let level = link.layers.len();
        let mut part = Rope::default();
        if let Some(later) = link.later.take_if(|later| later.len() <= most) {
            part = *later;
        } else if let Some(later) = &mut link.later {
            while part.len() < most
                && let Some(seg) = later.pop(most - part.len())
            {
                part.push(seg);
            }
        }
        self.sink(id, level, &mut part);
    }
}

impl Link {
    /// Whether its output is in frames of a websocket, and not put there by a mux session as it goes.
    pub(super) fn has_lane(&self) -> bool {
        let ws = |layer: &AnyLayer| matches!(layer, AnyLayer::Ws(_));
        !matches!(self.top, Top::Mux(_)) && self.layers.iter().any(ws)
    }

    /// Output of the top that has not left.
    pub(super) fn queued(&self) -> usize {
        self.out.len() + self.later.as_ref().map_or(0, |later| later.len())
    }
}
