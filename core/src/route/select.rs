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
mod tests;
