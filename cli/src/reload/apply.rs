//! Doing what a change says: first all that can fail, then the rest.

use std::collections::BTreeMap;
use std::io;

use ginnel_core::driver::{Controller, Listener};
use ginnel_core::plan::Plan;

use super::change::{Change, From};
use super::running::{Running, Serving, Slot};
use crate::listen::{self, Sharing};

pub struct Applied {
    /// Service, address, and whether the system chose the port.
    pub listening: Vec<(usize, String, Option<u16>)>,
    pub failed: Vec<io::Error>,
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
        let mut listeners = self.bind(running)?;
        self.take_over(running, &mut listeners)?;
        let served = self.served.iter();
        let serve: Vec<_> = served
            .map(|one| (one.slot, listeners.get(&one.slot)))
            .collect();
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
        self.finish(running, listeners);
        Ok(Applied { listening, failed })
    }

    /// New listeners, by the places of their services. All addresses are reserved before one of them listens.
    fn bind(&self, running: &Running) -> io::Result<BTreeMap<usize, Listener>> {
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
        Ok(listeners)
    }

    /// Adds the listeners of services that do not go on.
    fn take_over(
        &self,
        running: &Running,
        listeners: &mut BTreeMap<usize, Listener>,
    ) -> io::Result<()> {
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
        Ok(())
    }

    fn finish(self, running: &mut Running, mut listeners: BTreeMap<usize, Listener>) {
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
            running.slots[served.slot].serving = match listeners.remove(&served.slot) {
                None => old[served.slot].take(),
                Some(listener) => Some(Serving {
                    listen: served.listen,
                    listener,
                }),
            };
        }
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
