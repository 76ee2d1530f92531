//! Bytes to text: what is no UTF-8 text is refused by name.

use std::fs::File;
use std::io::Read;

use crate::report::plain;

/// The most that one source may have.
const MAX_SIZE: usize = 10 << 20;

/// What is in `from`, with one byte more than is allowed if it is more: a longer text is told from
/// one that just fits.
pub(super) fn bounded(from: &mut dyn Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    from.take(MAX_SIZE as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| plain(&error))?;
    Ok(bytes)
}

/// The bytes of a file, to compare with what they were.
pub(crate) fn content(path: &str) -> Result<Vec<u8>, String> {
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    bounded(&mut file)
}

/// The text of a file that belongs to the configuration.
pub(super) fn file(path: &str) -> Result<String, String> {
    let mut file = File::open(path).map_err(|error| format!("{path}: {}", plain(&error)))?;
    let bytes = bounded(&mut file).map_err(|error| format!("{path}: {error}"))?;
    decode(bytes, path).map_err(|(place, error)| format!("{place}: {error}"))
}

/// The text without a byte order mark; or the place and what is wrong with it.
pub(super) fn decode(bytes: Vec<u8>, source: &str) -> Result<String, (String, String)> {
    let wrong = |at: Option<usize>, text: String| {
        let place = match at {
            None => source.to_owned(),
            Some(at) => {
                let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
                format!("{source}:{line}")
            }
        };
        Err((place, text))
    };
    if bytes.len() > MAX_SIZE {
        return wrong(None, format!("larger than {} MiB", MAX_SIZE >> 20));
    }
    if let Some(name) = encoding(&bytes) {
        return wrong(None, format!("is encoded as {name}: save it as UTF-8"));
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return wrong(
            Some(at),
            "contains a NUL byte: is it a text file?".to_owned(),
        );
    }
    if let Err(error) = std::str::from_utf8(&bytes) {
        let at = error.valid_up_to();
        return wrong(
            Some(at),
            format!("is not UTF-8: unexpected byte 0x{:02x}", bytes[at]),
        );
    }
    let text = String::from_utf8(bytes).unwrap_or_default();
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// Another encoding than UTF-8, by its byte order mark or by where its zeros are.
fn encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        [first, 0, second, 0, ..] | [0, first, 0, second, ..] if *first != 0 && *second != 0 => {
            Some("UTF-16")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_encodings_are_named_and_marks_removed() {
        let utf16: Vec<u8> = "a: 1".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let marked = [&[0xff, 0xfe][..], &utf16].concat();
        for bytes in [utf16, marked] {
            let (place, text) = decode(bytes, "f").unwrap_err();
            assert_eq!((place.as_str(), text.contains("UTF-16")), ("f", true));
        }
        assert_eq!(decode(b"\xef\xbb\xbfa".to_vec(), "f").unwrap(), "a");
        let (place, text) = decode(b"a\nb\xffc".to_vec(), "f").unwrap_err();
        assert_eq!(place, "f:2");
        assert!(text.contains("0xff"), "{text}");
        let (place, text) = decode(b"a\n\nb\0".to_vec(), "f").unwrap_err();
        assert_eq!((place.as_str(), text.contains("NUL")), ("f:3", true));
        assert!(decode(vec![b' '; MAX_SIZE + 1], "f").is_err());
    }
}
