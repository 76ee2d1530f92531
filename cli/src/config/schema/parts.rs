//! Services and chains, with their parts.

use super::Form::{Any, Bool, Duration, Int, List, Object, Options, Text, Texts};
use super::objects::ANYTHING;
use super::{Schema, named, plain};
use crate::config::options::Place;

pub(super) static SERVICE: Schema = named(&[
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

pub(super) static LISTENER: Schema = plain(&[
    ("type", Text),
    ("auth", Object(&AUTH)),
    ("auther", Text),
    ("authers", Texts),
    ("chain", Text),
    ("chainGroup", Object(&CHAIN_GROUP)),
    ("tls", Object(&TLS)),
    ("metadata", Options(Place::Listener)),
]);

pub(super) static FORWARDER: Schema = plain(&[
    ("name", Text),
    ("hop", Text),
    ("hopGroup", Object(&HOP_GROUP)),
    ("selector", Object(&SELECTOR)),
    ("nodes", List(&TARGET)),
]);

pub(super) static TARGET: Schema = plain(&[
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

pub(super) static CHAIN_GROUP: Schema = plain(&[
    ("chains", List(&CHAIN_REFERENCE)),
    ("selector", Object(&SELECTOR)),
]);

pub(super) static CHAIN_REFERENCE: Schema = Schema {
    fields: &[("chain", Text), ("matcher", Any), ("probe", Any)],
    short: Some("chain"),
    origin: false,
};

pub(super) static HOP_GROUP: Schema = plain(&[
    ("hops", List(&HOP_REFERENCE)),
    ("selector", Object(&SELECTOR)),
]);

pub(super) static HOP_REFERENCE: Schema = Schema {
    fields: &[("hop", Text), ("matcher", Any), ("probe", Any)],
    short: Some("hop"),
    origin: false,
};

pub(super) static CHAIN: Schema = named(&[
    ("name", Text),
    ("hops", List(&HOP)),
    ("metadata", Options(Place::Chain)),
]);

pub(super) static HOP: Schema = named(&[
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

pub(super) static NODE: Schema = plain(&[
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

pub(super) static CONNECTOR: Schema = plain(&[
    ("type", Text),
    ("auth", Object(&AUTH)),
    ("tls", Object(&TLS)),
    ("metadata", Options(Place::Connector)),
]);

pub(super) static DIALER: Schema = plain(&[
    ("type", Text),
    ("auth", Object(&AUTH)),
    ("tls", Object(&TLS)),
    ("metadata", Options(Place::Dialer)),
]);

pub(super) static AUTH: Schema = plain(&[("username", Text), ("password", Text), ("file", Text)]);

pub(super) static SELECTOR: Schema = plain(&[
    ("strategy", Text),
    ("maxFails", Int),
    ("failTimeout", Duration),
    ("maxLatency", Duration),
]);

pub(super) static TLS: Schema = plain(&[
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

pub(super) static CERTIFICATE: Schema = plain(&[
    ("certFile", Text),
    ("keyFile", Text),
    ("serverNames", Texts),
]);

pub(super) static TLS_OPTIONS: Schema = plain(&[
    ("minVersion", Text),
    ("maxVersion", Text),
    ("cipherSuites", Texts),
    ("alpn", Texts),
]);
