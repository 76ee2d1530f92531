//! From flags and environment to one configuration: sources, merging, precedence.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::Value;

use super::model::{Config, Log, Map};
use super::yaml::{self, Format};
use crate::flags::Flags;
use crate::report::Findings;
use crate::url;

pub struct Loaded {
    pub config: Config,
    pub findings: Findings,
}

/// Reads all sources. `var` looks up the environment, `stdin` is read for `-C -`.
pub fn load(flags: &Flags, var: &dyn Fn(&str) -> Option<String>, stdin: &mut dyn Read) -> Loaded {
    let mut findings = Findings::default();
    let mut config = Config::default();
    for source in sources(flags, var, &mut findings) {
        let Some((text, format, name)) = read(&source, stdin, &mut findings) else {
            continue;
        };
        merge(
            &mut config,
            yaml::parse(&text, format, &name, &mut findings),
        );
    }
    let prefix = var("_GOST_ID")
        .filter(|id| !id.is_empty())
        .map(|id| format!("go-{id}@"));
    let lines = url::Lines {
        services: &flags.services,
        nodes: &flags.nodes,
        prefix,
    };
    let typed = url::build(&lines, &config, &mut findings);
    merge(&mut config, typed);
    environment(&mut config, var);
    globals(&mut config, flags, &mut findings);
    if flags.strict || config.strict {
        findings.make_strict();
    }
    Loaded { config, findings }
}

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

/// The text of one source, its format and its name for messages.
fn read(
    source: &str,
    stdin: &mut dyn Read,
    findings: &mut Findings,
) -> Option<(String, Format, String)> {
    if source == "-" {
        let mut bytes = Vec::new();
        if let Err(error) = stdin.read_to_end(&mut bytes) {
            findings.error("-C -", error);
            return None;
        }
        let text = utf8(bytes, "standard input", findings)?;
        if text.trim().is_empty() {
            findings.error("-C -", "standard input is empty");
            return None;
        }
        let format = if text.starts_with('{') {
            Format::Json
        } else {
            Format::Yaml
        };
        return Some((text, format, "standard input".to_owned()));
    }
    if source.starts_with('{') && source.ends_with('}') {
        return Some((source.to_owned(), Format::Json, "-C {...}".to_owned()));
    }
    if source.starts_with("http://") || source.starts_with("https://") {
        findings.error(
            "-C",
            "a configuration from a URL is not supported yet: fetch it to a file",
        );
        return None;
    }
    let bytes = match fs::read(source) {
        Ok(bytes) => bytes,
        Err(error) => {
            findings.error(source, error);
            return None;
        }
    };
    let extension = Path::new(source)
        .extension()
        .map(|one| one.to_string_lossy().to_ascii_lowercase());
    let other = [
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
    if let Some(extension) = extension.as_deref().filter(|one| other.contains(one)) {
        findings.error(
            source,
            format_args!("{extension} is not supported: use YAML or JSON"),
        );
        return None;
    }
    let text = utf8(bytes, source, findings)?;
    let format = match extension.as_deref() {
        Some("json") => Format::Json,
        Some("yaml" | "yml") => Format::Yaml,
        _ => Format::sniff(&text),
    };
    Some((text, format, source.to_owned()))
}

fn utf8(bytes: Vec<u8>, source: &str, findings: &mut Findings) -> Option<String> {
    match String::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => {
            findings.error(source, error);
            None
        }
    }
}

/// Lists are appended, single objects replaced as a whole.
fn merge(base: &mut Config, mut more: Config) {
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
    base.strict |= more.strict;
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

fn environment(config: &mut Config, var: &dyn Fn(&str) -> Option<String>) {
    let var = |name: &str| var(name).filter(|value| !value.is_empty());
    if let Some(level) = var("GOST_LOGGER_LEVEL") {
        config.log.get_or_insert_with(Log::default).level = level;
    }
    let objects = [
        ("GOST_API", &mut config.api),
        ("GOST_METRICS", &mut config.metrics),
        ("GOST_PROFILING", &mut config.profiling),
    ];
    for (name, object) in objects {
        if let Some(addr) = var(name) {
            object
                .get_or_insert_default()
                .insert("addr".to_owned(), Value::String(addr));
        }
    }
}

fn globals(config: &mut Config, flags: &Flags, findings: &mut Findings) {
    let level = match (flags.trace, flags.debug) {
        (true, _) => Some("trace"),
        (_, true) => Some("debug"),
        _ => None,
    };
    if let Some(level) = level {
        config.log.get_or_insert_with(Log::default).level = level.to_owned();
    }
    let mut set =
        |object: &mut Option<Map>, flag: &str, text: Option<&String>, keys: &[(&str, bool)]| {
            let Some(new) = text.and_then(|text| url::global(flag, text, keys, findings)) else {
                return;
            };
            // Credentials from the file stay, unless the flag brings its own.
            let mut kept = object.take().unwrap_or_default();
            kept.extend(new);
            *object = Some(kept);
        };
    set(
        &mut config.api,
        "-api",
        flags.api.as_ref(),
        &[("pathPrefix", false), ("accesslog", true)],
    );
    set(
        &mut config.metrics,
        "-metrics",
        flags.metrics.as_ref(),
        &[("path", false)],
    );
}
