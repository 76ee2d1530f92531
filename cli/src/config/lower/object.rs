//! An object of a list of the top level: its name, its place, and the lines that it or its file has.

use serde_json::Value;

use crate::config::model::Map;
use crate::config::text;
use crate::report::Findings;

/// One object of a list.
pub(super) struct Object<'a> {
    pub(super) map: &'a Map,
    pub(super) name: &'a str,
    /// Where it was written.
    pub(super) at: String,
}

impl<'a> Object<'a> {
    pub(super) fn new(kind: &str, map: &'a Map) -> Self {
        let name = map.get("name").and_then(Value::as_str).unwrap_or_default();
        let at = match map.get("$origin").and_then(Value::as_str) {
            Some(origin) => format!("{origin}: {kind} {name:?}"),
            None => format!("{kind} {name:?}"),
        };
        Self { map, name, at }
    }

    /// Whether it has a name of its own.
    pub(super) fn is_usable(&self, kind: &str, taken: bool, findings: &mut Findings) -> bool {
        self.sources(findings);
        let name = self.name;
        match (name.is_empty(), taken) {
            (true, _) => findings.error(&self.at, format_args!("{kind} without a name")),
            (_, true) => findings.error(&self.at, format_args!("{kind} {name:?} is defined twice")),
            _ => return true,
        }
        false
    }

    /// What gost could read from elsewhere would be missing: a hole in the rules.
    fn sources(&self, findings: &mut Findings) {
        for key in ["redis", "http", "plugin"] {
            if self.map.contains_key(key) {
                let text =
                    format_args!("{key}: not supported yet, and ignoring it would be unsafe");
                findings.error(&self.at, text);
            }
        }
    }

    /// The texts of a list, each with its place.
    fn texts(&self, key: &str) -> Vec<(String, String)> {
        let list = self.map.get(key).and_then(Value::as_array);
        let texts = list.into_iter().flatten().enumerate();
        let place = |index| format!("{}: {key}[{index}]", self.at);
        texts
            .filter_map(|(index, text)| Some((place(index), text.as_str()?.trim().to_owned())))
            .collect()
    }

    /// The text of `file.path`, with its name.
    pub(super) fn file(&self, findings: &mut Findings) -> Option<(String, String)> {
        let path = self.map.get("file")?.get("path")?.as_str()?;
        match text::file(path) {
            Ok(text) => Some((path.to_owned(), text)),
            Err(error) => {
                findings.error(&self.at, format_args!("file {error}"));
                None
            }
        }
    }

    /// The texts of a list and the lines of the file, without comments.
    pub(super) fn lines(&self, key: &str, findings: &mut Findings) -> Vec<(String, String)> {
        let mut lines = self.texts(key);
        let Some((path, text)) = self.file(findings) else {
            return lines;
        };
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                lines.push((format!("{}: {path}:{number}", self.at), line.to_owned()));
            }
        }
        lines
    }
}
