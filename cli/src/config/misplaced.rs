//! Keys that stand in another place than their own, and what stands where a map belongs.

use super::schema::{self, Schema};
use super::tree::{Entry, Node};

/// No key of a configuration stands at the top level, but they do in another place, or those of a service do here.
pub(super) fn misplaced(entries: &[Entry]) -> Option<(&Entry, String)> {
    if entries.iter().any(|entry| schema::is_top(&entry.key)) {
        return None;
    }
    for entry in entries {
        let Node::Map(inner) = &entry.value else {
            continue;
        };
        let known: Vec<_> = (inner.iter().map(|one| one.key.as_str()))
            .filter(|key| schema::is_top(key))
            .take(3)
            .collect();
        if !known.is_empty() {
            let text = format!(
                "{} belong to the top level: leave this key out, and the indentation of what is below it",
                known.join(", ")
            );
            return Some((entry, text));
        }
    }
    let near = |entry: &&Entry| schema::nearest_top(&entry.key).is_some();
    if let Some(entry) = entries.iter().find(near) {
        let name = schema::nearest_top(&entry.key).unwrap_or_default();
        return Some((entry, format!("unknown key, did you mean {name:?}?")));
    }
    let is_one = entries
        .iter()
        .all(|entry| schema::is_of_service(&entry.key));
    let first = entries.first().filter(|_| is_one)?;
    let text = "this is a service: write it as an element of a list, behind \"- \", below a line \"services:\"";
    Some((first, text.to_owned()))
}

pub(super) fn is_service(node: &Node) -> bool {
    matches!(node, Node::Map(entries) if entries.iter().any(|entry| schema::is_of_service(&entry.key)))
}

/// `name: {...}` in place of `- name: ...`.
pub(super) fn is_by_name(entries: &[Entry], schema: &Schema) -> bool {
    let is_named = |entry: &Entry| matches!(entry.value, Node::Map(_)) && !schema.has(&entry.key);
    !entries.is_empty() && !schema.fields.is_empty() && entries.iter().all(is_named)
}

/// How the map is written that a key wants.
pub(super) fn map_for(path: &str) -> &'static str {
    let key = path.rsplit('.').next().unwrap_or_default();
    match key.split('[').next().unwrap_or_default() {
        "auth" | "auths" => "a map such as {username: u, password: p}",
        "services" => "a map such as {addr: ':1080', handler: {type: socks5}}",
        "handler" => "a map such as {type: socks5}",
        "listener" | "dialer" => "a map such as {type: wss}",
        "connector" => "a map such as {type: relay}",
        "forwarder" => "a map such as {nodes: [{addr: 'host:22'}]}",
        "tls" => "a map such as {certFile: cert.pem, keyFile: key.pem}",
        "metadata" => "a map such as {udp: true}",
        "nodes" => "a map such as {addr: 'host:443'}",
        _ => "a map",
    }
}
