//! `-L`: services, and the objects that their query parameters define.

use serde_json::{Value, json};

use super::Names;
use super::address::{self, Role};
use super::parts::{self, Parts, Query};
use super::query::{self, Reach, is_one_of};
use super::words::Side;
use crate::config::model::{Config, Forwarder, Handler, Listener, Map, Node, Service};
use crate::config::options::Place;
use crate::report::Findings;

/// Listeners whose addresses are paths, and those whose addresses are no ports at all.
const SOCKET_FILES: [&str; 3] = ["unix", "runix", "serial"];
const PORTLESS: [&str; 6] = ["tun", "tap", "tungo", "stdio", "icmp", "icmp6"];
/// With a target, the handler of these is called like the listener.
const OWN_FORWARDERS: [&str; 10] = [
    "tcp", "udp", "rtcp", "rudp", "tun", "tap", "dns", "unix", "runix", "serial",
];
const REVERSE: [&str; 3] = ["rtcp", "rudp", "runix"];
/// Keys that define objects or references; copies stay in listener and service metadata.
const OBJECT_KEYS: [&str; 11] = [
    "retries",
    "admission",
    "bypass",
    "resolver",
    "hosts",
    "limiter.in",
    "limiter.out",
    "limiter.conn.in",
    "limiter.conn.out",
    "climiter",
    "rlimiter",
];
pub(super) fn add(
    text: &str,
    prefix: &str,
    place: &str,
    names: &mut Names,
    config: &mut Config,
    findings: &mut Findings,
) -> Result<(), String> {
    let parts = parts::split(text, Side::Service)?;
    let (addrs, path) = listen(&parts, place, findings)?;
    let targets = targets(&path, &parts, prefix)?;
    if parts.auth_overridden {
        findings.note(place, "auth= is overridden by USER:PASS@");
    }
    if parts.fragment {
        findings.warn(place, "what follows # is ignored: a # is written %23");
    }
    let shares = share(targets, addrs.len(), place, findings)?;
    let forwards = shares.iter().any(|share| !share.is_empty());
    let word = handler_word(&parts, forwards, place, findings);

    let metadata = Metadata::read(&parts, &word, place, findings)?;
    let selector = query::selector(&parts.query)?;
    if selector.is_some() && !forwards {
        findings.warn(
            place,
            "strategy, maxFails and failTimeout have no effect without targets",
        );
    }
    let tls = query::files(&parts.query);
    if tls.cert_file.is_empty() != tls.key_file.is_empty() {
        return Err("certFile and keyFile belong together: one of them is missing".to_owned());
    }
    if tls.cert_file.is_empty() && !tls.ca_file.is_empty() {
        return Err("caFile without certFile and keyFile does nothing".to_owned());
    }
    let of_handler = of_handler(&parts.query);
    let retries = match of_handler.get(&["retries"]) {
        Some("" | "0") | None => 0,
        Some(text) => query::positive("retries", text)?,
    };
    query::check_auth(parts.auth.as_ref(), place, findings);
    let chain = config
        .chains
        .first()
        .map(|chain| chain.name.clone())
        .unwrap_or_default();
    let reverse = REVERSE.contains(&parts.lower.as_str());
    let on_listener = matches!(parts.lower.as_str(), "ssh" | "sshd");
    let handler = Handler {
        r#type: word,
        auth: parts.auth.clone().filter(|_| !on_listener),
        chain: if reverse {
            String::new()
        } else {
            chain.clone()
        },
        retries,
        metadata: metadata.handler,
        ..Handler::default()
    };
    let listener = Listener {
        r#type: parts.lower.clone(),
        auth: parts.auth.clone().filter(|_| on_listener),
        chain: if reverse { chain } else { String::new() },
        tls: (!tls.cert_file.is_empty()).then_some(tls),
        metadata: metadata.listener,
        ..Listener::default()
    };
    for (addr, nodes) in addrs.into_iter().zip(shares) {
        // Each port of a range has limits of its own.
        let references = references(&of_handler, names, config)?;
        config.services.push(Service {
            name: names.next("service"),
            addr,
            handler: Some(handler.clone()),
            listener: Some(listener.clone()),
            forwarder: (!nodes.is_empty()).then(|| Forwarder {
                nodes,
                selector: selector.clone(),
                ..Forwarder::default()
            }),
            metadata: metadata.service.clone(),
            rest: references,
            origin: place.to_owned(),
        });
    }
    Ok(())
}

