//! The tables of `docs/assurance.md` name tests that exist.

use std::fs;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[test]
fn every_test_that_is_named_exists() {
    let text = fs::read_to_string(Path::new(ROOT).join("docs/assurance.md")).expect("the page");
    let mut sources = String::new();
    for folder in [
        "core/src",
        "core/tests",
        "cli/src",
        "cli/tests",
        "tests/tests",
    ] {
        read(&Path::new(ROOT).join(folder), &mut sources);
    }
    let (_, tables) = text
        .split_once("## What gost gets wrong")
        .expect("the tables");
    let mut rows = 0;
    for row in tables.lines().filter(|line| line.starts_with("| ")) {
        let Some(tests) = row.rsplit('|').nth(1).filter(|_| !row.contains("---")) else {
            continue;
        };
        rows += usize::from(!tests.contains("shown by"));
        for name in tests.split('`').skip(1).step_by(2) {
            let found = sources.contains(&format!("fn {name}("));
            assert!(found, "no test is called {name}: {row}");
        }
    }
    assert_eq!(rows, 19 + 26 + 12, "one row for each defect");
}

fn read(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(&path).expect("a source"));
        }
    }
}
