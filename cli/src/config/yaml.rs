//! Text to configuration: YAML (with repairs where it does not parse) and JSON.

use super::model::Config;
use super::normal::normalise;
use super::repair;
use super::tree::Node;
use crate::report::Findings;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Yaml,
    Json,
}

impl Format {
    /// By the first byte that is not blank.
    pub fn sniff(text: &str) -> Self {
        match text.trim_start().starts_with('{') {
            true => Self::Json,
            false => Self::Yaml,
        }
    }
}

/// Reads `text`, which came from `source` (a name for messages). What cannot be read is missing
/// from the result and reported in `findings`.
pub fn parse(text: &str, format: Format, source: &str, findings: &mut Findings) -> Config {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Some(node) = (match format {
        Format::Json => json(text, source, findings),
        Format::Yaml => yaml(text, source, findings),
    }) else {
        return Config::default();
    };
    let mut own = Findings::default();
    let map = normalise(&node, source, &mut own);
    let config = match serde_json::from_value::<Config>(map.into()) {
        Ok(config) => config,
        Err(error) => {
            own.error(source, error);
            Config::default()
        }
    };
    if config.strict {
        own.make_strict();
    }
    findings.append(own);
    config
}

fn json(text: &str, source: &str, findings: &mut Findings) -> Option<Node> {
    match Node::from_json(text) {
        Ok(node) => Some(node),
        Err(error) => {
            let place = format!("{source}:{}:{}", error.line(), error.column());
            findings.error(place, error);
            None
        }
    }
}

fn yaml(text: &str, source: &str, findings: &mut Findings) -> Option<Node> {
    let mut lines = text.lines().map(str::trim);
    if lines.all(|line| line.is_empty() || line.starts_with('#')) {
        return Some(Node::Null);
    }
    let error = match Node::from_yaml(text) {
        Ok(node) => return Some(node),
        Err(error) => error,
    };
    if let Some(repaired) = repair::repair(text, source) {
        for (place, remark) in repaired.remarks {
            findings.warn(place, remark);
        }
        return Some(repaired.node);
    }
    let (line, column) = error
        .location()
        .map_or((0, 0), |at| (at.line(), at.column()));
    let excerpt = text
        .lines()
        .nth(line.saturating_sub(1))
        .unwrap_or_default()
        .trim();
    let place = match line {
        0 => source.to_owned(),
        _ => format!("{source}:{line}:{column}"),
    };
    let hint = match text.lines().position(repair::is_bare_glob) {
        Some(at) => format!(
            " (line {}: a pattern that starts with * must be quoted)",
            at + 1
        ),
        None => String::new(),
    };
    let near = match excerpt.to_ascii_lowercase().contains("password") {
        true => String::new(),
        false => format!(", near {excerpt:?}"),
    };
    findings.error(place, format_args!("{error}{hint}{near}"));
    None
}
