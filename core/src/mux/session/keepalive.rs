//! Keep-alive: NOP frames when we are silent, for a peer that counts the time; and ours since it was heard.

use super::Smux;
use crate::error::Fail;
use crate::time::Time;

impl<K> Smux<K> {
    /// Anything at all came from the peer, in the layers below, too.
    pub fn heard(&mut self, now: Time) {
        self.last_rx = now;
    }

    pub fn last_heard(&self) -> Time {
        self.last_rx
    }

    /// Silence while we do not read says nothing about the peer.
    pub fn pause(&mut self, paused: bool, now: Time) {
        if self.paused && !paused {
            self.last_rx = now;
        }
        self.paused = paused;
    }

    pub fn next_timeout(&self) -> Option<Time> {
        let period = self.plan.keepalive?;
        let nop = self.last_tx + period;
        if self.paused {
            return Some(nop);
        }
        Some(nop.min(self.last_rx + self.plan.keepalive_timeout))
    }

    /// Sends a NOP when we were silent, fails when the peer was.
    pub fn timeout(&mut self, now: Time) -> Result<(), Fail> {
        let Some(period) = self.plan.keepalive else {
            return Ok(());
        };
        if !self.paused && now >= self.last_rx + self.plan.keepalive_timeout {
            return Err(Fail::silence(now.since(self.last_rx)));
        }
        if now >= self.last_tx + period {
            self.nop = true;
            self.last_tx = now;
        }
        Ok(())
    }
}
