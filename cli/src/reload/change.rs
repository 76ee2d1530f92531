//! From what runs to what shall run: which services stay, which start anew, where they listen.

use std::fmt;
use std::sync::Arc;

use ginnel_core::plan::{Chain, Plan, Resolver, Service};

use super::keys;
use super::running::Running;
use crate::config::lower::{Listen, Lowered};
use crate::config::model::Config;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub added: usize,
    pub changed: usize,
    pub removed: usize,
    pub unchanged: usize,
}

impl Counts {
    pub fn is_none(&self) -> bool {
        self.added + self.changed + self.removed == 0
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            added,
            changed,
            removed,
            unchanged,
        } = self;
        let services = if *added == 1 { "service" } else { "services" };
        write!(
            f,
            "{added} {services} added, {changed} changed, {removed} removed, {unchanged} unchanged"
        )
    }
}

/// A change that is worked out, and of which nothing is done.
pub struct Change {
    pub plan: Arc<Plan>,
    pub counts: Counts,
    /// Of the places behind those that there are.
    pub(super) new: Vec<(String, String)>,
    pub(super) chains: Vec<String>,
    pub(super) served: Vec<Served>,
}

pub(super) struct Served {
    pub(super) slot: usize,
    pub(super) listen: Listen,
    pub(super) from: From,
}

/// Where a listener comes from.
pub(super) enum From {
    Kept,
    /// From the service that had the address, which does not go on.
    Taken(usize),
    Bound,
}

impl Running {
    pub fn change(&self, config: &Config, lowered: &Lowered) -> Change {
        let mut plan = Plan {
            limits: lowered.plan.limits.clone(),
            trace: lowered.plan.trace,
            ..(*self.plan).clone()
        };
        let mut chains = Chains {
            lowered,
            config,
            keys: self.chains.clone(),
            planned: std::mem::take(&mut plan.chains),
        };
        let mut new: Vec<(String, String)> = Vec::new();
        let mut counts = Counts::default();
        let keys: Vec<_> = lowered
            .plan
            .services
            .iter()
            .zip(&config.services)
            .map(|(planned, model)| keys::service(config, model, planned))
            .collect();
        // Those that stay are known first: the others may take what is left.
        let kept = self.kept(&keys);
        let mut left: Vec<_> = (0..self.slots.len())
            .filter(|slot| !kept.contains(&Some(*slot)) && self.slots[*slot].serving.is_some())
            .collect();
        let mut listeners = left.clone();
        let mut served = Vec::new();
        for (index, key) in keys.into_iter().enumerate() {
            let listen = lowered.listens[index].clone();
            if let Some(slot) = kept[index] {
                counts.unchanged += 1;
                served.push(Served {
                    slot,
                    listen,
                    from: From::Kept,
                });
                continue;
            }
            let mut planned = lowered.plan.services[index].clone();
            let name = planned.name.clone();
            match left.iter().position(|slot| self.slots[*slot].name == name) {
                Some(at) => {
                    left.remove(at);
                    counts.changed += 1;
                }
                None => counts.added += 1,
            }
            let from = match self.listener(&listeners, &listen, &name) {
                Some(slot) => {
                    listeners.retain(|one| *one != slot);
                    From::Taken(slot)
                }
                None => From::Bound,
            };
            let slot = match self.find(&key, |_, slot| slot.serving.is_none()) {
                Some(slot) => slot,
                None => {
                    chains.place_all(&mut planned);
                    plan.services.push(planned);
                    new.push((key, name));
                    plan.services.len() - 1
                }
            };
            served.push(Served { slot, listen, from });
        }
        counts.removed = left.len();
        plan.chains = chains.planned;
        let chains = chains.keys;
        Change {
            plan: Arc::new(plan),
            counts,
            new,
            chains,
            served,
        }
    }

    /// The place of each service that goes on as it is. No two have the same.
    fn kept(&self, keys: &[String]) -> Vec<Option<usize>> {
        let mut stays = vec![false; self.slots.len()];
        let kept = keys.iter().map(|key| {
            let slot = self.find(key, |index, slot| slot.serving.is_some() && !stays[index])?;
            stays[slot] = true;
            Some(slot)
        });
        kept.collect()
    }
}

/// Chains that have, or get, a place in the plan.
struct Chains<'a> {
    lowered: &'a Lowered,
    config: &'a Config,
    keys: Vec<String>,
    planned: Vec<Chain>,
}

impl Chains<'_> {
    /// Turns a service's chain numbers, which are those of the new plan, into places of the plan that runs.
    fn place_all(&mut self, planned: &mut Service) {
        planned.chain = planned.chain.map(|chain| self.place(chain));
        if let Some(reverse) = &mut planned.listener.reverse {
            reverse.chain = self.place(reverse.chain);
        }
        if let Some(group) = &mut planned.policy.group {
            for member in &mut Arc::make_mut(group).members {
                member.chain = self.place(member.chain);
            }
        }
        self.replace(&mut planned.policy.resolver);
    }

    /// Where a chain of the new plan is.
    fn place(&mut self, index: usize) -> usize {
        let mut chain = self.lowered.plan.chains[index].clone();
        let key = keys::chain(self.config, &chain.name);
        if let Some(place) = self.keys.iter().position(|one| *one == key) {
            return place;
        }
        let place = self.keys.len();
        self.keys.push(key);
        self.planned.push(chain.clone());
        let nodes = chain.hops.iter_mut().flat_map(|hop| &mut hop.nodes);
        for node in nodes.filter(|node| node.policy.resolver.is_some()) {
            self.replace(&mut Arc::make_mut(node).policy.resolver);
        }
        self.planned[place] = chain;
        place
    }

    fn replace(&mut self, resolver: &mut Option<Arc<Resolver>>) {
        let Some(resolver) = resolver else { return };
        let servers = &mut Arc::make_mut(resolver).servers;
        for chain in servers.iter_mut().filter_map(|one| one.chain.as_mut()) {
            *chain = self.place(*chain);
        }
    }
}
