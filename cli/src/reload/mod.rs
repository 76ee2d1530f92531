//! A running configuration: loaded again on demand, and the files that it names watched.

mod apply;
mod change;
pub mod keys;
mod running;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use ginnel_core::driver::Controller;

use crate::config::load::{Loaded, Loader};
use crate::config::model::{Config, Log};
use crate::config::origins::Origins;
use crate::duration::Span;
use crate::flags::Flags;
use crate::log::{Journal, Level, Logger};
use crate::prepare;
use crate::report::{Finding, Findings, Severity};
use crate::tls::{Certificates, Live};

pub use change::Counts;
pub use running::Running;

/// However short the time that somebody asked for.
const SHORTEST: Duration = Duration::from_millis(10);

pub enum Order {
    Reload,
    /// The sender is dropped when it is done.
    Stop(Sender<()>),
}

/// What a configuration is made from again.
pub struct Keeper {
    pub flags: Flags,
    /// What standard input said.
    pub stdin: Option<Vec<u8>>,
    pub log: Log,
    pub logger: Logger,
    pub journal: Arc<Journal>,
    pub controller: Arc<Controller>,
    pub certificates: Arc<Certificates>,
    /// The certificates that are shown now.
    pub shown: Vec<Arc<Live>>,
    pub running: Running,
    /// As it is applied.
    pub config: Config,
    /// What its files of users, CAs and sites held, and what they hold now if that is yet to settle.
    pub contents: String,
    pub settling: Option<String>,
    /// Between looks at files.
    pub period: Duration,
    /// What a signal to end allows, in nanoseconds.
    pub drain_timeout: Arc<AtomicU64>,
    /// Warnings that were given, and the last failure: both are said once.
    pub warned: Vec<Finding>,
    pub failed: Option<String>,
}

impl Keeper {
    /// Works until it is told to stop, which also closes its share of the listeners.
    #[allow(clippy::disallowed_methods)] // Files are looked at by the clock.
    pub fn run(mut self, orders: &Receiver<Order>) {
        let every = u64::try_from(self.flags.reload.0)
            .ok()
            .filter(|nanos| *nanos > 0)
            .map(|nanos| Duration::from_nanos(nanos).max(SHORTEST));
        let mut look = Instant::now() + self.period();
        let mut reload = every.map(|every| Instant::now() + every);
        loop {
            let next = reload.map_or(look, |reload| reload.min(look));
            match orders.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(Order::Reload) => self.reload(true),
                Ok(Order::Stop(_done)) => return drop(self),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if reload.is_some_and(|at| at <= Instant::now()) {
                self.reload(false);
                reload = every.map(|every| Instant::now() + every);
            }
            if look <= Instant::now() {
                self.look();
                look = Instant::now() + self.period();
            }
        }
    }

    /// Between looks at files: no longer than the `reload` of what they are for.
    fn period(&self) -> Duration {
        let config = &self.config;
        let authers = config.authers.iter().map(|auther| &auther.rest);
        let reloads = authers
            .chain(config.lists().into_iter().flatten())
            .filter_map(|map| {
                let text = map.get("reload")?.as_str()?;
                Span::parse(text)?.positive()
            });
        let shortest = reloads.fold(self.period, Duration::min);
        shortest.max(SHORTEST)
    }

    /// `asked`: somebody waits for the result, even if it is none.
    fn reload(&mut self, asked: bool) {
        match self.load() {
            Ok((counts, log)) => {
                self.failed = None;
                let result = (asked || !counts.is_none()).then(|| format!("reload: {counts}"));
                self.logger
                    .set_level(Level::parse(&log.level), result.as_deref());
                if (&self.log.output, &self.log.format) != (&log.output, &log.format) {
                    let text = "reload: log.output and log.format change with the next start";
                    self.logger.warn(text);
                }
                self.log = log;
                self.look();
            }
            Err(error) => {
                let error = format!("reload: kept the old configuration: {error}");
                if asked || self.failed.as_ref() != Some(&error) {
                    self.logger.error(&error);
                }
                self.failed = Some(error);
            }
        }
    }

    fn load(&mut self) -> Result<(Counts, Log), String> {
        let var = |name: &str| std::env::var(name).ok();
        let loaded = Loader::new(&self.flags, &var)
            .with_stdin(self.stdin.clone())
            .load(&mut io::empty());
        self.apply(loaded)
    }

    fn apply(&mut self, loaded: Loaded) -> Result<(Counts, Log), String> {
        let var = |name: &str| std::env::var(name).ok();
        // Before they are read: what changes meanwhile is found at the next look.
        let contents = keys::contents(&loaded.config);
        let prepared = prepare::finish(loaded, &self.flags, &var, &self.certificates);
        let findings = &prepared.findings;
        let Some(lowered) = prepared.lowered else {
            let mut errors = findings.of(Severity::Error);
            let first = errors.next().map(said).unwrap_or_default();
            return Err(match errors.count() + findings.more() {
                0 => first,
                more => format!("{first} (and {more} more)"),
            });
        };
        let change = self.running.change(&prepared.config, &lowered);
        let counts = change.counts;
        let applied = change
            .apply(&mut self.running, &self.controller, |plan| {
                self.journal.reload(plan);
            })
            .map_err(|error| error.to_string())?;

        let warnings: Vec<_> = findings.of(Severity::Warning).cloned().collect();
        for warning in warnings.iter().filter(|one| !self.warned.contains(one)) {
            self.logger.warn(&said(warning));
        }
        self.warned = warnings;
        self.shown = lowered.certificates;
        for (service, place, port) in applied.listening {
            self.journal.listening(service, &place, port);
        }
        for error in applied.failed {
            let text = format!("reload: a thread cannot listen: {error}");
            self.logger.error(&text);
        }
        let drain_timeout = prepare::nanos(prepared.drain_timeout);
        self.drain_timeout.store(drain_timeout, Ordering::Relaxed);
        self.config = prepared.config;
        self.contents = contents;
        self.settling = None;
        Ok((counts, self.config.log.clone().unwrap_or_default()))
    }

    /// Files of users and CAs, by the configuration as it is: what changed in them, and has settled since the
    /// last look, counts for new connections.
    fn follow_users(&mut self) {
        let contents = keys::contents(&self.config);
        if contents == self.contents {
            self.settling = None;
            return;
        }
        if self.settling.as_ref() != Some(&contents) {
            self.settling = Some(contents);
            return;
        }
        self.settling = None;
        self.contents = contents;
        let loaded = Loaded {
            config: self.config.clone(),
            findings: Findings::default(),
            origins: Origins::default(),
            incomplete: false,
        };
        match self.apply(loaded) {
            Ok((counts, _)) => self.logger.info(&format!(
                "files of users, rules, CAs or sites changed: {counts}"
            )),
            Err(error) => {
                let text = format!(
                    "files of users, rules, CAs or sites changed: kept what was read before: {error}"
                );
                self.logger.error(&text);
            }
        }
    }

    fn look(&mut self) {
        self.follow_users();
        for certificate in &self.shown {
            match certificate.look() {
                None => {}
                Some(Ok(text)) => self.logger.info(&text),
                Some(Err(text)) => self.logger.error(&text),
            }
        }
    }
}

fn said(finding: &Finding) -> String {
    match finding.place.as_str() {
        "" => finding.text.clone(),
        place => format!("{place}: {}", finding.text),
    }
}
