//! From what runs to what shall run: which services stay, which start anew, where they listen.
//!
//! A plan only grows. What is new or changed gets a place behind all others, or that of an equal one that
//! ran before; a place that is left stays as it is, for the connections that still belong to it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use ginnel_core::driver::{Controller, Listener};
use ginnel_core::plan::{Chain, Plan, Resolver};

use super::keys;
use crate::config::lower::{Listen, Lowered};
use crate::config::model::Config;
use crate::listen::{self, Sharing};

/// What is served now.
pub struct Running {
    pub plan: Arc<Plan>,
    /// One for each service of the plan.
    slots: Vec<Slot>,
    /// Their keys.
    chains: Vec<String>,
}

struct Slot {
    key: String,
    name: String,
    serving: Option<Serving>,
}

struct Serving {
    listen: Listen,
    listener: Listener,
}

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
    new: Vec<(String, String)>,
    chains: Vec<String>,
    served: Vec<Served>,
}

struct Served {
    slot: usize,
    listen: Listen,
    from: From,
}

/// Where a listener comes from.
enum From {
    Kept,
    /// From the service that had the address, which does not go on.
    Taken(usize),
    Bound,
}

impl Running {
    /// `listeners` are those of the plan's services.
    pub fn new(config: &Config, lowered: &Lowered, listeners: &[Listener]) -> io::Result<Self> {
        let plan = Arc::new(lowered.plan.clone());
        let mut slots = Vec::new();
        for (index, planned) in plan.services.iter().enumerate() {
            slots.push(Slot {
                key: keys::service(config, &config.services[index], planned),
                name: planned.name.clone(),
                serving: Some(Serving {
                    listen: lowered.listens[index].clone(),
                    listener: listeners[index].try_clone()?,
                }),
            });
        }
        let names = plan.chains.iter().map(|chain| &chain.name);
        let chains = names.map(|name| keys::chain(config, name)).collect();
        Ok(Self {
            plan,
            slots,
            chains,
        })
    }

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
        let mut stays = vec![false; self.slots.len()];
        let mut kept = Vec::new();
        for key in &keys {
            let slot = self.find(key, |index, slot| slot.serving.is_some() && !stays[index]);
            if let Some(slot) = slot {
                stays[slot] = true;
            }
            kept.push(slot);
        }
        let mut left: Vec<_> = (0..self.slots.len())
            .filter(|slot| !stays[*slot] && self.slots[*slot].serving.is_some())
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
                    planned.chain = planned.chain.map(|chain| chains.place(chain));
                    if let Some(reverse) = &mut planned.listener.reverse {
                        reverse.chain = chains.place(reverse.chain);
                    }
                    if let Some(group) = &mut planned.policy.group {
                        for member in &mut Arc::make_mut(group).members {
                            member.chain = chains.place(member.chain);
                        }
                    }
                    chains.replace(&mut planned.policy.resolver);
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

    fn find(&self, key: &str, wanted: impl Fn(usize, &Slot) -> bool) -> Option<usize> {
        let mut slots = self.slots.iter().enumerate();
        slots
            .find(|(index, slot)| slot.key == key && wanted(*index, slot))
            .map(|(index, _)| index)
    }

    /// A service's own one before that of another; a port chosen by the system belongs to one service.
    fn listener(&self, left: &[usize], listen: &Listen, name: &str) -> Option<usize> {
        let has = |slot: &&usize| {
            let serving = self.slots[**slot].serving.as_ref();
            serving.is_some_and(|serving| {
                (&serving.listen.addr, serving.listen.network) == (&listen.addr, listen.network)
            })
        };
        let own = |slot: &&usize| self.slots[**slot].name == name;
        let mut found = left.iter().filter(has);
        let any = listen.random || listen.addr.ends_with(":0");
        left.iter()
            .find(|slot| has(slot) && own(slot))
            .or_else(|| found.next().filter(|_| !any))
            .copied()
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

impl Change {
    /// Does it, or returns an error and has done nothing. The services that listen anew are returned with
    /// what single threads could not do.
    pub fn apply(
        self,
        running: &mut Running,
        controller: &Controller,
        before: impl FnOnce(&Plan),
    ) -> io::Result<Applied> {
        let leaving = self.leaving(running);
        let mut sharing = None;
        let mut reserved = Vec::new();
        for served in &self.served {
            let From::Bound = served.from else { continue };
            let (addr, network) = (&served.listen.addr, served.listen.network);
            let taken = match listen::reserve(addr, network) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && !leaving.is_empty() => {
                    if sharing.is_none() {
                        sharing = Some(Sharing::new(&leaving)?);
                    }
                    sharing
                        .as_ref()
                        .map_or(Err(error), |all| all.reserve(addr, network))
                }
                taken => taken,
            };
            reserved.push((served, taken?));
        }
        let mut listeners = BTreeMap::new();
        for (served, reserved) in reserved {
            listeners.insert(served.slot, reserved.listen(served.listen.backlog)?);
        }
        drop(sharing);
        for served in &self.served {
            if let From::Taken(slot) = served.from
                && let Some(serving) = &running.slots[slot].serving
            {
                let listener = serving.listener.try_clone()?;
                if let Listener::Stream(listener) = &listener
                    && serving.listen.backlog != served.listen.backlog
                {
                    listener.listen(served.listen.backlog)?;
                }
                listeners.insert(served.slot, listener);
            }
        }
        let serve = self
            .served
            .iter()
            .map(|one| (one.slot, listeners.get(&one.slot)));
        let serve: Vec<_> = serve.collect();
        let mut listening = Vec::new();
        for served in &self.served {
            if let Some(listener) = listeners.get(&served.slot)
                && let Some(addr) = listener.local_addr()?
            {
                let port = served.listen.random.then_some(addr.port());
                listening.push((served.slot, listener.place()?, port));
            }
        }
        before(&self.plan);
        let failed = controller.reload(&self.plan, &serve)?;
        running.plan = self.plan;
        running.chains = self.chains;
        let slots = self.new.into_iter().map(|(key, name)| Slot {
            key,
            name,
            serving: None,
        });
        running.slots.extend(slots);
        let slots = running.slots.iter_mut();
        let mut old: Vec<_> = slots.map(|slot| slot.serving.take()).collect();
        for served in self.served {
            let slot = &mut running.slots[served.slot];
            let Some(listener) = listeners.remove(&served.slot) else {
                slot.serving = old[served.slot].take();
                continue;
            };
            slot.serving = Some(Serving {
                listen: served.listen,
                listener,
            });
        }
        Ok(Applied { listening, failed })
    }

    /// The listeners that nobody goes on with.
    fn leaving<'a>(&self, running: &'a Running) -> Vec<&'a Listener> {
        let goes_on = |slot: usize| {
            self.served.iter().any(|served| match served.from {
                From::Kept => served.slot == slot,
                From::Taken(from) => from == slot,
                From::Bound => false,
            })
        };
        let slots = running.slots.iter().enumerate();
        slots
            .filter(|(slot, _)| !goes_on(*slot))
            .filter_map(|(_, slot)| Some(&slot.serving.as_ref()?.listener))
            .collect()
    }
}

pub struct Applied {
    /// Service, address, and whether the system chose the port.
    pub listening: Vec<(usize, String, Option<u16>)>,
    pub failed: Vec<io::Error>,
}
