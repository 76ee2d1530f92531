//! Proof of life on a websocket: pings.

use std::time::Duration;

/// When a silent peer is asked for a sign of life, and how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// A ping is sent when nothing came for this long, less up to a fifth by chance.
    pub period: Duration,
    /// A peer from which nothing came for this long after a ping is dead.
    pub timeout: Duration,
}

impl Ping {
    /// The answer may take as long as the silence before the question.
    pub const fn every(period: Duration) -> Self {
        Self {
            period,
            timeout: period,
        }
    }
}

impl Default for Ping {
    /// A dead peer is found after 30 s.
    fn default() -> Self {
        Self::every(Duration::from_secs(15))
    }
}
