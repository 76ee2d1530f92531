//! From flags to something that can be started: the same for a start, a check and an explanation.

use std::io::Read;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::config::check;
use crate::config::load::{Loaded, Loader};
use crate::config::lower::{self, Lowered};
use crate::config::model::Config;
use crate::config::origins::Origins;
use crate::flags::{Flags, Runtime};
use crate::listen;
use crate::profile::Profile;
use crate::report::Findings;
use crate::size;
use crate::tls::Certificates;

/// Shorter, with the last second, than the ten seconds that `docker stop` waits.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);

pub struct Prepared {
    pub config: Config,
    pub findings: Findings,
    pub origins: Origins,
    /// `None` when there are errors.
    pub lowered: Option<Lowered>,
    /// With where it was chosen.
    pub runtime: (Runtime, &'static str),
    pub threads: Option<usize>,
    pub drain_timeout: Duration,
    /// The budget was given as a flag.
    pub memory: bool,
}

/// Reads, checks and lowers the configuration; opens nothing but the files it names.
pub fn prepare(
    flags: &Flags,
    var: &dyn Fn(&str) -> Option<String>,
    stdin: &mut dyn Read,
) -> Prepared {
    let loaded = Loader::new(flags, var).load(stdin);
    finish(loaded, flags, var, &Arc::default())
}

/// Checks and lowers what was loaded. `certificates` are those in use.
pub fn finish(
    loaded: Loaded,
    flags: &Flags,
    var: &dyn Fn(&str) -> Option<String>,
    certificates: &Arc<Certificates>,
) -> Prepared {
    let Loaded {
        config,
        mut findings,
        origins,
        incomplete,
    } = loaded;
    // What could not be read must not be reported as missing.
    let lowered = match incomplete {
        true => None,
        false => {
            check::check(&config, &mut findings);
            lower::lower_again(&config, certificates, &mut findings)
        }
    };
    let profile = profile(&config);
    let lowered = lowered.map(|mut lowered| {
        let memory = &mut lowered.plan.limits.memory;
        // Each thread has its share: nothing is shared between engines.
        *memory = memory
            .or_else(|| profile.memory())
            .or_else(size::default)
            .map(|all| all / threads(flags, profile));
        lowered
    });
    let runtime = runtime(flags, var, &mut findings);
    let drain_timeout = match flags.drain_timeout.or(config.drain_timeout) {
        Some(span) => span.positive().unwrap_or_default(),
        None => DRAIN_TIMEOUT,
    };
    Prepared {
        config,
        findings,
        origins,
        lowered,
        runtime,
        threads: flags.threads,
        drain_timeout,
        memory: flags.memory.is_some(),
    }
}

/// What is no profile has been told.
pub fn profile(config: &Config) -> Profile {
    let word = config.profile.as_deref();
    word.and_then(Profile::parse).unwrap_or_default()
}

/// As far as they go into a number.
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How many threads there will be.
pub fn threads(flags: &Flags, profile: Profile) -> usize {
    flags
        .threads
        .or(profile.threads())
        .unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))
}

fn runtime(
    flags: &Flags,
    var: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings,
) -> (Runtime, &'static str) {
    if let Some(runtime) = flags.runtime {
        return (runtime, "-runtime");
    }
    let word = var("GINNEL_RUNTIME").unwrap_or_default();
    match Runtime::parse(&word) {
        Some(runtime) => (runtime, "environment GINNEL_RUNTIME"),
        None => {
            if !word.is_empty() {
                let text = format_args!("expected smol or mio, got {word:?}: smol is used");
                findings.warn("GINNEL_RUNTIME", text);
            }
            (Runtime::default(), "default")
        }
    }
}

impl Prepared {
    /// Tries all addresses, without accepting a connection.
    pub fn try_ports(&mut self) {
        let Some(lowered) = &self.lowered else { return };
        let origins = self.config.services.iter().map(|one| &one.origin);
        for (listen, origin) in lowered.listens.iter().zip(origins) {
            if let Err(error) = listen::try_bind(&listen.addr, listen.network) {
                self.findings.error(origin, error);
            }
        }
    }
}
