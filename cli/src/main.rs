//! What was typed, what it means, do it.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use ginnel::command::{self, Command};
use ginnel::config::{load::Loader, print};
use ginnel::flags::{self, Flags};
use ginnel::log::Logger;
use ginnel::prepare::{self, Prepared};
use ginnel::report::{Findings, Severity, plain};
use ginnel::{explain, help, run, workers};

/// The syntax of the command line.
const SYNTAX: u8 = 2;

fn main() -> ExitCode {
    let args: Result<Vec<_>, _> = env::args_os()
        .skip(1)
        .map(|arg| arg.into_string())
        .collect();
    let Ok(args) = args else {
        return misuse("an argument is not UTF-8 text");
    };
    let (command, args) = Command::split(args);
    match command {
        Command::Run | Command::Check | Command::Explain => with_flags(command, &args),
        Command::Help => show(help::topic(&args)),
        Command::Completions => show(help::completions(&args)),
        Command::Man => show(Ok(help::man())),
        Command::Reference => show(Ok(help::reference())),
    }
}

fn with_flags(command: Command, args: &[String]) -> ExitCode {
    let groups = command::groups(args);
    let flags: Result<Vec<_>, _> = groups
        .iter()
        .map(|group| flags::parse(group.iter().cloned()))
        .collect();
    let flags = match flags {
        Ok(flags) => flags,
        Err(error) => return misuse(&error),
    };
    if flags.iter().any(|one| one.help) {
        eprint!("{}", help::help());
        return ExitCode::SUCCESS;
    }
    if flags.iter().any(|one| one.version) {
        println!("{}", help::version());
        return ExitCode::SUCCESS;
    }
    if command != Command::Explain && flags.iter().any(|one| one.json) {
        return misuse("flag -json is for explain");
    }
    if let ([flags], Command::Run) = (flags.as_slice(), command) {
        return status(start(flags));
    }
    match command {
        Command::Run => match workers::run(&groups) {
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                eprintln!("error: starting a worker: {}", plain(&error));
                ExitCode::FAILURE
            }
        },
        command => {
            let several = flags.len() > 1;
            let all = flags.iter().enumerate().map(|(index, flags)| {
                let worker = several.then_some(index);
                match command {
                    Command::Check => check(flags, worker),
                    _ => explain(flags, worker),
                }
            });
            // All of them are looked at, whatever the first ones say.
            let results: Vec<_> = all.collect();
            status(results.into_iter().collect())
        }
    }
}

/// What failed has been reported.
fn start(flags: &Flags) -> Result<(), ()> {
    let var = |name: &str| env::var(name).ok();
    let mut loader = Loader::new(flags, &var);
    let loaded = loader.load(&mut io::stdin());
    if let Some(output) = flags.output {
        report(&loaded.findings);
        if loaded.findings.has_errors() {
            return Err(());
        }
        out(&print::print(&loaded.config, output));
        return Ok(());
    }
    let sources = run::Sources {
        flags: flags.clone(),
        stdin: loader.into_stdin(),
        certificates: Arc::default(),
    };
    let mut prepared = prepare::finish(loaded, flags, &var, &sources.certificates);
    let Some(lowered) = prepared.lowered.take() else {
        report(&prepared.findings);
        return Err(());
    };
    let logger = Logger::new(prepared.config.log.as_ref());
    for warning in prepared.findings.of(Severity::Warning) {
        logger.warn(&format!("{}: {}", warning.place, warning.text));
    }
    run::run(prepared, lowered, &logger, sources).map_err(|error| logger.fatal(&error.to_string()))
}

fn check(flags: &Flags, worker: Option<usize>) -> Result<(), ()> {
    let mut prepared = prepared(flags, worker);
    prepared.try_ports();
    report(&prepared.findings);
    if prepared.findings.has_errors() {
        return Err(());
    }
    let count = |number: usize, what: &str| match number {
        1 => format!("1 {what}"),
        more => format!("{more} {what}s"),
    };
    out(&format!(
        "{}ok: {}, {}\n",
        worker_title(worker),
        count(prepared.config.services.len(), "service"),
        count(prepared.findings.of(Severity::Warning).count(), "warning"),
    ));
    Ok(())
}

fn explain(flags: &Flags, worker: Option<usize>) -> Result<(), ()> {
    let prepared = prepared(flags, worker);
    let failed = prepared.findings.has_errors();
    let explained = explain::explain(&prepared);
    match flags.json {
        true => out(&explained.to_json()),
        false => out(&format!("{}{explained}", worker_title(worker))),
    }
    if failed { Err(()) } else { Ok(()) }
}

fn prepared(flags: &Flags, worker: Option<usize>) -> Prepared {
    let var = |name: &str| match (name, worker) {
        ("_GOST_ID", Some(worker)) => Some(worker.to_string()),
        _ => env::var(name).ok(),
    };
    prepare::prepare(flags, &var, &mut io::stdin())
}

fn worker_title(worker: Option<usize>) -> String {
    worker.map_or_else(String::new, |worker| format!("worker {worker}: "))
}

fn show(text: Result<String, String>) -> ExitCode {
    match text {
        Ok(text) => {
            out(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(SYNTAX)
        }
    }
}

fn misuse(error: &str) -> ExitCode {
    eprintln!("{}\n{error}", help::USAGE);
    ExitCode::from(SYNTAX)
}

fn status(result: Result<(), ()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(()) => ExitCode::FAILURE,
    }
}

/// A reader that has seen enough is no failure.
fn out(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

fn report(findings: &Findings) {
    for finding in findings.sorted() {
        eprintln!("{finding}");
    }
    if findings.more() > 0 {
        eprintln!("... and {} more", findings.more());
    }
}
