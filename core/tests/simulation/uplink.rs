//! A slow path, and more to send than it carries: nobody takes that for death, and small things get through.

use ginnel_core::plan::{Channel, ConnectorKind, HandlerKind};

use super::*;

/// Bytes a second.
const RATE: u32 = 10_000;
/// Of each direction: two minutes, eight periods of pings.
const BULK: usize = 1_200_000;

fn saturated(seed: u64, channels: &[Channel]) {
    let mut random = Random::new(seed);
    let channel = channels[random.below(channels.len())];
    let hop = (channel, ConnectorKind::Socks5, HandlerKind::Socks5);
    let mut setting = Setting::with(&mut random, vec![hop]);
    setting.compression = false;
    let mut world = World::new(seed, setting.plans());
    world.about = format!("{setting:?}");
    // What the system keeps of what is sent.
    world.capacity = [2_000, 8_000][random.below(2)];
    world.sky.weather.rate = Some(RATE);
    setting.listen(&mut world);
    let bulk = Program::echo_client(setting.speaks, plans::TARGET, 1, BULK);
    world.start(bulk, plans::entry());
    world.run(Duration::from_secs(40));
    let small = Program::echo_client(setting.speaks, plans::TARGET, 2, 100);
    world.start(small, plans::entry());
    // Its turns come behind half a second in frames, and what the systems have; and its handshakes in time.
    world.run(Duration::from_secs(30));
    assert_eq!(world.clients_done(), 1, "{setting:?}: {:?}", world.programs);
    world.run(Duration::from_secs(600));
    world.all_done(&setting);
    assert_eq!(world.resets, 0);
    let tunnels = world.connections.iter().filter(|c| c.tunnel).count();
    assert_eq!(
        tunnels,
        if channel.has_mux() { 1 } else { 2 },
        "none was replaced"
    );
    all_released(&mut world);
}

#[test]
fn a_saturated_uplink_ends_nothing() {
    each_seed(30, |seed| saturated(seed, &[Channel::Ws, Channel::Mws]));
}

#[test]
fn a_saturated_uplink_ends_nothing_within_tls() {
    each_seed(4, |seed| saturated(seed, &[Channel::Wss, Channel::Mwss]));
}
