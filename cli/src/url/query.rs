//! Query parameters that mean more than an option of one part, shared by `-L` and `-F`.

use serde_json::Value;

use super::parts::Query;
use crate::config::model::{Auth, Selector, Tls};
use crate::config::options::{self, Place};
use crate::config::value::{self, Kind};
use crate::duration::Span;
use crate::report::Findings;

pub(super) const CERT: [&str; 3] = ["tls.certFile", "certFile", "cert"];
pub(super) const KEY: [&str; 3] = ["tls.keyFile", "keyFile", "key"];
pub(super) const CA: [&str; 3] = ["tls.caFile", "caFile", "ca"];
pub(super) const STRATEGY: [&str; 1] = ["strategy"];
pub(super) const MAX_FAILS: [&str; 2] = ["maxFails", "max_fails"];
pub(super) const FAIL_TIMEOUT: [&str; 2] = ["failTimeout", "fail_timeout"];

/// Whether `key` is one of `names`, in any case.
pub(super) fn is_one_of(key: &str, names: &[&str]) -> bool {
    names.iter().any(|name| name.eq_ignore_ascii_case(key))
}

pub(super) fn is_selector(key: &str) -> bool {
    is_one_of(key, &STRATEGY) || is_one_of(key, &MAX_FAILS) || is_one_of(key, &FAIL_TIMEOUT)
}

pub(super) fn is_file(key: &str) -> bool {
    is_one_of(key, &CERT) || is_one_of(key, &KEY) || is_one_of(key, &CA)
}

pub(super) fn files(query: &Query) -> Tls {
    let text = |names| query.get(names).unwrap_or_default().to_owned();
    Tls {
        cert_file: text(&CERT),
        key_file: text(&KEY),
        ca_file: text(&CA),
        ..Tls::default()
    }
}

/// One selector key brings in the defaults of the others.
pub(super) fn selector(query: &Query) -> Result<Option<Selector>, String> {
    let strategy = query.get(&STRATEGY).filter(|word| !word.is_empty());
    let max_fails = query
        .get(&MAX_FAILS)
        .map(|text| positive("maxFails", text))
        .transpose()?;
    let fail_timeout =
        match query.get(&FAIL_TIMEOUT) {
            None => None,
            Some(text) => Some(Span::parse_lax(text).filter(|span| span.0 > 0).ok_or_else(
                || format!("failTimeout: expected a duration such as 30s, got {text:?}"),
            )?),
        };
    if strategy.is_none() && max_fails.is_none() && fail_timeout.is_none() {
        return Ok(None);
    }
    Ok(Some(Selector {
        strategy: strategy.unwrap_or("round").to_owned(),
        max_fails: max_fails.unwrap_or(1),
        fail_timeout: fail_timeout.unwrap_or(Span::seconds(30)),
        max_latency: Span::default(),
    }))
}

pub(super) fn positive(key: &str, text: &str) -> Result<i64, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| digits && *number > 0)
        .ok_or_else(|| format!("{key}: expected a positive decimal integer, got {text:?}"))
}

/// `interface`, `so_mark`, `proxyProtocol`: metadata of the service or hop alone, spelled like this.
pub(super) fn network(key: &str, text: &str) -> Result<Option<(&'static str, Value)>, String> {
    let mut numbers = ["so_mark", "proxyProtocol"].into_iter();
    // Zero is what they are without being given, and stays where gost leaves it.
    if let Some(name) = numbers
        .find(|name| name.eq_ignore_ascii_case(key))
        .filter(|_| text != "0")
    {
        return Ok(Some((name, positive(name, text)?.into())));
    }
    let interface = is_one_of(key, &["interface"]) && !text.is_empty();
    Ok(interface.then(|| ("interface", text.into())))
}

/// A key that would define something, if it had a value.
pub(super) fn without_value(key: &str, text: &str, names: &[&str]) -> bool {
    text.is_empty() && is_one_of(key, names)
}

pub(super) fn check_auth(auth: Option<&Auth>, place: &str, findings: &mut Findings) {
    let Some(auth) = auth else { return };
    if auth.username.is_empty() {
        findings.unsafe_use(place, "no user name, so no authentication takes place");
    } else if auth.password.is_empty() {
        findings.unsafe_use(
            place,
            format_args!(
                "user {:?} has no password: any password is accepted",
                auth.username
            ),
        );
    }
}

/// The parts that un-prefixed keys reach, with their types.
pub(super) type Reach<'a> = [(Place, &'a str)];

/// Splits `listener.path` into the part of `reach` and the option's name.
pub(super) fn prefixed<'k>(key: &'k str, reach: &Reach<'_>) -> Option<(Place, &'k str)> {
    let (head, rest) = key.split_once('.')?;
    let (place, _) = reach
        .iter()
        .find(|(place, _)| place.name().eq_ignore_ascii_case(head))?;
    Some((*place, rest))
}

/// Reports an option that no part in reach knows, or whose value none of them can read.
pub(super) fn check(
    key: &str,
    text: &str,
    reach: &Reach<'_>,
    flag: &str,
    place: &str,
    findings: &mut Findings,
) {
    let value = Value::String(text.to_owned());
    if let Some((part, name)) = prefixed(key, reach) {
        let word = reach
            .iter()
            .find(|(one, _)| *one == part)
            .map_or("", |(_, word)| word);
        options::check(
            part,
            word,
            name,
            &value,
            format_args!("{place}: {key}"),
            findings,
        );
        return;
    }
    if reach
        .iter()
        .any(|(part, word)| !options::is_checked(*part, word))
    {
        return;
    }
    let known: Vec<_> = reach
        .iter()
        .filter_map(|(part, word)| options::find(*part, word, key))
        .collect();
    if known.is_empty() {
        let names = reach
            .iter()
            .flat_map(|(part, word)| options::names(*part, word));
        let hint = options::hint(key, names);
        findings.unknown(
            place,
            format_args!("{key:?} means nothing on {flag}, {hint}"),
        );
        return;
    }
    if known.iter().any(|option| option.kind.accepts(&value)) {
        return;
    }
    if known.iter().all(|option| option.kind == Kind::Map) {
        let text = "is a map, which the command line cannot give: write header.NAME=VALUE";
        findings.warn(place, format_args!("{key} {text}"));
        return;
    }
    let (expected, got) = (known[0].kind.expected(), value::describe(&value));
    findings.error(place, format_args!("{key}: expected {expected}, got {got}"));
}
