//! The lists of the top level, by the names of their objects: rules, host tables and limits.

use std::collections::HashMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

use ginnel_core::plan::Resolver;
use ginnel_core::route::access::Rules;
use ginnel_core::route::hosts::{self, Hosts};
use ginnel_core::route::limiter::{self, Counts, Rates, Traffic};
use ginnel_core::route::matcher::{Matcher, Pattern};
use serde_json::Value;

use super::object::Object;
use crate::config::model::{Config, Map};
use crate::config::value;
use crate::report::Findings;

/// The objects of the top level, by their names.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) admissions: HashMap<String, Arc<Rules>>,
    pub(super) bypasses: HashMap<String, Arc<Rules>>,
    pub(super) hosts: HashMap<String, Arc<Hosts>>,
    pub(super) resolvers: HashMap<String, Arc<Resolver>>,
    pub(super) limiters: HashMap<String, Arc<Traffic>>,
    pub(super) climiters: HashMap<String, Arc<Counts>>,
    pub(super) rlimiters: HashMap<String, Arc<Rates>>,
}

/// Reads them all but resolvers, also those that nobody refers to.
pub(super) fn lists(config: &Config, findings: &mut Findings) -> Lists {
    Lists {
        admissions: read("admission", &config.admissions, findings, admission),
        bypasses: read("bypass", &config.bypasses, findings, bypass),
        hosts: read("hosts", &config.hosts, findings, table),
        resolvers: HashMap::new(),
        limiters: read("limiter", &config.limiters, findings, |object, findings| {
            limits(object, findings, limiter::traffic)
        }),
        climiters: read(
            "climiter",
            &config.climiters,
            findings,
            |object, findings| limits(object, findings, limiter::counts),
        ),
        rlimiters: read(
            "rlimiter",
            &config.rlimiters,
            findings,
            |object, findings| limits(object, findings, limiter::rates),
        ),
    }
}

fn read<T>(
    kind: &str,
    list: &[Map],
    findings: &mut Findings,
    make: impl Fn(&Object<'_>, &mut Findings) -> T,
) -> HashMap<String, Arc<T>> {
    let mut made = HashMap::new();
    for map in list {
        let object = Object::new(kind, map);
        if object.is_usable(kind, made.contains_key(object.name), findings) {
            let one = Arc::new(make(&object, findings));
            made.insert(object.name.to_owned(), one);
        }
    }
    made
}

fn bypass(object: &Object<'_>, findings: &mut Findings) -> Rules {
    let mut patterns = Vec::new();
    for (place, line) in object.lines("matchers", findings) {
        match Pattern::parse(&line) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => findings.error(place, error),
        }
    }
    // A list for other traffic leaves everything as it is.
    match object.map.get("network").and_then(Value::as_str) {
        None | Some("" | "tcp") => {}
        Some("udp") => patterns.clear(),
        Some(other) => {
            let text = format_args!("network: expected tcp or udp, got {other:?}");
            findings.error(&object.at, text);
        }
    }
    rules(object, patterns)
}

/// Addresses only; a name stands for those that it has now.
fn admission(object: &Object<'_>, findings: &mut Findings) -> Rules {
    let mut patterns = Vec::new();
    for (place, line) in object.lines("matchers", findings) {
        match Pattern::parse(&line) {
            Ok(pattern @ (Pattern::Net(_) | Pattern::Range(..))) => patterns.push(pattern),
            Ok(pattern @ Pattern::Ip(..)) if !has_port(&line) => patterns.push(pattern),
            Ok(Pattern::Name(name, _)) if !has_port(&line) => match addresses(&name) {
                Ok(ips) => patterns.extend(ips.into_iter().map(|ip| Pattern::Ip(ip, 0..=u16::MAX))),
                Err(error) => findings.error(place, format_args!("cannot resolve {name}: {error}")),
            },
            _ => findings.error(
                place,
                format_args!(
                    "{line:?}: expected an address, a network, a range or a host name of clients"
                ),
            ),
        }
    }
    rules(object, patterns)
}

fn has_port(line: &str) -> bool {
    line.parse::<IpAddr>().is_err() && line.contains(':')
}

fn addresses(name: &str) -> std::io::Result<Vec<IpAddr>> {
    Ok((name, 0).to_socket_addrs()?.map(|addr| addr.ip()).collect())
}

fn rules(object: &Object<'_>, patterns: Vec<Pattern>) -> Rules {
    let flag = |key: &str| object.map.get(key).and_then(value::to_bool) == Some(true);
    Rules {
        name: object.name.to_owned(),
        whitelist: flag("whitelist") || flag("reverse"),
        matcher: Matcher::new(patterns),
    }
}

fn table(object: &Object<'_>, findings: &mut Findings) -> Hosts {
    let mut mappings: Vec<(String, IpAddr)> = Vec::new();
    let list = object.map.get("mappings").and_then(Value::as_array);
    for (index, mapping) in list.into_iter().flatten().enumerate() {
        let place = format!("{}: mappings[{index}]", object.at);
        let text = |key: &str| mapping.get(key).and_then(Value::as_str).unwrap_or_default();
        let Ok(ip) = text("ip").parse::<IpAddr>() else {
            let text = format_args!("ip: expected an address, got {:?}", text("ip"));
            findings.error(place, text);
            continue;
        };
        let aliases = mapping.get("aliases").and_then(Value::as_array);
        let aliases = aliases.into_iter().flatten().filter_map(Value::as_str);
        let mut names: Vec<_> = aliases.chain([text("hostname")]).collect();
        names.retain(|name| !name.is_empty());
        if names.is_empty() {
            findings.error(place, "hostname is missing");
        }
        mappings.extend(names.into_iter().map(|name| (name.to_owned(), ip)));
    }
    if let Some((path, text)) = object.file(findings) {
        match hosts::parse_file(&text) {
            Ok(lines) => mappings.extend(lines),
            Err((line, error)) => {
                findings.error(format_args!("{}: {path}:{line}", object.at), error);
            }
        }
    }
    Hosts::new(mappings.iter().map(|(name, ip)| (name.as_str(), *ip)))
}

fn limits<T: Default>(
    object: &Object<'_>,
    findings: &mut Findings,
    parse: impl Fn(&[&str]) -> Result<T, String>,
) -> T {
    let mut lines = Vec::new();
    for (place, line) in object.lines("limits", findings) {
        // Alone, for its place; what is right is read together.
        match parse(&[&line]) {
            Ok(_) => lines.push(line),
            Err(error) => findings.error(place, error),
        }
    }
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    parse(&lines).unwrap_or_default()
}
