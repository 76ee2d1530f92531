//! Runs the engine on a mio event loop: edge-triggered, two readiness bits a socket, one loop a thread.
//!
//! Knows sockets, names and the clock; no protocol. The contract is the engine's.

mod resolver;
mod shard;
mod socket;

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;

use ginnel_core::event::Event;
use ginnel_core::plan::Plan;

use shard::Shard;

/// Where events go; called from every thread.
pub type Sink = Arc<dyn Fn(Event) + Send + Sync>;

/// Serves `plan` on `threads` threads until `stop` becomes readable. `listeners[i]` is that of service `i`.
pub fn run(
    plan: Arc<Plan>,
    listeners: Vec<TcpListener>,
    threads: usize,
    stop: OwnedFd,
    sink: Sink,
) -> io::Result<()> {
    let threads = threads.max(1);
    let mut shards = Vec::new();
    for index in 0..threads {
        let mine = ginnel_core::driver::deal(&plan, &listeners, index, threads)?;
        shards.push((plan.clone(), mine, stop.try_clone()?, sink.clone()));
    }
    drop(listeners);
    thread::scope(|scope| {
        let mut running = Vec::new();
        for (plan, listeners, stop, sink) in shards {
            running.push(scope.spawn(move || Shard::new(plan, listeners, stop, sink)?.run()));
        }
        running.into_iter().try_for_each(|shard| {
            shard
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a thread of the event loop panicked")))
        })
    })
}
