//! Choosing among the nodes of a hop (or the targets of a forwarder), and remembering who failed, and how long it
//! took to reach whom.

use std::time::Duration;

use crate::entropy::Entropy;
use crate::plan::{ForwardNode, GroupMember, Node, Overrides, Selector, Strategy};
use crate::route::rule::Rule;
use crate::time::Time;

/// What a selection has to know about a node.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Its place in the hop, which the pool remembers it by.
    pub index: usize,
    pub weight: u32,
    /// Used only when no other is left.
    pub backup: bool,
    pub overrides: Overrides,
    /// Of those that work, the ones with the highest are taken.
    pub priority: u32,
}

impl Candidate {
    pub fn node(index: usize, node: &Node) -> Self {
        Self {
            index,
            weight: node.weight,
            backup: node.backup,
            overrides: node.policy.overrides,
            priority: priority(node.policy.rule.as_ref()),
        }
    }

    pub fn target(index: usize, target: &ForwardNode) -> Self {
        Self {
            index,
            weight: target.weight,
            backup: target.backup,
            overrides: target.overrides,
            priority: priority(target.rules.rule.as_ref()),
        }
    }

    pub fn member(index: usize, member: &GroupMember) -> Self {
        Self {
            index,
            weight: member.weight,
            backup: member.backup,
            overrides: member.overrides,
            priority: 0,
        }
    }
}

fn priority(rule: Option<&Rule>) -> u32 {
    rule.map_or(0, |rule| rule.priority)
}

/// The memory of one hop: whose turn it is, and who failed when.
#[derive(Debug, Default)]
pub struct Pool {
    turn: usize,
    marks: Vec<Mark>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    fails: u32,
    last: Time,
    latency: Option<Latency>,
    /// When a connection went to find out the latency.
    asked: Option<Time>,
}

/// How long it took to reach a node, and when that was known.
#[derive(Clone, Copy, Debug)]
struct Latency {
    took: Duration,
    at: Time,
}

/// A latency that is older is found out anew, by one connection.
const FRESH: Duration = Duration::from_secs(60);

impl Pool {
    /// The index of the node to use, or `None` when there is none at all.
    ///
    /// Nodes in `avoid` failed this very connection and are taken only when nothing else is left; so are
    /// nodes that are out because of earlier failures, the one that failed first before the others. A
    /// selection never ends in "none" because all failed. `source` is what the `hash` strategy goes by.
    pub fn select(
        &mut self,
        nodes: &[Candidate],
        selector: &Selector,
        source: &str,
        avoid: &[usize],
        now: Time,
        entropy: &mut Entropy,
    ) -> Option<usize> {
        let choice = self.eligible(nodes, selector, avoid, now);
        if choice.len() < 2 {
            return choice.first().map(|node| node.index);
        }
        Some(match selector.strategy {
            Strategy::Fifo => choice[0].index,
            Strategy::Round | Strategy::Parallel => {
                let index = choice[self.turn % choice.len()].index;
                self.turn = self.turn.wrapping_add(1);
                index
            }
            Strategy::Random => weighted(&choice, entropy),
            Strategy::Hash => choice[hash(source) as usize % choice.len()].index,
            Strategy::Latency => self.quickest(&choice, now),
        })
    }

