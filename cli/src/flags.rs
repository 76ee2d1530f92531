//! Flags in the manner of Go's `flag` package, which clap and lexopt read otherwise (`-DD`, `-api`).

use crate::config::print::Output;
use crate::duration::Span;
use crate::report::nearest;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Runtime {
    #[default]
    Smol,
    Mio,
}

impl Runtime {
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "smol" => Some(Self::Smol),
            "mio" => Some(Self::Mio),
            _ => None,
        }
    }
}

/// What was typed, before it means anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    pub services: Vec<String>,
    pub nodes: Vec<String>,
    pub configs: Vec<String>,
    pub output: Option<Output>,
    pub debug: bool,
    pub trace: bool,
    pub api: Option<String>,
    pub metrics: Option<String>,
    pub reload: Span,
    pub version: bool,
    pub help: bool,
    pub strict: bool,
    /// `None`: one for each core.
    pub threads: Option<usize>,
    pub runtime: Option<Runtime>,
}

const NAMES: [&str; 15] = [
    "L", "F", "C", "O", "D", "DD", "api", "metrics", "R", "V", "h", "help", "strict", "threads",
    "runtime",
];

/// Reads the arguments behind the program's name. An error is one line; the caller exits with 2.
pub fn parse<I: IntoIterator<Item = String>>(args: I) -> Result<Flags, String> {
    let mut flags = Flags::default();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            return match args.next() {
                None => Ok(flags),
                Some(_) => Err(
                    "groups of flags separated by -- are not supported: start one process for each"
                        .to_owned(),
                ),
            };
        }
        let stripped = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'));
        let Some(flag) = stripped.filter(|flag| !flag.is_empty()) else {
            return Err(format!(
                "stray word {arg:?}: every value needs its flag, and & ? * need quotes"
            ));
        };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        if let Some(switch) = flags.switch(name) {
            *switch = match &value {
                None => true,
                Some(text) => parse_switch(name, text)?,
            };
            continue;
        }
        if !NAMES.contains(&name) {
            return Err(unknown(name));
        }
        let Some(value) = value.or_else(|| args.next()) else {
            return Err(format!("flag needs an argument: -{name}"));
        };
        flags.set(name, value)?;
    }
    Ok(flags)
}

impl Flags {
    fn switch(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "D" => &mut self.debug,
            "DD" => &mut self.trace,
            "V" => &mut self.version,
            "h" | "help" => &mut self.help,
            "strict" => &mut self.strict,
            _ => return None,
        })
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), String> {
        let invalid = |expected: &str, value: &str| {
            Err(format!(
                "invalid value {value:?} for flag -{name}: expected {expected}"
            ))
        };
        match name {
            "L" => self.services.push(value),
            "F" => self.nodes.push(value),
            "C" => self.configs.push(value),
            "api" => self.api = Some(value),
            "metrics" => self.metrics = Some(value),
            "O" => match value.as_str() {
                "yaml" => self.output = Some(Output::Yaml),
                "json" => self.output = Some(Output::Json),
                _ => return invalid("yaml or json", &value),
            },
            "R" => match Span::parse(&value) {
                Some(span) => self.reload = span,
                None => return invalid("a duration such as 30s", &value),
            },
            "threads" => match value.parse() {
                Ok(threads) if (1..=1024).contains(&threads) => self.threads = Some(threads),
                _ => return invalid("a number from 1 to 1024", &value),
            },
            _ => match Runtime::parse(&value) {
                Some(runtime) => self.runtime = Some(runtime),
                None => return invalid("smol or mio", &value),
            },
        }
        Ok(())
    }
}

fn parse_switch(name: &str, text: &str) -> Result<bool, String> {
    crate::config::value::parse_bool(text)
        .ok_or_else(|| format!("invalid boolean value {text:?} for -{name}"))
}

fn unknown(name: &str) -> String {
    let glued = name
        .chars()
        .next()
        .filter(|first| "LFCOR".contains(*first) && name.len() > 1)
        .map(|first| format!(", did you mean -{first} {}?", &name[1..]));
    let near = || nearest(name, NAMES).map(|near| format!(", did you mean -{near}?"));
    let hint = glued.or_else(near).unwrap_or_default();
    format!("flag provided but not defined: -{name}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str]) -> Result<Flags, String> {
        parse(args.iter().map(|one| (*one).to_owned()))
    }

    #[test]
    fn one_or_two_dashes_and_equals_are_the_same() {
        for args in [&["-L", "x"][..], &["-L=x"], &["--L=x"], &["--L", "x"]] {
            assert_eq!(read(args).unwrap().services, ["x"], "{args:?}");
        }
        assert_eq!(read(&["-L", "a=b"]).unwrap().services, ["a=b"]);
        assert_eq!(read(&["-L", "-F"]).unwrap().services, ["-F"]);
    }

    #[test]
    fn switches_take_a_value_only_with_equals() {
        assert!(!read(&["-D=false"]).unwrap().debug);
        assert!(read(&["-DD"]).unwrap().trace);
        assert!(
            read(&["-D", "true", "-L", ":1"])
                .unwrap_err()
                .contains("stray word \"true\"")
        );
        assert!(read(&["-D=maybe"]).is_err());
    }

    #[test]
    fn the_last_of_a_single_valued_flag_wins() {
        let flags = read(&["-api", ":1", "-api", ":2", "-R", "1m"]).unwrap();
        assert_eq!(flags.api.as_deref(), Some(":2"));
        assert_eq!(flags.reload, Span::seconds(60));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(
            read(&["-L:8080"])
                .unwrap_err()
                .contains("did you mean -L :8080")
        );
        assert!(read(&["-metric", "x"]).unwrap_err().contains("-metrics"));
        assert!(read(&["-L"]).unwrap_err().contains("needs an argument"));
        assert!(read(&["-R", "soon"]).is_err());
        assert!(read(&["-O", "xml"]).is_err());
        assert!(read(&["--threads", "0"]).is_err());
        assert!(read(&["-L", ":1", "--", "-L", ":2"]).is_err());
        assert!(read(&["-"]).is_err());
    }
}
