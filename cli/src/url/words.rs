//! Scheme words: which gost knows on which side, and what one alone means.

use crate::report::nearest;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// `-L`: handler+listener.
    Service,
    /// `-F`: connector+dialer.
    Node,
}

/// What this program can do, on whatever side.
const SERVED: [&str; 16] = [
    "auto", "direct", "forward", "http", "mws", "mwss", "relay", "rtcp", "rudp", "socks4",
    "socks5", "tcp", "tls", "udp", "ws", "wss",
];
const HANDLERS: &[&str] = &[
    "api", "auto", "dns", "file", "forward", "http", "http2", "http3", "masque", "metrics", "red",
    "redir", "redirect", "redu", "relay", "router", "rtcp", "rudp", "runix", "serial", "sni",
    "socks", "socks4", "socks4a", "socks5", "ss", "sshd", "ssu", "tap", "tcp", "tun", "tungo",
    "tunnel", "udp", "unix",
];
const LISTENERS: &[&str] = &[
    "dns", "dtls", "ftcp", "grpc", "h2", "h2c", "h3", "http2", "http3", "icmp", "icmp6", "kcp",
    "mtcp", "mtls", "mws", "mwss", "ohttp", "otls", "pht", "phts", "quic", "red", "redir",
    "redirect", "redu", "rtcp", "rudp", "runix", "serial", "ssh", "sshd", "stdio", "tap", "tcp",
    "tls", "tun", "tungo", "udp", "unix", "ws", "wss", "wt",
];
const CONNECTORS: &[&str] = &[
    "direct", "forward", "http", "http2", "masque", "relay", "router", "serial", "sni", "socks",
    "socks4", "socks4a", "socks5", "ss", "sshd", "ssu", "tcp", "tunnel", "unix", "virtual",
];
const DIALERS: &[&str] = &[
    "direct",
    "dtls",
    "ftcp",
    "grpc",
    "h2",
    "h2c",
    "h3",
    "h3-masque",
    "http2",
    "http3",
    "icmp",
    "icmp6",
    "kcp",
    "mtcp",
    "mtls",
    "mws",
    "mwss",
    "ohttp",
    "ohttps",
    "otls",
    "pht",
    "phts",
    "quic",
    "serial",
    "ssh",
    "sshd",
    "tcp",
    "tls",
    "udp",
    "unix",
    "utls",
    "virtual",
    "ws",
    "wss",
    "wt",
];

impl Side {
    /// Words of the first place: handlers or connectors.
    pub(super) fn upper(self) -> &'static [&'static str] {
        match self {
            Self::Service => HANDLERS,
            Self::Node => CONNECTORS,
        }
    }

    /// Words of the second place: listeners or dialers.
    pub(super) fn lower(self) -> &'static [&'static str] {
        match self {
            Self::Service => LISTENERS,
            Self::Node => DIALERS,
        }
    }

    pub(super) fn upper_name(self) -> &'static str {
        match self {
            Self::Service => "handler",
            Self::Node => "connector",
        }
    }

    pub(super) fn lower_name(self) -> &'static str {
        match self {
            Self::Service => "listener",
            Self::Node => "dialer",
        }
    }
}

/// The two words of a scheme (lower case), as gost completes them.
pub(super) fn split(scheme: &str, side: Side) -> Result<(String, String), String> {
    if !is_scheme(scheme) {
        return Err(format!(
            "malformed scheme {scheme:?}: expected a word such as wss or http+wss"
        ));
    }
    let scheme = if scheme == "https" {
        "http+tls"
    } else {
        scheme
    };
    let words: Vec<_> = scheme.split('+').collect();
    let (upper, lower) = match words.as_slice() {
        [word] => return single(word, side),
        [upper, lower] => (*upper, *lower),
        _ => return Err(format!("at most two words in a scheme, got {scheme:?}")),
    };
    let (upper_name, lower_name) = (side.upper_name(), side.lower_name());
    if lower.is_empty() {
        return Err(format!("empty {lower_name} word in {scheme:?}"));
    }
    let known = (side.upper().contains(&upper), side.lower().contains(&lower));
    if known == (true, true) {
        return Ok((upper.to_owned(), lower.to_owned()));
    }
    if side.upper().contains(&lower) && side.lower().contains(&upper) {
        return Err(format!(
            "{upper:?} is a {lower_name} and {lower:?} a {upper_name}: write {lower}+{upper}"
        ));
    }
    if !known.0 {
        if upper == "tls" && matches!(lower, "ws" | "mws") {
            return Err(format!(
                "\"tls\" is no {upper_name}: {lower} over TLS is {lower}s"
            ));
        }
        return Err(unknown(upper, upper_name, side.upper()));
    }
    Err(unknown(lower, lower_name, side.lower()))
}

fn single(word: &str, side: Side) -> Result<(String, String), String> {
    let both = |a: &str, b: &str| Ok((a.to_owned(), b.to_owned()));
    match (
        side.upper().contains(&word),
        side.lower().contains(&word),
        side,
    ) {
        (true, true, _) => both(word, word),
        (true, false, _) if word == "ssu" => both(word, "udp"),
        (true, false, _) => both(word, "tcp"),
        (false, true, Side::Service) => both("auto", word),
        (false, true, Side::Node) => both("http", word),
        (false, false, Side::Node) if word == "auto" => both("http", "tcp"),
        (false, false, _) => {
            let all = side.upper().iter().chain(side.lower()).copied();
            let hint = suggestion(word, all);
            let (upper, lower) = (side.upper_name(), side.lower_name());
            Err(format!(
                "unknown scheme word {word:?}: neither a {upper} nor a {lower}{hint}"
            ))
        }
    }
}

fn unknown(word: &str, name: &str, known: &[&str]) -> String {
    let hint = suggestion(word, known.iter().copied());
    format!("unknown {name} {word:?}{hint}")
}

/// The nearest word, or those of `known` that are served here.
fn suggestion<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    if let Some(near) = nearest(word, known.clone()) {
        return format!(", did you mean {near}?");
    }
    let served: Vec<_> = SERVED
        .into_iter()
        .filter(|one| known.clone().any(|word| word == *one))
        .collect();
    format!(", expected one of {}", served.join(" "))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"+.-".contains(&c))
}

/// Why a type cannot be run: gost's word that is not served here, or nobody's.
pub(super) fn unsupported(side: &str, word: &str) -> String {
    let known = match side {
        "handler" => HANDLERS,
        "listener" => LISTENERS,
        "connector" => CONNECTORS,
        _ => DIALERS,
    };
    if known.contains(&word) {
        return format!("{side} {word:?} is gost's, but not supported here");
    }
    unknown(word, side, known)
}
