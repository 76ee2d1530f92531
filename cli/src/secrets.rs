//! What must not be shown: passwords, and everything that may be one.

use serde_json::Value;

/// Shown in place of a secret.
pub const HIDDEN: &str = "***";

/// Not every pass is a password.
const OPEN: &str = "bypass";

/// Whether a text (a line of a file, a path of keys) may hold or lead to a secret.
pub fn may_hold_one(text: &str) -> bool {
    let text = text.to_ascii_lowercase().replace(OPEN, "");
    ["pass", "auth", "secret", "token", "cookie"]
        .iter()
        .any(|word| text.contains(word))
        || text.contains('@') && text.contains("://")
}

/// Whether the value of an option or header field of this name is a secret.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace(OPEN, "");
    if matches!(
        name.as_str(),
        "authbasicrealm" | "auther" | "authers" | "skipauth"
    ) {
        return false;
    }
    let words = [
        "pass", "auth", "secret", "token", "cookie", "api-key", "apikey",
    ];
    words.iter().any(|word| name.contains(word))
}

/// Blots out every value whose name says that it is a secret.
pub fn hide_all(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(hide_all),
        Value::Object(map) => {
            for (name, value) in map {
                match is_secret(name) {
                    true => *value = HIDDEN.into(),
                    false => hide_all(value),
                }
            }
        }
        _ => {}
    }
}

/// A URL with password and secret parameters blotted out.
pub fn hide(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + 3);
    let mut out = text.to_owned();
    // Where the userinfo ends is guessed generously: an unescaped / ? # may be part of it.
    let end = match text[start..].find(['/', '?', '#']) {
        Some(end) if text[start..start + end].contains('@') => start + end,
        _ => text.len(),
    };
    if let Some(at) = text[start..end].rfind('@').map(|at| at + start)
        && let Some(colon) = text[start..at].find(':').map(|colon| colon + start)
        && !starts_with_port(&text[colon + 1..at])
    {
        out.replace_range(colon + 1..at, HIDDEN);
    }
    let Some(query) = out.find('?').map(|at| at + 1) else {
        return out;
    };
    let pairs: Vec<_> = out[query..]
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((key, _)) if is_secret(key) => format!("{key}={HIDDEN}"),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{}{}", &out[..query], pairs.join("&"))
}

/// `8443?path=/a@b` is no password.
fn starts_with_port(text: &str) -> bool {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '-');
    end.is_some_and(|end| end > 0 && text[end..].starts_with(['?', '/', '#']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_shows_no_secrets() {
        use crate::config::yaml::{Format, parse};
        let text = "services:\n- name: s\n  handler:\n    auth: {username: u, password: topsecret}\n    \
                    metadata: {header: {Cookie: topsecret}}\napi: {addr: ':1', auth: {password: topsecret}}\n\
                    authers: [{name: a, auths: [{username: u, password: topsecret}]}]\n";
        let config = parse(text, Format::Yaml, "t", &mut Default::default());
        let shown = format!("{config:?}");
        assert!(shown.contains("\"name\": \"s\""), "{shown}");
        assert!(!shown.contains("topsecret"), "{shown}");
    }

    #[test]
    fn urls_show_no_secrets() {
        for (text, shown) in [
            (
                "wss://u:p@ss@h:1?auth=abc&x=1",
                "wss://u:***@h:1?auth=***&x=1",
            ),
            ("http://h:1", "http://h:1"),
            ("http://h:1?bypass=*.lan", "http://h:1?bypass=*.lan"),
            ("u:p@:80", "u:***@:80"),
            ("wss://u:p/x@:8443", "wss://u:***@:8443"),
            ("wss://u:p?x@:8443", "wss://u:***@:8443"),
            ("wss://u:p#x@:8443", "wss://u:***@:8443"),
            ("wss://:8443?path=/a@b", "wss://:8443?path=/a@b"),
            (
                "ws://h:1?path=/x&header.Authorization=Basic+eA",
                "ws://h:1?path=/x&header.Authorization=***",
            ),
        ] {
            assert_eq!(hide(text), shown);
        }
    }
}
