//! Options that a command line gave, in a file that was printed from it.
//!
//! `-O` of this program and of gost puts every option of a URL below each part it may be meant for. Where one
//! of the parts knows it, or the service has what it defines, the copies below the others are no mistakes.

use serde_json::Value;

use super::options::{self, Place};
use super::tree::{Entry, Node};

/// What is known to mean something within one service, hop or node.
#[derive(Debug, Default)]
pub struct Meant(Vec<(String, Value)>);

impl Meant {
    /// Of an object with these entries, and of the nodes in it. `place` is that of its own metadata.
    pub fn within(entries: &[Entry], place: Place) -> Self {
        let mut meant = Self::default();
        meant.add(entries, place);
        meant
    }

    pub fn contains(&self, key: &str, value: &Value) -> bool {
        self.0
            .iter()
            .any(|(name, known)| name.eq_ignore_ascii_case(key) && known == value)
    }

    fn add(&mut self, entries: &[Entry], place: Place) {
        let own = child(entries, "metadata");
        for Entry { key, value, .. } in own {
            // `limiter.in` defined a `limiter`, and stands below two parts with the same value.
            let defined = key.split('.').next().unwrap_or(key);
            let listener = child(child(entries, "listener"), "metadata");
            let twice = listener
                .iter()
                .any(|one| one.key == *key && one.value == *value);
            let known = options::find(place, "", key).is_some();
            if known || twice && entries.iter().any(|one| one.key == defined) {
                self.0.push((key.clone(), value.to_value()));
            }
        }
        for (part, place) in [
            ("handler", Place::Handler),
            ("listener", Place::Listener),
            ("connector", Place::Connector),
            ("dialer", Place::Dialer),
        ] {
            let part = child(entries, part);
            let word = part.iter().find(|one| one.key.eq_ignore_ascii_case("type"));
            let word = word.and_then(|one| one.value.text());
            let word = word.unwrap_or(place.default_word());
            for Entry { key, value, .. } in child(part, "metadata") {
                if options::find(place, word, key).is_some() {
                    self.0.push((key.clone(), value.to_value()));
                }
            }
        }
        let nodes = entries
            .iter()
            .find(|one| one.key.eq_ignore_ascii_case("nodes"));
        if let Some(Node::List(nodes)) = nodes.map(|one| &one.value) {
            for node in nodes {
                if let Node::Map(entries) = node {
                    self.add(entries, Place::Node);
                }
            }
        }
    }
}

fn child<'a>(entries: &'a [Entry], key: &str) -> &'a [Entry] {
    let found = entries.iter().find(|one| one.key.eq_ignore_ascii_case(key));
    match found.map(|one| &one.value) {
        Some(Node::Map(entries)) => entries,
        _ => &[],
    }
}
