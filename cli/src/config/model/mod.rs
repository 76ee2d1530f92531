//! The configuration as gost's file form has it: what `-O` prints and what is lowered to a plan.
//!
//! Sections that the program does not implement are kept as plain maps, so that they survive `-O`.

mod parts;
mod tls;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::duration::Span;
use crate::secrets;

pub use self::parts::{
    Auth, Chain, Forwarder, Handler, Hop, Listener, Node, Part, Selector, Service,
};
pub use self::tls::{Certificate, Tls, TlsOptions};

/// Free-form options, in the order and spelling of the source.
pub type Map = serde_json::Map<String, Value>;

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Config {
    pub services: Vec<Service>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chains: Vec<Chain>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<Hop>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authers: Vec<Auther>,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "unplaced")]
    pub admissions: Vec<Map>,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "unplaced")]
    pub bypasses: Vec<Map>,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "unplaced")]
    pub resolvers: Vec<Map>,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "unplaced")]
    pub hosts: Vec<Map>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ingresses: Vec<Map>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routers: Vec<Map>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sds: Vec<Map>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recorders: Vec<Map>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rewriters: Vec<Map>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<Map>,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "unplaced")]
    pub limiters: Vec<Map>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<Map>,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "unplaced")]
    pub climiters: Vec<Map>,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "unplaced")]
    pub rlimiters: Vec<Map>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observers: Vec<Map>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loggers: Vec<Map>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Log>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profiling: Option<Map>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<Map>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Map>,
    /// Not gost's: how long connections may go on after SIGTERM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_timeout: Option<Span>,
    /// Not gost's: unknown keys are errors.
    #[serde(skip_serializing_if = "is_false")]
    pub strict: bool,
    /// Not gost's: a set of defaults, as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Not gost's: bytes that connections may hold, as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Value>,
}

impl Config {
    /// The lists of rules, which may come from files.
    pub fn lists(&self) -> [&Vec<Map>; 6] {
        [
            &self.admissions,
            &self.bypasses,
            &self.hosts,
            &self.limiters,
            &self.climiters,
            &self.rlimiters,
        ]
    }
}

/// Sections without a typed form and header fields hold secrets, too.
impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        secrets::hide_all(&mut value);
        write!(f, "{value:#}")
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Auther {
    pub name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub auths: Vec<Auth>,
    #[serde(flatten)]
    pub rest: Map,
    #[serde(rename = "$origin", skip_serializing)]
    pub origin: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub output: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub level: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub format: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Map>,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &i64) -> bool {
    *value == 0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Without where they were written.
fn unplaced<S: serde::Serializer>(maps: &[Map], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(maps.iter().map(|map| {
        let mut map = map.clone();
        map.retain(|key, _| key != "$origin");
        map
    }))
}
