//! The configuration as gost's file form has it: what `-O` prints and what is lowered to a plan.
//!
//! Sections that the program does not implement are kept as plain maps, so that they survive `-O`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::duration::Span;
use crate::secrets;

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
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub addr: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handler: Option<Handler>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<Listener>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarder: Option<Forwarder>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map,
    /// References and sections without a typed form: `bypass`, `admissions`, `resolver`, ...
    #[serde(flatten)]
    pub rest: Map,
    /// Where it was written, for messages.
    #[serde(rename = "$origin", skip_serializing)]
    pub origin: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Handler {
    pub r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub auther: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authers: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub chain: String,
    /// Where `chain` was written, for messages; empty if not in a file.
    #[serde(rename = "$chain", skip_serializing)]
    pub chain_origin: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map,
    #[serde(flatten)]
    pub rest: Map,
}

impl Handler {
    /// Of all authers that it refers to.
    pub fn auther_names(&self) -> impl Iterator<Item = &str> {
        let names = self.authers.iter().map(String::as_str);
        names.chain(Some(self.auther.as_str()).filter(|name| !name.is_empty()))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Listener {
    pub r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub chain: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map,
    #[serde(flatten)]
    pub rest: Map,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Forwarder {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hop: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
    pub nodes: Vec<Node>,
    #[serde(flatten)]
    pub rest: Map,
}

impl Forwarder {
    /// Of the top level's hop that has the targets; empty if they stand here.
    pub fn hop_name(&self) -> &str {
        match self.hop.as_str() {
            "" => &self.name,
            hop => hop,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Chain {
    pub name: String,
    pub hops: Vec<Hop>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map,
    #[serde(rename = "$origin", skip_serializing)]
    pub origin: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hop {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
    /// `None`: the name refers to the top-level `hops`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Vec<Node>>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map,
    #[serde(flatten)]
    pub rest: Map,
    #[serde(rename = "$origin", skip_serializing)]
    pub origin: String,
}

/// A node of a hop, or a target of a forwarder (which has neither connector nor dialer).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Node {
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub addr: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub network: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connector: Option<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialer: Option<Part>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map,
    #[serde(flatten)]
    pub rest: Map,
}

/// A connector or a dialer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Part {
    pub r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map,
}

#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Auth {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub password: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file: String,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth")
            .field("username", &self.username)
            .field("file", &self.file)
            .finish_non_exhaustive()
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

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    pub strategy: String,
    pub max_fails: i64,
    pub fail_timeout: Span,
    #[serde(skip_serializing_if = "is_default")]
    pub max_latency: Span,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tls {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cert_file: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key_file: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ca_file: String,
    #[serde(skip_serializing_if = "is_false")]
    pub secure: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<TlsOptions>,
    #[serde(skip_serializing_if = "is_default")]
    pub validity: Span,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub common_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub organization: String,
    #[serde(rename = "rejectUnknownSNI", skip_serializing_if = "is_false")]
    pub reject_unknown_sni: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub server_names: Vec<String>,
    /// Not gost's: shown to clients that ask for their names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Certificate>,
}

/// One of several certificates of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Certificate {
    pub cert_file: String,
    pub key_file: String,
    /// In place of the names in the certificate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub server_names: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsOptions {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub min_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub max_version: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cipher_suites: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alpn: Vec<String>,
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
