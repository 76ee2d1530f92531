//! What a thread serves, and how it is told of another plan; how much it does at once.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Input, Listener, Listening, Serve};
use crate::engine::PortId;

/// Reads of one socket before the others have their turn, and bytes: one large read is as long as many small ones.
const READS: usize = 4;
const BYTES: usize = 256 * 1024;
/// Datagrams of one socket before the others have their turn.
pub const RECEIVES: usize = 32;
/// How long an accept that lacks descriptors waits.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long last bytes may take when the process is to end.
pub const GOODBYE: Duration = Duration::from_secs(1);

/// What one socket has read since it was its turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turn {
    reads: usize,
    bytes: usize,
}

impl Turn {
    pub fn is_over(&self) -> bool {
        self.reads >= READS || self.bytes >= BYTES
    }

    pub fn count(&mut self, input: &Input) {
        self.reads += 1;
        self.bytes += match input {
            Input::Data { bytes, .. } => bytes.len(),
            Input::Spliced(n) => *n,
            Input::Blocked | Input::Interrupted | Input::Fin | Input::Failed => 0,
        };
    }
}

/// What a service is served by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// A listener of the driver.
    Tcp,
    Udp(PortId),
    Reverse,
}

/// Services by their index.
pub type Served = BTreeMap<usize, Serving>;

/// Leaves in `served` what stays. Returns what is to be closed, first, and what begins.
pub fn changes(served: &mut Served, serve: Vec<Serve>) -> (Served, Vec<Listening>) {
    let mut leaving = std::mem::take(served);
    let mut new: Vec<(usize, Listener)> = Vec::new();
    for (service, listener) in serve {
        match listener {
            None => served.extend(leaving.remove_entry(&service)),
            Some(listener) => new.push((service, listener)),
        }
    }
    (leaving, new)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    #[test]
    fn a_turn_ends_after_four_reads_or_a_large_one() {
        let small = Input::Data {
            bytes: BytesMut::zeroed(100),
            full: false,
        };
        let mut turn = Turn::default();
        for _ in 0..READS {
            assert!(!turn.is_over());
            turn.count(&small);
        }
        assert!(turn.is_over());
        let mut turn = Turn::default();
        turn.count(&Input::Spliced(BYTES - 100));
        assert!(!turn.is_over());
        turn.count(&small);
        assert!(turn.is_over());
    }
}
