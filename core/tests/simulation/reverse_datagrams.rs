//! Reverse tunnels for datagrams: whoever sends to a port at the far end reaches the target of the near one, and
//! gets the answers to what was its own.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use ginnel_core::event::Event;

use crate::datagrams::{client, dropped, echo, in_order, payloads};
use crate::plans::Setting;
use crate::random::Random;
use crate::world::World;
use crate::{all_released, each_seed};

fn port() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], 2222))
}

fn world(seed: u64) -> (World, Setting) {
    let mut random = Random::new(seed);
    let setting = Setting::reverse_datagrams(&mut random);
    let mut world = World::new(seed, setting.plans());
    world.about = format!("{setting:?}");
    setting.listen(&mut world);
    world.net.add(echo(), true);
    world.engines[0].handle_serve(0, world.now);
    world.act(0);
    world.run(Duration::from_secs(1));
    assert!(world.net.is_bound(port()), "{}", world.about);
    (world, setting)
}

fn sends(world: &mut World, number: usize, payloads: &[Vec<u8>]) -> usize {
    let index = world.net.add(client(number), false);
    let sending = payloads.iter().map(|data| (port(), data.clone()));
    world.net.peers[index].to_send = sending.collect();
    index
}

/// One after the other, so that no queue is ever full.
fn serves(world: &mut World, number: usize) {
    let index = sends(world, number, &[]);
    for data in [&b""[..], b"a datagram"] {
        let sending = &mut world.net.peers[index].to_send;
        sending.push_back((port(), data.to_vec()));
        world.run(Duration::from_secs(1));
        let got = world.net.peers[index].received.last();
        let wanted = (port(), data.to_vec());
        assert_eq!(got, Some(&wanted), "{}: {:#?}", world.about, world.events);
    }
}

fn finish(world: &mut World) {
    all_released(world);
    assert_eq!(world.net.ports(), 0, "{}: sockets are left", world.about);
}

#[test]
fn datagrams_to_a_far_port_arrive_or_are_counted() {
    let lost = Cell::new(0);
    each_seed(300, |seed| {
        let (mut world, _) = world(seed);
        let mut sent = Vec::new();
        for number in 0..1 + world.random.below(3) {
            let payloads = payloads(&mut world, number as u64);
            sent.push((sends(&mut world, number, &payloads), payloads));
        }
        world.run(Duration::from_secs(60));
        let mut missing = 0;
        for (index, payloads) in &sent {
            let received = &world.net.peers[*index].received;
            assert!(received.iter().all(|(from, _)| *from == port()));
            let got: Vec<_> = received.iter().map(|(_, data)| data.clone()).collect();
            in_order(payloads, &got, &world.about);
            missing += payloads.len() - got.len();
        }
        let about = &world.about;
        assert_eq!(world.engines[0].sessions(), 0, "{about}: idle clients");
        assert_eq!(world.net.ports(), 1, "{about}: only the port is left");
        // The near end knows who sent.
        let from = world.events.iter().find_map(|event| match event {
            Event::Opened { remote, local, .. } if local.port() == port().port() => Some(*remote),
            _ => None,
        });
        let known = (0..3).any(|number| from == Some(client(number)));
        assert!(known, "{about}: {:#?}", world.events);
        finish(&mut world);
        let counted = dropped(&world);
        assert_eq!(
            counted, missing as u64,
            "{}: {:#?}",
            world.about, world.events
        );
        lost.set(lost.get() + missing);
    });
}

#[test]
fn a_far_port_for_datagrams_comes_back_after_a_cut() {
    each_seed(40, |seed| {
        let (mut world, _) = world(seed);
        for times in 1..4 {
            serves(&mut world, times);
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
        serves(&mut world, 9);
        finish(&mut world);
    });
}

/// The near end notices first, or the far one: the port is never refused to who had it.
#[test]
fn a_new_stream_takes_the_port_of_a_dead_one() {
    let replaced = Cell::new(0);
    each_seed(40, |seed| {
        let (mut world, setting) = world(seed);
        let bare = setting.is_bare();
        serves(&mut world, 0);
        world.swallow_tunnels();
        world.run(Duration::from_secs(120));
        // Over TCP alone, only the system could notice.
        if !bare {
            serves(&mut world, 1);
        }
        replaced.set(replaced.get() + world.replaced());
        assert_eq!(world.port_refused(), None, "{}", world.about);
        finish(&mut world);
    });
    assert!(replaced.get() > 0, "nobody was ever replaced");
}

/// The far end closes its port at once; the near one answers those it knows, and nobody else.
#[test]
fn a_drain_of_either_end_closes_the_port_for_datagrams() {
    each_seed(40, |seed| {
        let (mut world, _) = world(seed);
        serves(&mut world, 0);
        let e = world.random.below(2);
        let now = world.now;
        world.engines[e].handle_drain(now + Duration::from_secs(40), now);
        world.act(e);
        world.run(Duration::ZERO);
        assert!(e == 0 || !world.net.is_bound(port()), "{}", world.about);
        world.run(Duration::from_secs(30));
        assert!(!world.net.is_bound(port()), "{}", world.about);
        assert_eq!(world.drained, 1, "{}", world.about);
        finish(&mut world);
    });
}
