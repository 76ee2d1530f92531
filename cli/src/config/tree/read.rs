//! Two readings of one text: the first tells what each scalar is, the second fetches its literal text.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Entry, Node, Spot};

/// No configuration is nested deeper, and both libraries and everything after them recurse.
const MAX_DEPTH: usize = 64;
/// Values of a document, with anchors expanded.
const MAX_NODES: usize = 1_000_000;
/// How much longer than the text its values may be, with anchors expanded.
const MAX_GROWTH: usize = 1 << 20;

/// What the values of a document may still take.
pub(super) struct Budget {
    nodes: Cell<usize>,
    bytes: Cell<usize>,
}

impl Budget {
    pub(super) fn new(text: &str) -> Self {
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
pub(super) struct Shape<'b> {
    budget: &'b Budget,
    depth: usize,
}

impl<'b> Shape<'b> {
    pub(super) fn top(budget: &'b Budget) -> Self {
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
pub(super) struct Literal<'a>(pub(super) &'a Node);

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
