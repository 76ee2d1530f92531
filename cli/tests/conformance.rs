//! Every row of the conformance table, by its product policy.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::PathBuf;

use ginnel::config::load::{Loaded, load};
use ginnel::config::origins::Origins;
use ginnel::config::yaml::{self, Format};
use ginnel::duration::Span;
use ginnel::flags;
use ginnel::report::{Findings, Severity};
use serde_json::{Map, Value};

/// Rows that the program does not satisfy, with the reason.
const EXCEPTIONS: &[(&str, &str)] = &[];

fn table() -> Value {
    serde_json::from_str(include_str!("data/cli-conformance.json")).unwrap()
}

#[test]
fn command_lines() {
    let table = table();
    let rows = table["cli"].as_array().unwrap();
    assert_eq!(rows.len(), 222);
    let mut failures = Vec::new();
    for row in rows {
        let args = row["args"].as_array().unwrap().iter();
        let args = args.map(|one| one.as_str().unwrap().to_owned());
        let env: BTreeMap<String, String> = match &row["env"] {
            Value::Null => BTreeMap::new(),
            env => serde_json::from_value(env.clone()).unwrap(),
        };
        let outcome = flags::parse(args)
            .map(|flags| load(&flags, &|name| env.get(name).cloned(), &mut Cursor::new("")));
        judge(row, outcome, &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn files() {
    let table = table();
    let rows = table["files"].as_array().unwrap();
    assert_eq!(rows.len(), 45);
    let folder = scratch("files");
    let mut failures = Vec::new();
    for row in rows {
        let (source, content) = (
            row["source"].as_str().unwrap(),
            row["content"].as_str().unwrap(),
        );
        let (value, stdin) = match source {
            "stdin" => ("-".to_owned(), content),
            "inline" => (content.to_owned(), ""),
            file => {
                let path = folder.join(file.strip_prefix("file:").unwrap());
                std::fs::write(&path, content).unwrap();
                (path.display().to_string(), "")
            }
        };
        let flags = flags::parse(["-C".to_owned(), value]).unwrap();
        let loaded = load(&flags, &|_| None, &mut Cursor::new(stdin));
        judge(row, Ok(loaded), &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn seed_documents_with_and_without_the_page_indentation() {
    let table = table();
    let rows = table["seed_documents"].as_array().unwrap();
    assert_eq!(rows.len(), 14);
    let mut failures = Vec::new();
    for row in rows {
        let content = row["content"].as_str().unwrap();
        let stripped: String = content
            .split_inclusive('\n')
            .map(|line| match content.starts_with(' ') {
                true => line.strip_prefix("    ").unwrap_or(line),
                false => line,
            })
            .collect();
        for text in [content, &stripped] {
            let mut findings = Findings::default();
            let config = yaml::parse(text, Format::Yaml, "seed.yml", &mut findings);
            let repaired = row["reference"]["error"].is_string();
            let warned = findings.of(Severity::Warning).next().is_some();
            if repaired != warned {
                failures.push(format!(
                    "{}: repair and warning disagree: {findings:?}",
                    row["id"]
                ));
            }
            judge(
                row,
                Ok(Loaded {
                    config,
                    findings,
                    origins: Origins::default(),
                    incomplete: false,
                }),
                &mut failures,
            );
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn judge(row: &Value, outcome: Result<Loaded, String>, failures: &mut Vec<String>) {
    let id = row["id"].as_str().unwrap();
    let listed = EXCEPTIONS.iter().any(|(one, _)| *one == id);
    match (verdict(row, outcome), listed) {
        (Err(why), false) => failures.push(format!("{id}: {why}")),
        (Ok(()), true) => failures.push(format!("{id} passes: take it off the list")),
        _ => {}
    }
}

fn verdict(row: &Value, outcome: Result<Loaded, String>) -> Result<(), String> {
    let policy = match &row["product"] {
        Value::String(word) => word.as_str(),
        product => product["policy"].as_str().unwrap(),
    };
    let config = match &row["product"]["config"] {
        Value::Null => &row["reference"]["config"],
        config => config,
    };
    let must_fail = policy == "reject" || config.is_null() && policy != "accept";
    let loaded = match outcome {
        Ok(loaded) => loaded,
        Err(_) if must_fail => return Ok(()),
        Err(error) => return Err(format!("flags: {error}")),
    };
    let remarks: Vec<_> = loaded
        .findings
        .sorted()
        .iter()
        .map(ToString::to_string)
        .collect();
    if must_fail {
        return match loaded.findings.has_errors() {
            true => Ok(()),
            false => Err(format!("must be refused, got {remarks:?}")),
        };
    }
    if loaded.findings.has_errors() {
        return Err(format!("refused: {remarks:?}"));
    }
    if policy == "warn" && remarks.is_empty() {
        return Err("must warn".to_owned());
    }
    if policy == "accept" && config.is_null() {
        return Ok(());
    }
    let got = plain(&serde_json::to_value(&loaded.config).unwrap(), false);
    let want = plain(config, false);
    match got == want {
        true => Ok(()),
        false => Err(format!("\n  want {want}\n  got  {got}")),
    }
}

/// For comparison: nothing empty, durations by value, options by lower-case name, keys in order.
fn plain(value: &Value, options: bool) -> Value {
    match value {
        Value::Object(map) => {
            let mut sorted = BTreeMap::new();
            for (key, value) in map {
                let below = options || key == "metadata";
                let value = plain(value, below);
                if options || !is_empty(&value) {
                    let key = if options {
                        key.to_lowercase()
                    } else {
                        key.clone()
                    };
                    sorted.insert(key, value);
                }
            }
            Value::Object(sorted.into_iter().collect::<Map<_, _>>())
        }
        Value::Array(list) => list.iter().map(|one| plain(one, options)).collect(),
        Value::String(text) if !options => match Span::parse(text) {
            Some(span) if text.ends_with(['s', 'm', 'h']) => span.0.into(),
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Bool(value) => !value,
    }
}

fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
