//! Services and chains, with their parts.

use serde::{Deserialize, Serialize};

use super::tls::Tls;
use super::{Map, is_default, is_zero};
use crate::duration::Span;

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

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    pub strategy: String,
    pub max_fails: i64,
    pub fail_timeout: Span,
    #[serde(skip_serializing_if = "is_default")]
    pub max_latency: Span,
}
