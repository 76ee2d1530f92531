//! What a thread serves, and how it is told of another plan; how much it does at once.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Listener, Listening, Serve};
use crate::engine::PortId;

/// Reads of one socket before the others have their turn.
pub const READS: usize = 4;
/// Datagrams of one socket before the others have their turn.
pub const RECEIVES: usize = 32;
/// How long an accept that lacks descriptors waits.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long last bytes may take when the process is to end.
pub const GOODBYE: Duration = Duration::from_secs(1);

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
