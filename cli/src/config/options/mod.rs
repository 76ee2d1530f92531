//! Option names: spellings, form, default and where each may stand.

mod check;
mod part;
mod table;

use super::value::Kind;
use crate::report::nearest;

pub use self::check::{check, is_checked};
pub use self::part::Options;
pub use self::table::OPTIONS;

/// The part of a configuration that an option belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Service,
    Handler,
    Listener,
    Chain,
    Hop,
    Node,
    Connector,
    Dialer,
}

impl Place {
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Handler => "handler",
            Self::Listener => "listener",
            Self::Chain => "chain",
            Self::Hop => "hop",
            Self::Node => "node",
            Self::Connector => "connector",
            Self::Dialer => "dialer",
        }
    }

    /// The type of a part; `written` may be empty.
    pub fn word(self, written: &str) -> &str {
        match written {
            "" => self.default_word(),
            word => word,
        }
    }

    /// The type of a part that names none.
    pub fn default_word(self) -> &'static str {
        match self {
            Self::Handler => "auto",
            Self::Connector => "http",
            Self::Listener | Self::Dialer => "tcp",
            _ => "",
        }
    }
}

/// What setting it does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Used,
    /// Accepted without a remark: what it asks for is so anyway, or concerns what is not served.
    Quiet,
    /// A warning at start.
    NotYet,
    /// An error at start: a user who sets it relies on it.
    Refused,
}

pub struct Opt {
    /// All spellings; of several in one map, the first one here counts.
    pub names: &'static [&'static str],
    pub kind: Kind,
    pub default: &'static str,
    pub effect: Effect,
    /// Where it may stand, and for which types (`[]`: all).
    pub at: &'static [(Place, &'static [&'static str])],
    pub help: &'static str,
}

/// The rows that `key` can mean in `place`, for a part of type `word`.
pub fn find(place: Place, word: &str, key: &str) -> Option<&'static Opt> {
    OPTIONS
        .iter()
        .find(|one| one.stands_at(place, word) && one.is_called(key))
}

/// All spellings known in `place` for a part of type `word`.
pub fn names(place: Place, word: &str) -> impl Iterator<Item = &'static str> {
    OPTIONS
        .iter()
        .filter(move |one| one.stands_at(place, word))
        .flat_map(|one| one.names.iter().copied())
}

/// The places where `key` means something.
pub fn places(key: &str) -> Vec<&'static str> {
    let mut places: Vec<_> = OPTIONS
        .iter()
        .filter(|one| one.is_called(key))
        .flat_map(|one| one.at.iter().map(|(place, _)| place.name()))
        .collect();
    places.dedup();
    places
}

/// What other programs of this kind call it.
const FOREIGN: &[(&str, &str)] = &[
    ("sni", "serverName"),
    ("peer", "serverName"),
    ("insecure", "secure"),
    ("allowInsecure", "secure"),
    ("skip-cert-verify", "secure"),
    // Of gost 2.
    ("whitelist", "bypass"),
    ("blacklist", "bypass"),
];

/// What may be meant by a `key` that is unknown here, where `names` are known.
pub fn hint<'a>(key: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let mut uses = Vec::new();
    for (place, words) in OPTIONS
        .iter()
        .filter(|one| one.is_called(key))
        .flat_map(|one| one.at)
    {
        let words = words.join(" ");
        let space = if words.is_empty() { "" } else { " " };
        uses.push(format!("{}{space}{words}", place.name()));
    }
    uses.dedup();
    let foreign = FOREIGN
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(key));
    if let Some((_, ours)) = foreign {
        return format!("did you mean {ours:?}?");
    }
    match nearest(key, names) {
        _ if !uses.is_empty() => format!("it is an option of {}", uses.join(", ")),
        Some(name) => format!("did you mean {name:?}?"),
        None => "it is ignored".to_owned(),
    }
}

impl Opt {
    /// The spelling to show: without a prefix where that is one, too.
    pub fn name(&self) -> &'static str {
        let first = self.names.first().copied().unwrap_or_default();
        let short = first.split_once('.').map(|(_, rest)| rest);
        match short.filter(|short| self.names.contains(short)) {
            Some(short) => short,
            None => first,
        }
    }

    /// By any of its spellings, in any case.
    pub fn is_called(&self, key: &str) -> bool {
        self.names.iter().any(|name| is_spelling(name, key))
    }

    pub fn stands_at(&self, place: Place, word: &str) -> bool {
        let here = |words: &[&str]| words.is_empty() || words.contains(&word);
        self.at
            .iter()
            .any(|(at, words)| *at == place && here(words))
    }
}

/// Whether `key` is written as `name` wants it, in any case; of `header.*` it has the beginning.
pub fn is_spelling(name: &str, key: &str) -> bool {
    match name.strip_suffix('*') {
        None => name.eq_ignore_ascii_case(key),
        Some(prefix) => key
            .get(..prefix.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(prefix)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_place_and_a_name() {
        for one in OPTIONS {
            assert!(!one.at.is_empty() && !one.names.is_empty() && !one.help.is_empty());
        }
    }

    #[test]
    fn no_spelling_means_two_things_in_one_place() {
        for one in OPTIONS {
            for (place, words) in one.at {
                let words = if words.is_empty() { &["x"][..] } else { words };
                for (word, name) in words
                    .iter()
                    .flat_map(|w| one.names.iter().map(move |n| (w, n)))
                {
                    let found = find(*place, word, name).unwrap();
                    assert!(std::ptr::eq(found, one), "{name} in {place:?} {word}");
                }
            }
        }
    }
}
