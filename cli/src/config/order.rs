//! The order in which gost prints the keys of an object: that of its structures, whatever the file had.

use serde_json::Value;

/// One list for all objects: no two of them disagree about keys that both have.
const ORDER: [&str; 69] = [
    "name",
    "addr",
    "network",
    "hop",
    "type",
    "retries",
    "chain",
    "chainGroup",
    "auther",
    "authers",
    "interface",
    "sockopts",
    "reverse",
    "whitelist",
    "matchers",
    "selector",
    "admission",
    "admissions",
    "bypass",
    "bypasses",
    "resolver",
    "hosts",
    "nodes",
    "nameservers",
    "mappings",
    "limits",
    "username",
    "password",
    "auths",
    "pathPrefix",
    "path",
    "accesslog",
    "auth",
    "certFile",
    "keyFile",
    "caFile",
    "secure",
    "serverName",
    "tls",
    "limiter",
    "quotas",
    "climiter",
    "rlimiter",
    "logger",
    "loggers",
    "observer",
    "rewriter",
    "recorders",
    "cache",
    "connector",
    "dialer",
    "handler",
    "listener",
    "forwarder",
    "options",
    "validity",
    "commonName",
    "organization",
    "filter",
    "matcher",
    "http",
    "probe",
    "reload",
    "file",
    "redis",
    "plugin",
    "level",
    "format",
    "output",
];

/// Below the top level, whose order is that of [`super::model::Config`]. Options are in the order of
/// their keys; what no list names keeps its place, in front of `metadata`.
pub(super) fn arrange(config: &mut Value) {
    let Value::Object(sections) = config else {
        return;
    };
    if let Some(Value::Array(services)) = sections.get_mut("services") {
        services.iter_mut().for_each(unnamed_targets);
    }
    sections.values_mut().for_each(object);
}

/// A target without a name has none, other than a node.
fn unnamed_targets(service: &mut Value) {
    let nodes = service.pointer_mut("/forwarder/nodes");
    let nodes = nodes.and_then(Value::as_array_mut).into_iter().flatten();
    for node in nodes.filter_map(Value::as_object_mut) {
        if node.get("name").is_some_and(|name| name == "") {
            node.shift_remove("name");
        }
    }
}

fn object(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(object),
        Value::Object(map) => {
            let mut entries: Vec<_> = std::mem::take(map).into_iter().collect();
            entries.sort_by_key(|(key, _)| rank(key));
            for (key, mut value) in entries {
                match key == "metadata" {
                    true => value.sort_all_objects(),
                    false => object(&mut value),
                }
                map.insert(key, value);
            }
        }
        _ => {}
    }
}

fn rank(key: &str) -> usize {
    match key {
        "metadata" => ORDER.len() + 1,
        key => {
            let place = ORDER.iter().position(|one| *one == key);
            place.unwrap_or(ORDER.len())
        }
    }
}
