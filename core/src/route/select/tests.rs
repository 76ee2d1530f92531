use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::plan::Strategy;

const CLIENT: &str = "127.0.0.1";

fn nodes(n: usize) -> Vec<Candidate> {
    let node = |index| Candidate {
        index,
        weight: 1,
        backup: false,
        overrides: Overrides::default(),
        priority: 0,
    };
    (0..n).map(node).collect()
}

fn pick(pool: &mut Pool, nodes: &[Candidate], strategy: Strategy, now: Time) -> Option<usize> {
    let selector = Selector {
        strategy,
        ..Selector::default()
    };
    pool.select(
        nodes,
        &selector,
        CLIENT,
        &[],
        now,
        &mut Entropy::new([1; 32]),
    )
}

#[test]
fn the_highest_priority_goes_first_while_it_works() {
    let mut pool = Pool::default();
    let mut list = nodes(3);
    for (node, priority) in list.iter_mut().zip([5, 7, 7]) {
        node.priority = priority;
    }
    let first = |pool: &mut Pool, now| pick(pool, &list, Strategy::Fifo, now);
    assert_eq!(first(&mut pool, Time::ZERO), Some(1));
    pool.failed(1, Time::ZERO);
    assert_eq!(first(&mut pool, Time::ZERO), Some(2));
    pool.failed(2, Time::ZERO);
    assert_eq!(first(&mut pool, Time::ZERO), Some(0));
    list[1].backup = true;
    list[2].backup = true;
    let later = Time::ZERO + Duration::from_secs(60);
    let one = pick(&mut pool, &list, Strategy::Fifo, later);
    assert_eq!(one, Some(0), "a backup waits, whatever its rule says");
}

#[test]
fn round_robin_takes_turns_and_skips_the_failed_until_their_time_is_over() {
    let mut pool = Pool::default();
    let nodes = nodes(3);
    let next = |pool: &mut Pool, now| pick(pool, &nodes, Strategy::Round, now).unwrap();
    assert_eq!([0; 4].map(|_| next(&mut pool, Time::ZERO)), [0, 1, 2, 0]);
    pool.failed(1, Time::ZERO);
    assert!((0..6).all(|_| next(&mut pool, Time::ZERO) != 1));
    let later = Time::ZERO + Duration::from_secs(10);
    assert!((0..3).any(|_| next(&mut pool, later) == 1));
}

#[test]
fn all_failed_is_not_none() {
    let mut pool = Pool::default();
    let nodes = nodes(2);
    pick(&mut pool, &nodes, Strategy::Fifo, Time::ZERO);
    pool.failed(0, Time::ZERO);
    pool.failed(1, Time::ZERO);
    assert_eq!(pick(&mut pool, &nodes, Strategy::Fifo, Time::ZERO), Some(0));
    assert_eq!(pick(&mut pool, &[], Strategy::Fifo, Time::ZERO), None);
}

#[test]
fn backups_wait_for_the_others_to_fail() {
    let mut pool = Pool::default();
    let mut nodes = nodes(2);
    nodes[0].backup = true;
    assert_eq!(pick(&mut pool, &nodes, Strategy::Fifo, Time::ZERO), Some(1));
    pool.failed(1, Time::ZERO);
    assert_eq!(pick(&mut pool, &nodes, Strategy::Fifo, Time::ZERO), Some(0));
}

#[test]
fn the_hash_is_crc32() {
    assert_eq!(hash(CLIENT), 0xd7b7_e7a8);
    let a = pick(&mut Pool::default(), &nodes(5), Strategy::Hash, Time::ZERO);
    let b = pick(&mut Pool::default(), &nodes(5), Strategy::Hash, Time::ZERO);
    assert_eq!(a, b);
}

#[test]
fn of_the_failed_the_first_one_is_tried_again_first() {
    let mut pool = Pool::default();
    let nodes = nodes(3);
    let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
    let next = |pool: &mut Pool, seconds| pick(pool, &nodes, Strategy::Round, at(seconds));
    next(&mut pool, 0);
    for (seconds, index) in [(1, 2), (2, 0), (3, 1)] {
        pool.failed(index, at(seconds));
    }
    assert_eq!(next(&mut pool, 4), Some(2));
    pool.failed(2, at(4));
    assert_eq!(next(&mut pool, 5), Some(0));
}

#[test]
fn a_node_has_its_own_number_of_failures_and_its_own_time() {
    let mut pool = Pool::default();
    let mut nodes = nodes(2);
    nodes[0].overrides = Overrides {
        max_fails: Some(2),
        fail_timeout: Some(Duration::from_secs(60)),
    };
    let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
    let next = |pool: &mut Pool, seconds| pick(pool, &nodes, Strategy::Fifo, at(seconds));
    assert_eq!(next(&mut pool, 0), Some(0));
    pool.failed(0, at(0));
    assert_eq!(next(&mut pool, 0), Some(0));
    pool.failed(0, at(0));
    assert_eq!(next(&mut pool, 59), Some(1));
    assert_eq!(next(&mut pool, 60), Some(0));
}

