//! Forwarders: their targets, which clients each is for, and what speaks against it.

use std::ops::RangeInclusive;

use ginnel_core::addr::Target;
use ginnel_core::plan::{Forward, ForwardNode, TargetRules};
use serde_json::Value;

use super::Lowering;
use super::selector::{overrides, weight};
use crate::config::model::{self, Map};

/// Keys of a target's `filter`; gost still reads them beside it, too.
const FILTER: [&str; 3] = ["protocol", "host", "path"];

impl Lowering<'_> {
    /// `files`: the targets are socket files.
    pub(super) fn forward(
        &mut self,
        forwarder: &model::Forwarder,
        files: bool,
        at: &str,
    ) -> Option<Forward> {
        let (nodes, selector) = match forwarder.hop_name() {
            "" => (forwarder.nodes.as_slice(), forwarder.selector.as_ref()),
            name => {
                let hop = self.config.hops.iter().find(|hop| hop.name == name)?;
                (
                    hop.nodes.as_deref().unwrap_or_default(),
                    hop.selector.as_ref(),
                )
            }
        };
        if nodes.is_empty() {
            self.findings.error(at, "the forwarder has no targets");
        }
        let selector = self.selector(selector, at);
        let nodes = nodes
            .iter()
            .filter_map(|node| self.forward_node(node, files, at));
        Some(Forward {
            nodes: nodes.collect(),
            selector,
        })
    }

    fn forward_node(&mut self, node: &model::Node, files: bool, at: &str) -> Option<ForwardNode> {
        if !matches!(
            node.network.as_str(),
            "" | "tcp" | "tcp4" | "tcp6" | "udp" | "udp4" | "udp6" | "unix"
        ) {
            let text = format_args!("{}: network {} is not supported", node.name, node.network);
            self.findings.error(at, text);
        }
        let options = node.options();
        if options.get("proxyProtocol").is_some() {
            let text = format_args!(
                "{}: proxyProtocol has no effect on a target: set it for the handler",
                node.name
            );
            self.findings.warn(at, text);
        }
        Some(ForwardNode {
            name: node.name.clone(),
            addr: match files || node.network == "unix" {
                true => Target::file(&node.addr),
                false => self.target(&node.addr, &node.name, at)?,
            },
            weight: weight(&options),
            backup: options.flag("backup"),
            overrides: overrides(&options),
            rules: self.target_rules(&node.rest, &format!("{at}: {}", node.name)),
        })
    }

    fn target_rules(&mut self, rest: &Map, at: &str) -> TargetRules {
        let filter = rest.get("filter").and_then(Value::as_object);
        for key in filter.into_iter().flat_map(Map::keys) {
            if !FILTER.iter().any(|one| one.eq_ignore_ascii_case(key)) {
                let text = format_args!("filter.{key}: expected protocol, host or path");
                self.findings.error(at, text);
            }
        }
        let text = |key: &str| {
            let below = filter.and_then(|filter| filter.get(key));
            let value = below.or_else(|| rest.get(key));
            value.and_then(Value::as_str).unwrap_or_default()
        };
        let protocol = text("protocol").to_ascii_lowercase();
        if !matches!(protocol.as_str(), "" | "http" | "tls" | "ssh") {
            let text = format_args!("protocol: expected http, tls or ssh, got {protocol:?}");
            self.findings.warn(at, text);
        }
        let host = match text("host") {
            "" => None,
            host => self.host_filter(host, at),
        };
        TargetRules {
            protocol,
            host,
            path: text("path").to_owned(),
            bypasses: self.bypasses(rest),
            rule: self.rule(rest, true, at),
            fail_codes: self.fail_codes(rest.get("http"), at),
        }
    }

    /// `http.failCodes`: statuses with commas, `5xx` for a hundred of them.
    fn fail_codes(&mut self, http: Option<&Value>, at: &str) -> Vec<RangeInclusive<u16>> {
        let Some(http) = http.and_then(Value::as_object) else {
            return Vec::new();
        };
        for key in http
            .keys()
            .filter(|key| !key.eq_ignore_ascii_case("failCodes"))
        {
            let text = format_args!("http.{key}: not supported yet, has no effect");
            self.findings.warn(at, text);
        }
        let codes = http
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case("failCodes"));
        let codes = match codes {
            Some((_, Value::String(text))) => text.clone(),
            Some((_, other)) => other.to_string(),
            None => String::new(),
        };
        let words = codes
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty());
        let mut ranges = Vec::new();
        for word in words {
            match range(word) {
                Some(range) => ranges.push(range),
                None => {
                    let text = format_args!(
                        "http.failCodes: expected statuses such as 429 or 5xx, got {word:?}"
                    );
                    self.findings.error(at, text);
                }
            }
        }
        ranges
    }
}

fn range(word: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = match word.strip_suffix("xx") {
        Some(digit) => {
            let hundred = digit.parse::<u16>().ok().filter(|digit| *digit < 10)? * 100;
            (hundred, hundred + 99)
        }
        None => (word.parse().ok()?, word.parse().ok()?),
    };
    (100..=999).contains(&first).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_single_or_by_the_hundred() {
        for (word, expected) in [
            ("429", Some(429..=429)),
            ("5xx", Some(500..=599)),
            ("xx", None),
            ("0xx", None),
            ("55xx", None),
            ("42", None),
            ("1000", None),
            ("a", None),
        ] {
            assert_eq!(range(word), expected, "{word}");
        }
    }
}
