//! `-L` and `-F`: one URL each, made into services and one chain.

mod address;
mod node;
mod objects;
mod parts;
mod query;
mod service;
mod words;

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::config::model::{Chain, Config, Map};
use crate::config::value;
use crate::report::Findings;
use crate::secrets;
use words::Side;

pub use address::{host_of, server_name, without_zone};

/// What was typed.
pub struct Lines<'a> {
    pub services: &'a [String],
    pub nodes: &'a [String],
    /// In front of the names of forward targets.
    pub prefix: Option<String>,
}

/// The configuration that the lines stand for. Names that `taken` uses are avoided.
pub fn build(lines: &Lines<'_>, taken: &Config, findings: &mut Findings) -> Config {
    let mut config = Config::default();
    let mut names = Names::of(taken);
    if !lines.nodes.is_empty() {
        let mut chain = Chain {
            name: names.next("chain"),
            origin: "-F".to_owned(),
            ..Chain::default()
        };
        for (number, text) in (1..).zip(lines.nodes) {
            let place = place("-F", number, text);
            match node::hop(
                text.trim(),
                number - 1,
                &place,
                &mut names,
                &mut config,
                findings,
            ) {
                Ok(hop) => {
                    chain.hops.push(hop);
                    mark(&mut config, &place);
                }
                Err(error) => findings.error(place, error),
            }
        }
        config.chains.push(chain);
    }
    for (number, text) in (1..).zip(lines.services) {
        if text.trim().is_empty() {
            continue;
        }
        let place = place("-L", number, text);
        let prefix = lines.prefix.as_deref().unwrap_or_default();
        if let Err(error) = service::add(
            text.trim(),
            prefix,
            &place,
            &mut names,
            &mut config,
            findings,
        ) {
            findings.error(&place, error);
        }
        mark(&mut config, &place);
    }
    config
}

/// Objects remember the line that they come from.
fn mark(config: &mut Config, place: &str) {
    let lists = [
        &mut config.admissions,
        &mut config.bypasses,
        &mut config.resolvers,
        &mut config.hosts,
        &mut config.limiters,
        &mut config.climiters,
        &mut config.rlimiters,
    ];
    for map in lists.into_iter().flatten() {
        map.entry("$origin").or_insert_with(|| place.into());
    }
}

/// The object that `-api` or `-metrics` stands for. `keys`: query keys, and whether they are switches.
pub fn global(
    flag: &str,
    text: &str,
    keys: &[(&str, bool)],
    findings: &mut Findings,
) -> Option<Map> {
    let place = format!("{flag} ({})", secrets::hide(text));
    if text.trim().starts_with("unix://") {
        let mut map = Map::new();
        map.insert("addr".to_owned(), Value::String(text.trim().to_owned()));
        return Some(map);
    }
    match read_global(text.trim(), keys) {
        Ok(map) => Some(map),
        Err(error) => {
            findings.error(place, error);
            None
        }
    }
}

/// Why a handler, listener, connector or dialer of type `word` cannot be run.
pub fn unsupported(side: &str, word: &str) -> String {
    words::unsupported(side, word)
}

/// The port of a service's `addr`, `None` if it is left out (`:`, or nothing at all).
pub fn listen_address(addr: &str) -> Result<Option<u16>, String> {
    if addr.is_empty() {
        return Ok(None);
    }
    let address = address::parse(addr, address::Role::Listen)?;
    if address.first != address.last {
        return Err(format!("{addr:?}: a range of ports is for -L only"));
    }
    Ok((!address.open).then_some(address.first))
}

fn read_global(text: &str, keys: &[(&str, bool)]) -> Result<Map, String> {
    let parts = parts::split(text, Side::Service)?;
    let addr = address::parse(&parts.host, address::Role::Listen)?;
    let mut map = Map::new();
    map.insert(
        "addr".to_owned(),
        Value::String(format!("{}:{}", addr.host, addr.first)),
    );
    for (key, switch) in keys {
        let Some(text) = parts.query.get(&[key]) else {
            continue;
        };
        let value = match switch {
            false => Value::String(text.to_owned()),
            true => value::parse_bool(text)
                .ok_or_else(|| format!("{key}: expected true or false, got {text:?}"))?
                .into(),
        };
        map.insert((*key).to_owned(), value);
    }
    if let Some(auth) = &parts.auth {
        map.insert(
            "auth".to_owned(),
            serde_json::to_value(auth).unwrap_or_default(),
        );
    }
    Ok(map)
}

/// `-L #2 (wss://:99999)`.
fn place(flag: &str, number: usize, text: &str) -> String {
    format!("{flag} #{number} ({})", secrets::hide(text.trim()))
}

/// Names of command-line objects: `service-0`, `service-1`, ... as far as they are free.
struct Names {
    taken: HashSet<String>,
    next: HashMap<&'static str, usize>,
}

impl Names {
    fn of(config: &Config) -> Self {
        let mut taken: HashSet<_> = config.services.iter().map(|one| one.name.clone()).collect();
        taken.extend(config.chains.iter().map(|one| one.name.clone()));
        let maps = [
            &config.admissions,
            &config.bypasses,
            &config.resolvers,
            &config.hosts,
            &config.limiters,
            &config.climiters,
            &config.rlimiters,
        ];
        let names = maps
            .into_iter()
            .flatten()
            .filter_map(|map| map.get("name")?.as_str());
        taken.extend(names.map(str::to_owned));
        Self {
            taken,
            next: HashMap::new(),
        }
    }

    fn next(&mut self, kind: &'static str) -> String {
        let next = self.next.entry(kind).or_default();
        loop {
            let name = format!("{kind}-{next}");
            *next += 1;
            if !self.taken.contains(&name) {
                return name;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_show_no_secrets() {
        for text in [
            "wss://u:to%psecret@h:1",
            "wss://u:topsecret/x@h:1",
            "wss://u:topsecret?x@h:1",
            "wss://u:topsecret#x@h:1",
            "wss://h:1?auth=topsecret;x",
            "wss://h:1?auth=topsecret%",
            "wss://h:1?auth=topsecret!",
        ] {
            let error = parts::split(text, Side::Service).unwrap_err();
            assert!(
                !error.contains("topsecret") && !error.contains("psecret"),
                "{error}"
            );
            assert!(!secrets::hide(text).contains("psecret"), "{text}");
        }
    }
}
