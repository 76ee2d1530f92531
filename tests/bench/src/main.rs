//! What a tunnel costs: pairs of processes, client and server side, measured in turn and compared.
//!
//! ```text
//! cargo run --release -p ginnel-bench                    both runtimes, and the gosts of the tests
//! cargo run --release -p ginnel-bench -- --peers FILE    other programs as well (peers.yml says how)
//! cargo run --release -p ginnel-bench -- --crowd 9000  many idle tunnels through one server
//! cargo run --release -p ginnel-bench -- --quick         whether it works, in less than a minute
//! ```
//!
//! All traffic is on the loopback, and every step is bounded in time. The programs take turns (A B, A B, …), so
//! that a machine whose speed drifts is unfair to nobody. Compare ratios, never times of two runs; less is
//! better everywhere.

// It measures: it owns a clock, and waits for time to pass.
#![allow(clippy::disallowed_methods)]

mod args;
mod cpus;
mod crowd;
mod figures;
mod load;
mod measure;
mod peer;
mod process;
mod table;

use std::process::ExitCode;

use args::Args;
use load::Target;
use measure::Session;
use peer::{CHANNELS, Peer};
use table::Table;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let Some(args) = Args::parse(std::env::args().skip(1))? else {
        print!("{}", args::HELP);
        return Ok(());
    };
    process::raise_descriptors();
    let peers = peer::all(&args)?;
    let base = args.base.as_ref().unwrap_or(&peers[0].name);
    if peers.iter().all(|peer| peer.name != *base) {
        return Err(format!("--base: none is called {base:?}"));
    }
    if let Some(count) = args.crowd {
        return peers.iter().try_for_each(|peer| {
            println!("\n{}", peer.name);
            crowd::run(peer, count)
        });
    }
    let placing = cpus::Placing::new(args.pin)?;
    placing.load();
    let target = Target::start().map_err(|error| format!("a target: {error}"))?;
    for channel in CHANNELS {
        if !args.channels.iter().any(|one| one == channel) {
            continue;
        }
        let peers: Vec<&Peer> = peers.iter().filter(|peer| peer.has(channel)).collect();
        let mut table = Table::new(channel, peers.iter().map(|peer| peer.name.as_str()));
        for round in 0..args.rounds {
            for (column, peer) in peers.iter().enumerate() {
                eprintln!("{channel}, round {}: {}", round + 1, peer.name);
                match Session::start(peer, channel, &target, &args.size, &placing) {
                    Ok(mut session) => table.add(column, round, session.measure()),
                    Err(error) => eprintln!("{}, {channel}: left out: {error}", peer.name),
                }
            }
        }
        let base = peers.iter().position(|peer| peer.name == *base);
        print!("{}", table.markdown(base));
    }
    Ok(())
}
