//! The table of keys has every key that is served.

use super::*;
use crate::config::keys::KEYS;

/// Sections that are refused or remarked on as a whole.
const NOT_SERVED: [&str; 27] = [
    "ingresses",
    "routers",
    "sds",
    "recorders",
    "rewriters",
    "caches",
    "quotas",
    "observers",
    "loggers",
    "profiling",
    "api",
    "metrics",
    "logger",
    "observer",
    "rewriter",
    "cache",
    "interface",
    "sockopts",
    "status",
    "hopGroup",
    "matcher",
    "http",
    "probe",
    "redis",
    "plugin",
    "reload",
    "protocol",
];

/// Keys that only hold others.
const HOLDERS: [&str; 15] = [
    "filter",
    "services",
    "handler",
    "listener",
    "forwarder",
    "chains",
    "hops",
    "connector",
    "dialer",
    "selector",
    "options",
    "log",
    "file",
    "host",
    "path",
];

fn undocumented(schema: &Schema, missing: &mut Vec<&'static str>) {
    for (name, form) in schema.fields {
        if NOT_SERVED.contains(name) {
            continue;
        }
        let known = KEYS
            .iter()
            .any(|key| key.is_called(name) || key.ends_with(name));
        if !known && !HOLDERS.contains(name) && !missing.contains(name) {
            missing.push(name);
        }
        if let Form::Object(below) | Form::List(below) = form {
            undocumented(below, missing);
        }
    }
}

#[test]
fn every_key_that_is_served_is_in_the_table_of_keys() {
    let mut missing = Vec::new();
    undocumented(&ROOT, &mut missing);
    let rotation = ["maxSize", "maxAge", "maxBackups", "localTime", "compress"];
    missing.retain(|name| !rotation.contains(name));
    assert_eq!(missing, Vec::<&str>::new());
}
