//! Runs the engine on smol: one task a socket, one engine borrow a step, a local executor a thread.
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
        shard::run(plan.clone(), mine, control, sink.clone())
    })
}