#[test]
fn the_quickest_is_taken_and_the_others_are_looked_at_again() {
    let mut pool = Pool::default();
    let list = nodes(3);
    let at = |seconds: u64| Time::ZERO + Duration::from_secs(seconds);
    let next = |pool: &mut Pool, seconds| pick(pool, &list, Strategy::Latency, at(seconds));
    for (node, millis) in [(0, 50), (1, 20), (2, 30)] {
        assert_eq!(next(&mut pool, 0), Some(node), "unknown ones first");
        pool.took(node, Duration::from_millis(millis), at(0));
    }
    assert_eq!(next(&mut pool, 1), Some(1));
    // A single slow moment changes little.
    pool.took(1, Duration::from_millis(40), at(1));
    assert_eq!(next(&mut pool, 2), Some(1));
    pool.took(1, Duration::from_millis(90), at(2));
    assert_eq!(next(&mut pool, 3), Some(2));
    pool.failed(2, at(3));
    assert_eq!(next(&mut pool, 4), Some(1));
    pool.succeeded(2);
    // One connection finds out anew, others go on with what was known.
    assert_eq!(next(&mut pool, 60), Some(0));
    assert_eq!(next(&mut pool, 60), Some(2));
    assert_eq!(next(&mut pool, 60), Some(2));
    pool.took(0, Duration::from_millis(1), at(61));
    pool.took(0, Duration::from_millis(1), at(61));
    assert_eq!(next(&mut pool, 61), Some(0));
}

/// Nobody waits for what a single connection finds out.
#[test]
fn nodes_that_are_not_known_yet_take_turns() {
    let mut pool = Pool::default();
    let list = nodes(2);
    let next = |pool: &mut Pool| pick(pool, &list, Strategy::Latency, Time::ZERO);
    let taken: Vec<_> = (0..6).map(|_| next(&mut pool).unwrap()).collect();
    assert_eq!(
        taken.iter().filter(|node| **node == 0).count(),
        3,
        "{taken:?}"
    );
    pool.took(1, Duration::from_secs(9), Time::ZERO);
    assert!((0..3).all(|_| next(&mut pool) == Some(1)));
}

#[test]
fn slow_nodes_are_left_out_while_there_are_others() {
    let mut pool = Pool::default();
    let list = nodes(2);
    let selector = Selector {
        max_latency: Some(Duration::from_millis(100)),
        ..Selector::default()
    };
    let mut entropy = Entropy::new([1; 32]);
    let mut next = |pool: &mut Pool, seconds| {
        let now = Time::ZERO + Duration::from_secs(seconds);
        pool.select(&list, &selector, CLIENT, &[], now, &mut entropy)
    };
    let mut taken = [next(&mut pool, 0), next(&mut pool, 0)];
    taken.sort();
    assert_eq!(taken, [Some(0), Some(1)]);
    pool.took(0, Duration::from_millis(101), Time::ZERO);
    pool.took(1, Duration::from_millis(100), Time::ZERO);
    assert!((0..4).all(|_| next(&mut pool, 1) == Some(1)));
    pool.took(1, Duration::from_secs(1), Time::ZERO);
    let both: Vec<_> = (0..2).map(|_| next(&mut pool, 2)).collect();
    assert_ne!(both[0], both[1], "all are slow");
    pool.took(1, Duration::ZERO, Time::ZERO + Duration::from_secs(50));
    let later: Vec<_> = (0..2).map(|_| next(&mut pool, 61)).collect();
    assert!(later.contains(&Some(0)), "it may be quick again");
}

#[test]
fn random_goes_by_weight() {
    let mut nodes = nodes(2);
    nodes[1].weight = 9;
    let selector = Selector {
        strategy: Strategy::Random,
        ..Selector::default()
    };
    let (mut pool, mut entropy) = (Pool::default(), Entropy::new([1; 32]));
    let mut counts = [0; 2];
    for _ in 0..10_000 {
        let index = pool.select(&nodes, &selector, CLIENT, &[], Time::ZERO, &mut entropy);
        counts[index.unwrap()] += 1;
    }
    assert!((800..1200).contains(&counts[0]), "{counts:?}");
}

proptest! {
    /// Whatever failed, somebody is chosen, nobody that failed while another works, and no backup
    /// while one that is none works.
    #[test]
    fn somebody_is_chosen_and_rightly(
        backups in prop::collection::vec(any::<bool>(), 1..6),
        fails in prop::collection::vec((0usize..6, 0u64..20), 0..12),
        avoid in prop::collection::vec(0usize..6, 0..4),
        strategy in prop::sample::select(vec![Strategy::Round, Strategy::Random, Strategy::Fifo, Strategy::Hash, Strategy::Latency]),
    ) {
        let mut nodes = nodes(backups.len());
        for (node, backup) in nodes.iter_mut().zip(&backups) {
            node.backup = *backup;
        }
        let mut pool = Pool::default();
        pick(&mut pool, &nodes, strategy, Time::ZERO);
        let mut fails = fails;
        fails.sort_by_key(|(_, at)| *at);
        let now = Time::ZERO + Duration::from_secs(20);
        let mut last = vec![None; nodes.len()];
        for (index, at) in fails.into_iter().filter(|(index, _)| *index < backups.len()) {
            pool.failed(index, Time::ZERO + Duration::from_secs(at));
            last[index] = Some(at);
        }
        let selector = Selector { strategy, ..Selector::default() };
        let mut entropy = Entropy::new([2; 32]);
        let chosen = pool.select(&nodes, &selector, CLIENT, &avoid, now, &mut entropy).unwrap();
        let works = |index: usize| last[index].is_none_or(|at| at <= 10) && !avoid.contains(&index);
        if (0..nodes.len()).any(works) {
            prop_assert!(works(chosen));
            let full = |index: usize| works(index) && !backups[index];
            prop_assert!(full(chosen) || !(0..nodes.len()).any(full));
        }
    }
}
