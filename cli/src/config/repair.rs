//! Repairs of YAML as it is found on web pages: a lone colon as value, a colon in front of a plain
//! scalar in a flow mapping, tabs in the indentation. Tried only where the text does not parse.

use std::borrow::Cow;

use super::normal::normalise;
use super::origins::Origins;
use super::tree::Node;
use crate::report::Findings;

pub struct Repaired {
    pub node: Node,
    /// Place and what was done there, one for each repair.
    pub remarks: Vec<(String, String)>,
}

/// How the tabs of an indentation are read.
#[derive(Clone, Copy)]
struct Tabs {
    stop: usize,
    /// Columns taken away from lines that contained tabs.
    less: usize,
}

/// In this order: as written, as left over when a page's four-blank indentation is stripped from
/// lines that have none to strip, and other editors' stops.
const TABS: [Tabs; 4] = [
    Tabs { stop: 4, less: 0 },
    Tabs { stop: 4, less: 4 },
    Tabs { stop: 2, less: 0 },
    Tabs { stop: 8, less: 0 },
];

/// The first reading that parses and, where tabs are involved, has only known keys in known places.
pub fn repair(text: &str, source: &str) -> Option<Repaired> {
    let mut remarks = Vec::new();
    let colons = quote_colons(text, source, &mut remarks);
    let tabbed: Vec<_> = (1..)
        .zip(colons.lines())
        .filter(|(_, line)| indentation(line).contains('\t'))
        .map(|(number, _)| number)
        .collect();
    if tabbed.is_empty() {
        if remarks.is_empty() {
            return None;
        }
        let node = Node::from_yaml(&colons).ok()?;
        return Some(Repaired { node, remarks });
    }
    for tabs in TABS {
        let candidate = expand_tabs(&colons, tabs);
        let Ok(node) = Node::from_yaml(&candidate) else {
            continue;
        };
        let mut findings = Findings::default();
        normalise(&node, source, &mut Origins::default(), &mut findings);
        if findings.has_errors() || findings.has_unknown() {
            continue;
        }
        for (first, last) in runs(&tabbed) {
            let lines = match last - first {
                0 => "this line is".to_owned(),
                1 => "this and the next line are".to_owned(),
                more => format!("this and the next {more} lines are"),
            };
            let less = match tabs.less {
                0 => String::new(),
                less => format!(", less {less}"),
            };
            remarks.push((
                format!("{source}:{first}"),
                format!(
                    "{lines} indented with tabs, read as stops of {} columns{less}",
                    tabs.stop
                ),
            ));
        }
        return Some(Repaired { node, remarks });
    }
    None
}

/// A list entry such as `- *.example.com`, which YAML takes for an alias.
pub fn is_bare_glob(line: &str) -> bool {
    let entry = line.trim_start().strip_prefix("- ").map(str::trim_start);
    entry.is_some_and(|entry| entry.starts_with("*.") || entry == "*")
}

fn quote_colons(text: &str, source: &str, remarks: &mut Vec<(String, String)>) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut depth = 0usize;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        if depth == 0 && is_lone_colon(line) {
            let at = line.find(": :").map_or(0, |at| at + 2);
            out.push_str(&line[..at]);
            out.push_str("\":\"");
            out.push_str(&line[at + 1..]);
            let remark =
                "a lone colon is read as \":\": all interfaces, and the port is chosen at random";
            remarks.push((format!("{source}:{number}"), remark.to_owned()));
            continue;
        }
        let quoted = quote_in_flow(line, &mut depth);
        if let Cow::Owned(_) = quoted {
            let remark = "a value that starts with a colon must be quoted inside braces";
            remarks.push((format!("{source}:{number}"), remark.to_owned()));
        }
        out.push_str(&quoted);
    }
    out
}

