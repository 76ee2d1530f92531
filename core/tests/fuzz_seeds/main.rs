//! The fuzz bodies on stable: over the committed seeds, and over variations of them. `GINNEL_FUZZ_SEED=n`
//! begins with other variations; a failing input is printed.

mod made;

use ginnel_core::fuzzing::{TARGETS, mutate};

fn run(target: &str, mutations: u64) {
    mutate::run_target(TARGETS, target, mutations);
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
            mutate::committed(target, &name, &bytes);
        }
    }
}
