//! The main test: whole proxies, two engines and their clients and targets, under random cuts, stalls and
//! resets, with one fake clock; in `storms` with delays, outages, stopped processes and jumps of the clock,
//! too. A failing seed is printed; `GINNEL_SEED=n` runs it alone, `GINNEL_RUNS=n` sets how many are run.

mod bind;
mod datagrams;
mod liveness;
mod middlebox;
mod net;
mod plans;
mod program;
mod random;
mod reverse;
mod reverse_datagrams;
mod storms;
mod uplink;
mod weather;
mod world;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use ginnel_core::error::Eof;
use plans::Setting;
use program::Program;
use random::Random;
use world::World;

fn runs(default: u64) -> std::ops::Range<u64> {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    match number("GINNEL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("GINNEL_RUNS").unwrap_or(default),
    }
}

fn each_seed(default: u64, run: impl Fn(u64)) {
    for seed in runs(default) {
        let result = catch_unwind(AssertUnwindSafe(|| run(seed)));
        if let Err(panic) = result {
            println!("failed with GINNEL_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

fn world(seed: u64, tls: bool) -> (World, Setting) {
    let mut random = Random::new(seed);
    let mut setting = Setting::draw(&mut random, tls);
    let mut world = World::new(seed, setting.plans());
    setting.speaker = setting.speaker.map(|n| n.min(50 * world.capacity));
    world.about = format!("{setting:?}");
    setting.listen(&mut world);
    (world, setting)
}

fn add_clients(world: &mut World, setting: &Setting, faults: bool) {
    for number in 0..1 + world.random.below(4) {
        // Small pipes take small amounts, or a run takes for ever.
        let n = [0, 1, 700, 9000, 70_000][world.random.below(5)].min(30 * world.capacity);
        let speaks = setting.speaks;
        let mut client = match setting.speaker {
            Some(n) => Program::listening_client(speaks, plans::TARGET, n),
            None => Program::echo_client(speaks, plans::TARGET, number as u64, n),
        };
        if faults && world.random.chance(3) {
            let after = world.random.below(n + 1);
            client = client.resetting(after);
        }
        world.start(client, plans::entry());
    }
}

/// After a stop nothing may be left in any engine.
fn all_released(world: &mut World) {
    world.stop();
    world.run(Duration::from_secs(120));
    for engine in &world.engines {
        engine.check();
        assert_eq!(
            engine.census(),
            Default::default(),
            "something is left over"
        );
        assert_eq!(engine.poll_timeout(), None);
    }
}

/// Returns how many bytes were spliced.
fn undisturbed(seed: u64, tls: bool) -> u64 {
    let (mut world, setting) = world(seed, tls);
    add_clients(&mut world, &setting, false);
    undisturbed_run(&mut world, &setting);
    world.spliced
}

fn undisturbed_run(world: &mut World, setting: &Setting) {
    world.run(Duration::from_secs(75));
    world.all_done(setting);
    assert_eq!(world.resets, 0);
    if setting.proxied.is_some() {
        for local in world.opened_at() {
            assert_eq!(
                local,
                plans::entry(),
                "{setting:?}: not the client of the entry"
            );
        }
    }
    clients_are_outlived_by_none(world, setting);
    all_released(world);
}

fn clients_are_outlived_by_none(world: &World, setting: &Setting) {
    for (engine, expected) in world.engines.iter().zip(setting.lasting_sessions()) {
        let left = engine.sessions();
        assert!(
            left <= expected,
            "{setting:?}: {left} sessions outlive their clients"
        );
    }
}

fn disturbed(seed: u64, tls: bool) {
    let (mut world, setting) = world(seed, tls);
    add_clients(&mut world, &setting, true);
    if setting.cuts {
        world.run(Duration::ZERO);
        world.cut_tunnels();
        add_clients(&mut world, &setting, false);
    }
    world.run(Duration::from_secs(75));
    for program in world.programs.iter().filter(|program| program.client) {
        // Whatever happened, what was received is a part of what was sent, and the end was told.
        assert!(program.was_told(), "{setting:?}: {:?}", program.failed);
        if world.resets == 0 {
            assert!(
                program.done() || program.end == Some(Eof::Reset),
                "{setting:?}: {program:?}"
            );
        }
    }
    clients_are_outlived_by_none(&world, &setting);
    all_released(&mut world);
}

#[test]
fn every_byte_arrives_and_everything_is_released() {
    let spliced = Cell::new(0);
    each_seed(2500, |seed| {
        spliced.set(spliced.get() + undisturbed(seed, false));
    });
    let runs = runs(2500);
    assert!(spliced.get() > 0 || runs.end - runs.start == 1);
}

#[test]
fn every_byte_arrives_within_tls() {
    each_seed(400, |seed| {
        undisturbed(seed, true);
    });
}

/// The new plan has more services and chains behind those that are in use.
#[test]
fn a_reload_disturbs_nobody() {
    let reloaded = Cell::new(0);
    each_seed(1200, |seed| {
        let (mut world, setting) = world(seed, false);
        let mut plans = setting.plans();
        for plan in &mut plans {
            plan.chains.extend(plan.chains.clone());
            let mut more = plan.services.clone();
            for service in &mut more {
                service.chain = None;
                service.forward = None;
            }
            plan.services.append(&mut more);
        }
        let step = 1 + world.random.below(300) as u64;
        world.reload_at(step, plans);
        add_clients(&mut world, &setting, false);
        undisturbed_run(&mut world, &setting);
        reloaded.set(reloaded.get() + u64::from(world.is_reloaded()));
    });
    let runs = runs(1200);
    assert!(2 * reloaded.get() > runs.end - runs.start || runs.end - runs.start == 1);
}

/// Clients that have had a part of what they were to get. Nobody has had anything else, but an answer that says no.
fn stopped_in_the_middle<'a>(world: &'a World, setting: &Setting) -> Vec<&'a Program> {
    let clients = || world.programs.iter().filter(|program| program.client);
    for program in clients() {
        assert!(program.was_told(), "{setting:?}: {program:?}");
    }
    clients()
        .filter(|program| program.received > 0 && !program.done())
        .collect()
}

/// Either engine is drained at some time, with or without time for what is open.
#[test]
fn a_drain_cuts_nothing_in_time_and_hides_no_cut() {
    let drained = Cell::new(0);
    each_seed(1200, |seed| {
        let (mut world, setting) = world(seed, false);
        let engine = world.random.below(2);
        let patience = [0, 0, 200][world.random.below(3)];
        let step = 1 + world.random.below(400) as u64;
        world.drain_at(step, engine, Duration::from_secs(patience));
        add_clients(&mut world, &setting, false);
        world.run(Duration::from_secs(75));
        for program in stopped_in_the_middle(&world, &setting) {
            let cut = patience == 0 && program.end == Some(Eof::Reset);
            assert!(cut, "{setting:?}: {program:?} {:#?}", world.events);
        }
        if world.is_draining() {
            assert_eq!(world.drained, 1, "{setting:?}");
            drained.set(drained.get() + 1);
        }
        all_released(&mut world);
    });
    let runs = runs(1200);
    assert!(2 * drained.get() > runs.end - runs.start || runs.end - runs.start == 1);
}

#[test]
fn resets_and_cuts_invent_nothing_and_leave_nothing() {
    each_seed(1800, |seed| disturbed(seed, false));
}

#[test]
fn resets_within_tls_leave_nothing() {
    each_seed(200, |seed| disturbed(seed, true));
}

/// One session a node: sixteen connections at once are one transport.
#[test]
fn connections_share_one_mux_session() {
    each_seed(20, |seed| {
        let mut random = Random::new(seed);
        let setting = Setting::muxed(&mut random);
        let mut world = World::new(seed, setting.plans());
        setting.listen(&mut world);
        for number in 0..16 {
            let client = Program::echo_client(setting.speaks, plans::TARGET, number, 5000);
            world.start(client, plans::entry());
        }
        world.run(Duration::from_secs(5));
        world.all_done(&setting);
        assert_eq!(world.tunnels(), 1);
        all_released(&mut world);
    });
}

/// More clients than the budget has room for: all are served, some later, and never is it exceeded
/// (`Engine::check`). Nobody waits for somebody who waits.
#[test]
fn a_tiny_budget_delays_but_harms_nobody() {
    let waited = Cell::new(0);
    each_seed(20, |seed| {
        let mut random = Random::new(seed);
        let mut setting = match seed % 2 {
            0 => Setting::plain(&mut random),
            _ => Setting::muxed(&mut random),
        };
        setting.memory = Some(256 << 10);
        setting.compression = false;
        setting.mux.agree |= setting.mux.version == 2;
        let mut world = World::new(seed, setting.plans());
        world.capacity = world.capacity.max(8000);
        setting.listen(&mut world);
        for number in 0..50 {
            let client = Program::echo_client(setting.speaks, plans::TARGET, number, 20_000);
            world.start(client, plans::entry());
        }
        world.run(Duration::from_secs(300));
        world.all_done(&setting);
        waited.set(waited.get() + world.waited);
        all_released(&mut world);
    });
    assert!(waited.get() > 0, "nobody ever had to wait");
}

/// After the session is lost, the next request makes a new one and succeeds.
#[test]
fn a_lost_session_costs_the_next_request_nothing() {
    each_seed(50, |seed| {
        let mut random = Random::new(seed);
        let setting = Setting::muxed(&mut random);
        let mut world = World::new(seed, setting.plans());
        setting.listen(&mut world);
        for number in 0..3 {
            let client = Program::echo_client(setting.speaks, plans::TARGET, number, 5000);
            world.start(client, plans::entry());
            world.run(Duration::from_secs(5));
            world.all_done(&setting);
            world.cut_tunnels();
            world.run(Duration::ZERO);
        }
        all_released(&mut world);
    });
}
