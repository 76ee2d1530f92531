//! Names that stand for what is defined elsewhere.

use serde_json::Value;

use super::Pass;
use crate::report::nearest;

impl Pass<'_> {
    pub(super) fn chain_reference(&mut self, place: &str, name: &str) {
        let known = self.config.chains.iter().map(|one| one.name.as_str());
        self.reference(place, "chain", name, known.collect());
    }

    pub(super) fn hop_reference(&mut self, place: &str, name: &str) {
        let known = self.config.hops.iter().map(|one| one.name.as_str());
        self.reference(place, "hop", name, known.collect());
    }

    pub(super) fn auther_reference(&mut self, place: &str, name: &str) {
        let known = self.config.authers.iter().map(|one| one.name.as_str());
        self.reference(place, "auther", name, known.collect());
    }

    /// Of a key without a typed form, which may name an object of a list.
    pub(super) fn list_references(&mut self, place: &str, key: &str, value: &Value) {
        let config = self.config;
        let list = match key {
            "admission" | "admissions" => &config.admissions,
            "bypass" | "bypasses" => &config.bypasses,
            "resolver" => &config.resolvers,
            "hosts" => &config.hosts,
            "limiter" => &config.limiters,
            "climiter" => &config.climiters,
            "rlimiter" => &config.rlimiters,
            _ => return,
        };
        let known: Vec<_> = list
            .iter()
            .filter_map(|map| map.get("name")?.as_str())
            .collect();
        let wanted = match value {
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            other => other.as_str().into_iter().collect::<Vec<_>>(),
        };
        for name in wanted {
            self.reference(place, key, name, known.clone());
        }
    }

    fn reference(&mut self, place: &str, kind: &str, name: &str, known: Vec<&str>) {
        if known.contains(&name) {
            return;
        }
        let near = match self.findings.is_full() {
            true => None,
            false => nearest(name, known),
        };
        let hint = match near {
            Some(near) => format!(", did you mean {near:?}?"),
            None => String::new(),
        };
        self.findings.error(
            place,
            format_args!("there is no {kind} named {name:?}{hint}"),
        );
    }
}
