//! Runs the engine on smol: one task a socket, one engine borrow a step, a local executor a thread.
//!
//! Knows sockets, names and the clock; no protocol. The contract is the engine's.

mod shard;
mod socket;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use ginnel_core::driver::Control;
use ginnel_core::event::Event;
use ginnel_core::plan::Plan;

/// Where events go; called from every thread.
pub type Sink = Arc<dyn Fn(Event) + Send + Sync>;

/// Serves `plan` on one thread for each of `controls` until these say to stop. `listeners[i]` is that of
/// service `i`.
pub fn run(
    plan: Arc<Plan>,
    listeners: Vec<TcpListener>,
    controls: Vec<Control>,
    sink: Sink,
) -> io::Result<()> {
    let threads = controls.len();
    let mut shards = Vec::new();
    for (index, control) in controls.into_iter().enumerate() {
        let mine = ginnel_core::driver::deal(&plan, &listeners, index, threads)?;
        shards.push((plan.clone(), mine, control, sink.clone()));
    }
    drop(listeners);
    thread::scope(|scope| {
        let mut running = Vec::new();
        for (plan, listeners, control, sink) in shards {
            running.push(scope.spawn(move || shard::run(plan, listeners, control, sink)));
        }
        running.into_iter().try_for_each(|shard| {
            shard
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a thread of the executor panicked")))
        })
    })
}
