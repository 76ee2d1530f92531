//! Findings about what the user wrote: collected, not thrown, so that all of them are shown at once.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// One remark, with the place it is about: `config.yml:12:7: services[0].addr` or `-L #2 (ws://)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    pub place: String,
    pub text: String,
    /// About a word that means nothing where it stands; `--strict` makes it an error.
    pub unknown: bool,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        if self.place.is_empty() {
            return write!(f, "{word}: {}", self.text);
        }
        write!(f, "{word}: {}: {}", self.place, self.text)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    pub fn error(&mut self, place: impl fmt::Display, text: impl fmt::Display) {
        self.push(Severity::Error, &place, &text, false);
    }

    pub fn warn(&mut self, place: impl fmt::Display, text: impl fmt::Display) {
        self.push(Severity::Warning, &place, &text, false);
    }

    /// A warning that `--strict` turns into an error.
    pub fn unknown(&mut self, place: impl fmt::Display, text: impl fmt::Display) {
        self.push(Severity::Warning, &place, &text, true);
    }

    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|one| one.severity == Severity::Error)
    }

    pub fn has_unknown(&self) -> bool {
        self.0.iter().any(|one| one.unknown)
    }

    pub fn make_strict(&mut self) {
        for one in &mut self.0 {
            if one.unknown {
                one.severity = Severity::Error;
            }
        }
    }

    pub fn append(&mut self, other: Self) {
        for one in other.0 {
            self.push(one.severity, &one.place, &one.text, one.unknown);
        }
    }

    /// Errors before warnings, otherwise in the order they were found.
    pub fn sorted(&self) -> Vec<&Finding> {
        let mut list: Vec<_> = self.0.iter().collect();
        list.sort_by_key(|one| one.severity);
        list
    }

    pub fn of(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.0.iter().filter(move |one| one.severity == severity)
    }

    fn push(
        &mut self,
        severity: Severity,
        place: &dyn fmt::Display,
        text: &dyn fmt::Display,
        unknown: bool,
    ) {
        let finding = Finding {
            severity,
            place: place.to_string(),
            text: text.to_string(),
            unknown,
        };
        // A port range makes several services of one text; it is reported once.
        if !self.0.contains(&finding) {
            self.0.push(finding);
        }
    }
}

/// The word of `known` that `word` was probably meant to be.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    known
        .into_iter()
        .map(|one| (distance(&word, &one.to_ascii_lowercase()), one))
        .min_by_key(|(far, _)| *far)
        .filter(|(far, one)| *far <= 1 + one.len().min(word.len()) / 4)
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
