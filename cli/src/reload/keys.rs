//! What a service is made of, as a text to compare: its own section, all that this refers to, and the
//! contents of the files named there.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use ginnel_core::plan;
use serde_json::Value;

use crate::config::lower::{members, names};
use crate::config::model::{self, Config};
use crate::config::text;

/// Its certificate is left out: that is replaced without a reload.
pub fn service(config: &Config, service: &model::Service, planned: &plan::Service) -> String {
    let mut key = String::new();
    let handler = service.handler.clone().unwrap_or_default();
    add(&mut key, service, Certificate::Watched);
    if planned.chain.is_some() {
        key.push_str(&chain(config, &handler.chain));
    }
    if let (Some(_), Some(listener)) = (&planned.listener.reverse, &service.listener) {
        key.push_str(&chain(config, &listener.chain));
    }
    for member in members(&handler) {
        key.push_str(&chain(config, member));
    }
    rules(&mut key, config, &service.rest);
    let named = |auther: &&model::Auther| handler.auther_names().any(|name| name == auther.name);
    for auther in config.authers.iter().filter(named) {
        add(&mut key, auther, Certificate::Watched);
    }
    if let Some(forwarder) = &service.forwarder {
        hop(&mut key, config, forwarder.hop_name());
    }
    if planned.listener.tls.is_some() || planned.handler.socks_tls.is_some() {
        add(&mut key, &config.tls, Certificate::Watched);
        let here = Path::new("cert.pem").is_file() && Path::new("key.pem").is_file();
        key.push_str(if here { "files\n" } else { "made\n" });
    }
    key
}

/// The chain called `name`, with its hops and nodes.
pub fn chain(config: &Config, name: &str) -> String {
    let mut key = String::new();
    if let Some(chain) = config.chains.iter().find(|chain| chain.name == name) {
        add(&mut key, chain, Certificate::Read);
        for one in &chain.hops {
            match one.nodes {
                Some(_) => hop_rules(&mut key, config, one),
                None => hop(&mut key, config, &one.name),
            }
        }
    }
    key
}

fn hop(key: &mut String, config: &Config, name: &str) {
    if let Some(hop) = config.hops.iter().find(|hop| hop.name == name) {
        add(key, hop, Certificate::Read);
        hop_rules(key, config, hop);
    }
}

fn hop_rules(key: &mut String, config: &Config, hop: &model::Hop) {
    rules(key, config, &hop.rest);
    for node in hop.nodes.iter().flatten() {
        rules(key, config, &node.rest);
    }
}

/// The objects that a part refers to.
fn rules(key: &mut String, config: &Config, rest: &model::Map) {
    for (list, one, several) in [
        (&config.admissions, "admission", "admissions"),
        (&config.bypasses, "bypass", "bypasses"),
        (&config.resolvers, "resolver", ""),
        (&config.hosts, "hosts", ""),
        (&config.limiters, "limiter", ""),
        (&config.climiters, "climiter", ""),
        (&config.rlimiters, "rlimiter", ""),
    ] {
        for name in names(rest, one, several) {
            let is_it = |map: &&model::Map| map.get("name").and_then(Value::as_str) == Some(name);
            for map in list.iter().filter(is_it) {
                add(key, map, Certificate::Read);
                if one == "resolver" {
                    ways(key, config, map);
                }
            }
        }
    }
}

/// The chains to a resolver's name servers, without what these refer to: it may be this resolver.
fn ways(key: &mut String, config: &Config, resolver: &model::Map) {
    let servers = resolver.get("nameservers").and_then(Value::as_array);
    let names = servers.into_iter().flatten();
    for name in names.filter_map(|server| server.get("chain")?.as_str()) {
        let Some(chain) = config.chains.iter().find(|chain| chain.name == name) else {
            continue;
        };
        add(key, chain, Certificate::Read);
        for named in &chain.hops {
            if let Some(hop) = config.hops.iter().find(|hop| hop.name == named.name) {
                add(key, hop, Certificate::Read);
            }
        }
    }
}

/// The contents of all files of users, rules, CAs and sites that the configuration names.
pub fn contents(config: &Config) -> String {
    let mut key = String::new();
    add(&mut key, &config.services, Certificate::Watched);
    add(&mut key, &config.authers, Certificate::Watched);
    add(&mut key, &config.chains, Certificate::Read);
    add(&mut key, &config.hops, Certificate::Read);
    for list in config.lists() {
        add(&mut key, list, Certificate::Read);
    }
    key
}

/// Whether the files of a certificate are read once or followed.
#[derive(Clone, Copy, PartialEq)]
enum Certificate {
    Read,
    Watched,
}

fn add(key: &mut String, part: &impl serde::Serialize, certificate: Certificate) {
    let mut value = serde_json::to_value(part).unwrap_or_default();
    if let Some(map) = value.as_object_mut() {
        map.retain(|key, _| key != "$origin");
    }
    key.push_str(&value.to_string());
    files(key, &value, certificate);
    key.push('\n');
}

fn files(key: &mut String, value: &Value, certificate: Certificate) {
    match value {
        Value::Array(list) => list.iter().for_each(|one| files(key, one, certificate)),
        Value::Object(map) => {
            for (name, value) in map {
                let path = match (name.as_str(), certificate) {
                    ("caFile", _) | ("certFile" | "keyFile", Certificate::Read) => value.as_str(),
                    // Of users: `auth.file`, and `file.path` of an auther.
                    ("file", _) => value.as_str().or_else(|| value.get("path")?.as_str()),
                    _ => None,
                };
                let site = ["fallback", "probeResist", "probe_resist"]
                    .iter()
                    .any(|one| one.eq_ignore_ascii_case(name));
                if let Some(path) = value.as_str().and_then(|text| text.strip_prefix("file:"))
                    && site
                {
                    key.push_str(&crate::site::listing(path));
                }
                match path {
                    Some(path) => key.push_str(&content(path)),
                    None => files(key, value, certificate),
                }
            }
        }
        _ => {}
    }
}

fn content(path: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text::content(path).hash(&mut hasher);
    format!(" {:016x}", hasher.finish())
}
