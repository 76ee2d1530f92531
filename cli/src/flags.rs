//! Flags in the manner of Go's `flag` package, which clap and lexopt read otherwise (`-DD`, `-api`).

use std::fmt;

use crate::config::print::Output;
use crate::duration::Span;
use crate::profile::Profile;
use crate::report::nearest;
use crate::size::Size;

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

    pub fn name(self) -> &'static str {
        match self {
            Self::Smol => "smol",
            Self::Mio => "mio",
        }
    }
}

/// What was typed, before it means anything.
#[derive(Clone, Default, PartialEq, Eq)]
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
    pub drain_timeout: Option<Span>,
    pub version: bool,
    pub help: bool,
    pub strict: bool,
    /// `None`: one for each core.
    pub threads: Option<usize>,
    pub runtime: Option<Runtime>,
    pub memory: Option<Size>,
    pub profile: Option<Profile>,
    /// For `explain`.
    pub json: bool,
}

/// URLs and inline configurations hold passwords.
impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flags")
            .field("services", &self.services.len())
            .field("nodes", &self.nodes.len())
            .field("configs", &self.configs.len())
            .field("strict", &self.strict)
            .finish_non_exhaustive()
    }
}

/// The flags, for reading, help, completions and the manual page.
pub struct FlagHelp {
    pub name: &'static str,
    /// Empty for switches.
    pub argument: &'static str,
    pub help: &'static str,
}

const fn flag(name: &'static str, argument: &'static str, help: &'static str) -> FlagHelp {
    FlagHelp {
        name,
        argument,
        help,
    }
}

#[rustfmt::skip]
pub const FLAGS: [FlagHelp; 19] = [
    flag("L", "URL", "a service to run; may be repeated (help URL)"),
    flag("F", "URL", "the next hop of the chain; may be repeated (help URL)"),
    flag("C", "SOURCE", "configuration, YAML or JSON: a file, -, {JSON} or http(s) URL; may be repeated"),
    flag("O", "yaml|json", "print the merged configuration, passwords included, and exit"),
    flag("D", "", "log level debug"),
    flag("DD", "", "log level trace: each name, attempt, handshake and stream"),
    flag("api", "ADDRESS", "accepted, not supported yet"),
    flag("metrics", "ADDRESS", "accepted, not supported yet"),
    flag("R", "TIME", "load the configuration again at this interval, as on SIGHUP"),
    flag("strict", "", "unknown keys and options are errors"),
    flag("drainTimeout", "TIME", "how long connections may go on after SIGTERM or SIGINT; 8s otherwise"),
    flag("threads", "N", "number of threads; one for each core otherwise"),
    flag("runtime", "smol|mio", "event loop; smol otherwise"),
    flag("memory", "SIZE", "bytes that connections may hold, such as 64MiB; half of the machine's otherwise"),
    flag("profile", "standard|small", "small: one thread, small buffers and 16MiB of memory, where nothing else is said"),
    flag("json", "", "explain: for machines"),
    flag("V", "", "print the version and exit"),
    flag("h", "", "print a short help and exit"),
    flag("help", "", "the same"),
];

fn names() -> impl Iterator<Item = &'static str> {
    FLAGS.iter().map(|flag| flag.name)
}

/// Reads the arguments behind the program's name. An error is one line; the caller exits with 2.
pub fn parse<I: IntoIterator<Item = String>>(args: I) -> Result<Flags, String> {
    let mut flags = Flags::default();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            return match args.next() {
                None => Ok(flags),
                Some(_) => Err("-- separates groups of flags, and does not end one".to_owned()),
            };
        }
        let stripped = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'));
        let Some(flag) = stripped.filter(|flag| !flag.is_empty()) else {
            if let Some(flag) = arg.strip_prefix(['–', '—', '−']) {
                return Err(format!(
                    "{arg:?} begins with a typographic dash: type -{flag}"
                ));
            }
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
        if names().all(|known| known != name) {
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
            "json" => &mut self.json,
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
            "drainTimeout" => match Span::parse(&value) {
                Some(span) => self.drain_timeout = Some(span),
                None => return invalid("a duration such as 30s", &value),
            },
            "threads" => match value.parse() {
                Ok(threads) if (1..=1024).contains(&threads) => self.threads = Some(threads),
                _ => return invalid("a number from 1 to 1024", &value),
            },
            "memory" => {
                self.memory =
                    Some(Size::parse(&value).map_err(|why| format!("flag -memory: {why}"))?)
            }
            "profile" => match Profile::parse(&value) {
                Some(profile) => self.profile = Some(profile),
                None => return invalid("standard or small", &value),
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
    let near = || nearest(name, names()).map(|near| format!(", did you mean -{near}?"));
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
    fn every_flag_of_the_table_is_read() {
        for FlagHelp { name, argument, .. } in FLAGS {
            let value = match argument {
                "" => "true",
                "N" => "1",
                "TIME" => "1s",
                "SIZE" => "64MiB",
                other => other.split('|').next().unwrap(),
            };
            assert!(read(&[&format!("-{name}={value}")]).is_ok(), "{name}");
        }
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
