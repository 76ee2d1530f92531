//! One more document behind those that were read before.

use super::Loaded;
use crate::config::model::{Config, Map};
use crate::config::yaml::Document;

impl Loaded {
    /// Lists are appended, single objects replaced as a whole.
    pub(super) fn merge(&mut self, document: Document, name: &str) {
        let Document {
            config: mut more,
            origins,
            ..
        } = document;
        let base = &mut self.config;
        let replaced = [
            ("tls", base.tls.is_some() && more.tls.is_some()),
            ("log", base.log.is_some() && more.log.is_some()),
            (
                "profiling",
                base.profiling.is_some() && more.profiling.is_some(),
            ),
            ("api", base.api.is_some() && more.api.is_some()),
            ("metrics", base.metrics.is_some() && more.metrics.is_some()),
        ];
        for (key, _) in replaced.iter().filter(|(_, both)| *both) {
            let before = self
                .origins
                .get(key)
                .unwrap_or("an earlier source")
                .to_owned();
            self.findings.note(
                name,
                format_args!("{key} replaces the whole section of {before}"),
            );
            self.origins.forget(key);
        }
        let counts = [
            ("services", base.services.len()),
            ("chains", base.chains.len()),
            ("hops", base.hops.len()),
            ("authers", base.authers.len()),
        ];
        let length = |list: &str| {
            let found = counts.iter().find(|(name, _)| *name == list);
            found.map_or(0, |(_, count)| *count)
        };
        self.origins.append(origins, length);
        base.services.append(&mut more.services);
        base.chains.append(&mut more.chains);
        base.hops.append(&mut more.hops);
        base.authers.append(&mut more.authers);
        for (list, new) in lists(base).into_iter().zip(lists(&mut more)) {
            list.append(new);
        }
        base.tls = more.tls.or(base.tls.take());
        base.log = more.log.or(base.log.take());
        base.profiling = more.profiling.or(base.profiling.take());
        base.api = more.api.or(base.api.take());
        base.metrics = more.metrics.or(base.metrics.take());
        base.drain_timeout = more.drain_timeout.or(base.drain_timeout);
        base.strict |= more.strict;
        base.profile = more.profile.or(base.profile.take());
        base.memory = more.memory.or(base.memory.take());
    }
}

fn lists(config: &mut Config) -> [&mut Vec<Map>; 16] {
    [
        &mut config.admissions,
        &mut config.bypasses,
        &mut config.resolvers,
        &mut config.hosts,
        &mut config.ingresses,
        &mut config.routers,
        &mut config.sds,
        &mut config.recorders,
        &mut config.rewriters,
        &mut config.caches,
        &mut config.limiters,
        &mut config.quotas,
        &mut config.climiters,
        &mut config.rlimiters,
        &mut config.observers,
        &mut config.loggers,
    ]
}
