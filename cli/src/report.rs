//! Findings about what the user wrote: collected, not thrown, so that all of them are shown at once.

use std::borrow::Cow;
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
    /// For `explain` alone: nothing is wrong.
    Note,
}

/// One remark, with the place it is about: `config.yml:12:7: services[0].addr` or `-L #2 (ws://)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    pub place: String,
    pub text: String,
    pub topic: Topic,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Topic {
    #[default]
    Other,
    /// A word that means nothing where it stands; `--strict` makes it an error.
    Unknown,
    /// It works, and others can make use of it.
    Unsafe,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        if self.place.is_empty() {
            return write!(f, "{word}: {}", self.text);
        }
        write!(f, "{word}: {}: {}", self.place, self.text)
    }
}

/// More are counted, but not kept.
const MAX_KEPT: usize = 500;

#[derive(Clone, Debug, Default)]
pub struct Findings {
    list: Vec<Finding>,
    /// What was not kept.
    more_errors: usize,
    more_warnings: usize,
    more_unknown: usize,
}

impl Findings {
    pub fn error(&mut self, place: impl fmt::Display, text: impl fmt::Display) {
        self.push(Severity::Error, &place, &text, Topic::Other);
    }

    pub fn warn(&mut self, place: impl fmt::Display, text: impl fmt::Display) {
        self.push(Severity::Warning, &place, &text, Topic::Other);
    }

    /// A warning about what others can make use of.
    pub fn unsafe_use(&mut self, place: impl fmt::Display, text: impl fmt::Display) {
        self.push(Severity::Warning, &place, &text, Topic::Unsafe);
    }

    /// Something worth knowing, but no fault.
    pub fn note(&mut self, place: impl fmt::Display, text: impl fmt::Display) {
        self.push(Severity::Note, &place, &text, Topic::Other);
    }

    /// A warning that `--strict` turns into an error.
    pub fn unknown(&mut self, place: impl fmt::Display, text: impl fmt::Display) {
        self.push(Severity::Warning, &place, &text, Topic::Unknown);
    }

    pub fn has_errors(&self) -> bool {
        self.more_errors > 0 || self.of(Severity::Error).next().is_some()
    }

    pub fn has_unknown(&self) -> bool {
        self.more_unknown > 0 || self.list.iter().any(|one| one.topic == Topic::Unknown)
    }

    pub fn make_strict(&mut self) {
        self.more_errors += std::mem::take(&mut self.more_unknown);
        for one in &mut self.list {
            if one.topic == Topic::Unknown {
                one.severity = Severity::Error;
            }
        }
    }

    pub fn append(&mut self, other: Self) {
        for one in other.list {
            self.push(one.severity, &one.place, &one.text, one.topic);
        }
        self.more_errors += other.more_errors;
        self.more_warnings += other.more_warnings;
        self.more_unknown += other.more_unknown;
    }

    /// Errors before warnings, otherwise in the order they were found; no notes.
    pub fn sorted(&self) -> Vec<&Finding> {
        let worth = |one: &&Finding| one.severity != Severity::Note;
        let mut list: Vec<_> = self.list.iter().filter(worth).collect();
        list.sort_by_key(|one| one.severity);
        list
    }

    pub fn all(&self) -> &[Finding] {
        &self.list
    }

    pub fn of(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.list.iter().filter(move |one| one.severity == severity)
    }

    /// No more are kept: their texts need not be made.
    pub fn is_full(&self) -> bool {
        self.list.len() >= MAX_KEPT
    }

    /// How many were found and not kept.
    pub fn more(&self) -> usize {
        self.more_errors + self.more_warnings + self.more_unknown
    }

    fn push(
        &mut self,
        severity: Severity,
        place: &dyn fmt::Display,
        text: &dyn fmt::Display,
        topic: Topic,
    ) {
        if self.is_full() {
            match (severity, topic) {
                (Severity::Error, _) => self.more_errors += 1,
                (_, Topic::Unknown) => self.more_unknown += 1,
                _ => self.more_warnings += 1,
            }
            return;
        }
        let finding = Finding {
            severity,
            place: place.to_string(),
            text: without_numbers(&text.to_string()).into_owned(),
            topic,
        };
        // A port range makes several services of one text; it is reported once.
        if !self.list.contains(&finding) {
            self.list.push(finding);
        }
    }
}

/// An operating system's error without its number, which is for programmers.
pub fn plain(error: &std::io::Error) -> String {
    without_numbers(&error.to_string()).into_owned()
}

/// `text` without any `(os error 2)`: whatever is said to users passes here.
pub fn without_numbers(text: &str) -> Cow<'_, str> {
    let mut pieces = text.split(" (os error ");
    let first = pieces.next().unwrap_or_default();
    if first.len() == text.len() {
        return Cow::Borrowed(text);
    }
    let mut plain = first.to_owned();
    for piece in pieces {
        let number = piece.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
        plain.push_str(number.strip_prefix(')').unwrap_or(piece));
    }
    Cow::Owned(plain)
}

/// The word of `known` that `word` was probably meant to be.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    known
        .into_iter()
        .map(|one| (distance(&word, &one.to_ascii_lowercase()), one))
        .min_by_key(|(far, _)| *far)
        .filter(|(far, one)| {
            let length = one.len().min(word.len());
            // Of a single letter nothing is left when it is replaced.
            *far == 0 || *far < length && *far <= 1 + length / 4
        })
        .map(|(_, one)| one)
}

/// Edits (insert, delete, replace, swap neighbours) between two words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                rows[i][j] = i + j;
                continue;
            }
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelling_is_recognised_and_another_word_is_not() {
        let known = ["path", "header", "keepAlive"];
        assert_eq!(nearest("pathh", known), Some("path"));
        assert_eq!(nearest("haeder", known), Some("header"));
        assert_eq!(nearest("keepalvie", known), Some("keepAlive"));
        assert_eq!(nearest("nonsense", known), None);
        assert_eq!(nearest("X", ["L", "F"]), None);
    }

    #[test]
    fn numbers_of_the_system_are_left_out_wherever_they_stand() {
        let text = "a: No such file or directory (os error 2); b: denied (os error 13)";
        assert_eq!(
            without_numbers(text),
            "a: No such file or directory; b: denied"
        );
        let mut findings = Findings::default();
        findings.error("place", std::io::Error::from_raw_os_error(2));
        assert_eq!(findings.all()[0].text, "No such file or directory");
    }

    #[test]
    fn no_error_is_lost_where_there_are_too_many_findings() {
        let mut findings = Findings::default();
        for number in 0..MAX_KEPT {
            findings.warn("a", number);
        }
        assert!(findings.is_full() && !findings.has_errors());
        findings.unknown("a", "word");
        findings.make_strict();
        assert!(findings.has_errors());
        assert_eq!(findings.more(), 1);
    }

    #[test]
    fn strict_raises_unknown_words_only() {
        let mut findings = Findings::default();
        findings.warn("a", "remark");
        findings.unknown("b", "word");
        assert!(!findings.has_errors());
        findings.make_strict();
        let errors: Vec<_> = findings.of(Severity::Error).collect();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].to_string(), "error: b: word");
    }
}
