//! This program below valgrind, which counts each [`measured_case`] by itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ginnel_codecs::{Case, Work, cases};

use crate::baseline::{self, Baseline};

/// The argument of the process that is counted.
pub const CHILD: &str = "--below-valgrind";

/// Of each case, behind a first one that fills caches and tables.
const CALLS: usize = 8;

/// Runs every case, in order.
pub fn run_all() {
    for case in cases() {
        let mut work = prepared_case(&case);
        measured_case(&mut work);
    }
}

/// Known to callgrind by its name, as the next one: what comes before a case is a count of its own.
#[inline(never)]
fn prepared_case(case: &Case) -> Work {
    let mut work = case.work(CALLS + 1);
    work();
    work
}

#[inline(never)]
fn measured_case(work: &mut Work) {
    for _ in 0..CALLS {
        work();
    }
}

/// Instructions of one call of every case.
pub fn count() -> Result<Baseline, String> {
    let dir = std::env::temp_dir().join(format!("ginnel-codecs-{}", std::process::id()));
    fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let counts = run(&dir).and_then(|()| read(&dir));
    let _ = fs::remove_dir_all(&dir);
    let names: Vec<String> = cases().into_iter().map(|case| case.name).collect();
    let counts = counts?;
    if counts.len() != names.len() {
        return Err(format!(
            "expected counts of {} cases from callgrind, got {}",
            names.len(),
            counts.len()
        ));
    }
    Ok(Baseline {
        tools: baseline::tools(),
        counts: names.into_iter().zip(counts).collect(),
    })
}

fn run(dir: &Path) -> Result<(), String> {
    let this = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!(
            "--callgrind-out-file={}",
            dir.join("out").display()
        ))
        // A file for each call, and the count begins again.
        .arg("--dump-after=*prepared_case*")
        .arg("--dump-after=*measured_case*")
        .arg(this)
        .arg(CHILD)
        // The length of the environment moves the stack, and with it what is aligned.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind: {error} (Debian's package is called valgrind)"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "valgrind: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// `out.1`, `out.2`, … are the dumps, in order, two for each case; `out` is what came behind the last one.
fn read(dir: &Path) -> Result<Vec<u64>, String> {
    let path = |number: usize| -> PathBuf { dir.join(format!("out.{number}")) };
    (1..)
        .map(|case| path(2 * case))
        .take_while(|path| path.exists())
        .map(|path| {
            let shown = path.display();
            let text = fs::read_to_string(&path).map_err(|error| format!("{shown}: {error}"))?;
            let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
            let total: u64 = total
                .and_then(|count| count.trim().parse().ok())
                .ok_or_else(|| format!("{shown}: no totals in it"))?;
            Ok(total / CALLS as u64)
        })
        .collect()
}
