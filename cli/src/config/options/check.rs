//! What is wrong with an option by itself: its name, its place, or the form of its value.

use std::fmt;

use serde_json::Value;

use super::Place;
use crate::config::value;
use crate::report::Findings;

/// Reports an option that is unknown in its place, or whose value cannot be read.
pub fn check(
    place: Place,
    word: &str,
    key: &str,
    value: &Value,
    at: impl fmt::Display,
    findings: &mut Findings,
) {
    if !is_checked(place, word) {
        return;
    }
    let Some(option) = super::find(place, word, key) else {
        let part = match word {
            "" => format!("a {}", place.name()),
            "auto" => format!("an auto {}", place.name()),
            word => format!("a {word} {}", place.name()),
        };
        let hint = super::hint(key, super::names(place, word));
        let text = format_args!("unknown option for {part}, {hint}");
        findings.unknown(at, text);
        return;
    };
    if !value.is_null() && !option.kind.accepts(value) {
        let (expected, got) = (option.kind.expected(), value::describe(value));
        findings.error(at, format_args!("expected {expected}, got {got}"));
    }
}

/// Options of parts that are not served are not known here.
pub fn is_checked(place: Place, word: &str) -> bool {
    match place {
        Place::Handler => matches!(
            word,
            "auto"
                | "http"
                | "socks"
                | "socks5"
                | "socks4"
                | "socks4a"
                | "relay"
                | "forward"
                | "tcp"
        ),
        Place::Connector => matches!(
            word,
            "http" | "socks" | "socks5" | "socks4" | "socks4a" | "relay" | "forward" | "tcp"
        ),
        Place::Listener | Place::Dialer => {
            matches!(word, "tcp" | "tls" | "ws" | "wss" | "mws" | "mwss")
        }
        Place::Service | Place::Chain | Place::Hop | Place::Node => true,
    }
}
