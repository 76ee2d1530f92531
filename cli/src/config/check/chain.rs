//! Chains, hops and nodes.

use super::Pass;
use super::unserved::{HOP_RULES, NODE_RULES, NODE_SOURCES};
use crate::config::model::{Chain, Hop, Node, Tls};
use crate::config::options::Place;

impl Pass<'_> {
    pub(super) fn chain(&mut self, chain: &Chain) {
        self.options(&chain.options(), &format!("{}: metadata", chain.origin));
        if chain.hops.is_empty() {
            let text = format_args!("chain {:?} has no hops", chain.name);
            self.findings.error(&chain.origin, text);
        }
        for hop in &chain.hops {
            if hop.nodes.is_some() {
                self.hop(hop);
                continue;
            }
            if hop.name.is_empty() {
                let text = "has no nodes, and no name of a hop of the top level";
                self.findings.error(&hop.origin, text);
                continue;
            }
            // Without nodes it refers to a hop of the top level.
            let hops = &self.config.hops;
            if hop.name == chain.name && hops.iter().all(|one| one.name != hop.name) {
                let text = format_args!(
                    "chain {:?} refers to itself: a chain is made of hops, not of chains",
                    chain.name
                );
                self.findings.error(&hop.origin, text);
            } else {
                self.hop_reference(&hop.origin, &hop.name);
            }
        }
    }

    pub(super) fn hop(&mut self, hop: &Hop) {
        self.rest(&hop.origin, &hop.rest, HOP_RULES);
        for key in NODE_SOURCES
            .iter()
            .filter(|key| hop.rest.contains_key(**key))
        {
            let text = format_args!("{key}: nodes are not read from elsewhere: list them in nodes");
            self.findings.error(&hop.origin, text);
        }
        self.options(&hop.options(), &format!("{}: metadata", hop.origin));
        let nodes = hop.nodes.as_deref().unwrap_or_default();
        if nodes.is_empty() {
            let text = match hop.nodes {
                Some(_) => "has no nodes",
                None => "has no nodes: a hop of the top level defines them, and refers to none",
            };
            self.findings
                .error(&hop.origin, format_args!("hop {:?} {text}", hop.name));
        }
        for node in nodes {
            self.node(&format!("{}: {}", hop.origin, node.name), node, NODE_RULES);
        }
    }

    pub(super) fn node(&mut self, place: &str, node: &Node, rules: &[&str]) {
        self.rest(place, &node.rest, rules);
        self.options(&node.options(), &format!("{place}: metadata"));
        for (part, at) in [
            (&node.connector, Place::Connector),
            (&node.dialer, Place::Dialer),
        ] {
            let Some(part) = part else { continue };
            if at == Place::Dialer && part.auth.is_some() {
                self.no_effect(place, "dialer.auth", "it belongs to the connector");
            }
            let socks5 = matches!(part.r#type.as_str(), "socks" | "socks5");
            if at == Place::Dialer
                && let Some(keys) = part.tls.as_ref().and_then(server_keys)
            {
                self.no_effect(place, &keys, "it is for listeners");
            }
            if at == Place::Connector && part.tls.is_some() && !socks5 {
                self.no_effect(place, "connector.tls", "it belongs to the dialer");
            }
            let place = format!("{place}: {}.metadata", at.name());
            self.options(&part.options(at), &place);
        }
    }
}

/// What a dialer's section says that only a listener could do.
fn server_keys(tls: &Tls) -> Option<String> {
    let keys = [
        ("rejectUnknownSNI", tls.reject_unknown_sni),
        ("serverNames", !tls.server_names.is_empty()),
        ("certificates", !tls.certificates.is_empty()),
    ];
    let set: Vec<_> = keys
        .iter()
        .filter(|(_, set)| *set)
        .map(|(key, _)| format!("dialer.tls.{key}"))
        .collect();
    (!set.is_empty()).then(|| set.join(" and "))
}
