//! Bodies of the fuzz targets that are about what users write: an answer, never a panic.

use std::io::Cursor;

use ginnel_core::fuzzing::Target;

use crate::command::{self, Command};
use crate::config::load::load;
use crate::config::model::Config;
use crate::config::print::{Output, print};
use crate::config::yaml::{self, Format};
use crate::config::{check, lower};
use crate::flags::{self, Flags};
use crate::report::{Findings, Severity};

pub const TARGETS: &[Target] = &[("flags", flags), ("url", url), ("yaml", yaml)];

/// Longer texts take time and say nothing new.
const LONGEST: usize = 2000;

/// Whole command lines, an argument a line: groups, flags, and inline configurations with what is typed beside them.
pub fn flags(data: &[u8]) {
    let Some(text) = text(data) else {
        return;
    };
    let args: Vec<String> = text.lines().map(str::to_owned).collect();
    let (_, args) = Command::split(args);
    for group in command::groups(&args) {
        let Ok(mut flags) = flags::parse(group) else {
            continue;
        };
        // No files, no network, and no default file in the current folder.
        flags.configs.retain(|source| {
            let source = source.trim();
            source == "-" || source.starts_with('{') && source.ends_with('}')
        });
        if flags.configs.is_empty() {
            flags.configs.push("{}".to_owned());
        }
        let var = |name: &str| name.starts_with("GOST").then(|| text.to_owned());
        for var in [&|_: &str| None, &var as &dyn Fn(&str) -> Option<String>] {
            let loaded = load(&flags, var, &mut Cursor::new(text));
            assert!(!loaded.incomplete || loaded.findings.has_errors());
            if !loaded.findings.has_errors() {
                accepted(&loaded.config);
            }
        }
    }
}

/// Lines: `-F` where they begin with a `>`, else `-L`.
pub fn url(data: &[u8]) {
    let Some(text) = text(data) else {
        return;
    };
    let mut flags = Flags::default();
    for line in text.lines() {
        match line.strip_prefix('>') {
            Some(node) => flags.nodes.push(node.to_owned()),
            None => flags.services.push(line.to_owned()),
        }
    }
    // Without a service, a configuration file in the current folder would be looked for.
    if flags.services.iter().all(|line| line.trim().is_empty()) {
        flags.services.push("auto://:8080".to_owned());
    }
    let loaded = load(&flags, &|_| None, &mut Cursor::new(""));
    for finding in loaded.findings.sorted() {
        let shown = finding.to_string();
        assert!(
            shown.len() < 20 * LONGEST,
            "a remark of {} bytes",
            shown.len()
        );
    }
    if !loaded.findings.has_errors() {
        accepted(&loaded.config);
    }
}

/// A configuration file, as YAML and as JSON.
pub fn yaml(data: &[u8]) {
    let Some(text) = text(data) else {
        return;
    };
    for format in [Format::Yaml, Format::Json] {
        let mut findings = Findings::default();
        let config = yaml::parse(text, format, "file", &mut findings);
        if !findings.has_errors() {
            accepted(&config);
        }
    }
}

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data.get(..data.len().min(LONGEST))?).ok()
}

/// What was accepted prints as a configuration that reads back the same, and lowers to a plan or says why not.
fn accepted(config: &Config) {
    for (output, format) in [(Output::Yaml, Format::Yaml), (Output::Json, Format::Json)] {
        let text = print(config, output);
        let mut findings = Findings::default();
        let again = yaml::parse(&text, format, "printed", &mut findings);
        let mut errors = findings.of(Severity::Error);
        // Options of a URL are text, where a file may have to say more.
        if errors.all(|error| error.place.contains(".metadata.")) && findings.has_errors() {
            continue;
        }
        assert!(!findings.has_errors(), "{findings:?}\n{text}");
        assert_eq!(print(&again, output), text);
    }
    // Lowering opens the files that are named, and resolves names of clients; the roots of the system take
    // long.
    let text = print(config, Output::Json).to_ascii_lowercase();
    if text.contains("file") || text.contains("secure") || text.contains("admission") {
        return;
    }
    let mut findings = Findings::default();
    check::check(config, &mut findings);
    let lowered = lower::lower(config, &mut findings);
    assert_eq!(lowered.is_none(), findings.has_errors());
    if let Some(lowered) = lowered {
        assert_eq!(lowered.plan.services.len(), lowered.listens.len());
    }
}
