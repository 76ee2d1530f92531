//! What is known but not served: refused where a user relies on it, else said to have no effect.

use super::Pass;
use crate::config::model::Map;
use crate::config::options::{self, Effect, Options};
use crate::config::value;

/// Sections that a user relies on: leaving them out would let through, leak or misroute.
const REFUSED: [&str; 22] = [
    "admission",
    "admissions",
    "bypass",
    "bypasses",
    "limiter",
    "climiter",
    "rlimiter",
    "quotas",
    "interface",
    "sockopts",
    "chainGroup",
    "hopGroup",
    "matcher",
    "filter",
    "protocol",
    "host",
    "path",
    "auth",
    "tls",
    "file",
    "redis",
    "plugin",
];

/// What is served of a service, and so on.
pub(super) const SERVICE_RULES: &[&str] = &[
    "admission",
    "admissions",
    "bypass",
    "bypasses",
    "hosts",
    "resolver",
    "limiter",
    "climiter",
    "rlimiter",
    "interface",
    "sockopts",
];
pub(super) const HANDLER_RULES: &[&str] = &["chainGroup"];
pub(super) const HOP_RULES: &[&str] = &[
    "bypass",
    "bypasses",
    "hosts",
    "resolver",
    "interface",
    "sockopts",
    "file",
    "redis",
    "http",
    "plugin",
];
/// Where a hop of gost may read its nodes from: each is refused with words of its own.
pub(super) const NODE_SOURCES: [&str; 4] = ["file", "redis", "http", "plugin"];
/// Of a target of a forwarder.
pub(super) const TARGET_RULES: &[&str] = &[
    "bypass", "bypasses", "matcher", "filter", "protocol", "host", "path", "http",
];
pub(super) const NODE_RULES: &[&str] = &[
    "bypass",
    "bypasses",
    "hosts",
    "resolver",
    "interface",
    "sockopts",
    "matcher",
    "filter",
];

impl Pass<'_> {
    /// Keys without a typed form: references to sections that are not served, and such sections.
    pub(super) fn rest(&mut self, place: &str, rest: &Map, served: &[&str]) {
        for (key, value) in rest {
            self.list_references(place, key, value);
            if served.contains(&key.as_str()) {
                continue;
            }
            match REFUSED.contains(&key.as_str()) {
                true => self.findings.error(
                    place,
                    format_args!("{key}: not supported yet, and ignoring it would be unsafe"),
                ),
                false => self.findings.warn(
                    place,
                    format_args!("{key}: not supported yet, has no effect"),
                ),
            }
        }
    }

    pub(super) fn options(&mut self, options: &Options<'_>, place: &str) {
        for (key, value) in options.map {
            let Some(option) = options::find(options.place, options.word, key) else {
                continue;
            };
            // Switches that are off ask for nothing.
            let off = value::to_bool(value) == Some(false);
            match option.effect {
                Effect::NotYet if !off => {
                    self.findings.warn(
                        place,
                        format_args!("{key}: not supported yet, has no effect"),
                    );
                }
                Effect::Refused if !off => {
                    self.findings.error(
                        place,
                        format_args!("{key}: not supported yet ({})", option.help),
                    );
                }
                _ => {}
            }
        }
    }

    pub(super) fn no_effect(&mut self, place: &str, key: &str, why: &str) {
        self.findings
            .warn(place, format_args!("{key} has no effect here: {why}"));
    }
}