/// `key: :`, perhaps with a comment.
fn is_lone_colon(line: &str) -> bool {
    let Some((key, rest)) = line.split_once(": :") else {
        return false;
    };
    let key = key.trim_start().trim_start_matches("- ").trim_start();
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let after = rest.trim();
    !key.is_empty()
        && key.chars().all(word)
        && (after.is_empty() || (after.starts_with('#') && rest.starts_with([' ', '\t'])))
}

/// Quotes plain scalars that start with a colon where `depth` braces are open.
fn quote_in_flow<'a>(line: &'a str, depth: &mut usize) -> Cow<'a, str> {
    let mut out = String::new();
    let mut done = 0;
    let mut quote = None;
    let mut value = false;
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '#') if at == 0 || line[..at].ends_with([' ', '\t']) => break,
            (None, '{' | '[') => *depth += 1,
            (None, '}' | ']') => *depth = depth.saturating_sub(1),
            (None, ':') if *depth > 0 && value => {
                let end = line[at..]
                    .find([',', '}', ']', ' ', '\r', '\n'])
                    .map_or(line.len(), |end| at + end);
                out.push_str(&line[done..at]);
                out.push('"');
                out.push_str(&line[at..end]);
                out.push('"');
                done = end;
                while chars.next_if(|(at, _)| *at < end).is_some() {}
                value = false;
                continue;
            }
            _ => {}
        }
        value = match c {
            ' ' | '\t' => value || line[..at].ends_with(':'),
            _ => false,
        };
    }
    match done {
        0 => Cow::Borrowed(line),
        _ => Cow::Owned(out + &line[done..]),
    }
}

fn expand_tabs(text: &str, tabs: Tabs) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    for line in text.split_inclusive('\n') {
        let indent = indentation(line);
        if !indent.contains('\t') {
            out.push_str(line);
            continue;
        }
        let columns = indent.chars().fold(0, |at, c| match c {
            '\t' => (at / tabs.stop + 1) * tabs.stop,
            _ => at + 1,
        });
        out.extend(std::iter::repeat_n(' ', columns.saturating_sub(tabs.less)));
        out.push_str(&line[indent.len()..]);
    }
    out
}

fn indentation(line: &str) -> &str {
    let end = line.find(|c| c != ' ' && c != '\t').unwrap_or(0);
    &line[..end]
}

/// Neighbouring line numbers as (first, last).
fn runs(numbers: &[usize]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lone_colon_is_one() {
        for line in ["addr: :", "  - addr: :  # any", "a.b: :\r\n"] {
            assert!(is_lone_colon(line), "{line:?}");
        }
        for line in [
            "addr: :8080",
            "addr: \":\"",
            "# addr: :",
            "a b: :",
            ": :",
            "addr: :#x",
        ] {
            assert!(!is_lone_colon(line), "{line:?}");
        }
    }

    #[test]
    fn colons_in_braces_are_quoted_and_others_left() {
        let mut depth = 0;
        let line = "- {name: s, addr: :8080, x: ':1', y: [a, b]} # {z: :1}\n";
        let quoted = quote_in_flow(line, &mut depth);
        assert_eq!(
            quoted,
            "- {name: s, addr: \":8080\", x: ':1', y: [a, b]} # {z: :1}\n"
        );
        assert_eq!(depth, 0);
        assert_eq!(quote_in_flow("addr: :80\n", &mut depth), "addr: :80\n");
    }

    #[test]
    fn tabs_are_read_so_that_keys_fall_into_place() {
        let text =
            "services:\n- name: s\n  listener:\n    type: ws\n\t\tmetadata:\n\t\t  path: /x\n";
        let repaired = repair(text, "f").unwrap();
        let value = repaired.node.to_value();
        assert_eq!(value["services"][0]["listener"]["metadata"]["path"], "/x");
        assert_eq!(repaired.remarks.len(), 1);
        assert!(repaired.remarks[0].0.starts_with("f:5"));
    }

    #[test]
    fn what_cannot_be_repaired_is_left() {
        assert!(repair("a: b: c\n", "f").is_none());
        assert!(repair("\tnonsense: 1\n\t\tx\n", "f").is_none());
    }
}
