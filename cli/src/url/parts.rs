//! A `-L` or `-F` value taken apart: scheme, userinfo, host, path and query.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::words::{self, Side};
use crate::config::model::Auth;

#[derive(Debug)]
pub(super) struct Parts {
    pub(super) upper: String,
    pub(super) lower: String,
    /// Percent-decoded.
    pub(super) auth: Option<Auth>,
    /// What stands between userinfo and path, untouched.
    pub(super) host: String,
    /// With its leading slash, untouched.
    pub(super) path: String,
    pub(super) query: Query,
    pub(super) fragment: bool,
    /// `auth=` is there, and something else counts.
    pub(super) auth_overridden: bool,
}

pub(super) fn split(text: &str, side: Side) -> Result<Parts, String> {
    if let Some(quote) = text.chars().next().filter(|c| QUOTES.contains(c)) {
        return Err(format!(
            "the quote {quote} in front is a part of the value: leave it out (typographic quotes are none, and the shell \
             takes away one pair)"
        ));
    }
    let (scheme, rest) = split_scheme(text, side)?;
    let (upper, lower) = words::split(&scheme, side)?;
    let tail = &rest[rest.find(['/', '?', '#']).unwrap_or(rest.len())..];
    let (rest, fragment) = match rest.split_once('#') {
        Some((rest, _)) => (rest, true),
        None => (rest, false),
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if !authority.contains('@') && tail.contains('@') && !looks_complete(authority) {
        // Nothing of it is shown: it may be half a password.
        return Err(
            "a / ? or # before the @: in a user name or password they are written \
                    %2F %3F %23"
                .to_owned(),
        );
    }
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    let second = authority
        .strip_suffix(':')
        .filter(|_| path.starts_with("//"));
    if second.is_some_and(|word| words::split(&word.to_ascii_lowercase(), side).is_ok()) {
        return Err(format!("there are two schemes: leave out {authority}//"));
    }
    if fragment && path.is_empty() && query.is_empty() {
        return Err("a # behind the address: write it as %23".to_owned());
    }
    let query = Query::parse(query)?;
    let auth = match user {
        Some(user) => userinfo(user)?,
        None => None,
    };
    let auth_overridden = user.is_some() && query.get(&["auth"]).is_some();
    let auth = match (auth, user, query.get(&["auth"])) {
        (None, None, Some(text)) if !text.is_empty() => base64_auth(text)?,
        (auth, ..) => auth,
    };
    Ok(Parts {
        upper,
        lower,
        auth,
        host: host.to_owned(),
        path: path.to_owned(),
        query,
        fragment,
        auth_overridden,
    })
}

const QUOTES: &[char] = &['"', '\'', '`', '“', '”', '„', '‘', '’', '«', '»'];

/// The scheme in lower case (`auto` when there is none), and what follows `://`.
fn split_scheme(text: &str, side: Side) -> Result<(String, &str), String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return match lost_scheme(text, side) {
            Some(word) => Err(format!(
                "expected :// behind {word:?}, as in {word}://HOST:PORT"
            )),
            None => Ok(("auto".to_owned(), text)),
        };
    };
    // A "://" inside a query value belongs to that value.
    if !scheme.is_empty() && scheme.contains([':', '/', '?', '@']) {
        return Ok(("auto".to_owned(), text));
    }
    if scheme.is_empty() {
        return Err("empty scheme in front of ://".to_owned());
    }
    Ok((scheme.to_ascii_lowercase(), rest))
}

/// A scheme that only part of `://` follows, or nothing. A host of that name has a port behind it, and no more.
fn lost_scheme(text: &str, side: Side) -> Option<&str> {
    let end = text.find([':', '/', '?']).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    words::split(&word.to_ascii_lowercase(), side).ok()?;
    let port = rest.strip_prefix(':').unwrap_or_default();
    let port = &port[..port.find(['/', '?']).unwrap_or(port.len())];
    let is_port = |byte: u8| byte.is_ascii_digit() || byte == b'-';
    (port.is_empty() || !port.bytes().all(is_port)).then_some(word)
}

/// Whether `host:port` ends with a port, and so is no beginning of `user:password@host`.
fn looks_complete(authority: &str) -> bool {
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    !port.is_empty()
        && port
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-')
        || authority.is_empty()
}

fn userinfo(text: &str) -> Result<Option<Auth>, String> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let auth = Auth {
        username: decode(user, false, "user name")?,
        password: decode(password, false, "password")?,
        file: String::new(),
    };
    Ok((auth != Auth::default()).then_some(auth))
}

/// `auth=`: base64 of `user:password`.
fn base64_auth(text: &str) -> Result<Option<Auth>, String> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .or_else(|_| STANDARD.decode(text))
        .map_err(|_| "auth= is not base64 of user:password; a + must be written %2B".to_owned())?;
    let text = String::from_utf8(bytes).map_err(|_| "auth= is not text".to_owned())?;
    let (user, password) = text.split_once(':').unwrap_or((&text, ""));
    Ok(Some(Auth {
        username: user.to_owned(),
        password: password.to_owned(),
        file: String::new(),
    }))
}

/// The parameters, first value of each key, in order.
#[derive(Clone, Default)]
pub(super) struct Query(pub Vec<(String, String)>);

/// One of the values may be a secret.
impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(key, _)| key))
            .finish()
    }
}

impl Query {
    fn parse(text: &str) -> Result<Self, String> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if pair.contains(';') {
                return Err(format!(
                    "a ; behind {key:?}: parameters are separated by &, and ; is written %3B"
                ));
            }
            let value = decode(value, true, key)?;
            let key = decode(key, true, key)?;
            if pairs.iter().all(|(known, _)| *known != key) {
                pairs.push((key, value));
            }
        }
        Ok(Self(pairs))
    }

    /// The first of `names` that is there, in any case.
    pub(super) fn get(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| {
            let mut pairs = self.0.iter();
            let (_, value) = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
            Some(value.as_str())
        })
    }
}

/// Undoes percent-encoding; in a query a `+` is a blank. Errors name `what`, not the text, which
/// may be a secret.
fn decode(text: &str, query: bool, what: &str) -> Result<String, String> {
    let broken = || format!("broken % escape in {what}: write a % as %25");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| (*byte as char).to_digit(16));
                let (high, low) = digit().zip(digit()).ok_or_else(broken)?;
                (high * 16 + low) as u8
            }
            b'+' if query => b' ',
            other => *other,
        });
    }
    String::from_utf8(bytes).map_err(|_| format!("{what} is not UTF-8 when decoded"))
}
