//! What is known of a silent transport: from the layers above it, and from the system below it.

use super::link::{Base, Top};
use super::{Action, Engine, LinkId, SocketId};
use crate::layer::AnyLayer;
use crate::layer::ws::Ws;
use crate::time::Time;

/// What the system knows of the far end of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It has acknowledged all that was sent. Somebody on the way may have done so in its place.
    Answers,
    /// It acknowledges, and has no room for what is still to be sent: its reader stalls.
    Full,
    /// What was sent is sent again and again, and nothing comes back.
    Silent,
    /// The system cannot tell.
    Unknown,
}

impl Engine {
    /// The result of an [`Action::Probe`].
    pub fn handle_reach(&mut self, id: SocketId, reach: Reach, now: Time) {
        self.tick(now);
        self.judge(id, reach);
        self.settle();
    }

    fn judge(&mut self, id: LinkId, reach: Reach) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        let waits = reach == Reach::Full || link.queued() > 0;
        let lost = |ws: &Ws| match reach {
            Reach::Silent => true,
            _ => !waits && ws.is_over(self.now),
        };
        let fail = link.layers.iter().find_map(|layer| match layer {
            AnyLayer::Ws(ws) if lost(ws) => Some(ws.dead(self.now)),
            _ => None,
        });
        if let Some(fail) = fail {
            self.link_failed(id, fail);
        }
    }

    /// A ping is unanswered, but the peer may stall behind payload: the system knows whether it is there at
    /// all. Of what lies behind another hop it knows nothing.
    pub(super) fn probe_if_in_doubt(&mut self, id: LinkId, level: usize) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let Some(AnyLayer::Ws(ws)) = link.layers.get_mut(level) else {
            return;
        };
        let Some(ping) = ws.ping().filter(|_| ws.take_doubt()) else {
            return;
        };
        match link.base {
            Base::Socket => self.actions.push_back(Action::Probe {
                id,
                meta: link.ends.meta(),
                within: ping.timeout,
            }),
            Base::Stream { .. } | Base::Port => self.judge(id, Reach::Unknown),
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
