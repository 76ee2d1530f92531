//! Model to plan. All that is wrong is reported, not the first. Here is the order of the work; each file has one
//! part of a configuration.

mod channel;
mod edge;
mod forward;
mod group;
mod handler;
mod listen;
mod lists;
mod mux;
mod node;
mod object;
mod policy;
mod resolver;
mod reverse;
mod rule;
mod selector;
mod service;
mod site;
mod socket;
mod tls;
mod udp;
mod users;
mod ws;

use std::sync::Arc;

use ginnel_core::addr::{Host, Target};
use ginnel_core::limits::Limits;
use ginnel_core::plan::{Chain, Plan};

use self::lists::{Lists, lists};
use self::resolver::resolvers;
use crate::config::model::Config;
use crate::profile::Profile;
use crate::report::Findings;
use crate::size::Size;
use crate::tls::{Certificates, Live, Maker};

pub(crate) use self::group::members;
pub use self::listen::Listen;
pub(crate) use self::policy::names;
pub(crate) use self::reverse::{is_reverse, is_reverse_word};

pub struct Lowered {
    pub plan: Plan,
    /// In the order of `plan.services`.
    pub listens: Vec<Listen>,
    /// What the services show to their clients.
    pub certificates: Vec<Arc<Live>>,
}

/// `None` when there are errors.
pub fn lower(config: &Config, findings: &mut Findings) -> Option<Lowered> {
    lower_again(config, &Arc::default(), findings)
}

/// The same with certificates that are in use already.
pub fn lower_again(
    config: &Config,
    certificates: &Arc<Certificates>,
    findings: &mut Findings,
) -> Option<Lowered> {
    let default = config.tls.clone().unwrap_or_default();
    let mut lowering = Lowering {
        config,
        tls: Maker::sharing(default, certificates.clone()),
        lists: lists(config, findings),
        findings,
    };
    lowering.lists.resolvers = resolvers(&mut lowering);
    let plan = lowering.plan();
    // What no service uses is read all the same: who writes it expects it to be right.
    if config.tls.is_some()
        && !lowering.findings.has_errors()
        && let Err(error) = lowering.tls.server(None)
    {
        lowering.findings.error("tls", error);
    }
    let listens: Vec<_> = config
        .services
        .iter()
        .filter_map(|one| lowering.listen(one))
        .collect();
    let certificates = lowering.tls.shown();
    (!findings.has_errors()).then_some(Lowered {
        plan,
        listens,
        certificates,
    })
}

struct Lowering<'a> {
    config: &'a Config,
    tls: Maker,
    lists: Lists,
    findings: &'a mut Findings,
}
impl Lowering<'_> {
    fn plan(&mut self) -> Plan {
        let config = self.config;
        let log = config.log.as_ref();
        let mut plan = Plan {
            trace: log.is_some_and(|log| log.level == "trace"),
            ..Plan::default()
        };
        for chain in &config.chains {
            let hops = chain
                .hops
                .iter()
                .filter_map(|hop| node::hop(self, hop))
                .collect();
            plan.chains.push(Chain {
                name: chain.name.clone(),
                hops,
            });
        }
        plan.limits = Limits {
            memory: self.memory(),
            ..self.profile().limits()
        };
        for service in &config.services {
            plan.services.extend(self.service(service, &plan.chains));
        }
        plan
    }

    fn profile(&mut self) -> Profile {
        let word = self.config.profile.as_deref().unwrap_or_default();
        match Profile::parse(word) {
            Some(profile) => profile,
            None => {
                if !word.is_empty() {
                    let text = format_args!("expected standard or small, got {word:?}");
                    self.findings.error("profile", text);
                }
                Profile::default()
            }
        }
    }

    /// Of the whole process: it is divided when the number of threads is known.
    fn memory(&mut self) -> Option<usize> {
        match Size::read(self.config.memory.as_ref()?) {
            Ok(size) => Some(size.0),
            Err(why) => {
                self.findings.error("memory", why);
                None
            }
        }
    }

    /// An address that something can be reached at.
    fn target(&mut self, addr: &str, name: &str, at: &str) -> Option<Target> {
        let target = Target::parse(addr);
        if target.is_none() {
            let text = format_args!("{name}: expected an address such as host:port, got {addr:?}");
            self.findings.error(at, text);
        }
        if let Some(Target { host, .. }) = &target
            && addr.contains(['%', '['])
        {
            self.zone(host, addr, name, at);
        }
        if target.as_ref().is_some_and(|target| target.port == 0) {
            let text = format_args!("{name}: nothing can be reached on port 0, got {addr:?}");
            self.findings.error(at, text);
        }
        target
    }

    /// What stands in brackets, or behind a `%`.
    fn zone(&mut self, host: &Host, addr: &str, name: &str, at: &str) {
        match host {
            Host::Ip(ip) if addr.contains('%') => {
                let text = format_args!(
                    "{name}: the zone of {addr:?} says nothing: only link-local addresses (fe80::) have one, leave it \
                     out of {ip}"
                );
                self.findings.warn(at, text);
            }
            Host::Name(_) => {
                let text = format_args!(
                    "{name}: expected an address such as [::1]:8080 or [fe80::1%eth0]:8080, got {addr:?}"
                );
                self.findings.error(at, text);
            }
            _ => {}
        }
    }
}
