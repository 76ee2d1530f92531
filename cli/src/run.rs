//! Starting: bind everything, then hand it to a runtime until a signal ends it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

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
    let sink: ginnel_smol::Sink = Arc::new(move |event| journal.record(&event));
    let serve = match runtime {
        Runtime::Smol => ginnel_smol::run,
        Runtime::Mio => ginnel_mio::run,
    };
    serve(Arc::new(plan), listeners, threads, stop, sink)
}

/// Becomes readable when the process is to end.
fn stop_signal() -> io::Result<OwnedFd> {
    let (stop, notify) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM] {
        pipe::register(signal, notify.try_clone()?)?;
    }
    Ok(stop.into())
}
