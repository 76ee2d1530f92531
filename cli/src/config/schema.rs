//! The keys of a configuration file, their forms and their places.

use super::options::Place;

#[derive(Clone, Copy)]
pub enum Form {
    Text,
    Int,
    Bool,
    /// Text with a unit, or a bare integer (seconds, nanoseconds from a million up).
    Duration,
    Texts,
    Object(&'static Schema),
    List(&'static Schema),
    /// Options of a part, checked against the option table.
    Options(Place),
    /// Kept as it is.
    Any,
}

pub struct Schema {
    pub fields: &'static [(&'static str, Form)],
    /// Where a bare word may stand for the object: the field it sets.
    pub short: Option<&'static str>,
    /// Objects remember where they were written.
    pub origin: bool,
}

use Form::{Any, Bool, Duration, Int, List, Object, Options, Text, Texts};

const fn plain(fields: &'static [(&'static str, Form)]) -> Schema {
    Schema {
        fields,
        short: None,
        origin: false,
    }
}

const fn named(fields: &'static [(&'static str, Form)]) -> Schema {
    Schema {
        fields,
        short: None,
        origin: true,
    }
}

pub static ROOT: Schema = plain(&[
    ("services", List(&SERVICE)),
    ("chains", List(&CHAIN)),
    ("hops", List(&HOP)),
    ("authers", List(&AUTHER)),
    ("admissions", List(&MATCHERS)),
    ("bypasses", List(&MATCHERS)),
    ("resolvers", List(&RESOLVER)),
    ("hosts", List(&HOSTS)),
    ("limiters", List(&LIMITER)),
    ("climiters", List(&LIMITER)),
    ("rlimiters", List(&LIMITER)),
    ("ingresses", List(&ANYTHING)),
    ("routers", List(&ANYTHING)),
    ("sds", List(&ANYTHING)),
    ("recorders", List(&ANYTHING)),
    ("rewriters", List(&ANYTHING)),
    ("caches", List(&ANYTHING)),
    ("quotas", List(&ANYTHING)),
    ("observers", List(&ANYTHING)),
    ("loggers", List(&LOGGER)),
    ("tls", Object(&TLS)),
    ("log", Object(&LOG)),
    ("profiling", Object(&PROFILING)),
    ("api", Object(&API)),
    ("metrics", Object(&METRICS)),
    ("drainTimeout", Duration),
    ("strict", Bool),
    ("profile", Text),
    ("memory", Any),
]);

impl Schema {
    /// Where options of its own stand, if those of a URL are copied to its parts.
    pub fn copies(&self) -> Option<Place> {
        let own = [
            (&SERVICE, Place::Service),
            (&HOP, Place::Hop),
            (&NODE, Place::Node),
        ];
        let mut own = own.into_iter();
        own.find_map(|(schema, place)| std::ptr::eq(schema, self).then_some(place))
    }
}

static SERVICE: Schema = named(&[
    ("name", Text),
    ("addr", Text),
    ("handler", Object(&HANDLER)),
    ("listener", Object(&LISTENER)),
    ("forwarder", Object(&FORWARDER)),
    ("admission", Text),
    ("admissions", Texts),
    ("bypass", Text),
    ("bypasses", Texts),
    ("resolver", Text),
    ("hosts", Text),
    ("limiter", Text),
    ("climiter", Text),
    ("rlimiter", Text),
    ("quotas", Texts),
    ("logger", Text),
    ("loggers", Texts),
    ("observer", Text),
    ("recorders", List(&ANYTHING)),
    ("rewriter", Text),
    ("cache", Text),
    ("interface", Text),
    ("sockopts", Any),
    ("metadata", Options(Place::Service)),
    ("status", Any),
]);

pub static HANDLER: Schema = plain(&[
    ("type", Text),
    ("auth", Object(&AUTH)),
    ("auther", Text),
    ("authers", Texts),
    ("chain", Text),
    ("chainGroup", Object(&CHAIN_GROUP)),
    ("retries", Int),
    ("limiter", Text),
    ("observer", Text),
    ("tls", Object(&TLS)),
    ("metadata", Options(Place::Handler)),
]);

