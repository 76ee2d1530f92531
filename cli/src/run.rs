//! Starting: bind everything, then hand it to a runtime until a signal ends it.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ginnel_core::driver;
use ginnel_core::event::Event;

use crate::config::lower::Lowered;
use crate::descriptors;
use crate::duration::Span;
use crate::flags::{Flags, Runtime};
use crate::heap::Heap;
use crate::listen;
use crate::log::{Journal, Logger};
use crate::prepare::{self, Prepared};
use crate::reload::{self, Keeper, Running};
use crate::report::Severity;
use crate::signals::{Ending, Signals};
use crate::tls::Certificates;

/// Between looks at the files of certificates; `GINNEL_WATCH` in the environment sets another time.
const WATCH: Duration = Duration::from_secs(5);

/// What is needed to load the configuration again.
pub struct Sources {
    pub flags: Flags,
    /// What standard input said, if it was asked.
    pub stdin: Option<Vec<u8>>,
    pub certificates: Arc<Certificates>,
}

/// Serves until SIGINT or SIGTERM, and then until connections have ended or their time is over; SIGHUP loads the configuration again. There is no partial start: an
/// address that cannot be bound ends it.
pub fn run(
    prepared: Prepared,
    lowered: Lowered,
    logger: &Logger,
    sources: Sources,
) -> io::Result<()> {
    let signals = Signals::new()?;
    descriptors::raise_limit();
    let mut listeners = Vec::new();
    for listen in &lowered.listens {
        let bound = listen::bind(&listen.addr, listen.network, listen.backlog);
        let named = |error: io::Error| {
            io::Error::new(
                error.kind(),
                format!("service {:?}: {error}", listen.service),
            )
        };
        listeners.push(bound.map_err(named)?);
    }
    let journal = Arc::new(Journal::new(logger.clone(), &lowered.plan));
    for (index, (listener, listen)) in listeners.iter().zip(&lowered.listens).enumerate() {
        if let Some(addr) = listener.local_addr()? {
            let port = listen.random.then_some(addr.port());
            journal.listening(index, &listener.place()?, port);
        }
    }
    let profile = prepare::profile(&prepared.config);
    let threads = prepare::threads(&sources.flags, profile);
    let (controller, controls) = driver::control(threads)?;
    let controller = Arc::new(controller);
    let running = Running::new(&prepared.config, &lowered, &listeners)?;
    let plan = running.plan.clone();
    let period = std::env::var("GINNEL_WATCH").ok().and_then(|text| {
        let period = Span::parse(&text).and_then(Span::positive);
        if period.is_none() {
            let text = format!("GINNEL_WATCH: expected a duration such as 5s, got {text:?}");
            logger.warn(&format!("{text}: 5s is used"));
        }
        period
    });
    let nanos = prepare::nanos(prepared.drain_timeout);
    let drain_timeout = Arc::new(AtomicU64::new(nanos));
    let keeper = Keeper {
        // Their number stays what it is, whatever a reload says.
        flags: Flags {
            threads: Some(threads),
            ..sources.flags
        },
        stdin: sources.stdin,
        log: prepared.config.log.clone().unwrap_or_default(),
        logger: logger.clone(),
        journal: journal.clone(),
        controller: controller.clone(),
        certificates: sources.certificates,
        shown: lowered.certificates,
        running,
        contents: reload::keys::contents(&prepared.config),
        settling: None,
        config: prepared.config,
        period: period.unwrap_or(WATCH),
        drain_timeout: drain_timeout.clone(),
        warned: prepared.findings.of(Severity::Warning).cloned().collect(),
        failed: None,
    };
    let (sender, orders) = mpsc::channel();
    // These end with the process: a reload that waits for a server must not delay its end.
    thread::Builder::new()
        .name("reload".to_owned())
        .spawn(move || keeper.run(&orders))?;
    let status = Arc::new(AtomicI32::new(0));
    let ending = Ending {
        controller,
        keeper: sender,
        logger: logger.clone(),
        timeout: drain_timeout,
        status: status.clone(),
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || signals.obey(&ending))?;

    let recorder = journal.clone();
    let heap = Heap::new()?;
    let sink: ginnel_smol::Sink = Arc::new(move |event| {
        recorder.record(&event);
        if let Event::Closed { .. } = event {
            heap.connection_ended();
        }
    });
    let serve = match prepared.runtime.0 {
        Runtime::Smol => ginnel_smol::run,
        Runtime::Mio => ginnel_mio::run,
    };
    serve(plan, listeners, controls, sink)?;
    match status.load(Ordering::SeqCst) {
        0 => {}
        status => process::exit(status),
    }
    logger.info(&match journal.cut() {
        0 => "ended: all connections were finished".to_owned(),
        1 => "ended: 1 connection was cut".to_owned(),
        cut => format!("ended: {cut} connections were cut"),
    });
    Ok(())
}
