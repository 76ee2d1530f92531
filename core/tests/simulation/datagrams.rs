//! Datagrams through whole proxies: what arrives is what was sent, in order, and what does not was dropped by
//! a queue that counts it.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use ginnel_core::event::Event;

use crate::plans::{self, Setting};
use crate::program::{Program, byte};
use crate::random::Random;
use crate::world::World;
use crate::{all_released, each_seed, runs};

pub fn echo() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 9], 80))
}

pub fn client(number: usize) -> SocketAddr {
    SocketAddr::from(([10, 2, 0, number as u8], 5000))
}

/// Sizes that matter, as far as this world's pipes are wide enough for them.
pub fn payloads(world: &mut World, key: u64) -> Vec<Vec<u8>> {
    let count = 1 + world.random.below(12);
    let sizes = [0, 1, 500, 1200, 9000, 65_507];
    let largest = 30 * world.capacity;
    let sizes = (0..count).map(|_| sizes[world.random.below(6)].min(largest));
    let sizes: Vec<usize> = sizes.collect();
    let bytes = |(i, n): (usize, usize)| (0..n).map(|at| byte(key * 100 + i as u64, at)).collect();
    sizes.into_iter().enumerate().map(bytes).collect()
}

pub fn dropped(world: &World) -> u64 {
    let dropped = world.events.iter().map(|event| match event {
        Event::Closed { dropped, .. } => *dropped,
        _ => 0,
    });
    dropped.sum()
}

/// `got` is a part of `sent`, in its order.
pub fn in_order(sent: &[Vec<u8>], got: &[Vec<u8>], about: &str) {
    let mut sent = sent.iter();
    for datagram in got {
        let found = sent.any(|one| one == datagram);
        assert!(
            found,
            "{about}: {} bytes that were not sent",
            datagram.len()
        );
    }
}

/// The header of RFC 1928, 7.
fn packet(by_name: bool, data: &[u8]) -> Vec<u8> {
    let header: &[u8] = match by_name {
        true => b"\0\0\0\x03\x0btarget.test\0\x50",
        false => b"\0\0\0\x01\x0a\0\0\x09\0\x50",
    };
    [header, data].concat()
}

fn world(seed: u64, associate: bool) -> (World, Setting) {
    let mut random = Random::new(seed);
    let setting = Setting::datagrams(&mut random, associate);
    let mut world = World::new(seed, setting.plans());
    world.about = format!("{setting:?}");
    setting.listen(&mut world);
    world.net.add(echo(), true);
    (world, setting)
}

fn forwarded(seed: u64) -> usize {
    let (mut world, _) = world(seed, false);
    let listener = plans::entry();
    let port = world.engines[0].handle_listen(0, listener, world.now);
    world.net.listen(listener, 0, port);
    let clients = 1 + world.random.below(3);
    let mut sent = Vec::new();
    for number in 0..clients {
        let payloads = payloads(&mut world, number as u64);
        let index = world.net.add(client(number), false);
        let sending = payloads.iter().map(|data| (listener, data.clone()));
        world.net.peers[index].to_send = sending.collect();
        sent.push((index, payloads));
    }
    world.run(Duration::from_secs(60));
    let mut received = 0;
    for (index, payloads) in &sent {
        let peer = &world.net.peers[*index];
        assert!(peer.received.iter().all(|(from, _)| *from == listener));
        let got: Vec<_> = peer.received.iter().map(|(_, data)| data.clone()).collect();
        in_order(payloads, &got, &world.about);
        received += got.len();
    }
    assert_eq!(
        world.engines[0].sessions(),
        0,
        "{}: an idle client is forgotten",
        world.about
    );
    assert_eq!(
        world.net.ports(),
        1,
        "{}: only the listener is left",
        world.about
    );
    let total: usize = sent.iter().map(|(_, payloads)| payloads.len()).sum();
    finish(&mut world, total - received);
    total - received
}

