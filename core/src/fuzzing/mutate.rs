//! A small mutator for machines without a fuzzer: the seeds of a folder, and variations of them.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use super::Target;

/// Inputs above this size cost time and find nothing.
const LONGEST: usize = 4096;

/// Where the seeds of a target are.
fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/seeds")
        .join(target)
}

/// The seed of this name in the repository is this one. With `GINNEL_WRITE_SEEDS=1` it becomes so first.
pub fn committed(target: &str, name: &str, bytes: &[u8]) {
    let path = folder(target).join(name);
    if std::env::var_os("GINNEL_WRITE_SEEDS").is_some() {
        fs::create_dir_all(folder(target)).expect("a folder");
        fs::write(&path, bytes).expect("a file");
    }
    let committed = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(committed == bytes, "{} is another one", path.display());
}

/// Runs the target of this name over its seeds and over `mutations` variations, printing the
/// input that made it panic. `GINNEL_FUZZ_SEED` chooses other variations. Panics where there are no seeds.
pub fn run_target(targets: &[Target], name: &str, mutations: u64) {
    let found = targets.iter().find(|(target, _)| *target == name);
    let (name, body) = found.expect("a target of this name");
    run(&folder(name), *body, mutations);
}

fn run(folder: &Path, body: fn(&[u8]), mutations: u64) {
    let mut seeds = Vec::new();
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    paths.sort();
    for path in paths {
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        call(body, &bytes, &path.display());
        seeds.push(bytes);
    }
    assert!(!seeds.is_empty(), "{}: no seeds", folder.display());
    let first: u64 = std::env::var("GINNEL_FUZZ_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    for seed in first..first + mutations {
        let bytes = Mutator(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1).vary(&seeds);
        call(body, &bytes, &format_args!("GINNEL_FUZZ_SEED={seed}"));
    }
}

fn call(body: fn(&[u8]), bytes: &[u8], about: &dyn std::fmt::Display) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(bytes))) {
        println!("{about}: b\"{}\"", bytes.escape_ascii());
        resume_unwind(panic);
    }
}

struct Mutator(u64);

impl Mutator {
    fn below(&mut self, n: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n.max(1)
    }

    fn vary(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..1 + self.below(6) {
            let at = self.below(bytes.len() + 1);
            let to = (at + 1 + self.below(16)).min(bytes.len());
            match self.below(7) {
                0 => bytes.insert(at, self.below(256) as u8),
                1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                2 if at < bytes.len() => {
                    bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'\r', b'\n'][self.below(7)];
                }
                3 if at < to => drop(bytes.drain(at..to)),
                4 if at < to => {
                    let copy = bytes[at..to].to_vec();
                    let place = self.below(bytes.len());
                    bytes.splice(place..place, copy);
                }
                5 => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len() + 1);
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[from..]);
                }
                6 if self.below(4) == 0 => bytes.truncate(at),
                _ => {}
            }
        }
        bytes.truncate(LONGEST);
        bytes
    }
}
