//! Choosing among the nodes of a hop (or the targets of a forwarder), and remembering who failed.

use std::net::IpAddr;

use crate::entropy::Entropy;
use crate::plan::{Selector, Strategy};
use crate::time::Time;

/// What a selection has to know about a node.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    pub weight: u32,
    /// Used only when no other is left.
    pub backup: bool,
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
}

impl Pool {
    /// The index of the node to use, or `None` when there is none at all.
    ///
    /// Nodes in `avoid` failed this very connection and are taken only when nothing else is left; so are
    /// nodes that are out because of earlier failures. A selection never ends in "none" because all failed.
    pub fn select(
        &mut self,
        nodes: &[Candidate],
        selector: &Selector,
        client: IpAddr,
        avoid: &[usize],
        now: Time,
        entropy: &mut Entropy,
    ) -> Option<usize> {
        self.marks.resize(nodes.len(), Mark::default());
        let alive = |index: &usize| !self.is_out(*index, selector, now) && !avoid.contains(index);
        let mut choice: Vec<usize> = (0..nodes.len()).filter(alive).collect();
        if choice.is_empty() {
            choice = (0..nodes.len())
                .filter(|index| !avoid.contains(index))
                .collect();
        }
        if choice.is_empty() {
            choice = (0..nodes.len()).collect();
        }
        if choice.iter().any(|index| !nodes[*index].backup) {
            choice.retain(|index| !nodes[*index].backup);
        }
        if choice.len() < 2 {
            return choice.first().copied();
        }
        Some(match selector.strategy {
            Strategy::Fifo => choice[0],
            Strategy::Round => {
                let index = choice[self.turn % choice.len()];
                self.turn = self.turn.wrapping_add(1);
                index
            }
            Strategy::Random => weighted(nodes, &choice, entropy),
            Strategy::Hash => choice[hash(client) as usize % choice.len()],
        })
    }

    pub fn failed(&mut self, index: usize, now: Time) {
        if let Some(mark) = self.marks.get_mut(index) {
            mark.fails = mark.fails.saturating_add(1);
            mark.last = now;
        }
    }

    pub fn succeeded(&mut self, index: usize) {
        if let Some(mark) = self.marks.get_mut(index) {
            *mark = Mark::default();
        }
    }

    fn is_out(&self, index: usize, selector: &Selector, now: Time) -> bool {
        let mark = self.marks[index];
        selector.max_fails > 0
            && mark.fails >= selector.max_fails
            && now.since(mark.last) < selector.fail_timeout
    }
}

fn weighted(nodes: &[Candidate], choice: &[usize], entropy: &mut Entropy) -> usize {
    let total: u64 = choice
        .iter()
        .map(|index| u64::from(nodes[*index].weight.max(1)))
        .sum();
    let mut at = entropy.below(total);
    for index in choice {
        let weight = u64::from(nodes[*index].weight.max(1));
        if at < weight {
            return *index;
        }
        at -= weight;
    }
    choice[0]
}

/// CRC-32 (IEEE) of the address text, as gost hashes it, so that both send a client to the same node.
fn hash(client: IpAddr) -> u32 {
    let mut crc = u32::MAX;
    for byte in client.to_string().bytes() {
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

    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn nodes(n: usize) -> Vec<Candidate> {
        let node = Candidate {
            weight: 1,
            backup: false,
        };
        vec![node; n]
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
}