fn associated(seed: u64) -> usize {
    let (mut world, _) = world(seed, true);
    let program = world.programs.len();
    world.start(Program::associate(), plans::entry());
    world.run(Duration::from_secs(1));
    let about = format!(
        "{}: {:?} {:#?}",
        world.about, world.programs[program], world.events
    );
    let bound = world.programs[program]
        .bound
        .unwrap_or_else(|| panic!("no reply: {about}"));
    let payloads = payloads(&mut world, 1);
    // The client's address is that of its connection, as `World::connect` makes it.
    let addr = SocketAddr::from(([10, 1, 0, 0], 5000));
    let index = world.net.add(addr, false);
    let stranger = world.net.add(client(9), false);
    let by_name = world.random.chance(2);
    for data in &payloads {
        let junk =
            [&b"junk"[..], b"", b"\0\0\x01\x01\x0a\0\0\x09\0\x50part"][world.random.below(3)];
        let peers = &mut world.net.peers;
        peers[stranger]
            .to_send
            .push_back((bound, packet(false, b"not mine")));
        peers[index]
            .to_send
            .push_back((bound, packet(by_name, data)));
        peers[index].to_send.push_back((bound, junk.to_vec()));
    }
    world.run(Duration::from_secs(1));
    assert!(world.net.peers[stranger].received.is_empty());
    let received = &world.net.peers[index].received;
    let answer = packet(false, b"");
    let got: Vec<_> = received
        .iter()
        .map(|(from, data)| {
            assert_eq!(*from, bound);
            assert!(
                data.starts_with(&answer),
                "{about}: the source of an answer"
            );
            data[answer.len()..].to_vec()
        })
        .collect();
    in_order(&payloads, &got, &about);
    let missing = payloads.len() - got.len();
    world.programs[program].leave();
    world.run(Duration::from_secs(10));
    assert_eq!(world.net.ports(), 0, "{about}: it ends with its connection");
    // The junk is counted with what the queues dropped.
    finish(&mut world, missing + payloads.len());
    missing
}

fn finish(world: &mut World, missing: usize) {
    all_released(world);
    let about = &world.about;
    assert_eq!(world.net.ports(), 0, "{about}: sockets are left");
    assert_eq!(
        dropped(world),
        missing as u64,
        "{about}: {:#?}",
        world.events
    );
}

fn each(run: impl Fn(u64) -> usize) {
    let dropped = Cell::new(0);
    each_seed(600, |seed| dropped.set(dropped.get() + run(seed)));
    let all = runs(600).count() >= 600;
    assert!(!all || dropped.get() > 0, "no queue was ever full");
}

#[test]
fn datagrams_of_a_udp_listener_arrive_or_are_counted() {
    each(forwarded);
}

#[test]
fn datagrams_of_an_association_arrive_or_are_counted() {
    each(associated);
}

/// Whoever is known is answered until silent, others are not, and then it is over.
#[test]
fn a_drain_serves_the_clients_that_are_known() {
    each_seed(100, |seed| {
        let (mut world, setting) = world(seed, false);
        let listener = plans::entry();
        let port = world.engines[0].handle_listen(0, listener, world.now);
        world.net.listen(listener, 0, port);
        let known = world.net.add(client(0), false);
        let late = world.net.add(client(1), false);
        let send = |world: &mut World, peer: usize| {
            let sending = (listener, b"hello".to_vec());
            world.net.peers[peer].to_send.push_back(sending);
        };
        send(&mut world, known);
        world.run(Duration::from_secs(1));
        let start = world.now;
        world.engines[0].handle_drain(start + Duration::from_secs(60), start);
        world.act(0);
        send(&mut world, known);
        send(&mut world, late);
        world.run(Duration::from_secs(1));
        let received = |peer: usize| world.net.peers[peer].received.len();
        assert_eq!((received(known), received(late)), (2, 0), "{setting:?}");
        assert_eq!(world.drained, 0);
        world.run(Duration::from_secs(30));
        assert_eq!(world.drained, 1, "{setting:?}");
        finish(&mut world, 0);
    });
}
