//! `-O`: the merged configuration as gost prints it.

use serde_json::Value;

use super::model::Config;
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
    sort_options(&mut value);
    match output {
        Output::Yaml => indent_lists(&serde_yaml::to_string(&value).unwrap_or_default()),
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

/// Option maps are printed in the order of their keys.
fn sort_options(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(sort_options),
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match key == "metadata" {
                    true => value.sort_all_objects(),
                    false => sort_options(value),
                }
            }
        }
        _ => {}
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

/// Go's printer indents sequences below their key; the library does not.
fn indent_lists(text: &str) -> String {
    // Each open block: the column its lines have in the input, and how far they move.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut out = String::with_capacity(text.len() * 2);
    let mut literal: Option<usize> = None;
    let mut key_column = None;
    for line in text.lines() {
        let column = line.len() - line.trim_start_matches(' ').len();
        if literal.is_some_and(|above| column > above || line.is_empty()) {
            let shift = open.last().map_or(0, |(_, shift)| *shift);
            out.extend(std::iter::repeat_n(' ', shift));
            out.push_str(line);
            out.push('\n');
            continue;
        }
        literal = None;
        let item = line[column..].starts_with("- ") || &line[column..] == "-";
        while open
            .last()
            .is_some_and(|(at, _)| *at > column || (*at == column && !item))
        {
            open.pop();
        }
        if item && key_column == Some(column) && open.last().is_none_or(|(at, _)| *at != column) {
            let shift = open.last().map_or(0, |(_, shift)| *shift) + 2;
            open.push((column, shift));
        }
        let shift = open.last().map_or(0, |(_, shift)| *shift);
        out.extend(std::iter::repeat_n(' ', shift));
        out.push_str(line);
        out.push('\n');
        let dashes = line[column..].len() - line[column..].trim_start_matches("- ").len();
        key_column = line.ends_with(':').then_some(column + dashes);
        if line.ends_with([' ', '|']) || line.ends_with("|-") || line.ends_with("|+") {
            literal = line
                .ends_with('|')
                .then_some(column + dashes)
                .or((line.ends_with("|-") || line.ends_with("|+")).then_some(column + dashes));
        }
    }
    out
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