    /// All that the strategy may choose from: those that work, else the one that failed first.
    pub fn eligible(
        &mut self,
        nodes: &[Candidate],
        selector: &Selector,
        avoid: &[usize],
        now: Time,
    ) -> Vec<Candidate> {
        let most = nodes.iter().map(|node| node.index + 1).max().unwrap_or(0);
        if self.marks.len() < most {
            self.marks.resize(most, Mark::default());
        }
        let untried = |node: &&Candidate| !avoid.contains(&node.index);
        let works = |node: &&Candidate| untried(node) && !self.is_out(node, selector, now);
        let mut choice: Vec<Candidate> = nodes.iter().filter(works).copied().collect();
        if choice.iter().any(|node| !node.backup) {
            choice.retain(|node| !node.backup);
        }
        let highest = choice.iter().map(|node| node.priority).max();
        choice.retain(|node| Some(node.priority) == highest);
        if let Some(most) = selector.max_latency
            && choice.iter().any(|node| !self.is_slow(node, most, now))
        {
            choice.retain(|node| !self.is_slow(node, most, now));
        }
        if choice.is_empty() {
            let first = |node: &&Candidate| self.marks[node.index].last;
            let rest = nodes.iter().filter(untried).min_by_key(first);
            choice.extend(rest.or_else(|| nodes.iter().min_by_key(first)));
        }
        choice
    }

    pub fn failed(&mut self, index: usize, now: Time) {
        if let Some(mark) = self.marks.get_mut(index) {
            mark.fails = mark.fails.saturating_add(1);
            mark.last = now;
        }
    }

    pub fn succeeded(&mut self, index: usize) {
        if let Some(mark) = self.marks.get_mut(index) {
            mark.fails = 0;
            mark.last = Time::ZERO;
        }
    }

    /// It took so long to reach it: the average of late, not the last one alone.
    pub fn took(&mut self, index: usize, took: Duration, now: Time) {
        if let Some(mark) = self.marks.get_mut(index) {
            let took = mark.latency.map_or(took, |old| (old.took * 3 + took) / 4);
            mark.latency = Some(Latency { took, at: now });
            mark.asked = None;
        }
    }

    /// The one that is reached soonest; before it one of which that is not known, or not any more. A single
    /// connection finds out: it may take long.
    fn quickest(&mut self, choice: &[Candidate], now: Time) -> usize {
        let is_asked = |node: &Candidate| {
            let asked = self.marks[node.index].asked;
            asked.is_some_and(|at| now.since(at) < FRESH)
        };
        let unknown = |node: &&Candidate| self.latency(node, now).is_none() && !is_asked(node);
        if let Some(node) = choice.iter().find(unknown) {
            self.marks[node.index].asked = Some(now);
            return node.index;
        }
        let known = choice.iter().filter_map(|node| {
            let latency = self.marks[node.index].latency?;
            Some((latency.took, node.index))
        });
        if let Some((_, index)) = known.min_by_key(|(took, _)| *took) {
            return index;
        }
        let index = choice[self.turn % choice.len()].index;
        self.turn = self.turn.wrapping_add(1);
        index
    }

    fn is_slow(&self, node: &Candidate, most: Duration, now: Time) -> bool {
        self.latency(node, now).is_some_and(|took| took > most)
    }

    fn latency(&self, node: &Candidate, now: Time) -> Option<Duration> {
        let latency = self.marks[node.index].latency?;
        (now.since(latency.at) < FRESH).then_some(latency.took)
    }

    fn is_out(&self, node: &Candidate, selector: &Selector, now: Time) -> bool {
        let mark = self.marks[node.index];
        let max_fails = node.overrides.max_fails.unwrap_or(selector.max_fails);
        let fail_timeout = node.overrides.fail_timeout;
        max_fails > 0
            && mark.fails >= max_fails
            && now.since(mark.last) < fail_timeout.unwrap_or(selector.fail_timeout)
    }
}

fn weighted(choice: &[Candidate], entropy: &mut Entropy) -> usize {
    let weight = |node: &Candidate| u64::from(node.weight.max(1));
    let mut at = entropy.below(choice.iter().map(weight).sum());
    for node in choice {
        if at < weight(node) {
            return node.index;
        }
        at -= weight(node);
    }
    choice[0].index
}

/// CRC-32 (IEEE) of the text, as gost hashes it, so that both send a client to the same node.
fn hash(source: &str) -> u32 {
    let mut crc = u32::MAX;
    for byte in source.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            let low = crc & 1;
            crc = (crc >> 1) ^ (0xedb8_8320 * low);
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
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
}
