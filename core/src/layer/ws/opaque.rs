//! Payload that need not be seen here, because nothing is done to it: not masked, not compressed.

use super::{Own, Peer, Stage, Ws};
use crate::time::Time;

impl Ws {
    /// Bytes of payload that come next and may pass by: only [`Self::passed`] has to be told.
    pub fn opaque(&self) -> usize {
        let reads = matches!(self.stage, Stage::Open) && self.peer != Peer::Ended;
        let text = self.ends && self.incoming.is_text();
        if !reads || text || !self.rest.is_empty() || self.turn.is_some() {
            return 0;
        }
        usize::try_from(self.incoming.opaque()).unwrap_or(usize::MAX)
    }

    pub fn passed(&mut self, n: usize, now: Time) {
        self.heartbeat.heard(now);
        self.heartbeat.took();
        self.incoming.pass(n as u64);
    }

    /// Between two frames: the rest of a header in front of long payload. Otherwise 0.
    pub fn next_head(&self) -> usize {
        self.incoming.next_head()
    }

    /// Whether what is sent needs no more than a header in front of it.
    pub fn sends_plainly(&self) -> bool {
        matches!(self.stage, Stage::Open) && self.own == Own::Sends && self.outgoing.is_plain()
    }
}
