//! What can go wrong, and what each handler tells its client about it.

use std::fmt;
use std::time::Duration;

/// Why something failed, as far as a client can be told: each handler maps it to its own reply code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The target (or a hop) answered with a reset to our connection attempt.
    Refused,
    HostUnreachable,
    NetUnreachable,
    /// The name does not resolve.
    NameNotFound,
    TimedOut,
    /// The connection was reset while in use.
    Reset,
    /// The connection ended where more was expected.
    Closed,
    /// A rule forbids it: ours, or an upstream's that told us so.
    Denied,
    /// Credentials are missing or wrong: the client's with us, or ours with an upstream.
    Auth,
    /// The peer broke the protocol.
    Protocol,
    Tls,
    /// A limit of ours: sizes, counts, queues.
    Limit,
    /// A command, method or address type that is not served.
    Unsupported,
    /// Our side ends it: shutdown, removal of the service.
    Local,
}

impl Cause {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::HostUnreachable => "host unreachable",
            Self::NetUnreachable => "network unreachable",
            Self::NameNotFound => "name not found",
            Self::TimedOut => "timed out",
            Self::Reset => "reset",
            Self::Closed => "closed early",
            Self::Denied => "not allowed",
            Self::Auth => "login failed",
            Self::Protocol => "protocol broken",
            Self::Tls => "TLS failed",
            Self::Limit => "limit reached",
            Self::Unsupported => "not supported",
            Self::Local => "ended here",
        }
    }
}

/// Bytes of a user name in the log.
const LOGGED_USER: usize = 64;

/// A failure: the cause for machines, the text for people (expected and got, and who).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fail {
    pub cause: Cause,
    pub text: String,
    /// A login that failed: the user name that the client gave, fit for a log.
    pub user: Option<Box<str>>,
}

impl Fail {
    pub fn new(cause: Cause, text: impl Into<String>) -> Self {
        Self {
            cause,
            text: text.into(),
            user: None,
        }
    }

    /// Wrong credentials of a client: `Auth`. What is no plain character of the name is escaped (`%20`), so
    /// that nobody can write a log line of their own, and a long one is cut.
    pub fn login(text: impl Into<String>, user: &[u8]) -> Self {
        let mut name = String::new();
        for byte in user.iter().take(LOGGED_USER) {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => name.push(char::from(*byte)),
                b'.' | b'_' | b'-' | b'@' | b'+' => name.push(char::from(*byte)),
                _ => name.push_str(&format!("%{byte:02X}")),
            }
        }
        Self {
            user: Some(name.into()),
            ..Self::new(Cause::Auth, text)
        }
    }

    pub fn protocol(text: impl Into<String>) -> Self {
        Self::new(Cause::Protocol, text)
    }

    /// A peer, or a transport, of which nothing came for so long.
    pub fn silence(length: Duration) -> Self {
        let text = match length.as_millis() {
            millis if millis >= 10_000 => {
                format!("nothing received for {}s", (millis + 500) / 1000)
            }
            millis => format!("nothing received for {:.1}s", millis as f64 / 1000.0),
        };
        Self::new(Cause::TimedOut, text)
    }

    /// The same failure with its place in front: `node-0: refused`.
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.text = format!("{place}: {}", self.text);
        self
    }
}

/// With the cure: the reader of a log cannot do anything with "too many open files".
pub const NO_DESCRIPTOR: &str =
    "no descriptor is free: raise the limit of open files (LimitNOFILE=, ulimit -n)";

impl From<&std::io::Error> for Fail {
    /// What an operating system's error means for those who wait for the connection.
    fn from(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        if let Some(23 | 24) = error.raw_os_error() {
            // ENFILE, EMFILE.
            return Self::new(Cause::Limit, NO_DESCRIPTOR);
        }
        let cause = match error.kind() {
            ErrorKind::ConnectionRefused => Cause::Refused,
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
                Cause::Reset
            }
            ErrorKind::HostUnreachable => Cause::HostUnreachable,
            ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => Cause::NetUnreachable,
            ErrorKind::TimedOut => Cause::TimedOut,
            _ => Cause::NetUnreachable,
        };
        // "Connection refused (os error 111)" is for programmers.
        let text = error.to_string();
        let text = text
            .split(" (os error")
            .next()
            .unwrap_or_default()
            .to_lowercase();
        Self::new(cause, text)
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Fail {}

/// How the other end of a transport ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eof {
    /// The peer will send no more; our direction may go on.
    Fin,
    /// Both directions are dead.
    Reset,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_cannot_break_a_log_line() {
        for (user, expected) in [
            (&b"alice@example.com"[..], "alice@example.com"),
            (b"", ""),
            (b"a b\" client=1.2.3.4\n", "a%20b%22%20client%3D1.2.3.4%0A"),
            (b"%41\xff", "%2541%FF"),
            (&[b'x'; 1000], &"x".repeat(64)),
        ] {
            let fail = Fail::login("wrong", user);
            assert_eq!(
                (fail.cause, fail.user.as_deref()),
                (Cause::Auth, Some(expected))
            );
        }
    }
}
