//! Sections of facts as they grow, and where each value was written.

use super::{Fact, Section};
use crate::config::model::Config;
use crate::config::origins::Origins;
use crate::prepare::Prepared;

/// Where a value comes from that nobody set.
pub(super) const DEFAULT: &str = "default";

/// The process, the services with their targets, then the chains and the hops that stand alone.
pub(super) fn sections(prepared: &Prepared) -> Vec<Section> {
    let mut view = View {
        config: &prepared.config,
        origins: &prepared.origins,
        prepared,
        sections: Vec::new(),
    };
    view.process();
    for (index, service) in prepared.config.services.iter().enumerate() {
        view.service(index, service);
    }
    for (index, chain) in prepared.config.chains.iter().enumerate() {
        view.chain(index, chain);
    }
    for (index, hop) in prepared.config.hops.iter().enumerate() {
        view.hop(&format!("hops[{index}]"), hop, 0);
    }
    view.sections
}

pub(super) struct View<'a> {
    pub(super) config: &'a Config,
    pub(super) origins: &'a Origins,
    pub(super) prepared: &'a Prepared,
    sections: Vec<Section>,
}

impl View<'_> {
    pub(super) fn open(&mut self, kind: &'static str, name: &str, depth: usize) {
        self.sections.push(Section {
            kind,
            name: name.to_owned(),
            depth,
            facts: Vec::new(),
        });
    }

    /// The value of `key` below the path `base`. Where it is empty, `default` takes its place; if that is
    /// empty, too, nothing is said.
    pub(super) fn field(&mut self, base: &str, key: &str, value: &str, default: &str, owner: &str) {
        self.text(key, &format!("{base}.{key}"), value, default, owner);
    }

    /// The same with a key that is not the end of the path.
    pub(super) fn text(&mut self, key: &str, path: &str, value: &str, default: &str, owner: &str) {
        if value.is_empty() {
            if !default.is_empty() {
                self.add(key, default, DEFAULT);
            }
            return;
        }
        let origin = self.origin(path, owner);
        self.add(key, value, &origin);
    }

    /// Where the value at `path` was written; what comes from the command line was not recorded
    /// one by one.
    pub(super) fn origin(&self, path: &str, owner: &str) -> String {
        match self.origins.get(path) {
            Some(place) => place.to_owned(),
            None => short(owner),
        }
    }

    pub(super) fn add(&mut self, key: &str, value: &str, origin: &str) {
        if let Some(section) = self.sections.last_mut() {
            section.facts.push(Fact {
                key: key.to_owned(),
                value: value.to_owned(),
                origin: origin.to_owned(),
                ignored: None,
            });
        }
    }

    /// The value added last has no effect.
    pub(super) fn ignore(&mut self, why: &str) {
        let section = self.sections.last_mut();
        if let Some(fact) = section.and_then(|section| section.facts.last_mut()) {
            fact.ignored = Some(why.to_owned());
        }
    }
}

/// `-L #1` of `-L #1 (wss://...)`, `gost.yml:7` of `gost.yml:7:3: services[0]`.
pub(super) fn short(origin: &str) -> String {
    if origin.starts_with("-L") || origin.starts_with("-F") {
        return origin.split(" (").next().unwrap_or(origin).to_owned();
    }
    let place = origin.split(": ").next().unwrap_or(origin);
    let mut pieces: Vec<_> = place.rsplitn(3, ':').collect();
    let numbers = pieces.len() == 3
        && pieces[..2]
            .iter()
            .all(|one| !one.is_empty() && one.bytes().all(|byte| byte.is_ascii_digit()));
    if !numbers {
        return place.to_owned();
    }
    pieces.reverse();
    format!("{}:{}", pieces[0], pieces[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_shortened_to_file_and_line() {
        for (origin, expected) in [
            ("-L #1 (wss://h:1)", "-L #1"),
            ("gost.yml:7:3: services[0]", "gost.yml:7"),
            ("C:x.yml: services[0]", "C:x.yml"),
            ("-C {...}:1:3: services[0]", "-C {...}:1"),
            ("http://h:80/x:2:3: services[0]", "http://h:80/x:2"),
        ] {
            assert_eq!(short(origin), expected);
        }
    }
}
