//! Black holes: what is sent vanishes and nobody is told.

use ginnel_core::error::Cause;
use ginnel_core::event::Event;
use ginnel_core::plan::{Channel, ConnectorKind, HandlerKind, Ping};

use super::*;

/// A dead transport is found within this, by default and whatever it was doing.
const FOUND: Duration = Duration::from_secs(30);

const ANSWERED: [(ConnectorKind, HandlerKind); 2] = [
    (ConnectorKind::Http, HandlerKind::Http),
    (ConnectorKind::Socks5, HandlerKind::Socks5),
];

/// One hop whose node answers before the client's bytes follow.
fn answered(random: &mut Random, channel: Channel) -> Setting {
    let (connector, handler) = ANSWERED[random.below(2)];
    Setting::with(random, vec![(channel, connector, handler)])
}

fn world_of(seed: u64, setting: &Setting) -> World {
    let mut world = World::new(seed, setting.plans());
    world.about = format!("{setting:?}");
    setting.listen(&mut world);
    world
}

fn request(world: &mut World, setting: &Setting, key: u64) {
    let client = Program::echo_client(setting.speaks, plans::TARGET, key, 3000);
    world.start(client, plans::entry());
}

fn seconds(random: &mut Random, below: usize) -> Duration {
    Duration::from_millis(random.below(1000 * below) as u64)
}

/// Every connection through a black hole is given up on both sides, with whatever is queued.
#[test]
fn a_black_hole_is_found_in_time_on_both_sides() {
    each_seed(60, |seed| {
        let mut random = Random::new(seed);
        let channel = [Channel::Ws, Channel::Mws][random.below(2)];
        let setting = Setting::with(
            &mut random,
            vec![(channel, ConnectorKind::Socks5, HandlerKind::Socks5)],
        );
        let mut world = world_of(seed, &setting);
        // Silent, or in the middle of a transfer in both directions.
        let n = [0, 1_000_000][random.below(2)];
        for key in 0..3 {
            let client = Program::echo_client(setting.speaks, plans::TARGET, key, n).staying();
            world.start(client, plans::entry());
        }
        match n {
            0 => world.run(seconds(&mut random, 100)),
            _ => {
                until_connected(&mut world, 6); // At both ends of each.
                world.run_steps(random.below(2000));
            }
        }
        world.swallow_tunnels();
        world.run(FOUND);
        for engine in &world.engines {
            let left = (
                engine.sessions(),
                engine.census(),
                world.now,
                engine.poll_timeout(),
            );
            assert_eq!(left.0, 0, "{setting:?}: {left:?} {:?}", world.events);
        }
        let silent = |event: &&Event| match event {
            Event::SessionDown {
                fail: Some(fail), ..
            }
            | Event::Closed {
                fail: Some(fail), ..
            } => fail.cause == Cause::TimedOut && fail.text.contains("nothing received for"),
            _ => false,
        };
        let ends = world.events.iter().filter(silent).count();
        assert!(ends >= 1, "{setting:?}: {:#?}", world.events);
        if channel == Channel::Mws {
            assert!(ends <= 2, "said once a side: {:#?}", world.events);
        }
        all_released(&mut world);
    });
}

/// Nothing dies that is merely silent: pings and keep-alives go both ways, and nothing else happens.
#[test]
fn silence_alone_ends_nothing() {
    each_seed(60, |seed| {
        let mut random = Random::new(seed);
        let channel = [Channel::Ws, Channel::Mws][random.below(2)];
        let setting = Setting::with(
            &mut random,
            vec![(channel, ConnectorKind::Socks5, HandlerKind::Socks5)],
        );
        let mut world = world_of(seed, &setting);
        for key in 0..3 {
            let client = Program::echo_client(setting.speaks, plans::TARGET, key, 100).staying();
            world.start(client, plans::entry());
        }
        world.run(Duration::from_secs(3600));
        assert!(world.engines.iter().all(|engine| engine.sessions() == 3));
        assert_eq!(world.tunnels(), if channel == Channel::Ws { 3 } else { 1 });
        all_released(&mut world);
    });
}

