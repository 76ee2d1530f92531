//! How one of several nodes or targets is chosen, and when one that fails is left out. The choice itself is made by
//! [`Pool`](crate::route::Pool).

use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    Round,
    Random,
    Fifo,
    /// By the client's IP address, or by the target.
    Hash,
    /// All at once: the first that answers. For what cannot be raced, as `Round`.
    Parallel,
    /// The one that was reached soonest of late.
    Latency,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    pub strategy: Strategy,
    /// Failures in a row that take a node out; 0 never does.
    pub max_fails: u32,
    /// For how long it stays out.
    pub fail_timeout: Duration,
    /// Those that took longer to reach are left out while there are others.
    pub max_latency: Option<Duration>,
}

impl Default for Selector {
    fn default() -> Self {
        Self {
            strategy: Strategy::Round,
            max_fails: 1,
            fail_timeout: Duration::from_secs(10),
            max_latency: None,
        }
    }
}
