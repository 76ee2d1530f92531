//! The options that one part of a configuration has.

use std::time::Duration;

use serde_json::Value;

use super::{Place, find};
use crate::config::model::{Chain, Handler, Hop, Listener, Map, Node, Part, Service};
use crate::config::value;
use crate::duration::Span;

/// The options of one part, read by any of their spellings.
pub struct Options<'a> {
    pub place: Place,
    pub word: &'a str,
    pub map: &'a Map,
}

impl<'a> Options<'a> {
    /// `word` is the type of the part as it was written, empty for the default and for parts that have none.
    pub fn new(place: Place, word: &'a str, map: &'a Map) -> Self {
        Self {
            place,
            word: place.word(word),
            map,
        }
    }

    /// The value of the option called `name`; `null` counts as absent.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        let option = find(self.place, self.word, name)?;
        option
            .names
            .iter()
            .find_map(|name| {
                self.map
                    .iter()
                    .find(|(key, _)| key.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value)
            })
            .filter(|value| !value.is_null())
    }

    /// A list, or text with commas.
    pub fn texts(&self, name: &str) -> Vec<String> {
        match self.get(name) {
            Some(Value::Array(list)) => list.iter().filter_map(value::to_text).collect(),
            Some(value) => {
                let text = value::to_text(value).unwrap_or_default();
                let words = text.split(',').map(str::trim);
                let words = words.filter(|word| !word.is_empty());
                words.map(str::to_owned).collect()
            }
            None => Vec::new(),
        }
    }

    pub fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(value::to_bool).unwrap_or(false)
    }

    pub fn int(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(value::to_int)
    }

    /// `None` when absent, zero or negative, which all mean the default.
    pub fn size(&self, name: &str) -> Option<usize> {
        let size = usize::try_from(self.int(name)?).ok();
        size.filter(|size| *size > 0)
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name)
            .and_then(value::to_text)
            .filter(|text| !text.is_empty())
    }

    pub fn span(&self, name: &str) -> Option<Span> {
        self.get(name).and_then(value::to_span)
    }

    /// `None` when absent, zero or negative, which all mean the default.
    pub fn time(&self, name: &str) -> Option<Duration> {
        self.span(name).and_then(Span::positive)
    }

    /// Header fields; numbers and switches are taken as their text. Where `name.*` is an option,
    /// `header.X-Name` adds one field.
    pub fn fields(&self, name: &str) -> Vec<(String, String)> {
        let map = self.get(name).and_then(Value::as_object);
        let listed = map
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value));
        let prefix = format!("{name}.");
        let single = self.map.iter().filter_map(|(key, value)| {
            find(self.place, self.word, key)?;
            let (head, field) = key.split_at_checked(prefix.len())?;
            head.eq_ignore_ascii_case(&prefix).then_some((field, value))
        });
        listed
            .chain(single)
            .filter_map(|(key, value)| Some((key.to_owned(), value::to_text(value)?)))
            .collect()
    }
}

impl Service {
    pub fn options(&self) -> Options<'_> {
        Options::new(Place::Service, "", &self.metadata)
    }
}

impl Handler {
    pub fn options(&self) -> Options<'_> {
        Options::new(Place::Handler, &self.r#type, &self.metadata)
    }
}

impl Listener {
    pub fn options(&self) -> Options<'_> {
        Options::new(Place::Listener, &self.r#type, &self.metadata)
    }
}

impl Chain {
    pub fn options(&self) -> Options<'_> {
        Options::new(Place::Chain, "", &self.metadata)
    }
}

impl Hop {
    pub fn options(&self) -> Options<'_> {
        Options::new(Place::Hop, "", &self.metadata)
    }
}

impl Node {
    pub fn options(&self) -> Options<'_> {
        Options::new(Place::Node, "", &self.metadata)
    }
}

impl Part {
    /// `place` tells which of the two it is.
    pub fn options(&self, place: Place) -> Options<'_> {
        Options::new(place, &self.r#type, &self.metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn spellings_are_equal_and_the_new_one_wins() {
        let map = json!({"MUXKEEPALIVEINTERVAL": "5s", "mux.KeepaliveInterval": 7, "Path": "/x"});
        let Value::Object(map) = map else { panic!() };
        let options = Options {
            place: Place::Dialer,
            word: "mws",
            map: &map,
        };
        assert_eq!(
            options.time("mux.keepaliveInterval"),
            Some(Duration::from_secs(7))
        );
        assert_eq!(options.text("path"), Some("/x".to_owned()));
        assert_eq!(options.time("ttl"), None);
    }
}
