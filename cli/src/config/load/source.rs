//! The sources of a configuration: which there are, and the text of each.

use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Loader;
use crate::config::yaml::Format;
use crate::config::{fetch, text};
use crate::flags::Flags;
use crate::report::Findings;

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

/// The text of one source, its format and its name for messages.
pub(super) struct Source {
    pub(super) text: String,
    pub(super) format: Format,
    pub(super) name: String,
}

/// A place, and what is wrong there.
type Wrong = (String, String);

/// The `-C` values, or the default file where nothing else says what to do.
pub(super) fn sources(
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
    let mut paths = folders
        .iter()
        .flat_map(|folder| names.iter().map(|name| folder.join(name)));
    let found = paths.find(|path| path.is_file());
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

impl Loader<'_> {
    pub(super) fn read(&mut self, source: &str, stdin: &mut dyn Read) -> Result<Source, Wrong> {
        if source == "-" {
            return self.standard_input(stdin);
        }
        if source.starts_with('{') && source.ends_with('}') {
            return Ok(Source {
                text: source.to_owned(),
                format: Format::Json,
                name: "-C {...}".to_owned(),
            });
        }
        match fetch::is_url(source) {
            true => fetched(source),
            false => file(source),
        }
    }

    fn standard_input(&mut self, stdin: &mut dyn Read) -> Result<Source, Wrong> {
        let wrong = |error: String| ("-C -".to_owned(), error);
        let bytes = match &self.stdin {
            Some(bytes) => bytes.clone(),
            None => text::bounded(stdin).map_err(wrong)?,
        };
        self.stdin = Some(bytes.clone());
        let name = "standard input".to_owned();
        let text = text::decode(bytes, &name)?;
        if text.trim().is_empty() {
            return Err(wrong("standard input is empty".to_owned()));
        }
        let format = match text.starts_with('{') {
            true => Format::Json,
            false => Format::Yaml,
        };
        Ok(Source { text, format, name })
    }
}

fn fetched(url: &str) -> Result<Source, Wrong> {
    let name = fetch::shown(url);
    let (bytes, format) = fetch::fetch(url).map_err(|error| (name.clone(), error))?;
    let text = text::decode(bytes, &name)?;
    Ok(Source { text, format, name })
}

fn file(path: &str) -> Result<Source, Wrong> {
    let wrong = |error: String| (path.to_owned(), error);
    if Path::new(path).is_dir() {
        return Err(wrong("is a folder, expected a file".to_owned()));
    }
    let mut file = File::open(path).map_err(|error| {
        let cure = match path.split_once(',') {
            Some(_) if error.kind() == io::ErrorKind::NotFound => ": each file has its own -C",
            _ => "",
        };
        wrong(format!("{error}{cure}"))
    })?;
    let bytes = text::bounded(&mut file).map_err(wrong)?;
    let extension = Path::new(path).extension().unwrap_or_default();
    let extension = extension.to_string_lossy().to_ascii_lowercase();
    if OTHER_FORMATS.contains(&extension.as_str()) {
        return Err(wrong(format!(
            "{extension} is not supported: use YAML or JSON"
        )));
    }
    let text = text::decode(bytes, path)?;
    let format = match extension.as_str() {
        "json" => Format::Json,
        "yaml" | "yml" => Format::Yaml,
        _ => Format::sniff(&text),
    };
    let name = path.to_owned();
    Ok(Source { text, format, name })
}
