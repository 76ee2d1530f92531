//! The merged configuration as a whole: names, references, and what is known but not served.

use std::collections::HashMap;

use serde_json::Value;

use super::addresses;
use super::lower_group::members;
use super::lower_reverse::is_word;
use super::model::{Config, Forwarder, Hop, Map, Node, Service, Tls};
use super::options::{self, Effect, Place};
use crate::report::{Findings, nearest};

/// Sections that a user relies on: leaving them out would let through, leak or misroute.
const REFUSED: [&str; 22] = [
    "admission",
    "admissions",
    "bypass",
    "bypasses",
    "limiter",
    "climiter",
    "rlimiter",
    "quotas",
    "interface",
    "sockopts",
    "chainGroup",
    "hopGroup",
    "matcher",
    "filter",
    "protocol",
    "host",
    "path",
    "auth",
    "tls",
    "file",
    "redis",
    "plugin",
];

/// The same sections where they are served.
const SERVICE_RULES: &[&str] = &[
    "admission",
    "admissions",
    "bypass",
    "bypasses",
    "hosts",
    "resolver",
    "limiter",
    "climiter",
    "rlimiter",
    "interface",
    "sockopts",
];
const HANDLER_RULES: &[&str] = &["chainGroup"];
const HOP_RULES: &[&str] = &[
    "bypass",
    "bypasses",
    "hosts",
    "resolver",
    "interface",
    "sockopts",
    "file",
    "redis",
    "http",
    "plugin",
];
/// Of a hop, refused each.
const NODE_SOURCES: [&str; 4] = ["file", "redis", "http", "plugin"];
/// Of a forwarder.
const TARGET_RULES: &[&str] = &[
    "bypass", "bypasses", "matcher", "filter", "protocol", "host", "path", "http",
];
const NODE_RULES: &[&str] = &[
    "bypass",
    "bypasses",
    "hosts",
    "resolver",
    "interface",
    "sockopts",
    "matcher",
    "filter",
];

/// Finds what is wrong between the parts; what is wrong within one is found while lowering it.
pub fn check(config: &Config, findings: &mut Findings) {
    let mut pass = Pass { config, findings };
    if config.services.is_empty() {
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
        pass.options(
            Place::Chain,
            "",
            &chain.metadata,
            &format!("{}: metadata", chain.origin),
        );
        if chain.hops.is_empty() {
            pass.findings.error(
                &chain.origin,
                format_args!("chain {:?} has no hops", chain.name),
            );
        }
        for hop in &chain.hops {
            match hop.nodes {
                Some(_) => pass.hop(hop),
                None if hop.name == chain.name
                    && config.hops.iter().all(|one| one.name != hop.name) =>
                {
                    let text = format_args!(
                        "chain {:?} refers to itself: a chain is made of hops, not of chains",
                        chain.name
                    );
                    pass.findings.error(&hop.origin, text);
                }
                None => pass.reference(
                    &hop.origin,
                    "hop",
                    &hop.name,
                    names(&config.hops, |one| &one.name),
                ),
            }
        }
    }
    for hop in &config.hops {
        pass.hop(hop);
    }
    for auther in &config.authers {
        for key in auther.rest.keys() {
            let text = match key.as_str() {
                "file" | "reload" => continue,
                "http" | "redis" => "users are read from a file only, not supported: use file.path",
                _ => "not supported yet",
            };
            let text = format_args!("{key}: {text}");
            pass.findings.error(&auther.origin, text);
        }
    }
}

struct Pass<'a> {
    config: &'a Config,
    findings: &'a mut Findings,
}

