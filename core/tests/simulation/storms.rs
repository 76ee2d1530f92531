//! Faults of networks and machines: what arrives late must change nothing, what was merely away must not be
//! taken for dead, and what is dead must leave nothing behind.

use crate::weather::Weather;

use super::*;

/// Seconds of a fault that nobody takes for death: less than handshakes wait and a stalled mux stream may.
const SHORT: usize = 4;

/// One of the settings under this weather, with pipes that are not too small for the delays.
fn world_in(seed: u64, tls: bool, weather: impl Fn(&mut Random) -> Weather) -> (World, Setting) {
    let (mut world, setting) = world(seed, tls);
    world.sky.weather = weather(&mut world.random);
    let late = tls || !world.sky.weather.latency.is_zero();
    world.capacity = world.capacity.max(if late { 8000 } else { 600 });
    world.about = format!("{:?} {}", world.sky.weather, world.about);
    (world, setting)
}

/// Like [`undisturbed`], but with more time.
fn all_well(world: &mut World, setting: &Setting) {
    world.run(Duration::from_secs(400));
    world.all_done(&world.about);
    assert_eq!(world.resets, 0);
    assert_lasting(world, setting);
    all_released(world);
}

fn assert_lasting(world: &World, setting: &Setting) {
    for (engine, expected) in world.engines.iter().zip(setting.lasting_sessions()) {
        let left = engine.sessions();
        let about = &world.about;
        assert!(
            left <= expected,
            "{about}: {left} sessions outlive their clients"
        );
    }
}

/// After all that happened, whoever comes next is served at once.
fn the_next_is_served(world: &mut World, setting: &Setting) {
    world.sky.weather = Weather::default();
    let before = world.clients_done();
    let (speaks, n) = (setting.speaks, 1000);
    let client = match setting.speaker {
        Some(n) => Program::listening_client(speaks, plans::TARGET, n),
        None => Program::echo_client(speaks, plans::TARGET, 99, n),
    };
    world.start(client, plans::entry());
    world.run(Duration::from_secs(60));
    let (last, about) = (
        world.programs.iter().rfind(|program| program.client),
        &world.about,
    );
    assert_eq!(
        world.clients_done(),
        before + 1,
        "{about}: {last:?} {:#?}",
        world.events
    );
}

/// What was received is a part of what was sent, and the end was told.
fn nothing_is_invented(world: &World) {
    for program in world.programs.iter().filter(|program| program.client) {
        let text = program.failed.as_deref();
        let told = text.is_none_or(|text| text.starts_with("unexpected answer"));
        assert!(told, "{}: {text:?}", world.about);
        assert!(
            program.end.is_some() || program.reset_itself(),
            "{}: never told: {program:?} {:#?}",
            world.about,
            world.events
        );
    }
}

/// Delays without pauses, which would add up with other faults to what a stalled stream may take.
fn late(random: &mut Random) -> Weather {
    Weather {
        pauses: None,
        ..Weather::draw(random)
    }
}

#[test]
fn delays_and_pauses_change_nothing() {
    each_seed(1200, |seed| {
        let (mut world, setting) = world_in(seed, false, Weather::draw);
        add_clients(&mut world, &setting, false);
        all_well(&mut world, &setting);
    });
}

#[test]
fn delays_within_tls_change_nothing() {
    each_seed(80, |seed| {
        let (mut world, setting) = world_in(seed, true, Weather::draw);
        add_clients(&mut world, &setting, false);
        all_well(&mut world, &setting);
    });
}

/// The clock of everybody jumps: nothing dies that answers afterwards.
#[test]
fn jumps_of_the_clock_end_nothing() {
    let jumps = Cell::new(0);
    each_seed(600, |seed| {
        let (mut world, setting) = world_in(seed, seed % 16 == 0, |random| Weather {
            jumps: Some([30, 300, 1000][random.below(3)]),
            ..late(random)
        });
        add_clients(&mut world, &setting, false);
        world.run(Duration::from_secs(300));
        jumps.set(jumps.get() + world.sky.jumps);
        world.sky.weather.jumps = None;
        all_well(&mut world, &setting);
    });
    assert!(jumps.get() > 0);
}

/// One process is stopped for some seconds, and goes on.
#[test]
fn a_stopped_process_goes_on_where_it_was() {
    each_seed(500, |seed| {
        let (mut world, setting) = world_in(seed, seed % 16 == 0, |random| {
            let long = Duration::from_millis(random.below(1000 * SHORT) as u64);
            Weather {
                nap: Some((random.below(400) as u64, random.below(2), long)),
                ..late(random)
            }
        });
        add_clients(&mut world, &setting, false);
        all_well(&mut world, &setting);
    });
}

/// Nothing passes for some seconds, and then all of it.
#[test]
fn a_short_outage_ends_nothing() {
    each_seed(500, |seed| {
        let (mut world, setting) = world_in(seed, seed % 16 == 0, |random| {
            let long = Duration::from_millis(random.below(1000 * SHORT) as u64);
            Weather {
                outage: Some((random.below(400) as u64, long)),
                ..late(random)
            }
        });
        add_clients(&mut world, &setting, false);
        all_well(&mut world, &setting);
    });
}

/// Outages, stops and black holes that are longer than anybody waits: everybody is told, the next request
/// succeeds, nothing stays.
#[test]
fn long_faults_are_told_and_survived() {
    each_seed(700, |seed| {
        let (mut world, setting) = world_in(seed, seed % 16 == 0, |random| {
            let long = Duration::from_secs(20 + random.below(300) as u64);
            let step = random.below(400) as u64;
            let outage = random.chance(2);
            Weather {
                outage: outage.then_some((step, long)),
                nap: (!outage).then_some((step, random.below(2), long)),
                ..Weather::draw(random)
            }
        });
        add_clients(&mut world, &setting, true);
        if setting.cuts {
            world.run_steps(300);
            world.lose_tunnels();
        }
        world.run(Duration::from_secs(800));
        nothing_is_invented(&world);
        assert_lasting(&world, &setting);
        the_next_is_served(&mut world, &setting);
        all_released(&mut world);
    });
}

/// All at once.
#[test]
fn storms_invent_nothing_and_leave_nothing() {
    each_seed(1200, |seed| {
        let (mut world, setting) = world_in(seed, seed % 16 == 0, |random| {
            let long = |random: &mut Random| Duration::from_secs(random.below(60) as u64);
            let step = |random: &mut Random| random.below(600) as u64;
            Weather {
                jumps: random.chance(2).then_some(200),
                outage: random.chance(2).then(|| (step(random), long(random))),
                nap: random
                    .chance(2)
                    .then(|| (step(random), random.below(2), long(random))),
                ..Weather::draw(random)
            }
        });
        add_clients(&mut world, &setting, true);
        if setting.cuts {
            world.run_steps(300);
            match world.random.chance(2) {
                true => world.cut_tunnels(),
                false => world.lose_tunnels(),
            }
            add_clients(&mut world, &setting, false);
        }
        world.run(Duration::from_secs(300));
        world.sky.weather.jumps = None;
        world.run(Duration::from_secs(800));
        nothing_is_invented(&world);
        assert_lasting(&world, &setting);
        the_next_is_served(&mut world, &setting);
        all_released(&mut world);
    });
}
