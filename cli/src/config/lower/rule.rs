//! Which targets a node, a target of a forwarder or a chain is for: gost's routing rules, and filters.

use ginnel_core::route::matcher::{Matcher, Pattern};
use ginnel_core::route::rule::Rule;
use serde_json::Value;

use super::Lowering;
use crate::config::model::Map;
use crate::config::value;

impl Lowering<'_> {
    /// `matcher: {rule, priority}`. Only a target of a forwarder may ask for what the client's first bytes tell.
    pub(super) fn rule(&mut self, rest: &Map, target: bool, at: &str) -> Option<Rule> {
        let matcher = rest.get("matcher")?.as_object();
        let get = |key: &str| {
            let mut entries = matcher.into_iter().flatten();
            let found = entries.find(|(name, _)| name.eq_ignore_ascii_case(key));
            found.map(|(_, value)| value)
        };
        let keys = matcher.into_iter().flat_map(Map::keys);
        for key in keys.filter(|key| {
            !["rule", "priority"]
                .iter()
                .any(|one| one.eq_ignore_ascii_case(key))
        }) {
            let text = format_args!("matcher.{key}: expected rule or priority");
            self.findings.error(at, text);
        }
        let text = get("rule").and_then(Value::as_str).unwrap_or_default();
        let priority = get("priority").and_then(value::to_int).unwrap_or(0);
        let priority = u32::try_from(priority)
            .ok()
            .filter(|priority| *priority > 0);
        let rule = match Rule::parse(text, priority) {
            Ok(rule) => rule,
            Err(error) => {
                self.findings
                    .error(at, format_args!("matcher.rule: {error}"));
                return None;
            }
        };
        if !target && rule.needs_request() {
            let text = "matcher.rule: protocols and paths are known to targets of forwarders only, here a rule has Host";
            self.findings.error(at, text);
        }
        Some(rule)
    }

    /// Of a hop's node.
    pub(super) fn filter(&mut self, filter: &Value, at: &str) -> Option<Matcher> {
        let keys = filter.as_object().into_iter().flat_map(Map::keys);
        for key in keys.filter(|key| !key.eq_ignore_ascii_case("host")) {
            let text = format_args!("filter.{key}: not supported yet, only filter.host is");
            self.findings.error(at, text);
        }
        self.host_filter(filter.get("host")?.as_str()?, at)
    }

    /// `filter.host`: a name, `.name` or `*.name` (the name and all below it), an address.
    pub(super) fn host_filter(&mut self, host: &str, at: &str) -> Option<Matcher> {
        let bare = host.strip_prefix('*').unwrap_or(host);
        let dotted = match bare.starts_with('.') || bare == host {
            true => bare.to_owned(),
            false => format!(".{bare}"),
        };
        match Pattern::parse(&dotted) {
            Ok(pattern) => Some(Matcher::new([pattern])),
            Err(error) => {
                self.findings
                    .error(at, format_args!("filter.host: {error}"));
                None
            }
        }
    }
}
