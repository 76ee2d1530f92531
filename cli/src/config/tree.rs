//! A YAML or JSON document with the literal text of its scalars and the place of its keys.
//!
//! Two readings of one text: the first tells what each scalar is, the second fetches its literal
//! text, because `007` as a password is those three characters and not the number seven. Neither
//! library tells positions, so keys are searched in the text, in document order.

use std::cell::Cell;
use std::collections::HashSet;
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

/// No configuration is nested deeper, and both libraries and everything after them recurse.
const MAX_DEPTH: usize = 64;
/// Values of a document, with anchors expanded.
const MAX_NODES: usize = 1_000_000;
/// How much longer than the text its values may be, with anchors expanded.
const MAX_GROWTH: usize = 1 << 20;

impl Node {
    pub fn from_yaml(text: &str) -> Result<Self, serde_yaml::Error> {
        let budget = Budget::new(text);
        let shape = Shape::top(&budget).deserialize(serde_yaml::Deserializer::from_str(text))?;
        let literal = Literal(&shape).deserialize(serde_yaml::Deserializer::from_str(text));
        let mut node = literal.unwrap_or(shape);
        node.locate(text);
        node.merge();
        Ok(node)
    }

    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let budget = Budget::new(text);
        let mut reader = serde_json::Deserializer::from_str(text);
        let mut node = Shape::top(&budget).deserialize(&mut reader)?;
        reader.end()?;
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
        self.locate_with(&mut Finder::new(text));
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

/// Searches keys in document order. Its own place only moves forward, so that all searches
/// together read the text a bounded number of times.
struct Finder<'a> {
    text: &'a str,
    /// Where the next search begins.
    from: usize,
    /// The position up to which lines and columns are counted, and what they are there.
    at: usize,
    spot: Spot,
    /// Bytes that may still be searched: keys that come from an anchor are not found again.
    left: usize,
}

impl<'a> Finder<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            from: 0,
            at: 0,
            spot: Spot { line: 1, column: 1 },
            left: text.len().saturating_mul(64),
        }
    }

    /// The next place where `key` stands as a key.
    fn find(&mut self, key: &str) -> Spot {
        if key.is_empty() {
            return Spot::default();
        }
        let mut from = self.from;
        while self.left > 0 {
            let found = self.text[from..].find(key);
            self.left = self
                .left
                .saturating_sub(found.unwrap_or(self.text.len() - from) + 1);
            let Some(at) = found.map(|at| at + from) else {
                break;
            };
            let end = at + key.len();
            if self.is_key(at, end) {
                self.advance(at);
                self.from = end;
                return self.spot;
            }
            from = at + self.text[at..].chars().next().map_or(1, char::len_utf8);
        }
        Spot::default()
    }

    fn is_key(&self, at: usize, end: usize) -> bool {
        let before = self.text[..at].chars().next_back();
        let starts =
            before.is_none_or(|c| c.is_whitespace() || matches!(c, '{' | ',' | '"' | '\''));
        let after = self.text[end..]
            .trim_start_matches(['"', '\''])
            .trim_start_matches(' ');
        starts && after.starts_with(':') && !self.in_comment(at)
    }

    /// Only whole lines are recognised.
    fn in_comment(&self, at: usize) -> bool {
        // A long line is no comment, and is not searched again for every key.
        let mut line = self.text[..at].bytes().rev().take(4096);
        let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
        let mut first = None;
        for byte in line.by_ref() {
            if byte == b'\n' {
                return first == Some(b'#');
            }
            if !blank(&byte) {
                first = Some(byte);
            }
        }
        at < 4096 && first == Some(b'#')
    }

    fn advance(&mut self, to: usize) {
        for c in self.text[self.at..to].chars() {
            self.spot.column += 1;
            if c == '\n' {
                self.spot.line += 1;
                self.spot.column = 1;
            }
        }
        self.at = to;
    }
}

/// What the values of a document may still take.
struct Budget {
    nodes: Cell<usize>,
    bytes: Cell<usize>,
}

impl Budget {
    fn new(text: &str) -> Self {
        Self {
            nodes: Cell::new(MAX_NODES),
            bytes: Cell::new(text.len() + MAX_GROWTH),
        }
    }

    fn take<E: de::Error>(&self, bytes: usize) -> Result<(), E> {
        let nodes = self.nodes.get().checked_sub(1);
        let bytes = self.bytes.get().checked_sub(bytes);
        let (Some(nodes), Some(bytes)) = (nodes, bytes) else {
            return Err(E::custom(
                "too many values, or too much text once its anchors are expanded",
            ));
        };
        self.nodes.set(nodes);
        self.bytes.set(bytes);
        Ok(())
    }
}

/// Reads whatever is there.
#[derive(Clone, Copy)]
struct Shape<'b> {
    budget: &'b Budget,
    depth: usize,
}

impl<'b> Shape<'b> {
    fn top(budget: &'b Budget) -> Self {
        Self { budget, depth: 0 }
    }

    fn below<E: de::Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        if depth > MAX_DEPTH {
            return Err(E::custom(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Shape<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Node, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shape<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        self.budget.take(0)?;
        Ok(Node::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        self.budget.take(0)?;
        Ok(Node::Bool(value, value.to_string()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        self.budget.take(0)?;
        Ok(Node::Number(value.into(), value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        self.budget.take(0)?;
        Ok(Node::Number(value.into(), value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        self.budget.take(0)?;
        Ok(match serde_json::Number::from_f64(value) {
            Some(number) => Node::Number(number, value.to_string()),
            None => Node::Text(value.to_string()),
        })
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        self.budget.take(value.len())?;
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Node, A::Error> {
        let below = self.below()?;
        self.budget.take(0)?;
        let mut list = Vec::new();
        while let Some(node) = from.next_element_seed(below)? {
            list.push(node);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Node, A::Error> {
        let below = self.below()?;
        self.budget.take(0)?;
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = HashSet::new();
        while let Some(key) = from.next_key_seed(below)? {
            let Some(key) = key.text().map(str::to_owned) else {
                return Err(de::Error::custom(format!(
                    "expected a word as key, got {}",
                    key.describe()
                )));
            };
            if !seen.insert(key.to_ascii_lowercase()) {
                let first = entries
                    .iter()
                    .find(|one| one.key.eq_ignore_ascii_case(&key));
                let first = first.map_or("", |first| &first.key);
                return Err(de::Error::custom(format!(
                    "duplicate key {key:?} (upper and lower case are the same; the first is {first:?})"
                )));
            }
            let value = from.next_value_seed(below)?;
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
            Node::Null => {
                de::IgnoredAny::deserialize(from)?;
                Ok(Node::Null)
            }
            Node::Text(_) => String::deserialize(from).map(Node::Text),
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
