//! Options of a part, as the option table has them, with what is in force where none is set.

use super::facts::{DEFAULT, View};
use crate::config::model::{Map, Selector, Tls};
use crate::config::options::{Effect, OPTIONS, Opt, Place, is_spelling};
use crate::config::value::{self, Kind};
use crate::duration::Span;
use crate::secrets;
use crate::url::host_of;

/// One part of a service or node, with its options.
pub(super) struct Part<'a> {
    pub(super) place: Place,
    pub(super) word: &'a str,
    pub(super) map: &'a Map,
    /// Path of the part in the configuration.
    pub(super) base: &'a str,
    /// Where the object was written that it belongs to.
    pub(super) owner: &'a str,
    /// The node's address.
    pub(super) addr: &'a str,
}

impl View<'_> {
    pub(super) fn options(&mut self, part: &Part<'_>) {
        let here = |one: &&Opt| one.stands_at(part.place, Some(part.word));
        for option in OPTIONS.iter().filter(here) {
            let set: Vec<_> = option
                .names
                .iter()
                .flat_map(|name| {
                    part.map
                        .iter()
                        .filter(move |(key, _)| is_spelling(name, key))
                })
                .collect();
            let name = option.name();
            // They are about reverse connections there.
            let idle =
                name.starts_with("mux.") && matches!(part.place, Place::Handler | Place::Connector);
            if set.is_empty()
                && !idle
                && option.effect == Effect::Used
                && !option.default.is_empty()
            {
                let default = match self.longest_dial() {
                    Some(longest) if name == "dialTimeout" => longest.to_string(),
                    _ => default(option, name, part),
                };
                self.add(&format!("{}.{name}", part.place.name()), &default, DEFAULT);
                if PING_TIMES.contains(&name) && !pings(part) {
                    self.ignore("keepalive is off");
                }
            }
            let many = name.ends_with('*');
            for (index, (key, value)) in set.into_iter().enumerate() {
                let origin = self.origin(&format!("{}.metadata.{key}", part.base), part.owner);
                let shown = shown(option.kind, key, value, part);
                self.add(&format!("{}.{key}", part.place.name()), &shown, &origin);
                match option.effect {
                    _ if index > 0 && !many => self.ignore("another spelling of it counts"),
                    Effect::Used if name == "dialTimeout" => {
                        let longest = self.longest_dial();
                        let other =
                            longest.filter(|longest| Some(*longest) != value::to_span(value));
                        if let Some(other) = other {
                            self.ignore(&format!("the longest of all services, {other}, is used"));
                        }
                    }
                    Effect::Used if PING_TIMES.contains(&name) && !pings(part) => {
                        self.ignore("keepalive is off");
                    }
                    Effect::Used if idle => self.ignore("reverse connections are not supported"),
                    Effect::Used => {}
                    Effect::Quiet => self.ignore("changes nothing here"),
                    Effect::NotYet | Effect::Refused => self.ignore("not supported yet"),
                }
            }
        }
    }
}

impl View<'_> {
    /// In force for all services, if there is no error.
    fn longest_dial(&self) -> Option<Span> {
        let lowered = self.prepared.lowered.as_ref()?;
        let nanos = lowered.plan.limits.dial.as_nanos();
        i64::try_from(nanos).ok().map(Span)
    }
}

/// Key, value if set, and what is in force otherwise.
pub(super) type Row = (&'static str, Option<String>, String);

pub(super) fn selector(model: Option<&Selector>) -> [Row; 3] {
    let set = |text: String, is: bool| Some(text).filter(|_| is);
    let model = model.cloned().unwrap_or_default();
    [
        (
            "strategy",
            set(model.strategy.clone(), true),
            "round".to_owned(),
        ),
        (
            "maxFails",
            set(model.max_fails.to_string(), model.max_fails > 0),
            "1".to_owned(),
        ),
        (
            "failTimeout",
            set(model.fail_timeout.to_string(), model.fail_timeout.0 > 0),
            "10s".to_owned(),
        ),
    ]
}

pub(super) fn tls(tls: &Tls, addr: &str) -> [Row; 5] {
    let text = |text: &str| Some(text.to_owned());
    let unverified = match tls.ca_file.is_empty() {
        true => "false: the peer is not verified",
        false => "false: the chain is verified, the name is not",
    };
    let roots = if tls.secure { "the system's" } else { "none" };
    [
        (
            "secure",
            tls.secure.then(|| "true".to_owned()),
            unverified.to_owned(),
        ),
        (
            "serverName",
            text(&tls.server_name),
            host_of(addr).to_owned(),
        ),
        ("caFile", text(&tls.ca_file), roots.to_owned()),
        ("certFile", text(&tls.cert_file), String::new()),
        ("keyFile", text(&tls.key_file), String::new()),
    ]
}

/// Options that mean nothing without pings.
const PING_TIMES: [&str; 2] = ["ttl", "keepalive.timeout"];

fn default(option: &Opt, name: &str, part: &Part<'_>) -> String {
    match (name, part.place) {
        ("host", Place::Dialer) => part.addr.to_owned(),
        ("host", _) => "any".to_owned(),
        _ => option.default.to_owned(),
    }
}

/// Whether the part's keep-alive is switched on.
fn pings(part: &Part<'_>) -> bool {
    let names = ["ws.keepalive", "keepalive"];
    let mut set = part
        .map
        .iter()
        .filter(|(key, _)| names.iter().any(|name| is_spelling(name, key)));
    set.all(|(_, value)| value::to_bool(value) != Some(false))
}

fn shown(kind: Kind, key: &str, value: &serde_json::Value, part: &Part<'_>) -> String {
    if secrets::is_secret(key) {
        return secrets::HIDDEN.to_owned();
    }
    if matches!(key.rsplit('.').next(), Some("path")) && part.place != Place::Handler {
        let path = value::to_text(value).unwrap_or_default();
        return match path.starts_with('/') {
            true => path,
            false => format!("/{path}"),
        };
    }
    let text = match kind {
        Kind::Bool => value::to_bool(value).map(|is| is.to_string()),
        Kind::Int => value::to_int(value).map(|number| number.to_string()),
        Kind::Duration => value::to_span(value).map(|span| span.to_string()),
        _ => None,
    };
    if let Some(text) = text.or_else(|| value::to_text(value)) {
        return text;
    }
    match value {
        serde_json::Value::Object(map) => {
            let pairs = map.iter().map(|(name, value)| {
                let value = match secrets::is_secret(name) {
                    true => secrets::HIDDEN.to_owned(),
                    false => value::to_text(value).unwrap_or_default(),
                };
                format!("{name}: {value}")
            });
            pairs.collect::<Vec<_>>().join(", ")
        }
        other => value::describe(other),
    }
}
