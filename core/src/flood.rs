//! A bound on frames that carry nothing: each costs a parse, and no honest peer has a reason for many.

use std::time::Duration;

use crate::time::Time;

/// Keep-alives are one in seconds; this is what a peer gone wrong, or a hostile one, sends.
pub const MOST: u32 = 10_000;
const PERIOD: Duration = Duration::from_secs(1);

/// Counts them by the second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flood {
    since: Time,
    count: u32,
}

impl Flood {
    /// Another one came. True: more than [`MOST`] within a second.
    pub fn idle_frame(&mut self, now: Time) -> bool {
        if now >= self.since + PERIOD {
            *self = Self {
                since: now,
                count: 0,
            };
        }
        self.count += 1;
        self.count > MOST
    }
}
