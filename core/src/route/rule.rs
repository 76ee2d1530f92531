//! gost's routing rules: ``Host(`*.example.com`) && !PathPrefix(`/api`)``.

use super::matcher::{Matcher, Pattern};
use crate::addr::Host;

/// Parentheses and negations within each other.
const MAX_DEPTH: usize = 32;

/// What is known of a connection when a way for it is chosen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    pub host: Option<&'a Host>,
    /// `http`, `tls`, `ssh`, or empty.
    pub protocol: &'a str,
    pub path: &'a str,
}

#[derive(Clone, Debug)]
pub struct Rule {
    /// Of several whose rules fit, those with the highest one are taken.
    pub priority: u32,
    expr: Expr,
    needs_request: bool,
}

#[derive(Clone, Debug)]
enum Expr {
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    Host(Matcher),
    Proto(String),
    Path(String),
    PathPrefix(String),
}

impl Rule {
    /// The longer a rule is, the more it says: its length is its priority unless another is given. The
    /// error says what is wrong, and where.
    pub fn parse(text: &str, priority: Option<u32>) -> Result<Self, String> {
        let mut parser = Parser {
            text,
            at: 0,
            needs_request: false,
        };
        let expr = parser.any(0)?;
        parser.blanks();
        if parser.at < text.len() {
            return Err(parser.expected("&&, || or the end"));
        }
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        Ok(Self {
            priority: priority.unwrap_or(length),
            expr,
            needs_request: parser.needs_request,
        })
    }

    pub fn matches(&self, asked: Asked<'_>) -> bool {
        self.expr.matches(asked)
    }

    /// Whether it asks for more than the target: for what only the client's first bytes tell.
    pub fn needs_request(&self) -> bool {
        self.needs_request
    }
}

