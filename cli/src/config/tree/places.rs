//! Where the keys of a document stand. No library tells it, so they are searched in the text, in document order.

use super::Node;

/// Line and column from 1; 0 when unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    pub line: usize,
    pub column: usize,
}

/// Tells the entries of `node`, which was read from `text`, where their keys stand.
pub(super) fn locate(node: &mut Node, text: &str) {
    descend(node, &mut Finder::new(text));
}

fn descend(node: &mut Node, finder: &mut Finder<'_>) {
    match node {
        Node::List(list) => list.iter_mut().for_each(|node| descend(node, finder)),
        Node::Map(entries) => {
            for entry in entries {
                entry.at = finder.find(&entry.key);
                descend(&mut entry.value, finder);
            }
        }
        _ => {}
    }
}

/// Searches keys in document order. Its own place only moves forward, so that all searches
/// together read the text a bounded number of times.
struct Finder<'a> {
    text: &'a str,
    /// Where the next search begins.
    from: usize,
    /// The position up to which lines and columns are counted, and what they are there.
    at: usize,
    spot: Spot,
    /// Bytes that may still be searched: keys that come from an anchor are not found again.
    left: usize,
}

impl<'a> Finder<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            from: 0,
            at: 0,
            spot: Spot { line: 1, column: 1 },
            left: text.len().saturating_mul(64),
        }
    }

    /// The next place where `key` stands as a key.
    fn find(&mut self, key: &str) -> Spot {
        if key.is_empty() {
            return Spot::default();
        }
        let mut from = self.from;
        while self.left > 0 {
            let found = self.text[from..].find(key);
            self.left = self
                .left
                .saturating_sub(found.unwrap_or(self.text.len() - from) + 1);
            let Some(at) = found.map(|at| at + from) else {
                break;
            };
            let end = at + key.len();
            if self.is_key(at, end) {
                self.advance(at);
                self.from = end;
                return self.spot;
            }
            from = at + self.text[at..].chars().next().map_or(1, char::len_utf8);
        }
        Spot::default()
    }

    fn is_key(&self, at: usize, end: usize) -> bool {
        let before = self.text[..at].chars().next_back();
        let starts =
            before.is_none_or(|c| c.is_whitespace() || matches!(c, '{' | ',' | '"' | '\''));
        let after = self.text[end..]
            .trim_start_matches(['"', '\''])
            .trim_start_matches(' ');
        starts && after.starts_with(':') && !self.in_comment(at)
    }

    /// Only whole lines are recognised.
    fn in_comment(&self, at: usize) -> bool {
        // A long line is no comment, and is not searched again for every key.
        let mut line = self.text[..at].bytes().rev().take(4096);
        let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
        let mut first = None;
        for byte in line.by_ref() {
            if byte == b'\n' {
                return first == Some(b'#');
            }
            if !blank(&byte) {
                first = Some(byte);
            }
        }
        at < 4096 && first == Some(b'#')
    }

    fn advance(&mut self, to: usize) {
        for c in self.text[self.at..to].chars() {
            self.spot.column += 1;
            if c == '\n' {
                self.spot.line += 1;
                self.spot.column = 1;
            }
        }
        self.at = to;
    }
}
