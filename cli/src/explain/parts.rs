//! Options of a part, as the option table has them, with what is in force where none is set.

use super::view::{DEFAULT, View};
use crate::config::model::{Auth, Selector, Tls};
use crate::config::options::{Effect, OPTIONS, Opt, Options, Place, is_spelling};
use crate::config::value::{self, Kind};
use crate::duration::Span;
use crate::secrets;
use crate::url::{host_of, server_name};

/// One part of a service or node, with its options.
pub(super) struct Part<'a> {
    pub(super) options: Options<'a>,
    /// Path of the part in the configuration.
    pub(super) base: &'a str,
    /// Where the object was written that it belongs to.
    pub(super) owner: &'a str,
    /// The node's address.
    pub(super) addr: &'a str,
}

impl View<'_> {
    pub(super) fn options(&mut self, part: &Part<'_>) {
        let Options { place, word, map } = part.options;
        let here = |one: &&Opt| one.stands_at(place, word);
        for option in OPTIONS.iter().filter(here) {
            let names = option.names.iter();
            let set: Vec<_> = names
                .flat_map(|name| map.iter().filter(move |(key, _)| is_spelling(name, key)))
                .collect();
            let name = option.name();
            // They are about reverse connections there.
            let idle =
                name.starts_with("mux.") && matches!(place, Place::Handler | Place::Connector);
            if set.is_empty()
                && !idle
                && option.effect == Effect::Used
                && !option.default.is_empty()
            {
                let default = match self.longest_dial() {
                    Some(longest) if name == "dialTimeout" => longest.to_string(),
                    _ => default(option, name, part),
                };
                self.add(&format!("{}.{name}", place.name()), &default, DEFAULT);
                if PING_TIMES.contains(&name) && !pings(part) {
                    self.ignore("keepalive is off");
                }
            }
            let many = name.ends_with('*');
            for (index, (key, value)) in set.into_iter().enumerate() {
                let origin = self.origin(&format!("{}.metadata.{key}", part.base), part.owner);
                let shown = shown(option.kind, key, value, part);
                self.add(&format!("{}.{key}", place.name()), &shown, &origin);
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

/// Key, value or nothing, and what is in force where there is none.
type Row<'a> = (&'static str, String, &'a str);

pub(super) fn selector(model: Option<&Selector>) -> [Row<'static>; 3] {
    let model = model.cloned().unwrap_or_default();
    let set = |text: String, is: bool| if is { text } else { String::new() };
    let fails = set(model.max_fails.to_string(), model.max_fails > 0);
    let time = set(model.fail_timeout.to_string(), model.fail_timeout.0 > 0);
    [
        ("strategy", model.strategy, "round"),
        ("maxFails", fails, "1"),
        ("failTimeout", time, "10s"),
    ]
}

pub(super) fn tls<'a>(tls: &Tls, addr: &'a str) -> [Row<'a>; 5] {
    let unverified = match tls.ca_file.is_empty() {
        true => "false: the peer is not verified",
        false => "false: the chain is verified, the name is not",
    };
    let (secure, roots) = match tls.secure {
        true => ("true", "the system's"),
        false => ("", "none"),
    };
    [
        ("secure", secure.to_owned(), unverified),
        (
            "serverName",
            server_name(&tls.server_name).to_owned(),
            server_name(host_of(addr)),
        ),
        ("caFile", tls.ca_file.clone(), roots),
        ("certFile", tls.cert_file.clone(), ""),
        ("keyFile", tls.key_file.clone(), ""),
    ]
}

/// Without the password.
pub(super) fn credentials(auth: &Auth) -> String {
    if !auth.file.is_empty() {
        return format!("from file {}", auth.file);
    }
    let password = match auth.password.is_empty() {
        true => "no password",
        false => "password set",
    };
    match auth.username.is_empty() {
        true => format!("no user, {password}"),
        false => format!("user {}, {password}", auth.username),
    }
}

/// Options that mean nothing without pings.
const PING_TIMES: [&str; 2] = ["ttl", "keepalive.timeout"];

fn default(option: &Opt, name: &str, part: &Part<'_>) -> String {
    match (name, part.options.place) {
        ("host", Place::Dialer) => part.addr.to_owned(),
        ("host", _) => "any".to_owned(),
        _ => option.default.to_owned(),
    }
}

/// Whether the part's keep-alive is switched on.
fn pings(part: &Part<'_>) -> bool {
    let names = ["ws.keepalive", "keepalive"];
    let map = part.options.map;
    let mut set = map
        .iter()
        .filter(|(key, _)| names.iter().any(|name| is_spelling(name, key)));
    set.all(|(_, value)| value::to_bool(value) != Some(false))
}

fn shown(kind: Kind, key: &str, value: &serde_json::Value, part: &Part<'_>) -> String {
    if secrets::is_secret(key) {
        return secrets::HIDDEN.to_owned();
    }
    if matches!(key.rsplit('.').next(), Some("path")) && part.options.place != Place::Handler {
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