impl Expr {
    fn matches(&self, asked: Asked<'_>) -> bool {
        match self {
            Self::All(list) => list.iter().all(|one| one.matches(asked)),
            Self::Any(list) => list.iter().any(|one| one.matches(asked)),
            Self::Not(one) => !one.matches(asked),
            Self::Host(matcher) => asked.host.is_some_and(|host| matcher.matches(host, None)),
            Self::Proto(protocol) => protocol == asked.protocol,
            Self::Path(path) => path == asked.path,
            Self::PathPrefix(path) => asked.path.starts_with(path.as_str()),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    needs_request: bool,
}

impl Parser<'_> {
    fn any(&mut self, depth: usize) -> Result<Expr, String> {
        let mut list = vec![self.all(depth)?];
        while self.takes("||") {
            list.push(self.all(depth)?);
        }
        Ok(Expr::Any(list))
    }

    fn all(&mut self, depth: usize) -> Result<Expr, String> {
        let mut list = vec![self.one(depth)?];
        while self.takes("&&") {
            list.push(self.one(depth)?);
        }
        Ok(Expr::All(list))
    }

    fn one(&mut self, depth: usize) -> Result<Expr, String> {
        if depth > MAX_DEPTH {
            return Err("too many parentheses within each other".to_owned());
        }
        if self.takes("!") {
            return Ok(Expr::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.takes("(") {
            let inner = self.any(depth + 1)?;
            self.must("(", ")")?;
            return Ok(inner);
        }
        self.blanks();
        let rest = &self.text[self.at..];
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let name = &rest[..end];
        if name.is_empty() {
            return Err(self.expected("a condition such as Host(`example.com`)"));
        }
        self.at += end;
        self.must(name, "(")?;
        let value = self.value()?;
        self.must(name, ")")?;
        self.condition(name, value)
    }

    /// The only argument, in back quotes or double ones.
    fn value(&mut self) -> Result<String, String> {
        let quote = match (self.takes("`"), self.takes("\"")) {
            (true, _) => '`',
            (_, true) => '"',
            _ => return Err(self.expected("a value in back quotes")),
        };
        let rest = &self.text[self.at..];
        let Some(end) = rest.find(quote) else {
            return Err(format!("a value without its second {quote}"));
        };
        self.at += end + 1;
        match &rest[..end] {
            "" => Err("an empty value".to_owned()),
            value => Ok(value.to_owned()),
        }
    }

    fn condition(&mut self, name: &str, value: String) -> Result<Expr, String> {
        let lower = name.to_ascii_lowercase();
        self.needs_request |= matches!(lower.as_str(), "proto" | "path" | "pathprefix");
        let path = |value: String| match value.starts_with('/') {
            true => Ok(value),
            false => Err(format!("{name}: expected a path from /, got {value:?}")),
        };
        Ok(match lower.as_str() {
            "host" => {
                let value = value.trim();
                let bare = value.strip_prefix('*').unwrap_or(value);
                let text = match bare.starts_with('.') || bare == value {
                    true => bare.to_owned(),
                    false => format!(".{bare}"),
                };
                Expr::Host(Matcher::new([Pattern::parse(&text)?]))
            }
            "proto" => Expr::Proto(value.to_ascii_lowercase()),
            "path" => Expr::Path(path(value)?),
            "pathprefix" => Expr::PathPrefix(path(value)?),
            "hostregexp" | "pathregexp" | "headerregexp" | "queryregexp" | "bodyregexp"
            | "bodyjson" | "clientip" | "network" | "method" | "header" | "query" | "bypass"
            | "admission" => {
                return Err(format!(
                    "{name} is gost's, but not supported: Host, Proto, Path and PathPrefix are"
                ));
            }
            _ => {
                return Err(format!(
                    "unknown condition {name:?}: expected Host, Proto, Path or PathPrefix"
                ));
            }
        })
    }

    fn blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn takes(&mut self, token: &str) -> bool {
        self.blanks();
        let found = self.text[self.at..].starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn must(&mut self, behind: &str, token: &str) -> Result<(), String> {
        match self.takes(token) {
            true => Ok(()),
            false => Err(self.expected(&format!("{token} behind {behind}"))),
        }
    }

    fn expected(&self, what: &str) -> String {
        match &self.text[self.at..] {
            "" => format!("expected {what}, got the end"),
            rest => format!("expected {what}, got {rest:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(rule: &str, host: &str, protocol: &str, path: &str) -> bool {
        let host = (!host.is_empty()).then(|| Host::parse(host));
        Rule::parse(rule, None).unwrap().matches(Asked {
            host: host.as_ref(),
            protocol,
            path,
        })
    }

    #[test]
    fn rules_are_read_as_gost_reads_them() {
        for (rule, host, protocol, path, expected) in [
            ("Host(`a.com`)", "A.com", "", "", true),
            ("Host(`a.com`)", "x.a.com", "", "", false),
            ("Host(`a.com`)", "", "", "", false),
            ("Host(`*.a.com`)", "x.a.com", "", "", true),
            ("Host(`.a.com`)", "x.a.com", "", "", true),
            ("host(\"10.0.0.1\")", "10.0.0.1", "", "", true),
            ("Proto(`HTTP`)", "", "http", "", true),
            ("Path(`/a`)", "", "http", "/a", true),
            ("Path(`/a`)", "", "http", "/a/b", false),
            ("PathPrefix(`/a`)", "", "http", "/a/b", true),
            ("!Host(`a.com`)", "b.com", "", "", true),
            // && binds before ||, and ! before both.
            (
                "Host(`a`) || Host(`b`) && Path(`/x`)",
                "a",
                "http",
                "/y",
                true,
            ),
            (
                "(Host(`a`) || Host(`b`)) && Path(`/x`)",
                "a",
                "http",
                "/y",
                false,
            ),
            ("!Host(`a`) && Path(`/x`)", "b", "http", "/x", true),
            (" ! ( Host( `a` )||Host(`b`) ) ", "c", "", "", true),
        ] {
            assert_eq!(
                matches(rule, host, protocol, path),
                expected,
                "{rule} {host} {path}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (rule, part) in [
            (
                "",
                "expected a condition such as Host(`example.com`), got the end",
            ),
            ("Host", "expected ( behind Host, got the end"),
            ("Host()", "expected a value in back quotes, got \")\""),
            ("Host(``)", "an empty value"),
            ("Host(`a`", "expected ) behind Host"),
            ("Host(`a)", "without its second `"),
            (
                "Host(`a`) Host(`b`)",
                "expected &&, || or the end, got \"Host",
            ),
            ("Host(`a`) &&", "expected a condition"),
            ("(Host(`a`)", "expected ) behind ("),
            ("Host(`a b`)", "is no pattern"),
            ("Path(`a`)", "expected a path from /"),
            ("HostRegexp(`a`)", "HostRegexp is gost's, but not supported"),
            ("Hots(`a`)", "unknown condition \"Hots\""),
        ] {
            let error = Rule::parse(rule, None).unwrap_err();
            assert!(error.contains(part), "{rule}: {error}");
        }
        let deep = "!".repeat(100_000) + "Host(`a`)";
        assert!(Rule::parse(&deep, None).is_err());
    }

    #[test]
    fn a_longer_rule_goes_first() {
        let rule = |text: &str, priority| Rule::parse(text, priority).unwrap();
        assert!(rule("Host(`long.example`)", None).priority > rule("Host(`a`)", None).priority);
        assert_eq!(rule("Host(`a`)", Some(100)).priority, 100);
        assert!(!rule("Host(`a`)", None).needs_request());
        assert!(rule("Host(`a`) && Path(`/`)", None).needs_request());
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "[Host`()&|!Path/ a.*\"é]{0,60}") {
            let _ = Rule::parse(&text, None);
        }
    }
}
