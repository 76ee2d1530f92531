//! From flags and environment to one configuration: sources, merging, precedence.

use std::env;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::fetch;
use super::model::{Config, Log, Map};
use super::origins::Origins;
use super::text;
use super::yaml::{self, Document, Format};
use crate::flags::Flags;
use crate::report::Findings;
use crate::url;

/// The most that one source may have.
pub const MAX_SIZE: usize = 10 << 20;

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
                Ok((text, format, name)) => {
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

    /// The text of one source, its format and its name for messages; or what is wrong, and where.
    fn read(
        &mut self,
        source: &str,
        stdin: &mut dyn Read,
    ) -> Result<(String, Format, String), (String, String)> {
        if source == "-" {
            let bytes = match &self.stdin {
                Some(bytes) => bytes.clone(),
                None => text::bounded(stdin).map_err(|error| ("-C -".to_owned(), error))?,
            };
            self.stdin = Some(bytes.clone());
            let name = "standard input".to_owned();
            let text = text::decode(bytes, &name)?;
            if text.trim().is_empty() {
                return Err(("-C -".to_owned(), "standard input is empty".to_owned()));
            }
            let format = match text.starts_with('{') {
                true => Format::Json,
                false => Format::Yaml,
            };
            return Ok((text, format, name));
        }
        if source.starts_with('{') && source.ends_with('}') {
            return Ok((source.to_owned(), Format::Json, "-C {...}".to_owned()));
        }
        if fetch::is_url(source) {
            let name = fetch::shown(source);
            let (bytes, format) = fetch::fetch(source).map_err(|error| (name.clone(), error))?;
            return Ok((text::decode(bytes, &name)?, format, name));
        }
        let name = source.to_owned();
        let wrong = |error: String| (name.clone(), error);
        if Path::new(source).is_dir() {
            return Err(wrong("is a folder, expected a file".to_owned()));
        }
        let mut file = File::open(source).map_err(|error| wrong(error.to_string()))?;
        let bytes = text::bounded(&mut file).map_err(wrong)?;
        let extension = Path::new(source)
            .extension()
            .map(|one| one.to_string_lossy().to_ascii_lowercase());
        if let Some(extension) = extension
            .as_deref()
            .filter(|one| OTHER_FORMATS.contains(one))
        {
            return Err(wrong(format!(
                "{extension} is not supported: use YAML or JSON"
            )));
        }
        let text = text::decode(bytes, source)?;
        let format = match extension.as_deref() {
            Some("json") => Format::Json,
            Some("yaml" | "yml") => Format::Yaml,
            _ => Format::sniff(&text),
        };
        Ok((text, format, name))
    }
}

/// What gost reads and this program does not.
const OTHER_FORMATS: [&str; 9] = [
    "toml",
    "properties",
    "props",
    "prop",
    "hcl",
    "tfvars",
    "dotenv",
    "env",
    "ini",
];

/// The `-C` values, or the default file where nothing else says what to do.
fn sources(
    flags: &Flags,
    var: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings,
) -> Vec<String> {
    if !flags.configs.is_empty() {
        let trimmed = flags.configs.iter().map(|one| one.trim().to_owned());
        return trimmed.filter(|one| !one.is_empty()).collect();
    }
    let has_service = flags.services.iter().any(|one| !one.trim().is_empty());
    if has_service || flags.api.is_some() {
        return Vec::new();
    }
    let mut folders = vec![PathBuf::from("/etc/gost")];
    if let Some(home) = var("HOME").filter(|home| !home.is_empty()) {
        folders.push(Path::new(&home).join(".gost"));
        folders.push(Path::new(&home).join("gost"));
    }
    folders.extend(env::current_dir());
    let names = ["gost.json", "gost.yaml", "gost.yml"];
    let found = folders
        .iter()
        .flat_map(|folder| names.iter().map(|name| folder.join(name)))
        .find(|path| path.is_file());
    if found.is_none() && flags.nodes.is_empty() {
        let list: Vec<_> = folders
            .iter()
            .map(|one| one.display().to_string())
            .collect();
        let list = list.join(", ");
        findings.error(
            "",
            format_args!("nothing to do: no -L, no -C, and no gost.yaml in {list}"),
        );
    }
    found
        .map(|path| path.display().to_string())
        .into_iter()
        .collect()
}

