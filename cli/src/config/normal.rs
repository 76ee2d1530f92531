//! From a document to the model's form: canonical keys, converted values, every finding located.

use serde_json::Value;

use super::copies::Meant;
use super::misplaced::{is_by_name, is_service, map_for, misplaced};
use super::model::Map;
use super::options::{self, Place};
use super::origins::Origins;
use super::schema::{self, Form, Schema};
use super::tree::{Entry, Node, Spot};
use super::value;
use crate::duration::Span;
use crate::report::{Findings, nearest};
use crate::secrets;

/// Below this a bare integer in a typed duration can only be meant as seconds.
const NANOSECONDS_FROM: i64 = 1_000_000;

/// The document as a configuration's value. Problems are added to `findings`, the places of all
/// keys to `origins`.
pub fn normalise(root: &Node, source: &str, origins: &mut Origins, findings: &mut Findings) -> Map {
    let mut pass = Pass {
        source,
        origins,
        findings,
        meant: Vec::new(),
    };
    let entries = match root {
        Node::Null => return Map::new(),
        Node::Map(entries) => entries,
        other => {
            let got = match other.text() {
                Some(text) if text.starts_with("-----BEGIN ") => "a PEM file".to_owned(),
                _ => other.describe(),
            };
            let cure = match other {
                Node::List(list) if list.iter().any(is_service) => {
                    ": is \"services:\" missing above it?"
                }
                _ => "",
            };
            pass.findings.error(
                source,
                format_args!("expected a map at the top level, got {got}{cure}"),
            );
            return Map::new();
        }
    };
    let old = |entry: &Entry| {
        matches!(
            entry.key.to_ascii_lowercase().as_str(),
            "servenodes" | "chainnodes"
        )
    };
    if entries.iter().any(old) {
        let text = "a configuration of gost 2: its ServeNodes are -L and its ChainNodes -F on the command line";
        pass.findings.error(
            source,
            format_args!("{text}; -O yaml prints them as a file"),
        );
        return Map::new();
    }
    if let Some((entry, text)) = misplaced(entries) {
        let path = Path {
            text: String::new(),
            at: Spot::default(),
        };
        let place = pass.place(&path.key(&entry.key, entry.at));
        pass.findings.error(place, text);
        return Map::new();
    }
    pass.object(
        entries,
        &schema::ROOT,
        &Path {
            text: String::new(),
            at: Spot::default(),
        },
    )
}

struct Pass<'a> {
    source: &'a str,
    origins: &'a mut Origins,
    findings: &'a mut Findings,
    /// Of the objects around, the outermost first.
    meant: Vec<Meant>,
}

/// A place in the document: `services[0].handler` and its position.
#[derive(Clone)]
struct Path {
    text: String,
    at: Spot,
}

impl Path {
    fn key(&self, key: &str, at: Spot) -> Self {
        let at = if at.line > 0 { at } else { self.at };
        let dot = if self.text.is_empty() { "" } else { "." };
        Self {
            text: format!("{}{dot}{key}", self.text),
            at,
        }
    }

    fn index(&self, index: usize, node: &Node) -> Self {
        let at = match node {
            Node::Map(entries) => entries.first().map_or(self.at, |first| first.at),
            _ => self.at,
        };
        let at = if at.line > 0 { at } else { self.at };
        Self {
            text: format!("{}[{index}]", self.text),
            at,
        }
    }
}

