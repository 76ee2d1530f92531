//! A YAML or JSON document with the literal text of its scalars and the place of its keys.
//!
//! `007` as a password is those three characters and not the number seven.

mod places;
mod read;

use std::collections::HashSet;

use serde::de::DeserializeSeed;
use serde_json::Value;

use self::places::locate;
use self::read::{Budget, Literal, Shape};

pub use self::places::Spot;

#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    Null,
    Bool(bool, String),
    /// The number, and its literal text.
    Number(serde_json::Number, String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    pub at: Spot,
    pub value: Node,
}

impl Node {
    pub fn from_yaml(text: &str) -> Result<Self, serde_yaml::Error> {
        let budget = Budget::new(text);
        let shape = Shape::top(&budget).deserialize(serde_yaml::Deserializer::from_str(text))?;
        let literal = Literal(&shape).deserialize(serde_yaml::Deserializer::from_str(text));
        let mut node = literal.unwrap_or(shape);
        locate(&mut node, text);
        node.merge();
        Ok(node)
    }

    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let budget = Budget::new(text);
        let mut reader = serde_json::Deserializer::from_str(text);
        let mut node = Shape::top(&budget).deserialize(&mut reader)?;
        reader.end()?;
        locate(&mut node, text);
        Ok(node)
    }

    /// What it is, for "expected ..., got ...".
    pub fn describe(&self) -> String {
        match self {
            Self::Null => "nothing".to_owned(),
            Self::Bool(_, text) | Self::Number(_, text) => text.clone(),
            Self::Text(text) => quoted(text),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a map".to_owned(),
        }
    }

    /// The same where its text may be a secret.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(..) => "true or false",
            Self::Number(..) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// The literal text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Bool(_, text) | Self::Number(_, text) | Self::Text(text) => Some(text),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }

    pub fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value, _) => Value::Bool(*value),
            Self::Number(number, _) => Value::Number(number.clone()),
            Self::Text(text) => Value::String(text.clone()),
            Self::List(list) => list.iter().map(Self::to_value).collect(),
            Self::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.value.to_value()))
                .collect(),
        }
    }

    /// YAML's `<<`: entries of the named maps stand behind the map's own. With anything else it is a key as any other.
    fn merge(&mut self) {
        let entries = match self {
            Self::List(list) => return list.iter_mut().for_each(Self::merge),
            Self::Map(entries) => entries,
            _ => return,
        };
        let is_merge = |entry: &Entry| entry.key == "<<" && entry.value.is_of_maps();
        let (merges, mut own): (Vec<_>, Vec<_>) = entries.drain(..).partition(is_merge);
        let mut known: HashSet<String> = own.iter().map(|one| one.key.clone()).collect();
        for merge in merges {
            let sources = match merge.value {
                Self::List(list) => list,
                other => vec![other],
            };
            for source in sources {
                let Self::Map(source) = source else { continue };
                for entry in source {
                    if known.insert(entry.key.clone()) {
                        own.push(entry);
                    }
                }
            }
        }
        *entries = own;
        entries.iter_mut().for_each(|entry| entry.value.merge());
    }

    fn is_of_maps(&self) -> bool {
        match self {
            Self::List(list) => list.iter().all(|node| matches!(node, Self::Map(_))),
            node => matches!(node, Self::Map(_)),
        }
    }
}

/// A text for a message: of a long one, such as a file that is no configuration, the beginning.
fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_keep_their_literal_text() {
        let node = Node::from_yaml("a: 007\nb: 0x10\nc: True\nd: [1.10, x]\n").unwrap();
        let Node::Map(entries) = &node else { panic!() };
        let texts: Vec<_> = entries.iter().filter_map(|one| one.value.text()).collect();
        assert_eq!(texts, ["007", "0x10", "True"]);
        let Node::List(list) = &entries[3].value else {
            panic!()
        };
        assert_eq!(list[0].text(), Some("1.10"));
        assert_eq!(entries[1].value.to_value(), 16);
    }

    #[test]
    fn keys_know_their_place() {
        let node = Node::from_yaml("# b: no\na:\n  - b: 1\n  - {c: a, d: 2}\n").unwrap();
        let Node::Map(top) = &node else { panic!() };
        assert_eq!((top[0].at.line, top[0].at.column), (2, 1));
        let Node::List(list) = &top[0].value else {
            panic!()
        };
        let Node::Map(first) = &list[0] else { panic!() };
        assert_eq!((first[0].at.line, first[0].at.column), (3, 5));
        let Node::Map(second) = &list[1] else {
            panic!()
        };
        assert_eq!((second[1].at.line, second[1].at.column), (4, 12));
    }

    #[test]
    fn duplicates_are_refused_in_any_case() {
        assert!(Node::from_yaml("a: 1\na: 2\n").is_err());
        assert!(Node::from_yaml("a: 1\nA: 2\n").is_err());
        assert!(Node::from_json(r#"{"a":1,"A":2}"#).is_err());
    }

    #[test]
    fn merge_keys_yield_to_own_keys() {
        let node = Node::from_yaml("- &x {a: 1, b: 2}\n- <<: *x\n  a: 3\n").unwrap();
        assert_eq!(node.to_value()[1], serde_json::json!({"a": 3, "b": 2}));
    }
}
