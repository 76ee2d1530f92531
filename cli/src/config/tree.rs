//! A YAML or JSON document with the literal text of its scalars and the place of its keys.
//!
//! Two readings of one text: the first tells what each scalar is, the second fetches its literal
//! text, because `007` as a password is those three characters and not the number seven. Neither
//! library tells positions, so keys are searched in the text, in document order.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

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

/// Line and column from 1; 0 when unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    pub line: usize,
    pub column: usize,
}

impl Node {
    pub fn from_yaml(text: &str) -> Result<Self, serde_yaml::Error> {
        let shape = Self::deserialize(serde_yaml::Deserializer::from_str(text))?;
        let literal = Literal(&shape).deserialize(serde_yaml::Deserializer::from_str(text));
        let mut node = literal.unwrap_or(shape);
        node.locate(text);
        node.merge();
        Ok(node)
    }

    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let mut node: Self = serde_json::from_str(text)?;
        node.locate(text);
        Ok(node)
    }

    /// What it is, for "expected ..., got ...".
    pub fn describe(&self) -> String {
        match self {
            Self::Null => "nothing".to_owned(),
            Self::Bool(_, text) | Self::Number(_, text) => text.clone(),
            Self::Text(text) => format!("{text:?}"),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a map".to_owned(),
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

    fn locate(&mut self, text: &str) {
        let mut finder = Finder { text, from: 0 };
        self.locate_with(&mut finder);
    }

    fn locate_with(&mut self, finder: &mut Finder<'_>) {
        match self {
            Self::List(list) => list.iter_mut().for_each(|node| node.locate_with(finder)),
            Self::Map(entries) => {
                for entry in entries {
                    entry.at = finder.find(&entry.key);
                    entry.value.locate_with(finder);
                }
            }
            _ => {}
        }
    }

    /// YAML's `<<`: entries of the named maps stand behind the map's own.
    fn merge(&mut self) {
        let entries = match self {
            Self::List(list) => return list.iter_mut().for_each(Self::merge),
            Self::Map(entries) => entries,
            _ => return,
        };
        let (merges, mut own): (Vec<_>, Vec<_>) =
            entries.drain(..).partition(|entry| entry.key == "<<");
        for merge in merges {
            let sources = match merge.value {
                Self::List(list) => list,
                other => vec![other],
            };
            for source in sources {
                let Self::Map(source) = source else { continue };
                for entry in source {
                    if !own.iter().any(|one| one.key == entry.key) {
                        own.push(entry);
                    }
                }
            }
        }
        *entries = own;
        entries.iter_mut().for_each(|entry| entry.value.merge());
    }
}

struct Finder<'a> {
    text: &'a str,
    from: usize,
}

impl Finder<'_> {
    /// The next place where `key` stands as a key.
    fn find(&mut self, key: &str) -> Spot {
        if key.is_empty() {
            return Spot::default();
        }
        let mut from = self.from;
        while let Some(at) = self.text[from..].find(key).map(|at| at + from) {
            let end = at + key.len();
            if self.is_key(at, end) {
                self.from = end;
                return self.spot(at);
            }
            from = at + self.text[at..].chars().next().map_or(1, char::len_utf8);
        }
        Spot::default()
    }

    fn is_key(&self, at: usize, end: usize) -> bool {
        let line_start = self.text[..at].rfind('\n').map_or(0, |at| at + 1);
        let before = &self.text[line_start..at];
        if before.trim_start().starts_with('#') {
            return false;
        }
        let starts = before
            .chars()
            .next_back()
            .is_none_or(|c| c.is_whitespace() || matches!(c, '{' | ',' | '"' | '\''));
        let after = self.text[end..]
            .trim_start_matches(['"', '\''])
            .trim_start_matches(' ');
        starts && after.starts_with(':')
    }

    fn spot(&self, at: usize) -> Spot {
        let before = &self.text[..at];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Spot {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Shape)
    }
}

struct Shape;

impl<'de> Visitor<'de> for Shape {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value, value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.into(), value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.into(), value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(match serde_json::Number::from_f64(value) {
            Some(number) => Node::Number(number, value.to_string()),
            None => Node::Text(value.to_string()),
        })
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = from.next_element()? {
            list.push(node);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Node, A::Error> {
        let mut entries: Vec<Entry> = Vec::new();
        while let Some((key, value)) = from.next_entry::<Node, Node>()? {
            let Some(key) = key.text().map(str::to_owned) else {
                return Err(de::Error::custom(format!(
                    "expected a word as key, got {}",
                    key.describe()
                )));
            };
            if let Some(first) = entries
                .iter()
                .find(|one| one.key.eq_ignore_ascii_case(&key))
            {
                return Err(de::Error::custom(format!(
                    "duplicate key {key:?} (upper and lower case are the same; the first is {:?})",
                    first.key
                )));
            }
            let at = Spot::default();
            entries.push(Entry { key, at, value });
        }
        Ok(Node::Map(entries))
    }
}

/// Reads the same document once more, with the scalars of `0` taken as text.
struct Literal<'a>(&'a Node);

impl<'de> DeserializeSeed<'de> for Literal<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Node, D::Error> {
        match self.0 {
            Node::Bool(value, _) => Ok(Node::Bool(*value, String::deserialize(from)?)),
            Node::Number(number, _) => Ok(Node::Number(number.clone(), String::deserialize(from)?)),
            Node::List(_) => from.deserialize_seq(self),
            Node::Map(_) => from.deserialize_map(self),
            Node::Null | Node::Text(_) => Node::deserialize(from),
        }
    }
}

impl<'de> Visitor<'de> for Literal<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the same value again")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Node, A::Error> {
        let Node::List(shapes) = self.0 else {
            return Err(de::Error::custom("not a list"));
        };
        let mut list = Vec::new();
        for shape in shapes {
            list.extend(from.next_element_seed(Literal(shape))?);
        }
        // The end must be seen, or the reader complains about what follows.
        while from.next_element::<de::IgnoredAny>()?.is_some() {}
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Node, A::Error> {
        let Node::Map(shapes) = self.0 else {
            return Err(de::Error::custom("not a map"));
        };
        let mut entries = Vec::new();
        for shape in shapes {
            let Some(key) = from.next_key::<String>()? else {
                break;
            };
            let at = Spot::default();
            let value = from.next_value_seed(Literal(&shape.value))?;
            entries.push(Entry { key, at, value });
        }
        while from
            .next_entry::<de::IgnoredAny, de::IgnoredAny>()?
            .is_some()
        {}
        Ok(Node::Map(entries))
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