impl Loaded {
    /// Lists are appended, single objects replaced as a whole.
    fn merge(&mut self, document: Document, name: &str) {
        let Document {
            config: mut more,
            origins,
            ..
        } = document;
        let base = &mut self.config;
        let replaced = [
            ("tls", base.tls.is_some() && more.tls.is_some()),
            ("log", base.log.is_some() && more.log.is_some()),
            (
                "profiling",
                base.profiling.is_some() && more.profiling.is_some(),
            ),
            ("api", base.api.is_some() && more.api.is_some()),
            ("metrics", base.metrics.is_some() && more.metrics.is_some()),
        ];
        for (key, _) in replaced.iter().filter(|(_, both)| *both) {
            let before = self
                .origins
                .get(key)
                .unwrap_or("an earlier source")
                .to_owned();
            self.findings.note(
                name,
                format_args!("{key} replaces the whole section of {before}"),
            );
            self.origins.forget(key);
        }
        let counts = [
            ("services", base.services.len()),
            ("chains", base.chains.len()),
            ("hops", base.hops.len()),
            ("authers", base.authers.len()),
        ];
        let length = |list: &str| {
            let found = counts.iter().find(|(name, _)| *name == list);
            found.map_or(0, |(_, count)| *count)
        };
        self.origins.append(origins, length);
        base.services.append(&mut more.services);
        base.chains.append(&mut more.chains);
        base.hops.append(&mut more.hops);
        base.authers.append(&mut more.authers);
        for (list, new) in lists(base).into_iter().zip(lists(&mut more)) {
            list.append(new);
        }
        base.tls = more.tls.or(base.tls.take());
        base.log = more.log.or(base.log.take());
        base.profiling = more.profiling.or(base.profiling.take());
        base.api = more.api.or(base.api.take());
        base.metrics = more.metrics.or(base.metrics.take());
        base.drain_timeout = more.drain_timeout.or(base.drain_timeout);
        base.strict |= more.strict;
        base.profile = more.profile.or(base.profile.take());
        base.memory = more.memory.or(base.memory.take());
    }

    fn environment(&mut self, var: &dyn Fn(&str) -> Option<String>) {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        if let Some(level) = var("GOST_LOGGER_LEVEL") {
            self.set_level(level, "GOST_LOGGER_LEVEL");
        }
        let objects = [
            ("GOST_API", "api", &mut self.config.api),
            ("GOST_METRICS", "metrics", &mut self.config.metrics),
            ("GOST_PROFILING", "profiling", &mut self.config.profiling),
        ];
        for (name, key, object) in objects {
            let Some(addr) = var(name) else { continue };
            let before = object
                .get_or_insert_default()
                .insert("addr".to_owned(), Value::String(addr));
            if before.is_some() {
                let text = format_args!("overrides {key}.addr of the configuration");
                self.findings.note(name, text);
            }
            self.origins
                .record(&format!("{key}.addr"), format!("environment {name}"));
        }
    }

    fn set_level(&mut self, level: String, by: &str) {
        let log = self.config.log.get_or_insert_with(Log::default);
        if !log.level.is_empty() && log.level != level {
            let before = self.origins.get("log.level").unwrap_or("an earlier source");
            let text = format!("overrides log.level {:?} of {before}", log.level);
            self.findings.note(by, text);
        }
        log.level = level;
        let place = match by.starts_with('-') {
            true => by.to_owned(),
            false => format!("environment {by}"),
        };
        self.origins.record("log.level", place);
    }

    fn globals(&mut self, flags: &Flags) {
        if let Some(profile) = flags.profile {
            self.config.profile = Some(profile.name().to_owned());
            self.origins.record("profile", "-profile".to_owned());
        }
        if let Some(size) = flags.memory {
            self.config.memory = Some(size.0.into());
        }
        match (flags.trace, flags.debug) {
            (true, _) => self.set_level("trace".to_owned(), "-DD"),
            (_, true) => self.set_level("debug".to_owned(), "-D"),
            _ => {}
        }
        let objects = [
            (
                "-api",
                &mut self.config.api,
                &flags.api,
                &[("pathPrefix", false), ("accesslog", true)][..],
            ),
            (
                "-metrics",
                &mut self.config.metrics,
                &flags.metrics,
                &[("path", false)],
            ),
        ];
        for (flag, object, text, keys) in objects {
            let new = text
                .as_ref()
                .and_then(|text| url::global(flag, text, keys, &mut self.findings));
            let Some(new) = new else { continue };
            // Credentials from the file stay, unless the flag brings its own.
            let mut kept = object.take().unwrap_or_default();
            for (key, value) in new {
                self.origins.record(&format!("{}.{key}", &flag[1..]), flag);
                if kept.insert(key.clone(), value).is_some() {
                    let text = format_args!("overrides {}.{key} of the configuration", &flag[1..]);
                    self.findings.note(flag, text);
                }
            }
            *object = Some(kept);
        }
    }
}

fn lists(config: &mut Config) -> [&mut Vec<Map>; 16] {
    [
        &mut config.admissions,
        &mut config.bypasses,
        &mut config.resolvers,
        &mut config.hosts,
        &mut config.ingresses,
        &mut config.routers,
        &mut config.sds,
        &mut config.recorders,
        &mut config.rewriters,
        &mut config.caches,
        &mut config.limiters,
        &mut config.quotas,
        &mut config.climiters,
        &mut config.rlimiters,
        &mut config.observers,
        &mut config.loggers,
    ]
}
