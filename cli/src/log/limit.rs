//! No log flood from one peer: what repeats is counted, and told as a number.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ginnel_core::error::Cause;

/// Within it, each text is written once for a peer and a kind.
const PERIOD: Duration = Duration::from_secs(10);
/// Different texts of one kind, for peers may choose a part of them.
const TEXTS: usize = 4;
/// Peers and kinds that are remembered; further ones share one entry.
const ENTRIES: usize = 1024;

/// Where warnings come from: a service or a node, and an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Source {
    pub(super) place: String,
    pub(super) peer: Option<IpAddr>,
    pub(super) cause: Cause,
}

struct Entry {
    since: Instant,
    texts: Vec<u64>,
    more: u64,
}

/// What was left out: how often within [`PERIOD`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) source: Source,
    pub(super) more: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Source { place, peer, cause } = &self.source;
        if !place.is_empty() {
            write!(f, "{place}: ")?;
        }
        write!(f, "{} more warnings about ", self.more)?;
        match peer {
            Some(peer) => peer.fmt(f)?,
            None => f.write_str("several peers")?,
        }
        write!(f, " left out ({})", cause.words())
    }
}

#[derive(Default)]
pub(super) struct Limiter {
    entries: Mutex<HashMap<Source, Entry>>,
}

impl Limiter {
    /// Whether the text is to be written, and what is to be told of earlier ones before that.
    pub(super) fn admit(&self, source: Source, text: &str, now: Instant) -> (bool, Vec<Summary>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut told = Vec::new();
        let is_old = |entry: &Entry| now.saturating_duration_since(entry.since) >= PERIOD;
        if entries.get(&source).is_some_and(is_old) || entries.len() >= ENTRIES {
            entries.retain(|source, entry| {
                let old = is_old(entry);
                if old && entry.more > 0 {
                    told.push(Summary {
                        source: source.clone(),
                        more: entry.more,
                    });
                }
                !old
            });
        }
        let source = if entries.len() >= ENTRIES && !entries.contains_key(&source) {
            Source {
                place: String::new(),
                peer: None,
                ..source
            }
        } else {
            source
        };
        let entry = entries.entry(source).or_insert_with(|| Entry {
            since: now,
            texts: Vec::new(),
            more: 0,
        });
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let text = hasher.finish();
        if entry.texts.len() < TEXTS && !entry.texts.contains(&text) {
            entry.texts.push(text);
            return (true, told);
        }
        entry.more += 1;
        (false, told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8, cause: Cause) -> Source {
        Source {
            place: "service-0".to_owned(),
            peer: Some([10, 0, 0, last].into()),
            cause,
        }
    }

    #[test]
    #[allow(clippy::disallowed_methods)] // Any moment will do.
    fn a_flood_is_one_line_and_a_number() {
        let limiter = Limiter::default();
        let start = Instant::now();
        let admit = |who: u8, text: &str, after| {
            limiter.admit(
                source(who, Cause::Protocol),
                text,
                start + Duration::from_secs(after),
            )
        };
        assert_eq!(admit(1, "bad frame", 0), (true, vec![]));
        for _ in 0..100_000 {
            assert_eq!(admit(1, "bad frame", 1), (false, vec![]));
        }
        // Another client, another text.
        assert!(admit(2, "bad frame", 2).0);
        assert!(admit(1, "worse frame", 2).0);
        let (written, told) = admit(1, "bad frame", 11);
        assert!(written);
        assert_eq!(told.len(), 1);
        assert_eq!(
            (told[0].source.peer, told[0].more),
            (Some([10, 0, 0, 1].into()), 100_000)
        );
        assert_eq!(
            told[0].to_string(),
            "service-0: 100000 more warnings about 10.0.0.1 left out (protocol broken)"
        );
        let shared = Summary {
            source: Source {
                place: String::new(),
                peer: None,
                cause: Cause::NameNotFound,
            },
            more: 3,
        };
        assert_eq!(
            shared.to_string(),
            "3 more warnings about several peers left out (name not found)"
        );
    }

    #[test]
    #[allow(clippy::disallowed_methods)] // Any moment will do.
    fn texts_and_addresses_that_a_peer_makes_up_are_bounded() {
        let limiter = Limiter::default();
        let now = Instant::now();
        let texts = (0..1000).filter(|n| {
            let source = source(1, Cause::Protocol);
            limiter.admit(source, &n.to_string(), now).0
        });
        assert_eq!(texts.count(), TEXTS);
        for n in 0..100_000u32 {
            let peer = Some(IpAddr::from(n.to_be_bytes()));
            let source = Source {
                peer,
                ..source(1, Cause::Limit)
            };
            limiter.admit(source, "x", now);
        }
        assert!(limiter.entries.lock().unwrap().len() <= ENTRIES + 1);
    }
}
