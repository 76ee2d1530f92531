//! The chain of a handler, or several of them.

use std::sync::Arc;

use ginnel_core::plan::{Chain, ChainGroup, ConnectorKind, GroupMember, Service, Strategy};
use serde_json::Value;

use super::Lowering;
use super::selector::{overrides, weight};
use crate::config::model::{self, Map};

/// The names of the chains in a `chainGroup`.
pub(crate) fn members(handler: &model::Handler) -> Vec<&str> {
    let group = handler.rest.get("chainGroup");
    let chains = group.and_then(|group| group.get("chains")?.as_array());
    let chains = chains.into_iter().flatten();
    chains
        .filter_map(|one| one.get("chain")?.as_str())
        .collect()
}

impl Lowering<'_> {
    /// `handler.chain` is one more member of the group.
    pub(super) fn group(&mut self, handler: &model::Handler, at: &str) -> Option<Arc<ChainGroup>> {
        let section = handler.rest.get("chainGroup")?;
        let mut names = members(handler);
        if names.is_empty() {
            self.findings.error(at, "chainGroup has no chains");
        }
        let entries = section.get("chains").and_then(Value::as_array);
        let entries = entries.into_iter().flatten().filter_map(Value::as_object);
        let keys = entries.clone().flat_map(Map::keys);
        for key in keys.filter(|key| !matches!(key.as_str(), "chain" | "matcher")) {
            if key == "probe" {
                let text = "chainGroup: probe: not supported yet, has no effect: the connections tell which chains work";
                self.findings.warn(at, text);
                continue;
            }
            let text = format_args!("chainGroup: {key}: not supported yet");
            self.findings.error(at, text);
        }
        if !handler.chain.is_empty() && !names.contains(&handler.chain.as_str()) {
            names.push(&handler.chain);
        }
        let selector: Option<model::Selector> = section
            .get("selector")
            .and_then(|selector| serde_json::from_value(selector.clone()).ok());
        let mut selector = self.selector(selector.as_ref(), at);
        if selector.strategy == Strategy::Parallel {
            let text = "chainGroup: strategy parallel is for nodes: round is used";
            self.findings.warn(at, text);
            selector.strategy = Strategy::Round;
        }
        let chains = &self.config.chains;
        let mut found = Vec::new();
        for name in names {
            // That it exists was checked.
            let Some(chain) = chains.iter().position(|one| one.name == name) else {
                continue;
            };
            let options = chains[chain].options();
            let entry = entries
                .clone()
                .find(|entry| entry.get("chain").and_then(Value::as_str) == Some(name));
            let place = format!("{at}: chainGroup: {name}");
            found.push(GroupMember {
                chain,
                rule: entry.and_then(|entry| self.rule(entry, false, &place)),
                weight: weight(&options),
                backup: options.flag("backup"),
                overrides: overrides(&options),
            });
        }
        Some(Arc::new(ChainGroup {
            members: found,
            selector,
        }))
    }
}

/// Whether the far end of each chain chooses the target.
pub(super) fn passes_on(service: &Service, chains: &[Chain]) -> bool {
    let mut ends = service
        .chains()
        .map(|index| chains.get(index)?.hops.last())
        .peekable();
    ends.peek().is_some()
        && ends.all(|hop| {
            let mut kinds = hop
                .into_iter()
                .flat_map(|hop| hop.nodes.iter().map(|node| node.connector.kind));
            kinds.all(|kind| matches!(kind, ConnectorKind::Forward | ConnectorKind::Relay))
        })
}
