//! `ginnel help OPTION`.

use std::fmt::Write;

use crate::command::COMMANDS;
use crate::config::keys::{KEYS, Key};
use crate::config::options::{Effect, OPTIONS, Opt, Place};
use crate::config::value::Kind;
use crate::flags::{FLAGS, FlagHelp};
use crate::report::nearest;

/// All that is known under this name.
pub(super) fn about(word: &str) -> Result<String, String> {
    let dashed = word.starts_with('-');
    let name = word.trim_start_matches('-');
    let mut text = Vec::new();
    // Flags tell upper from lower case, options do not.
    text.extend(FLAGS.iter().filter(|flag| flag.name == name).map(flag));
    if !dashed {
        text.extend(
            COMMANDS
                .iter()
                .filter(|(_, command, ..)| *command == name)
                .map(|(_, command, arguments, help)| {
                    format!("ginnel {command} {arguments}\n{}", wrap(help, 2))
                }),
        );
        let prefixes = [
            "services[].",
            "chains[].hops[].nodes[].",
            "chains[].hops[].",
            "chains[].",
        ];
        let name = prefixes
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix))
            .unwrap_or(name);
        let name = without_part(name);
        text.extend(KEYS.iter().filter(|one| one.is_called(name)).map(key));
        text.extend(OPTIONS.iter().filter(|one| one.is_called(name)).map(option));
        if text.is_empty() {
            text.extend(KEYS.iter().filter(|one| one.ends_with(name)).map(key));
        }
    }
    if !text.is_empty() {
        return Ok(text.join("\n"));
    }
    let known = FLAGS
        .iter()
        .map(|flag| flag.name)
        .chain(KEYS.iter().flat_map(|one| one.names.iter().copied()))
        .chain(OPTIONS.iter().flat_map(|one| one.names.iter().copied()));
    Err(match nearest(name, known) {
        Some(near) => format!("there is no option {word:?}, did you mean {near}?"),
        None => format!("there is no option {word:?}: docs/options.md lists them all"),
    })
}

/// `listener.metadata.path` is asked for as `path`.
fn without_part(name: &str) -> &str {
    let parts = [
        "handler.",
        "listener.",
        "service.",
        "connector.",
        "dialer.",
        "node.",
        "hop.",
    ];
    let rest = parts
        .iter()
        .find_map(|part| name.strip_prefix(part))
        .unwrap_or(name);
    rest.strip_prefix("metadata.").unwrap_or(rest)
}

fn flag(flag: &FlagHelp) -> String {
    let argument = match flag.argument {
        "" => String::new(),
        argument => format!(" {argument}"),
    };
    format!("-{}{argument}\n{}", flag.name, wrap(flag.help, 2))
}

fn key(key: &Key) -> String {
    let name = key.names.first().copied().unwrap_or_default();
    let mut text = head(name, key.names, key.help, key.kind, key.default, key.effect);
    if !key.lines.is_empty() {
        let _ = writeln!(text, "  url      {} ...?{name}=", key.lines.join(", "));
    }
    for path in key.paths {
        let full = match *path {
            "the top level" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        let label = if text.contains("  file  ") {
            ""
        } else {
            "file"
        };
        let _ = writeln!(text, "  {label:<8} {full}");
    }
    text
}

fn option(option: &Opt) -> String {
    let name = option.name();
    let mut text = head(
        name,
        option.names,
        option.help,
        option.kind,
        option.default,
        option.effect,
    );
    for (place, words) in option.at {
        let of = match words {
            [] => place.name().to_owned(),
            words => format!("{} {}", place.name(), words.join(" ")),
        };
        let list = wrap_after("where", &of);
        text.push_str(&list);
        if let Some(line) = line_of(*place) {
            let _ = writeln!(
                text,
                "           {line} ...?{name}=  or  {}.{name}=",
                place.name()
            );
        }
        let _ = writeln!(text, "           {}.metadata.{name}", path_of(*place));
    }
    text
}

fn head(
    name: &str,
    names: &[&str],
    help: &str,
    kind: Kind,
    default: &str,
    effect: Effect,
) -> String {
    let mut text = format!("{name}\n{}", wrap(help, 2));
    let others: Vec<_> = names.iter().filter(|one| **one != name).copied().collect();
    if !others.is_empty() {
        text.push_str(&wrap_after("also", &others.join(", ")));
    }
    let _ = writeln!(text, "  type     {}", kind.expected());
    if !default.is_empty() {
        let _ = writeln!(text, "  default  {default}");
    }
    if let Some(status) = status(effect) {
        let _ = writeln!(text, "  status   {status}");
    }
    text
}

/// What is to be known about an option that does not simply work.
pub(super) fn status(effect: Effect) -> Option<&'static str> {
    match effect {
        Effect::Used => None,
        Effect::Quiet => Some("accepted, changes nothing here"),
        Effect::NotYet => Some("not supported yet: accepted with a warning"),
        Effect::Refused => Some("not supported yet: refused"),
    }
}

/// Which flag reaches the part.
pub(super) fn line_of(place: Place) -> Option<&'static str> {
    match place {
        Place::Service | Place::Handler | Place::Listener => Some("-L"),
        Place::Hop | Place::Node | Place::Connector | Place::Dialer => Some("-F"),
        Place::Chain => None,
    }
}

pub(super) fn path_of(place: Place) -> &'static str {
    match place {
        Place::Service => "services[]",
        Place::Handler => "services[].handler",
        Place::Listener => "services[].listener",
        Place::Chain => "chains[]",
        Place::Hop => "chains[].hops[]",
        Place::Node => "chains[].hops[].nodes[]",
        Place::Connector => "chains[].hops[].nodes[].connector",
        Place::Dialer => "chains[].hops[].nodes[].dialer",
    }
}

fn wrap_after(label: &str, text: &str) -> String {
    let wrapped = wrap(text, 11);
    format!("  {label:<9}{}", &wrapped[11..])
}

/// Lines of at most 80 columns, each with `indent` blanks in front and an end.
pub(crate) fn wrap(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let width = word.chars().count();
        if column == 0 || column + 1 + width > 80 {
            if column > 0 {
                out.push('\n');
            }
            out.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
    out.push('\n');
    out
}