static LISTENER: Schema = plain(&[
    ("type", Text),
    ("auth", Object(&AUTH)),
    ("auther", Text),
    ("authers", Texts),
    ("chain", Text),
    ("chainGroup", Object(&CHAIN_GROUP)),
    ("tls", Object(&TLS)),
    ("metadata", Options(Place::Listener)),
]);

static FORWARDER: Schema = plain(&[
    ("name", Text),
    ("hop", Text),
    ("hopGroup", Object(&HOP_GROUP)),
    ("selector", Object(&SELECTOR)),
    ("nodes", List(&TARGET)),
]);

static CHAIN_GROUP: Schema = plain(&[
    ("chains", List(&CHAIN_REFERENCE)),
    ("selector", Object(&SELECTOR)),
]);

static CHAIN_REFERENCE: Schema = Schema {
    fields: &[("chain", Text), ("matcher", Any), ("probe", Any)],
    short: Some("chain"),
    origin: false,
};

static HOP_GROUP: Schema = plain(&[
    ("hops", List(&HOP_REFERENCE)),
    ("selector", Object(&SELECTOR)),
]);

static HOP_REFERENCE: Schema = Schema {
    fields: &[("hop", Text), ("matcher", Any), ("probe", Any)],
    short: Some("hop"),
    origin: false,
};

static CHAIN: Schema = named(&[
    ("name", Text),
    ("hops", List(&HOP)),
    ("metadata", Options(Place::Chain)),
]);

static HOP: Schema = named(&[
    ("name", Text),
    ("nodes", List(&NODE)),
    ("selector", Object(&SELECTOR)),
    ("bypass", Text),
    ("bypasses", Texts),
    ("resolver", Text),
    ("hosts", Text),
    ("interface", Text),
    ("sockopts", Any),
    ("reload", Duration),
    ("file", Any),
    ("redis", Any),
    ("http", Any),
    ("plugin", Any),
    ("metadata", Options(Place::Hop)),
]);

static NODE: Schema = plain(&[
    ("name", Text),
    ("addr", Text),
    ("network", Text),
    ("connector", Object(&CONNECTOR)),
    ("dialer", Object(&DIALER)),
    ("bypass", Text),
    ("bypasses", Texts),
    ("resolver", Text),
    ("hosts", Text),
    ("interface", Text),
    ("sockopts", Any),
    ("matcher", Any),
    ("filter", Any),
    ("http", Any),
    ("tls", Any),
    ("probe", Any),
    ("metadata", Options(Place::Node)),
]);

static TARGET: Schema = plain(&[
    ("name", Text),
    ("addr", Text),
    ("network", Text),
    ("bypass", Text),
    ("bypasses", Texts),
    ("matcher", Any),
    ("filter", Any),
    ("http", Any),
    ("tls", Any),
    ("probe", Any),
    ("protocol", Text),
    ("host", Text),
    ("path", Text),
    ("auth", Object(&AUTH)),
    ("metadata", Options(Place::Node)),
]);

static CONNECTOR: Schema = plain(&[
    ("type", Text),
    ("auth", Object(&AUTH)),
    ("tls", Object(&TLS)),
    ("metadata", Options(Place::Connector)),
]);

static DIALER: Schema = plain(&[
    ("type", Text),
    ("auth", Object(&AUTH)),
    ("tls", Object(&TLS)),
    ("metadata", Options(Place::Dialer)),
]);

static AUTH: Schema = plain(&[("username", Text), ("password", Text), ("file", Text)]);

static SELECTOR: Schema = plain(&[
    ("strategy", Text),
    ("maxFails", Int),
    ("failTimeout", Duration),
    ("maxLatency", Duration),
]);

static TLS: Schema = plain(&[
    ("certFile", Text),
    ("keyFile", Text),
    ("caFile", Text),
    ("secure", Bool),
    ("serverName", Text),
    ("options", Object(&TLS_OPTIONS)),
    ("validity", Duration),
    ("commonName", Text),
    ("organization", Text),
    ("rejectUnknownSNI", Bool),
    ("serverNames", Texts),
    ("certificates", List(&CERTIFICATE)),
]);

