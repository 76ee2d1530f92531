//! Proof of life: a ping when nothing came for a period, death when nothing came after it either.
//!
//! Whatever comes is life. What does not come proves death only of a peer that must have read the ping. One
//! that stalls behind our payload (its own reader is slow, and it does not say so: gost) leaves pings unread
//! for as long as that takes, and is in *doubt*: whoever owns the transport may know more. Doubt is resolved
//! where it can be: once no payload goes either way, a ping of ours asks whether all of it was read, even if the
//! peer's pings alone would do as proof of life.

use std::time::Duration;

use crate::entropy::Entropy;
use crate::plan::Ping;
use crate::time::Time;

/// Periods of silence for which a peer has the benefit of the doubt.
const DOUBT: u32 = 4;

/// When to ping. What comes in between moves no deadline: the silence is measured when one fires.
#[derive(Debug)]
pub(super) struct Heartbeat {
    /// `None` never pings.
    plan: Option<Ping>,
    /// The planned one, less some chance.
    period: Duration,
    last_rx: Time,
    /// A ping was sent, and nothing came since.
    asked: bool,
    /// The number in the last ping; its pong brings it back.
    number: u32,
    /// Payload was sent since that ping.
    sent: bool,
    /// The peer has read all payload: a pong said so.
    clear: bool,
    /// Payload went one way or the other since the last deadline.
    moved: bool,
    paused: bool,
    /// What comes would be read now.
    listens: bool,
    /// The peer asks for signs of life itself.
    pinged: bool,
    /// The last deadline left the peer in doubt, and nobody was told.
    doubt: bool,
    at: Option<Time>,
}

/// What is to be done at a deadline.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    None,
    Ping([u8; 4]),
    /// Without being asked: we do not read, but say that we live.
    Pong,
    /// No answer, but the peer may be unable to read the ping.
    Doubt,
    /// Nothing came for this long, ping or not.
    Dead(Duration),
}

impl Heartbeat {
    /// Stopped; a period of zero never starts.
    pub(super) fn new(plan: Option<Ping>) -> Self {
        Self {
            plan: plan.filter(|plan| !plan.period.is_zero()),
            period: Duration::ZERO,
            last_rx: Time::ZERO,
            asked: false,
            number: 0,
            sent: false,
            clear: true,
            moved: false,
            paused: false,
            listens: true,
            pinged: false,
            doubt: false,
            at: None,
        }
    }

    pub(super) fn start(&mut self, now: Time, entropy: &mut Entropy) {
        self.last_rx = now;
        self.at = self.plan.map(|plan| {
            self.period = entropy.shortened(plan.period);
            now + self.period
        });
    }

    pub(super) fn stop(&mut self) {
        self.at = None;
    }

    /// Anything at all came.
    pub(super) fn heard(&mut self, now: Time) {
        self.last_rx = now;
        self.asked = false;
    }

    /// A ping came.
    pub(super) fn pinged(&mut self) {
        self.pinged = true;
    }

    pub(super) fn is_pinged(&self) -> bool {
        self.pinged
    }

    /// A pong came.
    pub(super) fn answered(&mut self, payload: &[u8]) {
        if payload == self.number.to_be_bytes() && !self.sent {
            self.clear = true;
        }
    }

    /// Payload was sent: the peer may stall behind it.
    pub(super) fn sent(&mut self) {
        (self.sent, self.clear, self.moved) = (true, false, true);
    }

    /// Payload came.
    pub(super) fn took(&mut self) {
        self.moved = true;
    }

    /// While paused we do not listen, so silence proves nothing.
    pub(super) fn pause(&mut self, paused: bool, now: Time) {
        self.paused = paused;
        self.heard(now);
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.at
    }

    /// The plan while it beats.
    pub(super) fn beats(&self) -> Option<Ping> {
        self.at.and(self.plan)
    }

    /// Asks without waiting for the period. `None`: it is asked already, or does not beat.
    pub(super) fn ask(&mut self, now: Time) -> Option<[u8; 4]> {
        let plan = self.beats()?;
        if self.asked || self.paused {
            return None;
        }
        self.asked = true;
        self.sent = false;
        self.number = self.number.wrapping_add(1);
        self.at = Some(now + plan.timeout);
        Some(self.number.to_be_bytes())
    }

    /// To be told before a deadline: whether what comes would be read now.
    pub(super) fn listens(&mut self, listens: bool) {
        self.listens = listens;
    }

    /// Said once: a deadline left the peer in doubt.
    pub(super) fn take_doubt(&mut self) -> bool {
        std::mem::take(&mut self.doubt)
    }

    pub(super) fn beat(&mut self, now: Time) -> Beat {
        let (Some(plan), Some(at)) = (self.plan, self.at) else {
            return Beat::None;
        };
        if at > now {
            return Beat::None;
        }
        if self.paused || !self.listens {
            self.heard(now);
            self.at = Some(now + self.period);
            return Beat::Pong;
        }
        if self.asked && self.clear {
            self.at = None;
            return Beat::Dead(now.since(self.last_rx));
        }
        if self.asked {
            self.at = Some(now + plan.timeout);
            self.doubt = true;
            return Beat::Doubt;
        }
        let moved = std::mem::take(&mut self.moved);
        // While payload comes nobody is asked: a peer that has sent all of it and closed would answer with a reset,
        // which takes the rest of it.
        if now.since(self.last_rx) < self.period && (self.clear || moved) {
            self.at = Some(self.last_rx + self.period);
            return Beat::None;
        }
        self.ask(now).map_or(Beat::None, Beat::Ping)
    }

    /// Too long for doubt, where nothing speaks for the peer.
    pub(super) fn is_over(&self, now: Time) -> bool {
        self.asked && self.silence(now) >= DOUBT * self.period
    }

    /// For how long nothing came.
    pub(super) fn silence(&self, now: Time) -> Duration {
        now.since(self.last_rx)
    }
}

#[cfg(test)]
mod tests;
