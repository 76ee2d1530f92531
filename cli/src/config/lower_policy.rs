//! Model to plan: lists of rules, host tables and limits, and who refers to them.

use std::collections::HashMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

use ginnel_core::plan::{HopPolicy, NodePolicy, Overrides, Resolver, ServicePolicy, SkipAuth};
use ginnel_core::route::Net;
use ginnel_core::route::access::Rules;
use ginnel_core::route::hosts::{self, Hosts};
use ginnel_core::route::limiter::{self, Counts, Rates, Traffic};
use ginnel_core::route::matcher::{Matcher, Pattern};
use serde_json::Value;

use super::lower::Lowering;
use super::model::{Config, Map};
use super::options::{Options, Place};
use super::text;
use super::value;
use crate::report::Findings;

/// The objects of the top level, by their names.
#[derive(Default)]
pub(super) struct Policies {
    admissions: HashMap<String, Arc<Rules>>,
    bypasses: HashMap<String, Arc<Rules>>,
    hosts: HashMap<String, Arc<Hosts>>,
    pub(super) resolvers: HashMap<String, Arc<Resolver>>,
    limiters: HashMap<String, Arc<Traffic>>,
    climiters: HashMap<String, Arc<Counts>>,
    rlimiters: HashMap<String, Arc<Rates>>,
}

/// Reads them all but resolvers, also those that nobody refers to.
pub(super) fn policies(config: &Config, findings: &mut Findings) -> Policies {
    Policies {
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

/// One object of a list.
pub(super) struct Object<'a> {
    map: &'a Map,
    pub(super) name: &'a str,
    /// Where it was written.
    pub(super) at: String,
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

impl<'a> Object<'a> {
    pub(super) fn new(kind: &str, map: &'a Map) -> Self {
        let name = map.get("name").and_then(Value::as_str).unwrap_or_default();
        let at = match map.get("$origin").and_then(Value::as_str) {
            Some(origin) => format!("{origin}: {kind} {name:?}"),
            None => format!("{kind} {name:?}"),
        };
        Self { map, name, at }
    }

    /// Whether it has a name of its own.
    pub(super) fn is_usable(&self, kind: &str, taken: bool, findings: &mut Findings) -> bool {
        self.sources(findings);
        let name = self.name;
        match (name.is_empty(), taken) {
            (true, _) => findings.error(&self.at, format_args!("{kind} without a name")),
            (_, true) => findings.error(&self.at, format_args!("{kind} {name:?} is defined twice")),
            _ => return true,
        }
        false
    }

    /// What gost could read from elsewhere would be missing: a hole in the rules.
    fn sources(&self, findings: &mut Findings) {
        for key in ["redis", "http", "plugin"] {
            if self.map.contains_key(key) {
                let text =
                    format_args!("{key}: not supported yet, and ignoring it would be unsafe");
                findings.error(&self.at, text);
            }
        }
    }

    /// The texts of a list, each with its place.
    fn texts(&self, key: &str) -> Vec<(String, String)> {
        let list = self.map.get(key).and_then(Value::as_array);
        let texts = list.into_iter().flatten().enumerate();
        let place = |index| format!("{}: {key}[{index}]", self.at);
        texts
            .filter_map(|(index, text)| Some((place(index), text.as_str()?.trim().to_owned())))
            .collect()
    }

    /// The text of `file.path`, with its name.
    fn file(&self, findings: &mut Findings) -> Option<(String, String)> {
        let path = self.map.get("file")?.get("path")?.as_str()?;
        match text::file(path) {
            Ok(text) => Some((path.to_owned(), text)),
            Err(error) => {
                findings.error(&self.at, format_args!("file {error}"));
                None
            }
        }
    }

    /// The texts of a list and the lines of the file, without comments.
    fn lines(&self, key: &str, findings: &mut Findings) -> Vec<(String, String)> {
        let mut lines = self.texts(key);
        let Some((path, text)) = self.file(findings) else {
            return lines;
        };
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                lines.push((format!("{}: {path}:{number}", self.at), line.to_owned()));
            }
        }
        lines
    }

    fn rules(&self, patterns: Vec<Pattern>) -> Rules {
        let flag = |key: &str| self.map.get(key).and_then(value::to_bool) == Some(true);
        Rules {
            name: self.name.to_owned(),
            whitelist: flag("whitelist") || flag("reverse"),
            matcher: Matcher::new(patterns),
        }
    }
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
    object.rules(patterns)
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
    object.rules(patterns)
}

fn has_port(line: &str) -> bool {
    line.parse::<IpAddr>().is_err() && line.contains(':')
}

fn addresses(name: &str) -> std::io::Result<Vec<IpAddr>> {
    Ok((name, 0).to_socket_addrs()?.map(|addr| addr.ip()).collect())
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

impl Lowering<'_> {
    pub(super) fn service_policy(
        &mut self,
        rest: &Map,
        options: &Options<'_>,
        at: &str,
    ) -> ServicePolicy {
        let traffic = self.traffic(rest, options, at);
        let all = &self.policies;
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
        let all = single(&self.policies.limiters, rest, "limiter")?;
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
        found(&self.policies.bypasses, names(rest, "bypass", "bypasses"))
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
        let all = &self.policies;
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

    /// Of a hop's node.
    fn filter(&mut self, filter: &Value, at: &str) -> Option<Matcher> {
        let keys = filter.as_object().into_iter().flat_map(Map::keys);
        for key in keys.filter(|key| !key.eq_ignore_ascii_case("host")) {
            let text = format_args!("filter.{key}: not supported yet, only filter.host is");
            self.findings.error(at, text);
        }
        self.host_filter(filter.get("host")?.as_str()?, at)
    }

    /// `filter.host`: a name, `.name` or `*.name` (the name and all below it), an address.
    pub(super) fn host_filter(&mut self, host: &str, at: &str) -> Option<Matcher> {
        let bare = host.strip_prefix('*').unwrap_or(host);
        let dotted = match bare.starts_with('.') || bare == host {
            true => bare.to_owned(),
            false => format!(".{bare}"),
        };
        match Pattern::parse(&dotted) {
            Ok(pattern) => Some(Matcher::new([pattern])),
            Err(error) => {
                self.findings
                    .error(at, format_args!("filter.host: {error}"));
                None
            }
        }
    }

    /// `skipauth`: a list, or text with commas.
    pub(super) fn skip_auth(&mut self, options: &Options<'_>, at: &str) -> SkipAuth {
        let mut nets = Vec::new();
        for text in options.texts("skipauth") {
            match Net::parse(&text) {
                Some(net) => nets.push(net),
                None => {
                    let text =
                        format_args!("skipauth: expected an address or a network, got {text:?}");
                    self.findings.error(at, text);
                }
            }
        }
        SkipAuth(nets)
    }

    /// `hash`: `host`, or nothing.
    pub(super) fn hashes_target(&mut self, options: &Options<'_>, at: &str) -> bool {
        match options.text("hash").as_deref() {
            Some("host") => true,
            None | Some("client" | "ip") => false,
            Some(other) => {
                let text = format_args!("hash: expected host, got {other:?}");
                self.findings.error(at, text);
                false
            }
        }
    }
}

/// `maxFails` and `failTimeout` of a node's, or chain's, own.
pub(super) fn overrides(options: &Options<'_>) -> Overrides {
    debug_assert!(matches!(options.place, Place::Node | Place::Chain));
    let max_fails = options.int("maxFails").filter(|number| *number > 0);
    Overrides {
        max_fails: max_fails.and_then(|number| u32::try_from(number).ok()),
        fail_timeout: options.time("failTimeout"),
    }
}