/// The listen addresses, and the path that holds the targets.
fn listen(
    parts: &Parts,
    place: &str,
    findings: &mut Findings,
) -> Result<(Vec<String>, String), String> {
    if is_socket_file(parts) {
        if parts.host.is_empty() && !parts.path.is_empty() {
            return Ok((vec![parts.path.clone()], String::new()));
        }
        return Ok((vec![parts.host.clone()], parts.path.clone()));
    }
    if PORTLESS.contains(&parts.lower.as_str()) {
        return Ok((vec![parts.host.clone()], parts.path.clone()));
    }
    let address = address::parse(&parts.host, Role::Listen)?;
    if address.open {
        findings.warn(place, "no port behind the colon: it is chosen at random");
    }
    Ok((address.each().collect(), parts.path.clone()))
}

fn is_socket_file(parts: &Parts) -> bool {
    let is_one = |word: &str| SOCKET_FILES.contains(&word);
    is_one(&parts.lower) || is_one(&parts.upper)
}

fn targets(path: &str, parts: &Parts, prefix: &str) -> Result<Vec<Node>, String> {
    let list = path.trim_matches('/');
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let verbatim = is_socket_file(parts) || PORTLESS.contains(&parts.lower.as_str());
    let mut addrs = Vec::new();
    for entry in list.split(',') {
        if entry.is_empty() {
            return Err(format!("empty target in {list:?}"));
        }
        match verbatim {
            true => addrs.push(entry.to_owned()),
            false => addrs.extend(
                address::parse(entry, Role::Target)
                    .map_err(|error| format!("target: {error}"))?
                    .each(),
            ),
        }
    }
    let node = |(index, addr)| Node {
        name: format!("{prefix}target-{index}"),
        addr,
        ..Node::default()
    };
    Ok(addrs.into_iter().enumerate().map(node).collect())
}

/// Several ports: one target is for all of them, more are dealt out one by one.
fn share(
    targets: Vec<Node>,
    ports: usize,
    place: &str,
    findings: &mut Findings,
) -> Result<Vec<Vec<Node>>, String> {
    if ports == 1 || targets.is_empty() {
        return Ok(vec![targets; ports]);
    }
    match targets.len() {
        1 => Ok(vec![targets; ports]),
        fewer if fewer < ports => Err(format!(
            "{ports} ports but {fewer} targets: the ranges must have the same size"
        )),
        more => {
            if more > ports {
                findings.warn(
                    place,
                    format_args!(
                        "{} of {more} targets have no port and are dropped",
                        more - ports
                    ),
                );
            }
            Ok(targets
                .into_iter()
                .take(ports)
                .map(|one| vec![one])
                .collect())
        }
    }
}

fn handler_word(parts: &Parts, forwards: bool, place: &str, findings: &mut Findings) -> String {
    if !forwards || parts.upper == "relay" {
        return parts.upper.clone();
    }
    let lower = parts.lower.as_str();
    let word = if OWN_FORWARDERS.contains(&lower) {
        lower
    } else {
        "forward"
    };
    if parts.upper != word && !matches!(parts.upper.as_str(), "auto" | "forward" | "tcp" | "udp") {
        findings.warn(
            place,
            format_args!(
                "with a target, {} is dropped: bytes are forwarded as they are",
                parts.upper
            ),
        );
    }
    word.to_owned()
}

/// Query parameters dealt out to the parts.
#[derive(Default)]
struct Metadata {
    handler: Map,
    listener: Map,
    service: Map,
}

impl Metadata {
    fn read(
        parts: &Parts,
        word: &str,
        place: &str,
        findings: &mut Findings,
    ) -> Result<Self, String> {
        let mut all = Self::default();
        let reach: &Reach<'_> = &[
            (Place::Handler, word),
            (Place::Listener, &parts.lower),
            (Place::Service, ""),
        ];
        for (key, text) in &parts.query.0 {
            let empty = query::without_value(key, text, &OBJECT_KEYS)
                || query::without_value(key, text, &["strategy"]);
            if empty {
                findings.warn(place, format_args!("{key}= has no value: it does nothing"));
            }
            let selector = query::is_selector(key) && !empty;
            if is_one_of(key, &["auth"]) || query::is_file(key) || selector {
                continue;
            }
            if let Some((name, value)) = query::network(key, text)? {
                all.service.insert(name.to_owned(), value);
                continue;
            }
            let netns = ["netns", "netns.out"].into_iter();
            if let Some(name) = netns
                .filter(|_| !text.is_empty())
                .find(|name| name.eq_ignore_ascii_case(key))
            {
                all.service.insert(name.to_owned(), text.as_str().into());
                continue;
            }
            if let Some((part, name)) = query::prefixed(key, reach) {
                if part == Place::Handler && is_one_of(name, &OBJECT_KEYS) {
                    continue;
                }
                query::check(key, text, reach, "-L", place, findings);
                all.of(part).insert(name.to_owned(), text.as_str().into());
                continue;
            }
            if is_one_of(key, &["dns"]) && !text.is_empty() {
                let list: Value = text.split(',').map(Value::from).collect();
                for map in [&mut all.handler, &mut all.listener, &mut all.service] {
                    map.insert("dns".to_owned(), list.clone());
                }
                continue;
            }
            let value = Value::from(text.as_str());
            let object = is_one_of(key, &OBJECT_KEYS);
            let known = object || empty || is_one_of(key, &["prefer", "dns"]) || is_network(key);
            if !known {
                query::check(key, text, reach, "-L", place, findings);
            }
            if !object || empty || text == "0" {
                all.handler.insert(key.clone(), value.clone());
            }
            all.listener.insert(key.clone(), value.clone());
            all.service.insert(key.clone(), value);
        }
        Ok(all)
    }

    fn of(&mut self, part: Place) -> &mut Map {
        match part {
            Place::Handler => &mut self.handler,
            Place::Listener => &mut self.listener,
            _ => &mut self.service,
        }
    }
}

