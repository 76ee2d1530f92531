//! `docs/options.md`.

use std::fmt::Write;

use super::option::{line_of, path_of, status};
use crate::config::keys::KEYS;
use crate::config::options::{Effect, OPTIONS, Place};
use crate::config::value::Kind;
use crate::flags::FLAGS;

const PLACES: [Place; 8] = [
    Place::Listener,
    Place::Dialer,
    Place::Handler,
    Place::Connector,
    Place::Service,
    Place::Node,
    Place::Hop,
    Place::Chain,
];

/// The page, made from the tables.
pub fn reference() -> String {
    let mut text = "\
# Options

<!-- Made from the tables in the code: cargo run -p ginnel -- reference > docs/options.md -->

Names are read in any case. Where several spellings are given, the first one counts if more than
one is set. An option that is unknown where it stands is a warning, with `--strict` an error.

## Flags

| flag | meaning |
|---|---|
"
    .to_owned();
    for flag in &FLAGS {
        let argument = if flag.argument.is_empty() { "" } else { " " };
        let _ = writeln!(
            text,
            "| `-{}{argument}{}` | {} |",
            flag.name,
            cell(flag.argument),
            cell(flag.help)
        );
    }
    text.push_str(
        "\n## Keys\n\n| name | type | default | URL | in a file below | meaning |\n|---|---|---|---|---|---|\n",
    );
    for key in KEYS {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            code(key.names),
            kind(key.kind),
            cell(key.default),
            key.lines.join(", "),
            code(key.paths),
            meaning(key.help, key.effect)
        );
    }
    for place in PLACES {
        let line = match line_of(place) {
            Some(line) => format!("on `{line}` as `name=` or `{}.name=`, ", place.name()),
            None => String::new(),
        };
        let _ = write!(
            text,
            "\n## Options of a {}\n\nGiven {line}in a file below `{}.metadata`.\n\n\
             | name | type | default | types | meaning |\n|---|---|---|---|---|\n",
            place.name(),
            path_of(place)
        );
        for option in OPTIONS {
            for (_, words) in option.at.iter().filter(|(at, _)| *at == place) {
                let _ = writeln!(
                    text,
                    "| {} | {} | {} | {} | {} |",
                    code(option.names),
                    kind(option.kind),
                    cell(option.default),
                    if words.is_empty() {
                        "all".to_owned()
                    } else {
                        words.join(" ")
                    },
                    meaning(option.help, option.effect)
                );
            }
        }
    }
    text
}

fn code(words: &[&str]) -> String {
    let words = words.iter().map(|word| match *word {
        "the top level" => "the top level".to_owned(),
        word => format!("`{word}`"),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "boolean",
        Kind::Int => "integer",
        Kind::Duration => "duration",
        Kind::BoolOrDuration => "boolean or duration",
        Kind::Text => "text",
        Kind::Texts => "list",
        Kind::Map => "map",
        Kind::Any => "any",
    }
}

fn meaning(help: &str, effect: Effect) -> String {
    match status(effect) {
        Some(status) => format!("{} ({status})", cell(help)),
        None => cell(help),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_up_to_date() {
        let page = include_str!("../../../docs/options.md");
        assert!(
            page == reference(),
            "run: cargo run -p ginnel -- reference > docs/options.md"
        );
    }
}
