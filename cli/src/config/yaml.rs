//! Text to configuration: YAML (with repairs where it does not parse) and JSON.

use super::model::Config;
use super::normal::normalise;
use super::origins::Origins;
use super::repair;
use super::tree::Node;
use crate::report::Findings;
use crate::secrets;

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

/// What one source says, and where it says it.
#[derive(Debug, Default)]
pub struct Document {
    pub config: Config,
    pub origins: Origins,
    /// It could not be parsed at all.
    pub unreadable: bool,
}

/// [`read`] without the places.
pub fn parse(text: &str, format: Format, source: &str, findings: &mut Findings) -> Config {
    read(text, format, source, findings).config
}

/// Reads `text`, which came from `source` (a name for messages). What cannot be read is missing
/// from the result and reported in `findings`.
pub fn read(text: &str, format: Format, source: &str, findings: &mut Findings) -> Document {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Some(node) = (match format {
        Format::Json => json(text, source, findings),
        Format::Yaml => yaml(text, source, findings),
    }) else {
        return Document {
            unreadable: true,
            ..Document::default()
        };
    };
    let mut own = Findings::default();
    let mut origins = Origins::default();
    let map = normalise(&node, source, &mut origins, &mut own);
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
    Document {
        config,
        origins,
        unreadable: false,
    }
}

fn json(text: &str, source: &str, findings: &mut Findings) -> Option<Node> {
    match Node::from_json(text) {
        Ok(node) => Some(node),
        Err(error) => {
            let place = format!("{source}:{}:{}", error.line(), error.column());
            findings.error(place, without_place(&error.to_string()));
            None
        }
    }
}

fn yaml(text: &str, source: &str, findings: &mut Findings) -> Option<Node> {
    let mut lines = text.lines().map(str::trim);
    if lines.all(|line| line.is_empty() || line.starts_with('#')) {
        findings.warn(source, "there is nothing in it");
        return Some(Node::Null);
    }
    if opens_too_much(text) {
        findings.error(source, "brackets are nested too deep");
        return None;
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
    if error.to_string().contains("more than one document")
        && let Some(line) = second_document(text)
    {
        findings.error(
            format_args!("{source}:{line}"),
            "a second document begins here: a file is one configuration. Take this line out, or make two files of it: \
             -C may be given several times",
        );
        return None;
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
    let glob = text.lines().position(repair::is_bare_glob);
    let glued = error
        .to_string()
        .starts_with("mapping values are not allowed");
    let glued = line.checked_sub(2).filter(|_| glued);
    let glued = glued.filter(|at| text.lines().nth(*at).is_some_and(lacks_blank));
    let hint = match (glob, glued) {
        (Some(at), _) => format!(
            " (line {}: a pattern that starts with * must be quoted)",
            at + 1
        ),
        (_, Some(at)) => format!(" (line {}: a blank is missing behind the colon)", at + 1),
        _ => String::new(),
    };
    let near = match secrets::may_hold_one(excerpt) {
        true => String::new(),
        false => format!(", near {:?}", excerpt.chars().take(60).collect::<String>()),
    };
    let message = match error.to_string() {
        text if text == "repetition limit exceeded" => {
            "its anchors expand to far more than is written".to_owned()
        }
        text => without_place(&text),
    };
    findings.error(place, format_args!("{message}{hint}{near}"));
    None
}

/// The line, counted from one, at which a second document begins.
fn second_document(text: &str) -> Option<usize> {
    let begins = |line: &str| {
        line.strip_prefix("---")
            .is_some_and(|rest| rest.trim_start() != rest || rest.is_empty())
    };
    let says = |line: &&str| !line.is_empty() && !line.starts_with(['#', '%']);
    let first = text.lines().position(|line| says(&line.trim()))?;
    let next = text.lines().skip(first + 1).position(begins)?;
    Some(first + next + 2)
}

/// `name:value`, which is no pair but one word.
fn lacks_blank(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '-']);
    let Some((key, value)) = line.split_once(':') else {
        return false;
    };
    let is_key = key.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_key && !key.is_empty() && !value.is_empty() && !value.starts_with([' ', '\t', '/'])
}

/// The library's time grows with the square of the depth. Quotes are not looked at: no
/// configuration has that many brackets that are never closed.
fn opens_too_much(text: &str) -> bool {
    let mut depth = 0usize;
    text.bytes().any(|byte| {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > 1000
    })
}

/// The libraries' texts end with the place, which stands in front already; paths of a document
/// that is nested too deep are cut.
fn without_place(text: &str) -> String {
    let place = text.rfind(" at line ").map(|at| {
        let is_part = |c: char| c.is_ascii_digit() || " atlinecolumn".contains(c);
        let end = text[at..].find(|c| !is_part(c)).unwrap_or(text.len() - at);
        (at, at + end)
    });
    // What the library was doing may follow.
    let text = match place {
        Some((at, end)) if end == text.len() || text[end..].starts_with(", while") => {
            format!("{}{}", &text[..at], &text[end..])
        }
        _ => text.to_owned(),
    };
    let path = text.find(": ").filter(|at| *at > 60);
    match path {
        Some(at) if text.is_char_boundary(30) => format!("{}...{}", &text[..30], &text[at..]),
        _ => text,
    }
}
