//! `-O`: the merged configuration as gost prints it.

use serde_json::Value;

use super::model::Config;
use super::order;
use crate::duration::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Yaml,
    Json,
}

/// Typed durations, by key; inside `metadata` everything is as the user wrote it.
const DURATIONS: [&str; 7] = [
    "failTimeout",
    "maxLatency",
    "reload",
    "timeout",
    "ttl",
    "validity",
    "interval",
];

/// The text to print, with a newline at the end.
pub fn print(config: &Config, output: Output) -> String {
    let mut value = serde_json::to_value(config).unwrap_or_default();
    order::arrange(&mut value);
    match output {
        Output::Yaml => {
            let mut text = String::new();
            emit(&value, 0, &mut text);
            text
        }
        Output::Json => {
            nanoseconds(&mut value);
            if let Some(services) = value.get_mut("services")
                && services.as_array().is_some_and(Vec::is_empty)
            {
                *services = Value::Null;
            }
            let text = serde_json::to_string_pretty(&value).unwrap_or_default();
            // Outside of strings these characters do not occur in JSON.
            text.replace('<', "\\u003c")
                .replace('>', "\\u003e")
                .replace('&', "\\u0026")
                + "\n"
        }
    }
}

fn nanoseconds(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(nanoseconds),
        Value::Object(map) => {
            for (key, value) in map.iter_mut().filter(|(key, _)| *key != "metadata") {
                match value
                    .as_str()
                    .filter(|_| DURATIONS.contains(&key.as_str()))
                    .and_then(Span::parse)
                {
                    Some(span) => *value = span.0.into(),
                    None => nanoseconds(value),
                }
            }
        }
        _ => {}
    }
}

/// In Go's manner: sequences are indented below their key. The library does not, and its block
/// scalars cannot be moved.
fn emit(value: &Value, indent: usize, out: &mut String) {
    let mut first = true;
    let mut begin = |out: &mut String| {
        // The first line continues what stands in front of it.
        if !std::mem::take(&mut first) {
            out.extend(std::iter::repeat_n(' ', indent));
        }
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                begin(out);
                out.push_str(&scalar(&Value::from(key.as_str())));
                out.push(':');
                let block = match value {
                    Value::Object(map) => !map.is_empty(),
                    Value::Array(list) => !list.is_empty(),
                    _ => false,
                };
                match block {
                    true => {
                        out.push('\n');
                        out.extend(std::iter::repeat_n(' ', indent + 2));
                    }
                    false => out.push(' '),
                }
                emit(value, indent + 2, out);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for value in list {
                begin(out);
                out.push_str("- ");
                emit(value, indent + 2, out);
            }
        }
        other => {
            out.push_str(&scalar(other));
            out.push('\n');
        }
    }
}

/// On one line, quoted as Go's library does.
fn scalar(value: &Value) -> String {
    let is_break = |c: char| matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    let text = match value {
        Value::String(text) if text.contains(|c: char| c.is_control() || is_break(c)) => None,
        Value::String(text) if is_no_text(text) => None,
        _ => serde_yaml::to_string(value).ok(),
    };
    match text.as_deref().map(|text| text.trim_end_matches('\n')) {
        Some(text) if !text.contains('\n') => text.to_owned(),
        // JSON's strings are YAML's, but for what YAML counts as a line break.
        _ => value
            .to_string()
            .chars()
            .map(|c| match c.is_control() || is_break(c) {
                true => format!("\\u{:04x}", u32::from(c)),
                false => c.to_string(),
            })
            .collect(),
    }
}

/// Whether some YAML reader takes this for a number, a boolean, a date or nothing.
fn is_no_text(text: &str) -> bool {
    const WORDS: [&str; 14] = [
        "", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".nan", ".inf", "<<",
    ];
    let lower = text.to_ascii_lowercase();
    let unsigned = lower.strip_prefix(['+', '-']).unwrap_or(&lower);
    let word = lower == text || lower.to_ascii_uppercase() == text || is_capitalized(text);
    if word && (WORDS.contains(&lower.as_str()) || unsigned == ".inf") {
        return true;
    }
    let plain = unsigned.replace('_', "");
    let radix = |prefix: &str, radix| {
        let digits = plain.strip_prefix(prefix);
        digits.is_some_and(|digits| u64::from_str_radix(digits, radix).is_ok())
    };
    let digit = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let number = digit && plain.parse::<f64>().is_ok();
    number
        || radix("0x", 16)
        || radix("0o", 8)
        || radix("0b", 2)
        || is_sexagesimal(unsigned)
        || is_date(text)
}

fn is_capitalized(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|first| first.is_ascii_uppercase())
        && chars.all(|c| c.is_ascii_lowercase())
}

/// `1:30`, as YAML 1.1 had it.
fn is_sexagesimal(text: &str) -> bool {
    let mut parts = text.split(':');
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.next().is_some_and(digits)
        && text.contains(':')
        && parts.all(|part| digits(part) && part.len() <= 2 && part < "60")
}

/// `2001-12-31`, whatever follows.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let mut digits = |length: std::ops::RangeInclusive<usize>| {
        parts.next().is_some_and(|part| {
            let digits = part.bytes().take_while(u8::is_ascii_digit).count();
            length.contains(&digits)
        })
    };
    digits(4..=4) && digits(1..=2) && digits(1..=2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml::{self, Format};
    use crate::report::Findings;

    const TEXT: &str = "services:
- name: s
  addr: :80
  handler:
    type: forward
    metadata:
      b: 1
      a:
      - x
      - - y
      c: \"two\\nlines\"
  forwarder:
    nodes:
    - name: t
      addr: a:1
    selector:
      failTimeout: 90s
";

    fn config() -> Config {
        let mut findings = Findings::default();
        yaml::parse(TEXT, Format::Yaml, "t", &mut findings)
    }

    #[test]
    fn yaml_is_indented_as_go_does_and_reads_back() {
        let text = print(&config(), Output::Yaml);
        assert!(
            text.starts_with("services:\n  - name: s\n    addr: :80\n    handler:\n"),
            "{text}"
        );
        assert!(text.contains("\n        failTimeout: 1m30s\n"), "{text}");
        assert!(text.find(" a:").unwrap() < text.find(" b:").unwrap());
        let mut findings = Findings::default();
        let again = yaml::parse(&text, Format::Yaml, "t", &mut findings);
        assert_eq!(print(&again, Output::Yaml), text);
        assert_eq!(
            again.services[0].handler,
            sorted(config()).services[0].handler
        );
    }

    #[test]
    fn json_has_nanoseconds_and_null_for_no_services() {
        let text = print(&config(), Output::Json);
        assert!(text.contains("\"failTimeout\": 90000000000"), "{text}");
        assert!(print(&Config::default(), Output::Json).contains("\"services\": null"));
    }

    fn sorted(mut config: Config) -> Config {
        for service in &mut config.services {
            if let Some(handler) = &mut service.handler {
                handler.metadata.sort_keys();
            }
        }
        config
    }
}