/// `so_mark=0` and the like.
fn is_network(key: &str) -> bool {
    is_one_of(
        key,
        &[
            "so_mark",
            "proxyProtocol",
            "interface",
            "netns",
            "netns.out",
        ],
    )
}

/// As the handler sees them: `handler.retries` is `retries`, as is `handler.bypass`.
fn of_handler(query: &Query) -> Query {
    let own = query.0.iter().cloned();
    let prefixed = query.0.iter().filter_map(|(key, value)| {
        let (head, name) = key.split_once('.')?;
        let handler = head.eq_ignore_ascii_case(Place::Handler.name());
        handler.then(|| (name.to_owned(), value.clone()))
    });
    Query(own.chain(prefixed).collect())
}

fn references(query: &Query, names: &mut Names, config: &mut Config) -> Result<Map, String> {
    let mut references = Map::new();
    if let Some(text) = query.get(&["admission"]).filter(|text| !text.is_empty()) {
        let name = names.next("admission");
        config
            .admissions
            .push(query::matchers("admission", text, name.clone())?);
        references.insert("admission".to_owned(), name.into());
    }
    let prefer = query.get(&["prefer"]);
    // Zero is no limit, as in gost.
    let given = |key: &str| query.get(&[key]).filter(|text| !matches!(*text, "" | "0"));
    references.extend(query::shared_objects(query, prefer, names, config)?);
    let side = |key: &str| match query.get(&[key]).filter(|text| !text.is_empty()) {
        Some(text) if !is_size(text) => {
            Err(format!("{key}: expected a size such as 10MB, got {text:?}"))
        }
        found => Ok(found.map(str::to_owned)),
    };
    let mut limits = Vec::new();
    let pairs = [
        ("$", "limiter.in", "limiter.out"),
        ("$$", "limiter.conn.in", "limiter.conn.out"),
    ];
    for (scope, input, output) in pairs {
        let (input, output) = (side(input)?, side(output)?);
        // A gap in front would be read as the other side.
        let input = match (input, &output) {
            (None, None) => continue,
            (input, _) => input.unwrap_or_else(|| "0".to_owned()),
        };
        limits.push(format!("{scope} {input} {}", output.unwrap_or_default()));
    }
    if !limits.is_empty() {
        let name = names.next("limiter");
        config
            .limiters
            .push(query::object(json!({"name": name, "limits": limits})));
        references.insert("limiter".to_owned(), name.into());
    }
    if let Some(text) = given("climiter") {
        let number = query::positive("climiter", text)?;
        let name = names.next("climiter");
        let limits = [format!("$ {number}")];
        config
            .climiters
            .push(query::object(json!({"name": name, "limits": limits})));
        references.insert("climiter".to_owned(), name.into());
    }
    if let Some(text) = given("rlimiter") {
        let number: Option<f64> = text
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite() && *number > 0.0);
        let Some(number) = number else {
            return Err(format!(
                "rlimiter: expected a positive number, got {text:?}"
            ));
        };
        let name = names.next("rlimiter");
        let limits = [format!("$ {number}")];
        config
            .rlimiters
            .push(query::object(json!({"name": name, "limits": limits})));
        references.insert("rlimiter".to_owned(), name.into());
    }
    Ok(references)
}

/// `1.5MB`, `10KiB`, sums; a number needs its unit, in upper case.
fn is_size(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        if digits.len() == rest.len() {
            return false;
        }
        let scaled = digits.trim_start_matches(['K', 'M', 'G', 'T', 'P', 'E']);
        if digits.len() - scaled.len() > 1 {
            return false;
        }
        let Some(after) = scaled
            .strip_prefix("iB")
            .or_else(|| scaled.strip_prefix('B'))
        else {
            return false;
        };
        rest = after;
    }
    !text.is_empty()
}
