//! How many instructions the codecs take, counted by valgrind and compared with `baseline.txt`.
//!
//! ```text
//! cargo run --profile counted -p ginnel-codecs               fails where one takes 3 % more
//! cargo run --profile counted -p ginnel-codecs -- --renew    makes what is measured the baseline
//! ```
//!
//! Instructions do not depend on how busy a machine is, and valgrind shows programs the same processor wherever
//! there is AVX2, so that one baseline serves all. They do depend on the compiler, on libc and on valgrind:
//! where one of these differs from the baseline's, the counts are shown and nothing fails.

mod baseline;
mod counting;

use std::process::ExitCode;

use baseline::Baseline;

/// More than this is a failure, in parts of the baseline.
const TOLERANCE: f64 = 0.03;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words[..] {
        [counting::CHILD] => {
            counting::run_all();
            Ok(true)
        }
        ["--renew"] => renew(),
        [] => compare(),
        _ => Err(format!("expected nothing or --renew, got {words:?}")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn renew() -> Result<bool, String> {
    let now = counting::count()?;
    now.write()?;
    println!("{} counts are the baseline now", now.counts.len());
    Ok(true)
}

fn compare() -> Result<bool, String> {
    let before = Baseline::read()?;
    let now = counting::count()?;
    let same_tools = before.tools == now.tools;
    let mut passed = true;
    for (name, count) in &now.counts {
        let Some((_, expected)) = before.counts.iter().find(|(known, _)| known == name) else {
            println!("{name}: {count}, not in the baseline");
            passed = false;
            continue;
        };
        let change = *count as f64 / *expected as f64 - 1.0;
        let remark = match change {
            more if more > TOLERANCE => "  MORE",
            less if less < -TOLERANCE => "  less: --renew keeps it",
            _ => "",
        };
        passed &= change <= TOLERANCE;
        println!(
            "{name:<40} {expected:>9} -> {count:>9}  {:+6.1} %{remark}",
            change * 100.0
        );
    }
    for (name, _) in &before.counts {
        if now.counts.iter().all(|(known, _)| known != name) {
            println!("{name}: in the baseline only");
            passed = false;
        }
    }
    if !same_tools {
        println!("The baseline was counted with other tools, so that this is no verdict:");
        println!(
            "  then {}\n  now  {}",
            before.tools.join(", "),
            now.tools.join(", ")
        );
        println!(
            "After a look at the changes: cargo run --profile counted -p ginnel-codecs -- --renew"
        );
        return Ok(true);
    }
    if !passed {
        println!(
            "Expected at most {} % more instructions than in {}. If they are worth it: --renew.",
            TOLERANCE * 100.0,
            baseline::PATH
        );
    }
    Ok(passed)
}
