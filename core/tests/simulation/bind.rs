//! SOCKS5 BIND: a port of the proxy, the first who comes to it, and nothing left behind. And socket files at the
//! far end.

use std::net::SocketAddr;
use std::time::Duration;

use ginnel_core::plan::HandlerKind;

use super::*;

fn port() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 2121))
}

/// The bind is for this machine, also where the service has a chain.
fn world(seed: u64) -> (World, Setting) {
    let mut random = Random::new(seed);
    let mut setting = Setting::plain(&mut random);
    setting.entry([HandlerKind::Socks5, HandlerKind::Auto][random.below(2)]);
    let mut world = World::new(seed, setting.plans());
    world.about = format!("{setting:?}");
    setting.listen(&mut world);
    (world, setting)
}

fn bind(world: &mut World, n: usize) {
    let entry = plans::entry();
    world.start(Program::binding_client(port(), 3, n), entry);
    world.run(Duration::ZERO);
    assert!(
        world.is_bound(port()),
        "{}: {:?}",
        world.about,
        world.programs
    );
}

#[test]
fn whoever_comes_first_talks_with_the_client() {
    each_seed(200, |seed| {
        let (mut world, setting) = world(seed);
        for _ in 0..1 + world.random.below(2) {
            let n = [0, 1, 700, 60_000][world.random.below(4)].min(30 * world.capacity);
            bind(&mut world, n);
            world.start(Program::echo(), port());
            world.run(Duration::from_secs(75));
            assert!(!world.is_bound(port()), "{}: a ghost port", world.about);
        }
        world.all_done(&setting);
        assert_eq!(world.resets, 0, "{}", world.about);
        all_released(&mut world);
    });
}

/// It leaves before somebody comes, or nobody comes in two minutes: the port is free again.
#[test]
fn the_port_goes_with_the_client_or_with_time() {
    each_seed(100, |seed| {
        let (mut world, _) = world(seed);
        bind(&mut world, 10);
        if world.random.chance(2) {
            let (c, end) = world.program_ends[0].expect("connected");
            world.reset(c, end);
            world.run(Duration::ZERO);
        } else {
            world.run(Duration::from_secs(119));
            assert!(world.is_bound(port()), "{}: too early", world.about);
            world.run(Duration::from_secs(121));
        }
        assert!(!world.is_bound(port()), "{}: a ghost port", world.about);
        all_released(&mut world);
    });
}

#[test]
fn a_socket_file_of_the_far_end_is_reached() {
    each_seed(200, |seed| {
        let mut random = Random::new(seed);
        let setting = Setting::socket_file(&mut random);
        let mut world = World::new(seed, setting.plans());
        world.about = format!("{setting:?}");
        setting.listen(&mut world);
        add_clients(&mut world, &setting, false);
        undisturbed_run(&mut world, &setting);
    });
}

#[test]
fn a_link_local_target_is_reached_from_its_link() {
    each_seed(200, |seed| {
        let mut random = Random::new(seed);
        let setting = Setting::zoned(&mut random);
        let mut world = World::new(seed, setting.plans());
        world.about = format!("{setting:?}");
        setting.listen(&mut world);
        add_clients(&mut world, &setting, false);
        undisturbed_run(&mut world, &setting);
    });
}
