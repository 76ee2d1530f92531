//! The fuzz bodies on stable: over the committed seeds, and over variations of them. `GINNEL_FUZZ_SEED=n`
//! begins with other variations; a failing input is printed.

mod made;

use std::fs;
use std::path::{Path, PathBuf};

use ginnel_core::fuzzing::{TARGETS, mutate};

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/seeds")
        .join(target)
}

fn run(target: &str, mutations: u64) {
    let found = TARGETS.iter().find(|(name, _)| *name == target);
    let (name, body) = found.expect("a target of this name");
    mutate::run(&folder(name), *body, mutations);
}

#[test]
fn deflate() {
    run("deflate", 3000);
}

#[test]
fn engine() {
    run("engine", 5000);
}

#[test]
fn handlers() {
    run("handlers", 3000);
}

#[test]
fn http1() {
    run("http1", 5000);
}

#[test]
fn proxy_protocol() {
    run("proxy_protocol", 5000);
}

#[test]
fn relay() {
    run("relay", 5000);
}

#[test]
fn smux() {
    run("smux", 5000);
}

#[test]
fn socks() {
    run("socks", 5000);
}

#[test]
fn ws() {
    run("ws", 3000);
}

/// The seeds made here are those in the repository, beside what fuzzing has found (`found-*`).
/// `GINNEL_WRITE_SEEDS=1` writes them.
#[test]
fn seeds_are_those_made_here() {
    for (target, _) in TARGETS {
        for (name, bytes) in made::seeds(target) {
            let path = folder(target).join(&name);
            if std::env::var_os("GINNEL_WRITE_SEEDS").is_some() {
                fs::create_dir_all(folder(target)).unwrap();
                fs::write(&path, &bytes).unwrap();
            }
            let committed = fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(committed, bytes, "{target}/{name}");
        }
    }
}
