//! The part of a file that a client asks for (RFC 9110, 14), as nginx reads it.

use std::ops::Range;

/// What `Range` asks of a file of `len` bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Everything: it asks for nothing that we know.
    Whole,
    Bytes(Range<usize>),
    /// Nothing of what the file has.
    Missing,
}

/// Several parts at once are the whole file, which RFC 9110, 14.2 allows.
pub(super) fn part(value: &[u8], len: usize) -> Part {
    let Some((unit, ranges)) = value.split_at_checked(b"bytes=".len()) else {
        return Part::Whole;
    };
    if !unit.eq_ignore_ascii_case(b"bytes=") || ranges.contains(&b',') {
        return Part::Whole;
    }
    match single(ranges, len) {
        Some(range) => Part::Bytes(range),
        None => Part::Missing,
    }
}

fn single(range: &[u8], len: usize) -> Option<Range<usize>> {
    let text = std::str::from_utf8(range).ok()?;
    let (first, last) = text.trim().split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    // More digits than any file has bytes mean its end.
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<usize>().unwrap_or(usize::MAX))
    };
    let (start, end) = match first {
        "" => (len - number(last)?.min(len), len),
        first if last.is_empty() => (number(first)?, len),
        first => (number(first)?, number(last)?.saturating_add(1).min(len)),
    };
    (start < end).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_nginx_reads_them() {
        for (value, expected) in [
            ("bytes=2-4", Part::Bytes(2..5)),
            ("Bytes= 2 - 4 ", Part::Bytes(2..5)),
            ("bytes=5-", Part::Bytes(5..11)),
            ("bytes=-3", Part::Bytes(8..11)),
            ("bytes=-100", Part::Bytes(0..11)),
            ("bytes=0-100", Part::Bytes(0..11)),
            ("bytes=0-99999999999999999999999", Part::Bytes(0..11)),
            ("bytes=10-10", Part::Bytes(10..11)),
            ("bytes=11-", Part::Missing),
            ("bytes=50-60", Part::Missing),
            ("bytes=3-1", Part::Missing),
            ("bytes=-0", Part::Missing),
            ("bytes=-", Part::Missing),
            ("bytes=abc", Part::Missing),
            ("bytes=+1-2", Part::Missing),
            ("bytes=", Part::Missing),
            ("bytes=0-1,4-5", Part::Whole),
            ("lines=0-1", Part::Whole),
            ("", Part::Whole),
        ] {
            assert_eq!(part(value.as_bytes(), 11), expected, "{value}");
        }
        assert_eq!(part(b"bytes=0-", 0), Part::Missing);
        assert_eq!(part(b"bytes=-1", 0), Part::Missing);
    }
}
