//! The keys of a configuration file, their forms and their places.

mod objects;
mod parts;
#[cfg(test)]
mod tests;

use self::objects::{
    API, AUTHER, HOSTS, LIMITER, LOG, LOGGER, MATCHERS, METRICS, PROFILING, RESOLVER,
};
use self::parts::{AUTH, CHAIN, CONNECTOR, FORWARDER, HOP, LISTENER, NODE, SELECTOR, SERVICE, TLS};
use super::options::Place;
use crate::report::nearest;

pub use self::objects::ANYTHING;
pub use self::parts::HANDLER;

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

use Form::{Any, Bool, Duration, List, Object, Text};

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
    pub fn has(&self, key: &str) -> bool {
        let mut names = self.fields.iter().map(|(name, _)| *name);
        names.any(|name| name.eq_ignore_ascii_case(key))
    }

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

/// Whether a configuration has such a key itself.
pub fn is_top(key: &str) -> bool {
    ROOT.has(key)
}

pub fn is_of_service(key: &str) -> bool {
    SERVICE.has(key)
}

pub fn nearest_top(key: &str) -> Option<&'static str> {
    nearest(key, ROOT.fields.iter().map(|(name, _)| *name))
}

/// The places below the top where `key` is known, for "it belongs to ...".
pub fn homes(key: &str) -> Vec<&'static str> {
    let all: [(&str, &Schema); 13] = [
        ("the top level", &ROOT),
        ("services[]", &SERVICE),
        ("handler", &HANDLER),
        ("listener", &LISTENER),
        ("forwarder", &FORWARDER),
        ("chains[]", &CHAIN),
        ("hops[]", &HOP),
        ("nodes[]", &NODE),
        ("selector", &SELECTOR),
        ("connector", &CONNECTOR),
        ("tls", &TLS),
        ("auth", &AUTH),
        ("log", &LOG),
    ];
    let has = |schema: &Schema| {
        let mut fields = schema.fields.iter();
        fields.any(|(name, _)| name.eq_ignore_ascii_case(key))
    };
    let found = all.into_iter().filter(|(_, schema)| has(schema));
    found.map(|(name, _)| name).collect()
}
