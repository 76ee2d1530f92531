//! `-F`: one hop, with a node for each address of its comma list.

use super::Names;
use super::address::{self, Role};
use super::objects;
use super::parts::{self, Parts};
use super::query::{self, Reach, is_one_of};
use super::words::Side;
use crate::config::model::{Config, Hop, Map, Node, Part, Tls};
use crate::config::options::Place;
use crate::config::value;
use crate::report::Findings;

const SOCKET_FILES: [&str; 2] = ["unix", "serial"];
const SECURE: [&str; 2] = ["tls.secure", "secure"];
const SERVER_NAME: [&str; 2] = ["tls.serverName", "serverName"];

pub(super) fn hop(
    text: &str,
    index: usize,
    place: &str,
    names: &mut Names,
    config: &mut Config,
    findings: &mut Findings,
) -> Result<Hop, String> {
    if text.is_empty() {
        return Err("the value is empty".to_owned());
    }
    let parts = parts::split(text, Side::Node)?;
    let addrs = addrs(&parts, place, findings)?;
    if parts.auth_overridden {
        findings.note(place, "auth= is overridden by USER:PASS@");
    }
    if parts.fragment {
        findings.warn(place, "what follows # is ignored: a # is written %23");
    }
    let tls = tls(&parts)?;
    let metadata = Metadata::read(&parts, place, findings)?;
    if let Some(auth) = parts.auth.as_ref().filter(|auth| auth.username.is_empty()) {
        let kind = if auth.password.is_empty() {
            "credentials are"
        } else {
            "user name is"
        };
        findings.warn(place, format_args!("the {kind} empty"));
    }
    let on_dialer = matches!(parts.lower.as_str(), "ssh" | "sshd");
    let node = |(index, addr): (usize, String)| Node {
        name: format!("node-{index}"),
        connector: Some(Part {
            r#type: parts.upper.clone(),
            auth: parts.auth.clone().filter(|_| !on_dialer),
            tls: None,
            metadata: metadata.connector.clone(),
        }),
        dialer: Some(Part {
            r#type: parts.lower.clone(),
            auth: parts.auth.clone().filter(|_| on_dialer),
            tls: tls_for(&tls, &addr),
            metadata: metadata.dialer.clone(),
        }),
        addr,
        metadata: metadata.node.clone(),
        ..Node::default()
    };
    Ok(Hop {
        name: format!("hop-{index}"),
        selector: query::selector(&parts.query)?,
        nodes: Some(addrs.into_iter().enumerate().map(node).collect()),
        rest: objects::shared(&parts.query, names, config)?,
        metadata: metadata.hop,
        origin: place.to_owned(),
    })
}

fn addrs(parts: &Parts, place: &str, findings: &mut Findings) -> Result<Vec<String>, String> {
    let is_file = |word: &str| SOCKET_FILES.contains(&word);
    if is_file(&parts.lower) || is_file(&parts.upper) {
        let addr = if parts.host.is_empty() {
            &parts.path
        } else {
            &parts.host
        };
        return Ok(vec![addr.clone()]);
    }
    if parts.path.len() > 1 {
        findings.warn(
            place,
            format_args!(
                "the path {:?} is ignored: the websocket path is path=",
                parts.path
            ),
        );
    }
    if parts.host.is_empty() && matches!(parts.upper.as_str(), "direct" | "virtual") {
        return Ok(vec![String::new()]);
    }
    let list: Vec<_> = parts.host.split(',').collect();
    if list.len() > 1 && list.last().is_some_and(|last| last.is_empty()) {
        return Err("the list of nodes ends with a comma".to_owned());
    }
    let mut addrs = Vec::new();
    for (number, entry) in list.iter().enumerate() {
        if entry.is_empty() && list.len() > 1 {
            continue;
        }
        let address = address::parse(entry, Role::Node).map_err(|error| match list.len() {
            1 => error,
            _ => format!(
                "node {}: {error} (every node needs its own port)",
                number + 1
            ),
        })?;
        addrs.extend(address.each());
    }
    Ok(addrs)
}

fn tls(parts: &Parts) -> Result<Tls, String> {
    let mut tls = query::files(&parts.query);
    if tls.cert_file.is_empty() != tls.key_file.is_empty() {
        return Err("certFile and keyFile belong together: one of them is missing".to_owned());
    }
    if let Some(text) = parts.query.get(&SECURE) {
        tls.secure = value::parse_bool(text)
            .ok_or_else(|| format!("secure: expected true or false (or 1, 0), got {text:?}"))?;
    }
    tls.server_name = parts.query.get(&SERVER_NAME).unwrap_or_default().to_owned();
    Ok(tls)
}

/// The server name is the node's own host unless one is given.
fn tls_for(tls: &Tls, addr: &str) -> Option<Tls> {
    let mut tls = tls.clone();
    if tls.server_name.is_empty() && !addr.starts_with('/') {
        let host = addr.rsplit_once(':').map_or("", |(host, _)| host);
        tls.server_name = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
    }
    (tls != Tls::default()).then_some(tls)
}

/// Query parameters dealt out to the parts.
#[derive(Default)]
struct Metadata {
    connector: Map,
    dialer: Map,
    node: Map,
    hop: Map,
}

impl Metadata {
    fn read(parts: &Parts, place: &str, findings: &mut Findings) -> Result<Self, String> {
        let mut all = Self::default();
        let reach: &Reach<'_> = &[
            (Place::Connector, &parts.upper),
            (Place::Dialer, &parts.lower),
            (Place::Node, ""),
            (Place::Hop, ""),
        ];
        for (key, text) in &parts.query.0 {
            let value = || text.as_str().into();
            let objects = ["bypass", "resolver", "hosts", "strategy"];
            if query::without_value(key, text, &objects) {
                findings.warn(place, format_args!("{key}= has no value: it does nothing"));
                for map in [
                    &mut all.connector,
                    &mut all.dialer,
                    &mut all.node,
                    &mut all.hop,
                ] {
                    map.insert(key.clone(), value());
                }
                continue;
            }
            if is_one_of(key, &["auth"]) || is_one_of(key, &objects) || query::is_selector(key) {
                continue;
            }
            if let Some((name, value)) = query::network(key, text)? {
                all.hop.insert(name.to_owned(), value);
                continue;
            }
            if let Some((part, name)) = query::prefixed(key, reach) {
                query::check(key, text, reach, "-F", place, findings);
                all.of(part).insert(name.to_owned(), value());
                continue;
            }
            all.hop.insert(key.clone(), value());
            if query::is_file(key) || is_one_of(key, &SECURE) || key == "serverName" {
                continue;
            }
            if !is_one_of(key, &SERVER_NAME) {
                query::check(key, text, reach, "-F", place, findings);
            }
            for map in [&mut all.connector, &mut all.dialer, &mut all.node] {
                map.insert(key.clone(), value());
            }
        }
        Ok(all)
    }

    fn of(&mut self, part: Place) -> &mut Map {
        match part {
            Place::Connector => &mut self.connector,
            Place::Dialer => &mut self.dialer,
            Place::Node => &mut self.node,
            _ => &mut self.hop,
        }
    }
}
