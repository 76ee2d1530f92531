//! From flags and environment to one configuration: sources, merging, precedence.

mod merge;
mod overrides;
mod source;

use std::io::Read;

use self::source::{Source, sources};
use super::model::Config;
use super::origins::Origins;
use super::yaml::{self, Document};
use crate::flags::Flags;
use crate::report::Findings;
use crate::url;

pub struct Loaded {
    pub config: Config,
    pub findings: Findings,
    pub origins: Origins,
    /// A source or a line could not be read: what it defines is missing.
    pub incomplete: bool,
}

/// All that a configuration is made from. It can be loaded again, to see what has changed.
pub struct Loader<'a> {
    flags: &'a Flags,
    var: &'a dyn Fn(&str) -> Option<String>,
    /// Standard input can be read only once.
    stdin: Option<Vec<u8>>,
}

/// Reads all sources. `var` looks up the environment, `stdin` is read for `-C -`.
pub fn load(flags: &Flags, var: &dyn Fn(&str) -> Option<String>, stdin: &mut dyn Read) -> Loaded {
    Loader::new(flags, var).load(stdin)
}

impl<'a> Loader<'a> {
    pub fn new(flags: &'a Flags, var: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            flags,
            var,
            stdin: None,
        }
    }

    /// The text of standard input, if that was read: for the next loader.
    pub fn into_stdin(self) -> Option<Vec<u8>> {
        self.stdin
    }

    pub fn with_stdin(mut self, stdin: Option<Vec<u8>>) -> Self {
        self.stdin = stdin;
        self
    }

    /// Reads all sources anew, except `stdin`, whose text is kept from the first time.
    pub fn load(&mut self, stdin: &mut dyn Read) -> Loaded {
        let (flags, var) = (self.flags, self.var);
        let mut loaded = Loaded {
            config: Config::default(),
            findings: Findings::default(),
            origins: Origins::default(),
            incomplete: false,
        };
        let sources = sources(flags, var, &mut loaded.findings);
        loaded.incomplete = loaded.findings.has_errors();
        for source in sources {
            match self.read(&source, stdin) {
                Ok(Source { text, format, name }) => {
                    let document = yaml::read(&text, format, &name, &mut loaded.findings);
                    loaded.incomplete |= document.unreadable;
                    loaded.merge(document, &name);
                }
                Err((place, error)) => {
                    loaded.findings.error(place, error);
                    loaded.incomplete = true;
                }
            }
        }
        let prefix = var("_GOST_ID")
            .filter(|id| !id.is_empty())
            .map(|id| format!("go-{id}@"));
        let lines = url::Lines {
            services: &flags.services,
            nodes: &flags.nodes,
            prefix,
        };
        let mut findings = Findings::default();
        let typed = Document {
            config: url::build(&lines, &loaded.config, &mut findings),
            ..Document::default()
        };
        loaded.incomplete |= findings.has_errors();
        loaded.findings.append(findings);
        loaded.merge(typed, "the command line");
        loaded.environment(var);
        loaded.globals(flags);
        if flags.strict || loaded.config.strict {
            loaded.findings.make_strict();
        }
        loaded
    }
}
