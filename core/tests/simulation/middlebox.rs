//! Web servers between two nodes, which know one end for both directions: nothing is lost, and none of their own ends
//! passes for one of a peer.

use ginnel_core::plan::Channel;

use crate::world::middlebox::Middlebox;

use super::*;

fn world_behind(seed: u64) -> (World, Setting) {
    let mut random = Random::new(seed);
    let mut setting = Setting::over(&mut random, &[Channel::Ws]);
    let mut world = World::new(seed, setting.plans());
    world.middlebox = Middlebox::EndsBoth;
    setting.speaker = setting.speaker.map(|n| n.min(50 * world.capacity));
    world.about = format!("{setting:?}");
    setting.listen(&mut world);
    (world, setting)
}

#[test]
fn a_half_close_passes_who_knows_none() {
    each_seed(400, |seed| {
        let (mut world, setting) = world_behind(seed);
        add_clients(&mut world, &setting, false);
        undisturbed_run(&mut world, &setting);
    });
}

#[test]
fn an_end_in_between_is_no_end_of_a_peer() {
    let cut = Cell::new(0);
    each_seed(400, |seed| {
        let (mut world, setting) = world_behind(seed);
        add_clients(&mut world, &setting, false);
        let steps = world.random.below(600);
        world.run_steps(steps);
        world.end_tunnels();
        world.run(Duration::from_secs(75));
        // Before the answer to its request an end says nothing else either.
        for program in stopped_in_the_middle(&world, &setting) {
            cut.set(cut.get() + 1);
            assert_eq!(
                program.end,
                Some(Eof::Reset),
                "{setting:?}: {program:?} {:#?}",
                world.events
            );
        }
        all_released(&mut world);
    });
    let runs = runs(400);
    assert!(cut.get() > 0 || runs.end - runs.start == 1);
}