/// The session is believed alive, and its transport is a black hole: the request goes through another one.
#[test]
fn a_request_on_a_session_that_died_unnoticed_succeeds() {
    each_seed(150, |seed| {
        let mut random = Random::new(seed);
        let setting = answered(&mut random, Channel::Mws);
        let mut world = world_of(seed, &setting);
        request(&mut world, &setting, 1);
        world.run(seconds(&mut random, 60));
        world.all_done(&setting);
        world.swallow_tunnels();
        world.run(seconds(&mut random, 40));
        for key in 2..5 {
            request(&mut world, &setting, key);
        }
        world.run(Duration::from_secs(60));
        world.all_done(&setting);
        assert_eq!(world.tunnels_open(), 1, "{:#?}", world.events);
        assert_eq!(world.echoed(), 4, "each request was carried out once");
        all_released(&mut world);
    });
}

/// What cannot be taken back waits for a sign of life of a session that is not fresh.
#[test]
fn bytes_without_a_handshake_are_not_lost_in_a_dead_session() {
    each_seed(200, |seed| {
        let mut random = Random::new(seed);
        let kinds = [
            (ConnectorKind::Relay, HandlerKind::Relay),
            (ConnectorKind::Forward, HandlerKind::Forward),
        ];
        let (connector, handler) = kinds[random.below(2)];
        let mut setting = Setting::with(&mut random, vec![(Channel::Mws, connector, handler)]);
        setting.eager();
        let mut world = world_of(seed, &setting);
        request(&mut world, &setting, 1);
        world.run(Duration::from_secs(10));
        world.all_done(&setting);
        world.swallow_tunnels();
        world.now = world.now + Duration::from_millis(1100) + seconds(&mut random, 5);
        request(&mut world, &setting, 2);
        world.run(Duration::from_secs(60));
        world.all_done(&setting);
        assert_eq!(world.echoed(), 2);
        all_released(&mut world);
    });
}

/// A server that comes back while a request waits is found.
#[test]
fn a_restart_during_a_request_costs_only_time() {
    each_seed(100, |seed| {
        let mut random = Random::new(seed);
        let setting = answered(&mut random, Channel::Mws);
        let mut world = world_of(seed, &setting);
        request(&mut world, &setting, 1);
        world.run(Duration::from_secs(10));
        world.swallow_tunnels();
        request(&mut world, &setting, 2);
        world.run(Duration::from_secs(2));
        let away = world.unlisten(plans::server(0));
        world.run(Duration::from_secs(7));
        world.listen(plans::server(0), away);
        world.run(Duration::from_secs(30));
        world.all_done(&setting);
        assert_eq!(world.echoed(), 2);
        all_released(&mut world);
    });
}

/// A node behind which everything vanishes costs its own deadline; the other one serves meanwhile.
#[test]
fn a_silent_node_stops_nobody_else() {
    each_seed(60, |seed| {
        let mut random = Random::new(seed);
        let setting = answered(&mut random, Channel::Mws);
        let mut plans = setting.plans();
        setting.second_node(&mut plans);
        plans[0].services[0].retries = 2;
        let mut world = World::new(seed, plans);
        setting.listen(&mut world);
        world.swallows.insert(plans::second());
        for key in 0..6 {
            request(&mut world, &setting, key);
        }
        world.run(Duration::from_secs(2));
        assert!(world.clients_done() >= 3, "{:#?}", world.events);
        world.run(Duration::from_secs(13));
        world.all_done(&setting);
        all_released(&mut world);
    });
}