impl Pass<'_> {
    fn names(&mut self) {
        let config = self.config;
        let services: Vec<_> = config
            .services
            .iter()
            .map(|one| (&one.name, &one.origin))
            .collect();
        let chains: Vec<_> = config
            .chains
            .iter()
            .map(|one| (&one.name, &one.origin))
            .collect();
        let hops: Vec<_> = config
            .hops
            .iter()
            .map(|one| (&one.name, &one.origin))
            .collect();
        let authers: Vec<_> = config
            .authers
            .iter()
            .map(|one| (&one.name, &one.origin))
            .collect();
        for (kind, list) in [
            ("service", services),
            ("chain", chains),
            ("hop", hops),
            ("auther", authers),
        ] {
            let mut seen = HashMap::new();
            for (name, origin) in list {
                if name.is_empty() {
                    self.findings
                        .error(origin, format_args!("{kind} without a name"));
                } else if let Some(first) = seen.insert(name, origin) {
                    self.findings.error(
                        origin,
                        format_args!("{kind} {name:?} is already defined at {first}"),
                    );
                }
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
        let levels = ["", "trace", "debug", "info", "warn", "error", "fatal"];
        if !levels.contains(&log.level.as_str()) {
            let text = format_args!("unknown level {:?}: info is used", log.level);
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

    fn service(&mut self, service: &Service) {
        let at = &service.origin;
        self.rest(at, &service.rest, SERVICE_RULES);
        self.options(
            Place::Service,
            "",
            &service.metadata,
            &format!("{at}: metadata"),
        );
        if let Some(handler) = &service.handler {
            let place = format!("{at}: handler");
            self.rest(&place, &handler.rest, HANDLER_RULES);
            let word = word(&handler.r#type, Place::Handler);
            if handler.tls.is_some() && !matches!(word, "auto" | "socks" | "socks5") {
                self.no_effect(&place, "tls", "only SOCKS5 speaks TLS itself");
            }
            self.options(
                Place::Handler,
                word,
                &handler.metadata,
                &format!("{place}.metadata"),
            );
            if !handler.chain.is_empty() {
                let place = match handler.chain_origin.as_str() {
                    "" => &place,
                    origin => origin,
                };
                self.reference(
                    place,
                    "chain",
                    &handler.chain,
                    names(&self.config.chains, |one| &one.name),
                );
            }
            for chain in members(handler) {
                let known = names(&self.config.chains, |one| &one.name);
                self.reference(&place, "chain", chain, known);
            }
            let authers = handler
                .authers
                .iter()
                .chain(Some(&handler.auther).filter(|one| !one.is_empty()));
            for auther in authers {
                self.reference(
                    &place,
                    "auther",
                    auther,
                    names(&self.config.authers, |one| &one.name),
                );
            }
        }
        if let Some(listener) = &service.listener {
            let place = format!("{at}: listener");
            self.rest(&place, &listener.rest, &[]);
            let word = word(&listener.r#type, Place::Listener);
            self.options(
                Place::Listener,
                word,
                &listener.metadata,
                &format!("{place}.metadata"),
            );
            if listener.auth.is_some() {
                self.no_effect(&place, "auth", "it belongs to the handler");
            }
            if let Some(tls) = &listener.tls
                && (tls.secure || !tls.server_name.is_empty())
            {
                self.no_effect(
                    &place,
                    "tls.secure and tls.serverName",
                    "they are for dialers",
                );
            }
            if !listener.chain.is_empty() && is_word(word) {
                self.reference(
                    &place,
                    "chain",
                    &listener.chain,
                    names(&self.config.chains, |one| &one.name),
                );
            } else if !listener.chain.is_empty() {
                self.findings.warn(
                    &place,
                    "chain has no effect on this listener: it belongs to the handler",
                );
            }
        }
        if let Some(forwarder) = &service.forwarder {
            self.forwarder(&format!("{at}: forwarder"), forwarder);
        }
    }

    fn forwarder(&mut self, place: &str, forwarder: &Forwarder) {
        self.rest(place, &forwarder.rest, &[]);
        for hop in [&forwarder.name, &forwarder.hop]
            .into_iter()
            .filter(|name| !name.is_empty())
        {
            if !forwarder.nodes.is_empty() {
                let text =
                    format_args!("hop {hop:?} and nodes are both given: only one can be used");
                self.findings.error(place, text);
            }
            self.reference(place, "hop", hop, names(&self.config.hops, |one| &one.name));
        }
        for node in &forwarder.nodes {
            self.node(&format!("{place}: {}", node.name), node, TARGET_RULES);
        }
    }

    fn hop(&mut self, hop: &Hop) {
        self.rest(&hop.origin, &hop.rest, HOP_RULES);
        for key in NODE_SOURCES
            .iter()
            .filter(|key| hop.rest.contains_key(**key))
        {
            let text = format_args!("{key}: nodes are not read from elsewhere: list them in nodes");
            self.findings.error(&hop.origin, text);
        }
        self.options(
            Place::Hop,
            "",
            &hop.metadata,
            &format!("{}: metadata", hop.origin),
        );
        let nodes = hop.nodes.as_deref().unwrap_or_default();
        if nodes.is_empty() {
            let text = match hop.nodes {
                Some(_) => "has no nodes",
                None => "has no nodes: a hop of the top level defines them, and refers to none",
            };
            self.findings
                .error(&hop.origin, format_args!("hop {:?} {text}", hop.name));
        }
        for node in nodes {
            self.node(&format!("{}: {}", hop.origin, node.name), node, NODE_RULES);
        }
    }

    fn node(&mut self, place: &str, node: &Node, rules: &[&str]) {
        self.rest(place, &node.rest, rules);
        self.options(
            Place::Node,
            "",
            &node.metadata,
            &format!("{place}: metadata"),
        );
        for (part, at) in [
            (&node.connector, Place::Connector),
            (&node.dialer, Place::Dialer),
        ] {
            let Some(part) = part else { continue };
            if at == Place::Dialer && part.auth.is_some() {
                self.no_effect(place, "dialer.auth", "it belongs to the connector");
            }
            let socks5 = matches!(part.r#type.as_str(), "socks" | "socks5");
            if at == Place::Dialer
                && let Some(keys) = part.tls.as_ref().and_then(server_keys)
            {
                self.no_effect(place, &keys, "it is for listeners");
            }
            if at == Place::Connector && part.tls.is_some() && !socks5 {
                self.no_effect(place, "connector.tls", "it belongs to the dialer");
            }
            let place = format!("{place}: {}.metadata", at.name());
            self.options(at, word(&part.r#type, at), &part.metadata, &place);
        }
    }

    /// Keys without a typed form: references to sections that are not served, and such sections.
    fn rest(&mut self, place: &str, rest: &Map, served: &[&str]) {
        for (key, value) in rest {
            self.missing(place, key, value);
            if served.contains(&key.as_str()) {
                continue;
            }
            match REFUSED.contains(&key.as_str()) {
                true => self.findings.error(
                    place,
                    format_args!("{key}: not supported yet, and ignoring it would be unsafe"),
                ),
                false => self.findings.warn(
                    place,
                    format_args!("{key}: not supported yet, has no effect"),
                ),
            }
        }
    }

    fn no_effect(&mut self, place: &str, key: &str, why: &str) {
        self.findings
            .warn(place, format_args!("{key} has no effect here: {why}"));
    }

    fn missing(&mut self, place: &str, key: &str, value: &Value) {
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

    fn options(&mut self, at: Place, word: &str, map: &Map, place: &str) {
        for (key, value) in map {
            let Some(option) = options::find(at, word, key) else {
                continue;
            };
            // Switches that are off ask for nothing.
            let off = super::value::to_bool(value) == Some(false);
            match option.effect {
                Effect::NotYet if !off => {
                    self.findings.warn(
                        place,
                        format_args!("{key}: not supported yet, has no effect"),
                    );
                }
                Effect::Refused if !off => {
                    self.findings.error(
                        place,
                        format_args!("{key}: not supported yet ({})", option.help),
                    );
                }
                _ => {}
            }
        }
    }
}

/// What a dialer's section says that only a listener could do.
fn server_keys(tls: &Tls) -> Option<String> {
    let keys = [
        ("rejectUnknownSNI", tls.reject_unknown_sni),
        ("serverNames", !tls.server_names.is_empty()),
        ("certificates", !tls.certificates.is_empty()),
    ];
    let set: Vec<_> = keys
        .iter()
        .filter(|(_, set)| *set)
        .map(|(key, _)| format!("dialer.tls.{key}"))
        .collect();
    (!set.is_empty()).then(|| set.join(" and "))
}

pub(crate) fn word(word: &str, place: Place) -> &str {
    if word.is_empty() {
        place.default_word()
    } else {
        word
    }
}

fn names<T>(list: &[T], name: impl Fn(&T) -> &String) -> Vec<&str>
where
    T: 'static,
{
    list.iter().map(|one| name(one).as_str()).collect()
}
