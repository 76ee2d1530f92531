//! The merged configuration as a whole: names, references, and what is known but not served.

mod addresses;
mod chain;
mod references;
mod service;
mod unserved;

use std::collections::HashMap;

use super::model::{Auther, Config};
use crate::log::Level;
use crate::report::Findings;

/// Finds what is wrong between the parts; what is wrong within one is found while lowering it.
pub fn check(config: &Config, findings: &mut Findings) {
    let mut pass = Pass { config, findings };
    // Services may be missing because they could not be read.
    if config.services.is_empty() && !pass.findings.has_errors() {
        pass.findings.error(
            "",
            "nothing to run: there is no service (-L, or services: in a file)",
        );
    }
    pass.names();
    addresses::check(pass.config, pass.findings);
    pass.sections();
    for service in &config.services {
        pass.service(service);
    }
    for chain in &config.chains {
        pass.chain(chain);
    }
    for hop in &config.hops {
        pass.hop(hop);
    }
    for auther in &config.authers {
        pass.auther(auther);
    }
}

struct Pass<'a> {
    config: &'a Config,
    findings: &'a mut Findings,
}

impl Pass<'_> {
    fn names(&mut self) {
        let config = self.config;
        let services = config.services.iter().map(|one| (&one.name, &one.origin));
        self.unique("service", services);
        let chains = config.chains.iter().map(|one| (&one.name, &one.origin));
        self.unique("chain", chains);
        let hops = config.hops.iter().map(|one| (&one.name, &one.origin));
        self.unique("hop", hops);
        let authers = config.authers.iter().map(|one| (&one.name, &one.origin));
        self.unique("auther", authers);
    }

    /// `list`: names, and where each was written.
    fn unique<'a>(&mut self, kind: &str, list: impl Iterator<Item = (&'a String, &'a String)>) {
        let mut seen = HashMap::new();
        for (name, origin) in list {
            if name.is_empty() {
                let text = format_args!("{kind} without a name");
                self.findings.error(origin, text);
            } else if let Some(first) = seen.insert(name, origin) {
                let text = format_args!("{kind} {name:?} is already defined at {first}");
                self.findings.error(origin, text);
            }
        }
    }

    fn sections(&mut self) {
        let config = self.config;
        let objects = [
            ("api", &config.api),
            ("metrics", &config.metrics),
            ("profiling", &config.profiling),
        ];
        for (key, object) in objects {
            if object.is_some() {
                self.findings.warn(key, "not supported yet, has no effect");
            }
        }
        if let Some(tls) = &config.tls
            && (tls.secure || !tls.server_name.is_empty())
        {
            self.no_effect("tls", "secure and serverName", "they are for dialers");
        }
        let Some(log) = &config.log else { return };
        if !log.level.is_empty() && Level::known(&log.level).is_none() {
            let text = format_args!(
                "expected trace, debug, info, warn, error or fatal, got {:?}: info is used",
                log.level
            );
            self.findings.warn("log.level", text);
        }
        if !matches!(log.format.as_str(), "" | "json" | "text") {
            let text = format_args!("unknown format {:?}: json is used", log.format);
            self.findings.warn("log.format", text);
        }
        if log.rotation.is_some() {
            self.findings
                .warn("log.rotation", "not supported yet, has no effect");
        }
    }

    fn auther(&mut self, auther: &Auther) {
        for key in auther.rest.keys() {
            let text = match key.as_str() {
                "file" | "reload" => continue,
                "http" | "redis" => "users are read from a file only, not supported: use file.path",
                _ => "not supported yet",
            };
            let text = format_args!("{key}: {text}");
            self.findings.error(&auther.origin, text);
        }
    }
}