/// Whoever switches the pings off has none, and a session is then as old as its keep-alive says.
#[test]
fn what_is_switched_off_is_off() {
    each_seed(20, |seed| {
        let mut random = Random::new(seed);
        let setting = answered(&mut random, Channel::Ws);
        let mut plans = setting.plans();
        setting.pings(&mut plans, None);
        let mut world = World::new(seed, plans);
        setting.listen(&mut world);
        let client = Program::echo_client(setting.speaks, plans::TARGET, 1, 100).staying();
        world.start(client, plans::entry());
        world.run(Duration::from_secs(5));
        world.swallow_tunnels();
        world.run(Duration::from_secs(3000));
        assert!(world.engines.iter().all(|engine| engine.sessions() == 1));
        all_released(&mut world);
    });
}

/// Somebody on the way, such as a CDN, acknowledges everything and brings nothing: whether the peer merely
/// stalls behind the last payload cannot be seen, but for longer than that it has no benefit of the doubt.
#[test]
fn a_black_hole_behind_somebody_who_acknowledges_is_found() {
    each_seed(100, |seed| {
        let mut random = Random::new(seed);
        let channel = [Channel::Ws, Channel::Mws][random.below(2)];
        let setting = answered(&mut random, channel);
        let mut world = world_of(seed, &setting);
        world.relay_tunnels();
        let client = Program::echo_client(setting.speaks, plans::TARGET, 1, 100).staying();
        world.start(client, plans::entry());
        // With or without an answer to a ping behind the payload.
        world.run(seconds(&mut random, 60));
        world.swallow_tunnels();
        world.run(2 * FOUND + Duration::from_secs(15));
        for engine in &world.engines {
            assert_eq!(engine.sessions(), 0, "{setting:?}: {:?}", world.events);
        }
    });
}

fn until_connected(world: &mut World, count: usize) {
    let up = |event: &&Event| matches!(event, Event::Connected { .. });
    while world.events.iter().filter(up).count() < count {
        world.run_steps(1);
    }
}

/// A peer whose reader stalls for minutes, as gost's does without a word, is no black hole.
#[test]
fn a_stalled_reader_is_no_black_hole() {
    each_seed(40, |seed| {
        let mut random = Random::new(seed);
        let setting = answered(&mut random, Channel::Ws);
        let mut plans = setting.plans();
        // Only the sender pings, so that nothing but its system tells it about the peer.
        setting.pings(&mut plans, None);
        setting.pings_of_nodes(&mut plans, Some(Ping::default()));
        let mut world = World::new(seed, plans);
        setting.listen(&mut world);
        let n = 2_000_000;
        let client = Program::echo_client(setting.speaks, plans::TARGET, 1, n).staying();
        world.start(client, plans::entry());
        until_connected(&mut world, 2); // At both ends.
        world.run_steps(200);
        world.stop_tunnels(true);
        world.run(Duration::from_secs(300));
        world.stop_tunnels(false);
        let counts: Vec<usize> = world
            .engines
            .iter()
            .map(|engine| engine.sessions())
            .collect();
        assert!(
            counts.iter().all(|&count| count == 1),
            "{counts:?}: {setting:?}: {:#?}",
            world.events
        );
        all_released(&mut world);
    });
}

/// The death of a session that was replaced, found when its pings are unanswered, costs its successor nothing.
#[test]
fn an_old_session_does_not_take_its_successor_with_it() {
    each_seed(60, |seed| {
        let mut random = Random::new(seed);
        let setting = answered(&mut random, Channel::Mws);
        let mut world = world_of(seed, &setting);
        request(&mut world, &setting, 1);
        // What was begun on it stays, so that it is not closed before its death is found.
        let client = Program::echo_client(setting.speaks, plans::TARGET, 2, 100).staying();
        world.start(client, plans::entry());
        world.run(Duration::from_secs(5));
        world.swallow_tunnels();
        request(&mut world, &setting, 3);
        world.run(Duration::from_secs(300));
        for key in 4..8 {
            request(&mut world, &setting, key);
            world.run(Duration::from_secs(20));
        }
        assert_eq!(world.tunnels_open(), 1, "{setting:?}: {:#?}", world.events);
        assert_eq!(world.clients_done(), 6, "{setting:?}: {:#?}", world.events);
        all_released(&mut world);
    });
}
