//! Runs the engine on a mio event loop: edge-triggered, two readiness bits a socket, one loop a thread.
//!
//! Knows sockets, names and the clock; no protocol. The contract is the engine's.

#![forbid(unsafe_code)]

mod control;
mod doors;
mod port;
mod shard;
mod socket;

use std::io;
use std::sync::Arc;

use ginnel_core::driver::{self, Control, Listener};
use ginnel_core::event::Event;
use ginnel_core::plan::Plan;

use shard::Shard;

/// Where events go; called from every thread.
pub type Sink = Arc<dyn Fn(Event) + Send + Sync>;

/// Serves `plan` on one thread for each of `controls` until these say to stop. `listeners[i]` is that of
/// service `i`.
pub fn run(
    plan: Arc<Plan>,
    listeners: Vec<Listener>,
    controls: Vec<Control>,
    sink: Sink,
) -> io::Result<()> {
    driver::run(&plan, listeners, controls, |mine, control| {
        Shard::new(plan.clone(), mine, control, sink.clone())?.run()
    })
}
