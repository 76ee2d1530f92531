//! What a service, a hop or a node refers to in the lists of the top level.

use std::collections::HashMap;
use std::sync::Arc;

use ginnel_core::plan::{HopPolicy, NodePolicy, ServicePolicy};
use ginnel_core::route::access::Rules;
use ginnel_core::route::limiter::Traffic;
use serde_json::Value;

use super::Lowering;
use super::selector::overrides;
use crate::config::model::Map;
use crate::config::options::Options;

impl Lowering<'_> {
    pub(super) fn service_policy(
        &mut self,
        rest: &Map,
        options: &Options<'_>,
        at: &str,
    ) -> ServicePolicy {
        let traffic = self.traffic(rest, options, at);
        let all = &self.lists;
        ServicePolicy {
            admissions: found(&all.admissions, names(rest, "admission", "admissions")),
            bypasses: found(&all.bypasses, names(rest, "bypass", "bypasses")),
            hosts: single(&all.hosts, rest, "hosts"),
            resolver: single(&all.resolvers, rest, "resolver"),
            traffic,
            counts: single(&all.climiters, rest, "climiter"),
            rates: single(&all.rlimiters, rest, "rlimiter"),
            dial_timeout: options.time("dialTimeout"),
            ..ServicePolicy::default()
        }
    }

    /// `limiter.scope`: which lines of the limiter count.
    fn traffic(&mut self, rest: &Map, options: &Options<'_>, at: &str) -> Option<Arc<Traffic>> {
        let all = single(&self.lists.limiters, rest, "limiter")?;
        Some(match options.text("limiter.scope").as_deref() {
            None => all,
            Some("service") => Arc::new(all.of_service()),
            Some("conn") => Arc::new(all.of_connections()),
            Some(other) => {
                let text = format_args!("limiter.scope: expected service or conn, got {other:?}");
                self.findings.error(at, text);
                all
            }
        })
    }

    pub(super) fn hop_policy(&self, rest: &Map) -> HopPolicy {
        HopPolicy {
            bypasses: self.bypasses(rest),
        }
    }

    /// Of a hop, a node or a target.
    pub(super) fn bypasses(&self, rest: &Map) -> Vec<Arc<Rules>> {
        found(&self.lists.bypasses, names(rest, "bypass", "bypasses"))
    }

    /// A host table and a resolver of the hop are for those nodes that have none.
    pub(super) fn node_policy(
        &mut self,
        rest: &Map,
        options: &Options<'_>,
        hop: &Map,
        at: &str,
    ) -> NodePolicy {
        let filter = rest
            .get("filter")
            .and_then(|filter| self.filter(filter, at));
        let rule = self.rule(rest, false, at);
        let all = &self.lists;
        NodePolicy {
            rule,
            bypasses: self.bypasses(rest),
            filter,
            hosts: single(&all.hosts, rest, "hosts").or(single(&all.hosts, hop, "hosts")),
            resolver: single(&all.resolvers, rest, "resolver")
                .or_else(|| single(&all.resolvers, hop, "resolver")),
            overrides: overrides(options),
        }
    }
}

/// The names that a part refers to with `key` (one) and `keys` (several).
pub(crate) fn names<'a>(rest: &'a Map, key: &str, keys: &str) -> Vec<&'a str> {
    let one = rest.get(key).and_then(Value::as_str);
    let several = rest.get(keys).and_then(Value::as_array);
    let several = several.into_iter().flatten().filter_map(Value::as_str);
    one.into_iter()
        .chain(several)
        .filter(|name| !name.is_empty())
        .collect()
}

/// That all of them exist was checked.
fn found<T>(all: &HashMap<String, Arc<T>>, names: Vec<&str>) -> Vec<Arc<T>> {
    let found = names.into_iter().filter_map(|name| all.get(name).cloned());
    found.collect()
}

fn single<T>(all: &HashMap<String, Arc<T>>, rest: &Map, key: &str) -> Option<Arc<T>> {
    found(all, names(rest, key, "")).pop()
}
