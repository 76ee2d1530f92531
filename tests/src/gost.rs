//! The real gost, built from `tests/peers/gost` once and kept below cargo's target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::payload::Hash;
use crate::program::{Program, build_dir};

/// What gost 3.2.6 ships: the version that peers in the field run.
pub const STABLE: &str = "v0.8.1";
/// gost 3.3, the newest.
pub const NEWEST: &str = "v0.15.2";

/// The program of a version. `None` without Go on this machine: the test says so and passes, but
/// not where `CI=true`.
pub fn program(version: &str) -> Option<Program> {
    if Command::new("go").arg("version").output().is_err() {
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!ci, "no go on this machine, and CI=true needs it");
        println!("skipped: no go");
        return None;
    }
    Some(Program::other(build(version), &format!("gost/{version}")))
}

fn build(version: &str) -> PathBuf {
    static BUILDING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = BUILDING.lock();

    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("peers/gost")
        .join(version);
    let dir = build_dir().parent().expect("target").join("gost");
    let program = dir.join(format!("gost-{version}-{:016x}", fingerprint(&source).0));
    if program.exists() {
        return program;
    }
    fs::create_dir_all(&dir).expect("a folder for gost");
    // Another test process may be building it as well: each builds its own, the last rename stays.
    let unfinished = dir.join(format!("unfinished-{version}-{}", std::process::id()));
    let status = Command::new("go")
        .args(["build", "-buildvcs=false", "-o"])
        .arg(&unfinished)
        .arg(".")
        .current_dir(&source)
        .status()
        .expect("go");
    assert!(status.success(), "go build of gost {version}: {status}");
    fs::rename(&unfinished, &program).expect("the program in its place");
    program
}

/// Changes with any file of the module.
fn fingerprint(source: &Path) -> Hash {
    let entries = fs::read_dir(source).expect("the Go module");
    let mut files: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    files.sort();
    let mut hash = Hash::default();
    for file in files {
        hash.update(file.to_string_lossy().as_bytes());
        hash.update(&fs::read(&file).expect("a file of the Go module"));
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_has_the_same_main() {
        let [stable, newest] = [STABLE, NEWEST].map(|version| {
            let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/gost");
            fs::read_to_string(peers.join(version).join("main.go")).expect("main.go")
        });
        assert!(
            stable == newest,
            "main.go differs between {STABLE} and {NEWEST}"
        );
    }
}
