//! What runs: the plan, and which of its services listen.
//!
//! A plan only grows. What is new or changed gets a place behind all others, or that of an equal one that
//! ran before; a place that is left stays as it is, for the connections that still belong to it.

use std::io;
use std::sync::Arc;

use ginnel_core::driver::Listener;
use ginnel_core::plan::Plan;

use super::keys;
use crate::config::lower::{Listen, Lowered};
use crate::config::model::Config;

/// What is served now.
pub struct Running {
    pub plan: Arc<Plan>,
    /// One for each service of the plan.
    pub(super) slots: Vec<Slot>,
    /// Their keys.
    pub(super) chains: Vec<String>,
}

pub(super) struct Slot {
    pub(super) key: String,
    pub(super) name: String,
    pub(super) serving: Option<Serving>,
}

pub(super) struct Serving {
    pub(super) listen: Listen,
    pub(super) listener: Listener,
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

    /// The first service of `key` that is `wanted`.
    pub(super) fn find(&self, key: &str, wanted: impl Fn(usize, &Slot) -> bool) -> Option<usize> {
        let mut slots = self.slots.iter().enumerate();
        slots
            .find(|(index, slot)| slot.key == key && wanted(*index, slot))
            .map(|(index, _)| index)
    }

    /// A service's own one before that of another; a port chosen by the system belongs to one service.
    pub(super) fn listener(&self, left: &[usize], listen: &Listen, name: &str) -> Option<usize> {
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
