//! What was typed, what it means, do it.

use std::env;
use std::io;
use std::process::ExitCode;

use ginnel::config::{check, load, lower, print};
use ginnel::flags::{self, Flags, Runtime};
use ginnel::help;
use ginnel::log::Logger;
use ginnel::report::{Findings, Severity};
use ginnel::run;

fn main() -> ExitCode {
    let flags = match flags::parse(env::args().skip(1)) {
        Ok(flags) => flags,
        Err(error) => {
            eprintln!("{error}\n\n{}", help::HELP);
            return ExitCode::from(2);
        }
    };
    if flags.help {
        eprint!("{}", help::HELP);
        return ExitCode::SUCCESS;
    }
    if flags.version {
        println!("{}", help::version());
        return ExitCode::SUCCESS;
    }
    match work(&flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(()) => ExitCode::FAILURE,
    }
}

/// What failed has been reported.
fn work(flags: &Flags) -> Result<(), ()> {
    let load::Loaded {
        config,
        mut findings,
    } = load::load(flags, &|name| env::var(name).ok(), &mut io::stdin());
    if findings.has_errors() || flags.output.is_some() {
        report(&findings);
    }
    if findings.has_errors() {
        return Err(());
    }
    if let Some(output) = flags.output {
        print!("{}", print::print(&config, output));
        return Ok(());
    }
    check::check(&config, &mut findings);
    let lowered = lower::lower(&config, &mut findings);
    let runtime = flags
        .runtime
        .unwrap_or_else(|| runtime_of_environment(&mut findings));
    if flags.reload.0 != 0 {
        findings.warn("-R", "reloading is not supported yet, has no effect");
    }
    let Some(lowered) = lowered else {
        report(&findings);
        return Err(());
    };
    let logger = Logger::new(config.log.as_ref());
    for warning in findings.of(Severity::Warning) {
        logger.warn(&format!("{}: {}", warning.place, warning.text));
    }
    run::run(lowered, &logger, runtime, flags.threads)
        .map_err(|error| logger.fatal(&error.to_string()))
}

fn runtime_of_environment(findings: &mut Findings) -> Runtime {
    let word = env::var("GINNEL_RUNTIME").unwrap_or_default();
    if !word.is_empty() && Runtime::parse(&word).is_none() {
        let text = format_args!("expected smol or mio, got {word:?}: smol is used");
        findings.warn("GINNEL_RUNTIME", text);
    }
    Runtime::parse(&word).unwrap_or_default()
}

fn report(findings: &Findings) {
    for finding in findings.sorted() {
        eprintln!("{finding}");
    }
}
