//! What the program does on signals.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use ginnel_core::driver::Controller;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::pipe;

use crate::duration::Span;
use crate::log::Logger;
use crate::reload::Order;
use crate::workers;

/// For its share of the listeners.
const KEEPER: Duration = Duration::from_secs(1);

pub struct Signals {
    /// A byte for each signal.
    any: UnixStream,
    /// Each with its number and name.
    stop: Vec<(Arc<AtomicBool>, i32, &'static str)>,
    reload: Arc<AtomicBool>,
}

/// What it takes to end the program in order.
pub struct Ending {
    pub controller: Arc<Controller>,
    pub keeper: Sender<Order>,
    pub logger: Logger,
    /// For connections that are open, in nanoseconds; a reload may change it.
    pub timeout: Arc<AtomicU64>,
    /// Of the program, if it ends at once.
    pub status: Arc<AtomicI32>,
}

impl Signals {
    pub fn new() -> io::Result<Self> {
        let (any, notify) = UnixStream::pair()?;
        let mut stop = vec![
            (Arc::default(), SIGTERM, "SIGTERM"),
            (Arc::default(), SIGINT, "SIGINT"),
        ];
        if workers::is_worker() {
            stop.push((Arc::default(), SIGQUIT, "SIGQUIT"));
        }
        let signals = Self {
            any,
            stop,
            reload: Arc::default(),
        };
        let stop = signals.stop.iter().map(|(mark, signal, _)| (*signal, mark));
        for (signal, mark) in stop.chain([(SIGHUP, &signals.reload)]) {
            // In this order: who is woken finds the mark.
            flag::register(signal, mark.clone())?;
            pipe::register(signal, notify.try_clone()?)?;
        }
        Ok(signals)
    }

    /// SIGHUP reloads, the first SIGTERM or SIGINT ends in order, another one at once.
    pub fn obey(mut self, ending: &Ending) {
        let mut begun = false;
        let mut bytes = [0; 64];
        loop {
            match self.any.read(&mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            for (mark, signal, name) in &self.stop {
                if !mark.swap(false, Ordering::SeqCst) {
                    continue;
                }
                // A worker gets one from its parent and one of those that everybody gets: for it, the second
                // is another one.
                let again = begun && (*signal == SIGQUIT || !workers::is_worker());
                if again {
                    ending.status.store(status(*signal), Ordering::SeqCst);
                    ending.logger.info(&format!("{name}: ending at once"));
                    ending.controller.stop();
                    return;
                }
                if !begun {
                    begun = true;
                    ending.begin(name);
                }
            }
            if self.reload.swap(false, Ordering::SeqCst) {
                let _ = ending.keeper.send(Order::Reload);
            }
        }
    }
}

impl Ending {
    fn begin(&self, signal: &str) {
        // Its share of the listeners first, or clients would still get connected.
        let (done, stopped) = mpsc::channel();
        let _ = self.keeper.send(Order::Stop(done));
        let timeout = self.timeout.load(Ordering::Relaxed);
        let time = Span(i64::try_from(timeout).unwrap_or(i64::MAX));
        let left = match self.controller.drain(Duration::from_nanos(timeout)) {
            0 => "no connections left".to_owned(),
            1 => format!("1 connection left, up to {time} for it"),
            left => format!("{left} connections left, up to {time} for them"),
        };
        // Who reads the line may bind the addresses. A keeper that is busy with a reload is not waited for.
        let _ = stopped.recv_timeout(KEEPER);
        self.logger
            .info(&format!("{signal}: accepting no more, {left}"));
    }
}

/// The exit status of a program that a signal ended, as shells have it.
pub fn status(signal: i32) -> i32 {
    128 + signal
}