static CERTIFICATE: Schema = plain(&[
    ("certFile", Text),
    ("keyFile", Text),
    ("serverNames", Texts),
]);

static TLS_OPTIONS: Schema = plain(&[
    ("minVersion", Text),
    ("maxVersion", Text),
    ("cipherSuites", Texts),
    ("alpn", Texts),
]);

static AUTHER: Schema = named(&[
    ("name", Text),
    ("auths", List(&AUTH)),
    ("reload", Duration),
    ("file", Object(&FILE)),
    ("redis", Any),
    ("http", Any),
    ("plugin", Any),
]);

static FILE: Schema = plain(&[("path", Text)]);

static MATCHERS: Schema = named(&[
    ("name", Text),
    ("reverse", Bool),
    ("whitelist", Bool),
    ("network", Text),
    ("matchers", Texts),
    ("reload", Duration),
    ("file", Object(&FILE)),
    ("redis", Any),
    ("http", Any),
    ("plugin", Any),
]);

static RESOLVER: Schema = named(&[
    ("name", Text),
    ("nameservers", List(&NAME_SERVER)),
    ("plugin", Any),
]);

static NAME_SERVER: Schema = plain(&[
    ("addr", Text),
    ("chain", Text),
    ("prefer", Text),
    ("only", Text),
    ("ttl", Duration),
    ("timeout", Duration),
    ("async", Bool),
    ("clientIP", Text),
    ("hostname", Text),
]);

static HOSTS: Schema = named(&[
    ("name", Text),
    ("mappings", List(&MAPPING)),
    ("reload", Duration),
    ("file", Object(&FILE)),
    ("redis", Any),
    ("http", Any),
    ("plugin", Any),
]);

static MAPPING: Schema = plain(&[("ip", Text), ("hostname", Text), ("aliases", Texts)]);

static LIMITER: Schema = named(&[
    ("name", Text),
    ("limits", Texts),
    ("reload", Duration),
    ("file", Object(&FILE)),
    ("redis", Any),
    ("http", Any),
    ("plugin", Any),
]);

static LOGGER: Schema = plain(&[("name", Text), ("log", Object(&LOG))]);

static LOG: Schema = plain(&[
    ("output", Text),
    ("level", Text),
    ("format", Text),
    ("rotation", Object(&ROTATION)),
]);

static ROTATION: Schema = plain(&[
    ("maxSize", Int),
    ("maxAge", Int),
    ("maxBackups", Int),
    ("localTime", Bool),
    ("compress", Bool),
]);

static API: Schema = plain(&[
    ("addr", Text),
    ("pathPrefix", Text),
    ("accesslog", Bool),
    ("auth", Object(&AUTH)),
    ("auther", Text),
]);

static METRICS: Schema = plain(&[
    ("addr", Text),
    ("path", Text),
    ("auth", Object(&AUTH)),
    ("auther", Text),
]);

static PROFILING: Schema = plain(&[("addr", Text)]);

/// A section that is not served: every key is kept, none is checked.
pub static ANYTHING: Schema = plain(&[]);

/// The places below the top where `key` is known, for "it belongs to ...".
pub fn homes(key: &str) -> Vec<&'static str> {
    let all: [(&str, &Schema); 9] = [
        ("the top level", &ROOT),
        ("services[]", &SERVICE),
        ("handler", &HANDLER),
        ("listener", &LISTENER),
        ("forwarder", &FORWARDER),
        ("chains[]", &CHAIN),
        ("hops[]", &HOP),
        ("nodes[]", &NODE),
        ("selector", &SELECTOR),
    ];
    let part = [
        ("connector", &CONNECTOR),
        ("tls", &TLS),
        ("auth", &AUTH),
        ("log", &LOG),
    ];
    all.into_iter()
        .chain(part)
        .filter(|(_, schema)| {
            schema
                .fields
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case(key))
        })
        .map(|(name, _)| name)
        .collect()
}

#[cfg(test)]
mod tests {
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
}
