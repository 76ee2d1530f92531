//! The fuzz bodies on stable: over the committed seeds, and over variations of them. `GINNEL_FUZZ_SEED=n`
//! begins with other variations; a failing input is printed.

use ginnel::fuzzing::TARGETS;
use ginnel_core::fuzzing::mutate;
use serde_json::Value;

fn run(target: &str, mutations: u64) {
    mutate::run_target(TARGETS, target, mutations);
}

#[test]
fn flags() {
    run("flags", 3000);
}

#[test]
fn url() {
    run("url", 3000);
}

#[test]
fn yaml() {
    run("yaml", 3000);
}

/// The seeds are rows of the conformance table, beside what fuzzing has found (`found-*`).
/// `GINNEL_WRITE_SEEDS=1` writes them.
#[test]
fn seeds_are_rows_of_the_table() {
    let table: Value = serde_json::from_str(include_str!("data/cli-conformance.json")).unwrap();
    let seeds = arguments(&table).chain(lines(&table)).chain(files(&table));
    for (target, name, text) in seeds {
        mutate::committed(target, &name, text.as_bytes());
    }
}

type Seed = (&'static str, String, String);

/// The whole arguments, in every fifth row.
fn arguments(table: &Value) -> impl Iterator<Item = Seed> {
    let rows = table["cli"].as_array().unwrap().iter().skip(1).step_by(5);
    rows.map(|row| {
        let args = row["args"].as_array().unwrap().iter();
        let args: Vec<&str> = args.filter_map(Value::as_str).collect();
        let id = row["id"].as_str().unwrap().to_owned();
        ("flags", id, args.join("\n"))
    })
}

/// The values of `-L` and `-F`, in every third row.
fn lines(table: &Value) -> impl Iterator<Item = Seed> {
    table["cli"]
        .as_array()
        .unwrap()
        .iter()
        .step_by(3)
        .map(|row| {
            let args: Vec<&str> = row["args"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_str)
                .collect();
            let lines: Vec<String> = args
                .windows(2)
                .filter_map(|pair| match pair[0] {
                    "-L" => Some(pair[1].to_owned()),
                    "-F" => Some(format!(">{}", pair[1])),
                    _ => None,
                })
                .collect();
            (
                "url",
                row["id"].as_str().unwrap().to_owned(),
                lines.join("\n"),
            )
        })
}

fn files(table: &Value) -> impl Iterator<Item = Seed> {
    table["files"].as_array().unwrap().iter().map(|row| {
        let text = row["content"].as_str().unwrap().to_owned();
        ("yaml", row["id"].as_str().unwrap().to_owned(), text)
    })
}
