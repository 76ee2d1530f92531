//! Starting: bind everything, then hand it to a runtime until a signal ends it.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

use ginnel_core::event::Event;
use ginnel_core::plan::Plan;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use crate::config::lower::Lowered;
use crate::flags::Runtime;
use crate::listen;
use crate::log::{Journal, Logger};

/// Serves until SIGINT or SIGTERM. There is no partial start: an address that cannot be bound ends it.
pub fn run(
    lowered: Lowered,
    logger: &Logger,
    runtime: Runtime,
    threads: Option<usize>,
) -> io::Result<()> {
    let Lowered { plan, listens } = lowered;
    let stop = stop_signal()?;
    let mut listeners = Vec::new();
    for listen in &listens {
        listeners.push(listen::bind(&listen.addr, listen.backlog)?);
    }
    let journal = Journal::new(logger.clone(), &plan);
    for (index, (listener, listen)) in listeners.iter().zip(&listens).enumerate() {
        journal.listening(index, listener.local_addr()?, listen.random);
    }
    let threads = threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let sink: Sink = Arc::new(move |event| journal.record(&event));
    serve(
        runtime,
        Arc::new(plan),
        listeners,
        Options { threads, stop },
        sink,
    )
}

/// Becomes readable when the process is to end.
fn stop_signal() -> io::Result<OwnedFd> {
    let (stop, notify) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM] {
        pipe::register(signal, notify.try_clone()?)?;
    }
    Ok(stop.into())
}

type Sink = Arc<dyn Fn(Event) + Send + Sync>;

struct Options {
    threads: usize,
    stop: OwnedFd,
}

/// The one place that knows the runtimes: neither is connected yet, so it only waits for the end.
fn serve(
    _runtime: Runtime,
    _plan: Arc<Plan>,
    _listeners: Vec<TcpListener>,
    options: Options,
    _sink: Sink,
) -> io::Result<()> {
    use std::io::Read;
    let _ = options.threads;
    UnixStream::from(options.stop).read_exact(&mut [0])
}
