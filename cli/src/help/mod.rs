//! What the program says about itself: all of it from the tables of flags, options and keys.

mod manual;
mod option;
mod reference;
mod shell;
mod url;

use std::fmt::Write;

use crate::command::COMMANDS;

pub use manual::man;
pub(crate) use option::wrap;
pub use reference::reference;
pub use shell::completions;

const EXAMPLES: [(&str, &str); 5] = [
    ("HTTP and SOCKS proxy on port 8080", "ginnel -L :8080"),
    (
        "the far end of a tunnel: a proxy behind TLS and websocket",
        "ginnel -L \"relay+mwss://user:pass@:443?certFile=c.pem&keyFile=k.pem\"",
    ),
    (
        "its near end: everything that comes to port 1080 goes through it",
        "ginnel -L :1080 -F \"relay+mwss://user:pass@example.com:443?secure=true\"",
    ),
    (
        "one port behind a websocket",
        "ginnel -L wss://:8443/127.0.0.1:22",
    ),
    (
        "and its client: ssh -p 2222 localhost",
        "ginnel -L tcp://:2222 -F forward+wss://example.com:8443",
    ),
];

/// One line, for those who made a mistake: it must not push the error out of sight.
pub const USAGE: &str =
    "usage: ginnel -L URL... [-F URL...] [-C FILE...] [-- MORE...]   (more: ginnel help)";

/// Fits a terminal of 24 lines and 80 columns.
pub fn help() -> String {
    let mut text = "\
usage: ginnel -L URL... [-F URL...] [-C FILE...] [-- MORE...]
  -L URL       listen on [HANDLER+]LISTENER://[USER:PASS@][HOST]:PORT[/TARGET]
  -F URL       go through [CONNECTOR+]DIALER://[USER:PASS@]HOST:PORT[?..]
  -C SOURCE    configuration: file, - or http(s) URL     -O yaml|json  print it
  -D, -DD      log level debug, trace     --strict  unknown keys are errors
"
    .to_owned();
    let names: Vec<_> = COMMANDS.iter().map(|(_, name, ..)| *name).collect();
    let _ = writeln!(text, "commands: {}", names.join(", "));
    text.push_str("more: ginnel help URL, ginnel help OPTION (such as path), ginnel man\n\n");
    for (number, (about, line)) in (1..).zip(EXAMPLES) {
        let _ = writeln!(text, "{number}. {about}:\n     {line}");
    }
    text.push_str("Quote URLs with & or ? in them. wss and mwss encrypt, ws and mws do not.\n");
    text
}

/// One line, after gost's.
pub fn version() -> String {
    format!(
        "ginnel {} ({}/{})",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}

/// `help`, `help URL`, `help OPTION`. An error says what was probably meant.
pub fn topic(args: &[String]) -> Result<String, String> {
    match args {
        [] => Ok(help()),
        [one] if one.eq_ignore_ascii_case("url") => Ok(url::TEXT.to_owned()),
        [one] => option::about(one),
        _ => Err("help takes one word: URL, or the name of an option".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::KEYS;
    use crate::config::options::OPTIONS;
    use crate::flags;

    fn fits(text: &str) {
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn help_fits_a_small_terminal() {
        let text = help();
        assert!(text.lines().count() <= 24, "{} lines", text.lines().count());
        fits(&text);
        fits(url::TEXT);
    }

    #[test]
    fn the_examples_are_read() {
        for (_, line) in EXAMPLES {
            let args = line.split(' ').skip(1);
            let args = args.map(|arg| arg.trim_matches('"').to_owned());
            let flags = flags::parse(args).unwrap();
            let loaded =
                crate::config::load::load(&flags, &|_| None, &mut std::io::Cursor::new(""));
            assert_eq!(
                loaded.findings.sorted(),
                Vec::<&crate::report::Finding>::new()
            );
        }
    }

    #[test]
    fn every_name_of_the_tables_has_a_help() {
        let options = OPTIONS.iter().flat_map(|one| one.names);
        let keys = KEYS.iter().flat_map(|one| one.names);
        let flags = flags::FLAGS.iter().map(|one| &one.name);
        for name in options.chain(keys).chain(flags) {
            let text = topic(&[(*name).to_owned()]).unwrap();
            fits(&text);
        }
        assert!(topic(&["PATH".to_owned()]).unwrap().contains("/ws"));
    }

    #[test]
    fn a_misspelling_is_answered_with_the_name() {
        let error = topic(&["keepalvie".to_owned()]).unwrap_err();
        assert!(error.contains("keepalive"), "{error}");
        assert!(topic(&["xyzzy".to_owned()]).is_err());
    }
}
