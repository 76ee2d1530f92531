//! Reverse tunnels: a port at the far end leads to a target at the near one, comes back after a cut, and is
//! never left behind.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use ginnel_core::engine::Engine;
use ginnel_core::event::Event;

use crate::plans::{self, Setting};
use crate::program::{Program, Speaks};
use crate::random::Random;
use crate::world::World;
use crate::{all_released, each_seed};

const PORT: u16 = 2222;

fn port() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], PORT))
}

fn world(seed: u64) -> (World, Setting) {
    let mut random = Random::new(seed);
    let setting = Setting::reverse(&mut random);
    let mut world = World::new(seed, setting.plans());
    world.about = format!("{setting:?}");
    setting.listen(&mut world);
    world.engines[0].handle_serve(0, world.now);
    world.act(0);
    world.run(Duration::ZERO);
    (world, setting)
}

/// Clients of the port get what they send, or what the target says.
fn serves(world: &mut World, setting: &Setting) {
    let first = world.programs.len();
    for number in 0..1 + world.random.below(3) {
        let n = [0, 1, 700, 30_000][world.random.below(4)];
        let client = match setting.speaker {
            Some(n) => Program::listening_client(Speaks::Raw, plans::TARGET, n),
            None => Program::echo_client(Speaks::Raw, plans::TARGET, number as u64, n).staying(),
        };
        world.start(client, port());
    }
    world.run(Duration::from_secs(5));
    for program in &world.programs[first..] {
        let got = program.received == program.expected();
        let place = || format!("{}: {program:?} {:#?}", world.about, world.events);
        assert!(got || !program.client, "{}", place());
    }
}

fn finish(world: &mut World) {
    all_released(world);
    assert!(!world.is_bound(port()), "{}: a ghost port", world.about);
}

#[test]
fn clients_of_a_far_port_reach_the_target() {
    each_seed(50, |seed| {
        let (mut world, setting) = world(seed);
        serves(&mut world, &setting);
        let from = world.events.iter().find_map(|event| match event {
            Event::Opened { remote, local, .. } if local.port() == PORT => Some(*remote),
            _ => None,
        });
        assert!(
            from.is_some_and(|from| from.ip() != port().ip()),
            "{:?}",
            from
        );
        finish(&mut world);
    });
}

#[test]
fn a_far_port_comes_back_after_a_cut() {
    each_seed(20, |seed| {
        let (mut world, setting) = world(seed);
        for times in 1..4 {
            serves(&mut world, &setting);
            assert_eq!(
                world.ports_opened(),
                times,
                "{}: {:#?}",
                world.about,
                world.events
            );
            world.cut_tunnels();
            world.run(Duration::from_secs(30));
        }
        serves(&mut world, &setting);
        finish(&mut world);
    });
}

/// The near end notices first, or the far one: the port is never refused to who had it.
#[test]
fn a_new_session_takes_the_port_of_a_dead_one() {
    let replaced = Cell::new(0);
    each_seed(40, |seed| {
        let (mut world, setting) = world(seed);
        serves(&mut world, &setting);
        world.swallow_tunnels();
        world.run(Duration::from_secs(120));
        serves(&mut world, &setting);
        replaced.set(replaced.get() + world.replaced());
        assert_eq!(world.port_refused(), None, "{}", world.about);
        finish(&mut world);
    });
    assert!(replaced.get() > 0, "nobody was ever replaced");
}

/// Either end goes: who is in it may finish. The far end closes its port at once; the near one has no word for
/// it, and its session ends with the last of them.
#[test]
fn a_drain_of_either_end_closes_the_port() {
    each_seed(40, |seed| {
        let (mut world, setting) = world(seed);
        serves(&mut world, &setting);
        let e = world.random.below(2);
        let now = world.now;
        let drain = |engine: &mut Engine| engine.handle_drain(now + Duration::from_secs(40), now);
        drain(&mut world.engines[e]);
        world.act(e);
        world.run(Duration::ZERO);
        assert!(e == 0 || !world.is_bound(port()), "{}", world.about);
        world.run(Duration::from_secs(120));
        assert!(!world.is_bound(port()), "{}", world.about);
        assert_eq!(world.drained, 1, "{}", world.about);
        finish(&mut world);
    });
}

#[test]
fn a_far_end_that_may_not_bind_refuses() {
    each_seed(50, |seed| {
        let mut random = Random::new(seed);
        let setting = Setting::reverse(&mut random);
        let mut plans = setting.plans();
        for service in &mut plans[1].services {
            std::sync::Arc::make_mut(&mut service.handler).udp.bind = false;
        }
        let mut world = World::new(seed, plans);
        setting.listen(&mut world);
        world.engines[0].handle_serve(0, world.now);
        world.act(0);
        world.run(Duration::from_secs(60));
        let lost: Vec<_> = world
            .events
            .iter()
            .filter_map(|event| match event {
                Event::PortLost { fail, .. } => Some(fail.cause),
                _ => None,
            })
            .collect();
        assert_eq!(
            lost,
            [ginnel_core::error::Cause::Denied],
            "told once, {setting:?}"
        );
        finish(&mut world);
    });
}