impl Pass<'_> {
    fn object(&mut self, entries: &[Entry], schema: &Schema, path: &Path) -> Map {
        let around = self.meant.len();
        let meant = schema.copies().map(|place| Meant::within(entries, place));
        self.meant.extend(meant);
        let mut map = Map::new();
        if schema.origin {
            map.insert("$origin".to_owned(), Value::String(self.place(path)));
        }
        let word = entries
            .iter()
            .find(|entry| entry.key.eq_ignore_ascii_case("type"))
            .and_then(|entry| entry.value.text());
        for entry in entries {
            let below = path.key(&entry.key, entry.at);
            let field = schema
                .fields
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(&entry.key));
            let Some((name, form)) = field else {
                self.unknown_key(&entry.key, schema, &below);
                continue;
            };
            if let Some(value) = self.value(&entry.value, *form, word, &below) {
                self.origins.record(&below.text, self.line(&below));
                map.insert((*name).to_owned(), value);
                // The name of a chain may be wrong, which is known only when all files are read.
                if *name == "chain" && std::ptr::eq(schema, &schema::HANDLER) {
                    map.insert("$chain".to_owned(), Value::String(self.place(&below)));
                }
            }
        }
        self.meant.truncate(around);
        map
    }

    /// `None` when there is nothing, or nothing usable.
    fn value(&mut self, node: &Node, form: Form, word: Option<&str>, path: &Path) -> Option<Value> {
        if matches!(node, Node::Null) {
            return None;
        }
        match form {
            Form::Any => Some(node.to_value()),
            Form::Text => self.text(node, path).map(Value::String),
            Form::Texts => self.texts(node, path),
            Form::Int => self.int(node, path),
            Form::Bool => self.bool(node, path),
            Form::Duration => self.duration(node, path),
            Form::Object(schema) => self.one(node, schema, path),
            Form::List(schema) => self.list(node, schema, path),
            Form::Options(place) => self.options(node, place, word, path),
        }
    }

    fn one(&mut self, node: &Node, schema: &Schema, path: &Path) -> Option<Value> {
        match node {
            Node::Map(_) if std::ptr::eq(schema, &schema::ANYTHING) => Some(node.to_value()),
            Node::Map(entries) => Some(Value::Object(self.object(entries, schema, path))),
            other => match (schema.short, other.text()) {
                (Some(field), Some(text)) => {
                    let mut map = Map::new();
                    map.insert(field.to_owned(), Value::String(text.to_owned()));
                    Some(Value::Object(map))
                }
                _ => self.expected(map_for(&path.text), other, path),
            },
        }
    }

    /// A single object is a list of one.
    fn list(&mut self, node: &Node, schema: &Schema, path: &Path) -> Option<Value> {
        if let Node::Map(entries) = node
            && is_by_name(entries, schema)
        {
            return self.expected("a list, each element as \"- name: ...\"", node, path);
        }
        let Node::List(list) = node else {
            return Some(Value::Array(vec![self.one(
                node,
                schema,
                &path.index(0, node),
            )?]));
        };
        let mut values = Vec::new();
        for (index, node) in list.iter().enumerate() {
            values.extend(self.one(node, schema, &path.index(index, node)));
        }
        Some(Value::Array(values))
    }

    fn text(&mut self, node: &Node, path: &Path) -> Option<String> {
        match node.text() {
            Some(text) => Some(text.to_owned()),
            None => {
                self.expected::<()>("text", node, path);
                None
            }
        }
    }

    fn texts(&mut self, node: &Node, path: &Path) -> Option<Value> {
        let Node::List(list) = node else {
            return Some(Value::Array(vec![Value::String(self.text(node, path)?)]));
        };
        let mut texts = Vec::new();
        for (index, node) in list.iter().enumerate() {
            texts.extend(self.text(node, &path.index(index, node)).map(Value::String));
        }
        Some(Value::Array(texts))
    }

    fn int(&mut self, node: &Node, path: &Path) -> Option<Value> {
        match value::to_int(&node.to_value()) {
            Some(value) => Some(value.into()),
            None => self.expected("an integer", node, path),
        }
    }

    fn bool(&mut self, node: &Node, path: &Path) -> Option<Value> {
        let word = node.text().unwrap_or_default().to_ascii_lowercase();
        let value = match word.as_str() {
            "yes" | "on" => Some(true),
            "no" | "off" => Some(false),
            _ => value::to_bool(&node.to_value()),
        };
        match value {
            Some(value) => Some(value.into()),
            None => self.expected("true or false", node, path),
        }
    }

    fn duration(&mut self, node: &Node, path: &Path) -> Option<Value> {
        let span = match node {
            Node::Number(number, _) => match number.as_i64() {
                Some(seconds) if seconds.abs() < NANOSECONDS_FROM => {
                    if seconds != 0 {
                        let place = self.place(path);
                        let text = format_args!("{seconds} is read as {seconds}s: add the unit");
                        self.findings.warn(place, text);
                    }
                    Some(Span::seconds(seconds))
                }
                nanos => nanos.map(Span),
            },
            Node::Text(text) => Span::parse(text),
            _ => None,
        };
        match span {
            Some(span) => Some(Value::String(span.to_string())),
            None => self.expected("a duration with a unit, such as 15s", node, path),
        }
    }

    fn options(
        &mut self,
        node: &Node,
        place: Place,
        word: Option<&str>,
        path: &Path,
    ) -> Option<Value> {
        let Node::Map(entries) = node else {
            return self.expected(map_for(&path.text), node, path);
        };
        let word = word.unwrap_or(place.default_word());
        for entry in entries {
            let below = path.key(&entry.key, entry.at);
            self.origins.record(&below.text, self.line(&below));
            let at = self.place(&below);
            let value = entry.value.to_value();
            let is_copy = options::find(place, word, &entry.key).is_none()
                && (self.meant.iter()).any(|meant| meant.contains(&entry.key, &value));
            if !is_copy {
                options::check(place, word, &entry.key, &value, at, self.findings);
            }
        }
        Some(node.to_value())
    }

    fn unknown_key(&mut self, key: &str, schema: &Schema, path: &Path) {
        if self.findings.is_full() {
            self.findings.unknown("", "unknown key");
            return;
        }
        let names = schema.fields.iter().map(|(name, _)| *name);
        let homes = schema::homes(key);
        let short = |name: &&str| key.len() > 2 && name.starts_with(&key.to_ascii_lowercase());
        let hint = match nearest(key, names.clone()).or(names.clone().find(short)) {
            Some(name) => format!("did you mean {name:?}?"),
            None if !homes.is_empty() => format!("it belongs to {}", homes.join(", ")),
            None => match options::places(key).as_slice() {
                [] => "it is ignored".to_owned(),
                places => format!("it belongs to metadata of {}", places.join(", ")),
            },
        };
        self.findings
            .unknown(self.place(path), format_args!("unknown key, {hint}"));
    }

    fn expected<T>(&mut self, what: &str, got: &Node, path: &Path) -> Option<T> {
        let got = match secrets::may_hold_one(&path.text) {
            true => got.kind().to_owned(),
            false => got.describe(),
        };
        self.findings
            .error(self.place(path), format_args!("expected {what}, got {got}"));
        None
    }

    /// `gost.yml:12`.
    fn line(&self, path: &Path) -> String {
        match path.at.line {
            0 => self.source.to_owned(),
            line => format!("{}:{line}", self.source),
        }
    }

    fn place(&self, path: &Path) -> String {
        match path.at {
            Spot { line: 0, .. } => format!("{}: {}", self.source, path.text),
            Spot { line, column } => format!("{}:{line}:{column}: {}", self.source, path.text),
        }
    }
}
