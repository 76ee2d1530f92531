//! `ginnel man`: the manual page, in roff.

use std::fmt::Write;

use super::{EXAMPLES, url};
use crate::command::COMMANDS;
use crate::config::keys::KEYS;
use crate::config::options::{Effect, OPTIONS};
use crate::flags::FLAGS;

/// The page, made from the tables.
pub fn man() -> String {
    let mut text = String::new();
    let version = env!("CARGO_PKG_VERSION");
    let _ = writeln!(text, ".TH GINNEL 1 \"\" \"ginnel {version}\" \"\"");
    text.push_str(".SH NAME\nginnel \\- websocket tunnel and proxy\n.SH SYNOPSIS\n");
    text.push_str(".B ginnel\n\\-L URL... [\\-F URL...] [\\-C SOURCE...] [\\-\\- MORE...]\n");
    for (_, name, arguments, _) in COMMANDS {
        let _ = writeln!(text, ".br\n.B ginnel\n{name} {}", escape(arguments));
    }
    text.push_str(".SH FLAGS\n");
    for flag in &FLAGS {
        let _ = writeln!(
            text,
            ".TP\n.B \\-{} {}\n{}",
            flag.name,
            escape(flag.argument),
            escape(flag.help)
        );
    }
    text.push_str(".SH COMMANDS\n");
    for (_, name, arguments, help) in COMMANDS {
        let _ = writeln!(
            text,
            ".TP\n.B {name} {}\n{}",
            escape(arguments),
            escape(help)
        );
    }
    let _ = writeln!(text, ".SH URLS\n.nf\n{}.fi", escape(url::TEXT));
    text.push_str(".SH OPTIONS\n");
    let keys = KEYS
        .iter()
        .map(|one| (one.names, one.default, one.effect, one.help));
    let options = OPTIONS
        .iter()
        .map(|one| (one.names, one.default, one.effect, one.help));
    for (names, default, effect, help) in keys.chain(options) {
        if effect != Effect::Used {
            continue;
        }
        let default = match default {
            "" => String::new(),
            default => format!(" (default: {default})"),
        };
        let _ = writeln!(
            text,
            ".TP\n.B {}\n{}{}",
            escape(&names.join(", ")),
            escape(help),
            escape(&default)
        );
    }
    text.push_str(".SH ENVIRONMENT\n.TP\n.B GOST_LOGGER_LEVEL\nlog level\n");
    text.push_str(".TP\n.B GINNEL_RUNTIME\nsmol or mio\n");
    text.push_str(".SH FILES\ngost.json, gost.yaml or gost.yml in /etc/gost, ~/.gost, ~/gost or here, without \\-C and \\-L\n");
    text.push_str(
        ".SH EXIT STATUS\n0 regular end, 1 it cannot run, 2 the flags are wrong\n.SH EXAMPLES\n",
    );
    for (about, line) in EXAMPLES {
        let _ = writeln!(text, ".TP\n{}\n.B {}", escape(about), escape(line));
    }
    text
}

fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let lines: Vec<_> = text
        .split('\n')
        .map(|line| match line.starts_with(['.', '\'']) {
            true => format!("\\&{line}"),
            false => line.to_owned(),
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_and_no_stray_request() {
        let text = man();
        for flag in &FLAGS {
            assert!(
                text.contains(&format!(".B \\-{} ", flag.name)),
                "{}",
                flag.name
            );
        }
        let requests = [".TH", ".SH", ".TP", ".B", ".br", ".nf", ".fi"];
        for line in text.lines().filter(|line| line.starts_with('.')) {
            let word = line.split(' ').next().unwrap_or_default();
            assert!(requests.contains(&word), "{line}");
        }
    }
}
