//! What is known of a silent transport: from the layers above it, and from the system below it.

use super::link::{Base, Top};
use super::{Action, Engine, LinkId, SocketId};
use crate::layer::AnyLayer;
use crate::layer::ws::Ws;
use crate::time::Time;

/// What the system knows of the far end of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It acknowledges what is sent, or says that it has no room.
    Answers,
    /// What was sent is sent again and again, and nothing comes back.
    Silent,
    /// The system cannot tell.
    Unknown,
}

impl Engine {
    /// The result of an [`Action::Probe`].
    pub fn handle_reach(&mut self, id: SocketId, reach: Reach, now: Time) {
        self.tick(now);
        if reach != Reach::Silent {
            return;
        }
        let ws = self.links.get_mut(id).and_then(|link| {
            link.layers.iter_mut().find_map(|layer| match layer {
                AnyLayer::Ws(ws) => Some(ws),
                _ => None,
            })
        });
        if let Some(ws) = ws {
            let fail = ws.dead(self.now);
            self.link_failed(id, fail);
            self.settle();
        }
    }

    /// A ping is unanswered, but the peer may stall behind payload: the system knows whether it is there at
    /// all. Not for what lies behind another hop, where silence has other witnesses.
    pub(super) fn probe_if_in_doubt(&mut self, id: LinkId, level: usize) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let (lower, upper) = link.layers.split_at_mut(level);
        let Some(AnyLayer::Ws(ws)) = upper.first_mut() else {
            return;
        };
        let Some(ping) = ws.ping().filter(|_| ws.take_doubt()) else {
            return;
        };
        let lowest = !lower.iter().any(|layer| matches!(layer, AnyLayer::Ws(_)));
        if lowest && link.base == Base::Socket {
            self.actions.push_back(Action::Probe {
                id,
                meta: link.meta,
                within: ping.timeout,
            });
        }
    }

    /// Bytes came on a link, whatever they are.
    pub(super) fn heard(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.heard = true;
        if let Top::Mux(mux) = link.top {
            self.mux_heard(mux);
        }
    }

    /// The topmost websocket layer of a link.
    pub(super) fn ws(&self, id: LinkId) -> Option<&Ws> {
        match self.links.get(id)?.layers.last()? {
            AnyLayer::Ws(ws) => Some(ws),
            _ => None,
        }
    }

    /// Asks the peer of a link for a sign of life, below what is on top of it.
    pub(super) fn ask(&mut self, id: LinkId) {
        let mut down = crate::buffer::Rope::default();
        let Some((link, mut cx)) = self.parts(id) else {
            return;
        };
        let level = link.layers.len().saturating_sub(1);
        if let Some(AnyLayer::Ws(ws)) = link.layers.last_mut() {
            ws.ask(&mut cx, &mut down);
        }
        self.sink(id, level, &mut down);
        self.link_timer(id);
    }
}
