//! The hub: one mux session a node, shared by all connections that go through it; and the memory of
//! which node's turn it is.

use std::collections::HashMap;

use super::link::{Base, Top};
use super::mux_session::Side;
use super::pick::Route;
use super::{DialId, Engine, LinkId, MuxId};
use crate::error::{Cause, Fail};
use crate::event::Traced;
use crate::layer::Info;
use crate::route::Pool;

/// A mux session is shared by everything that takes the same nodes up to it (chain, and one `(hop, node)` each)
/// and came through as many proxies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct HubKey {
    chain: usize,
    picks: Vec<(usize, usize)>,
    /// What the node was told about the number of proxies: a circle is not closed within one session.
    pub(super) hops: u8,
}

#[derive(Default)]
pub(super) struct Hub {
    entries: HashMap<HubKey, Entry>,
    pools: HashMap<(usize, usize), Pool>,
    targets: HashMap<usize, Pool>,
    groups: HashMap<usize, Pool>,
}

#[derive(Default)]
pub(super) struct Entry {
    pub(super) up: Option<MuxId>,
    pub(super) dialing: Option<DialId>,
    /// For the session that is being dialed, or for a sign of life of the one that is up.
    pub(super) waiting: Vec<DialId>,
    /// The last session was lost.
    pub(super) lost: bool,
}

impl Entry {
    pub(super) fn found_again(&mut self) -> bool {
        std::mem::take(&mut self.lost)
    }
}

impl Hub {
    pub(super) fn pool(&mut self, chain: usize, hop: usize) -> &mut Pool {
        self.pools.entry((chain, hop)).or_default()
    }

    pub(super) fn targets(&mut self, service: usize) -> &mut Pool {
        self.targets.entry(service).or_default()
    }

    pub(super) fn entry(&mut self, key: &HubKey) -> Option<&mut Entry> {
        self.entries.get_mut(key)
    }

    pub(super) fn first_waiting(&self, key: &HubKey) -> Option<DialId> {
        self.entries.get(key)?.waiting.first().copied()
    }

    pub(super) fn group(&mut self, service: usize) -> &mut Pool {
        self.groups.entry(service).or_default()
    }

    /// A dial does not wait any more.
    pub(super) fn forget(&mut self, dial: DialId) {
        for entry in self.entries.values_mut() {
            entry.waiting.retain(|waiting| *waiting != dial);
        }
    }
}

impl Engine {
    /// Gives the dial a stream of the session at node `at` of its route, dialing one if there is none.
    pub(super) fn join_mux(&mut self, dial: DialId, at: usize) {
        let Some((service, route)) = self.dial_route(dial) else {
            return;
        };
        let key = HubKey {
            chain: route.chain,
            picks: route.picks[..=at].to_vec(),
            hops: self.dial_hops(dial),
        };
        let entry = self.hub.entries.entry(key.clone()).or_default();
        if let Some(mux) = entry.up
            && self.muxes.get(mux).is_some_and(|mux| mux.smux.can_open())
        {
            if !self.must_wait(dial, at, mux) {
                return self.open_stream(dial, mux);
            }
            let entry = self.hub.entries.entry(key).or_default();
            return entry.waiting.push(dial);
        }
        entry.waiting.push(dial);
        if entry.dialing.is_some() {
            return;
        }
        let route = Route {
            nodes: route.nodes[..=at].to_vec(),
            picks: route.picks[..=at].to_vec(),
            ..route
        };
        let sub = self.start_mux_dial(service, key.clone(), route);
        // It may have failed at once.
        if self.dials.contains_key(sub)
            && let Some(entry) = self.hub.entries.get_mut(&key)
        {
            entry.dialing = Some(sub);
        }
    }

    pub(super) fn open_stream(&mut self, dial: DialId, mux: MuxId) {
        let ends = self.links[self.muxes[mux].link].ends.clone();
        let base = Base::Stream { mux, id: 0 };
        let link = self.new_link(base, ends, Top::Dial(dial));
        match self.muxes[mux].smux.open(link) {
            Ok(id) => {
                self.links[link].base = Base::Stream { mux, id };
                // TLS inside SOCKS5 ends in a deadline that a gost puts on the whole session: never on a stream.
                self.links[link].encrypted = true;
                self.trace(link, || Traced::StreamOpened { stream: id });
                self.want_pump(mux);
                self.dial_on_stream(dial, link, mux);
            }
            Err(fail) => {
                self.drop_link(link);
                self.dial_failed(dial, fail);
            }
        }
    }

    /// The link to a mux node is up.
    pub(super) fn mux_dialed(&mut self, dial: DialId, link: LinkId, info: Info) {
        let Some((key, node, rest)) = self.take_mux_dial(dial) else {
            return;
        };
        let place = format!("{} ({})", node.name, node.addr);
        let plan = node.dialer.mux.clone().unwrap_or_default();
        let side = Side::Client {
            key: key.clone(),
            place,
        };
        let mux = self.new_mux(link, &plan, side, info);
        let entry = self.hub.entries.entry(key).or_default();
        let before = entry.up.replace(mux);
        entry.dialing = None;
        let waiting = std::mem::take(&mut entry.waiting);
        if let Some(full) = before {
            self.retire(full);
        }
        for waiting in waiting {
            if !self.muxes.contains_key(mux) {
                self.dial_failed(
                    waiting,
                    Fail::new(Cause::Closed, "the mux session ended at once"),
                );
            } else if self.dials.contains_key(waiting) {
                self.open_stream(waiting, mux);
            }
        }
        if !rest.is_empty() {
            self.mux_data(mux, rest);
        }
    }

    pub(super) fn mux_dial_failed(&mut self, key: &HubKey, fail: Fail) {
        let Some(entry) = self.hub.entries.get_mut(key) else {
            return;
        };
        entry.dialing = None;
        for waiting in std::mem::take(&mut entry.waiting) {
            self.dial_failed(waiting, fail.clone());
        }
    }
}
