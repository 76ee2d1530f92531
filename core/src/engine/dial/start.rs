//! How dials begin, and begin again: with a target and a route to it, and with a stream of a mux session or a socket.

use std::time::Duration;

use super::{Dial, Purpose, WAITING};
use crate::addr::{Carries, Host, Target};
use crate::engine::hub::HubKey;
use crate::engine::pick::{Picked, Route, Wish};
use crate::engine::{DialId, Engine, SessionId};

impl Engine {
    /// `target` `None` is one of the service's own.
    pub(in crate::engine) fn start_dial(&mut self, session: SessionId, target: Option<Target>) {
        let service = self.sessions[session].service;
        let retries = self.plan.services[service].retries;
        let forward = target.is_none().then_some(None);
        let target = target.unwrap_or(Target::new(Host::Name(String::new()), 0));
        let carries = match &self.sessions[session].udp {
            Some(association) => association.carries,
            None => Carries::Bytes,
        };
        let dial = Dial::new(Purpose::Session(session), service, target, self.now);
        let dial = self.dials.insert(Dial {
            retries,
            forward,
            carries,
            ..dial
        });
        self.sessions[session].dial = Some(dial);
        self.attempt(dial);
    }

    /// A dial for the mux session at the end of `route`.
    pub(in crate::engine) fn start_mux_dial(
        &mut self,
        service: usize,
        key: HubKey,
        route: Route,
    ) -> DialId {
        let target = route.nodes[route.nodes.len() - 1].addr.clone();
        let until = self.now + self.dial_limit(service);
        let dial = Dial::new(Purpose::Mux(key), service, target, until);
        let dial = self.dials.insert(Dial { route, ..dial });
        self.enter(dial);
        dial
    }

    /// Asks for the address of a name; the answer goes to `name_resolved`.
    pub(in crate::engine) fn start_lookup(&mut self, session: SessionId, name: &Target) -> DialId {
        let service = self.sessions[session].service;
        let until = self.now + self.dial_limit(service);
        let dial = Dial::new(Purpose::Lookup(session), service, name.clone(), until);
        let dial = self.dials.insert(dial);
        self.enter(dial);
        dial
    }

    pub(in crate::engine) fn dial_limit(&self, service: usize) -> Duration {
        let own = self.plan.services[service].policy.dial_timeout;
        own.unwrap_or(self.plan.limits.dial)
    }

    /// Chooses a target, where the service has its own, and a route, and starts on it.
    pub(in crate::engine) fn attempt(&mut self, id: DialId) {
        let service = self.dials[id].service;
        self.dials[id].route = Route::default();
        let session = match self.dials[id].purpose {
            Purpose::NameServer(_) => return self.take_way(id),
            Purpose::Session(session) => session,
            Purpose::Port(_) => return self.attempt_port(id),
            _ => return,
        };
        if self.dials[id].lost == 0 {
            self.dials[id].until = self.now + self.dial_limit(service);
        }
        if self.dials[id].forward.is_some() {
            let source = self.hash_source(session, None);
            let failed = self.dials[id].failed_targets.clone();
            let seen = self.sessions[session].seen.clone();
            let picked = self.pick_target(service, &source, &failed, seen.as_deref());
            let (index, target) = match picked {
                Ok(picked) => picked,
                Err(fail) => return self.give_up(id, fail),
            };
            let dial = &mut self.dials[id];
            dial.forward = Some(index);
            dial.target = target;
            dial.known.clear();
            self.sessions[session].target = Some(self.dials[id].target.to_string().into());
        }
        let known = self.known_addrs(service, &self.dials[id].target);
        let dial = &mut self.dials[id];
        // Names that a table knows travel no further.
        if let Some(ip) = known.first() {
            dial.target.host = Host::Ip(*ip);
            dial.known = known;
        }
        self.find_way(id);
    }

    /// Goes on with the target that is chosen.
    pub(in crate::engine) fn find_way(&mut self, id: DialId) {
        if !self.asks_for_target(id) {
            self.take_way(id);
        }
    }

    fn take_way(&mut self, id: DialId) {
        let dial = &self.dials[id];
        let (target, failed) = (dial.target.clone(), dial.failed.clone());
        let source = match dial.purpose {
            Purpose::Session(session) => self.hash_source(session, Some(&target)),
            _ => String::new(),
        };
        let wish = Wish {
            service: dial.service,
            chain: self.own_chain(id),
            source: &source,
            target: &target,
            failed: &failed,
        };
        // As with gost, a client means a socket file of this machine, whatever chain there is.
        let picked = match target.is_file() && dial.forward.is_none() {
            true => Ok(Picked::default()),
            false => self.pick_route(&wish),
        };
        match picked {
            Ok(picked) => self.take_route(id, picked),
            Err(fail) => self.give_up(id, fail),
        }
    }

    /// Begins a route: at a mux session where there is one, else with a socket.
    pub(in crate::engine) fn enter(&mut self, id: DialId) {
        if !self.dials.contains_key(id) {
            return;
        }
        if let Some(fail) = self.hinders(id) {
            return self.dial_failed(id, fail);
        }
        let dial = &self.dials[id];
        // A dial for a mux session may itself begin on a stream of an earlier one.
        let before = match dial.purpose {
            Purpose::Mux(_) => dial.route.nodes.len() - 1,
            _ => dial.route.nodes.len(),
        };
        let mux = dial.route.last_mux(before);
        if self.asks_for_nodes(id, mux.map_or(0, |at| at + 1)) {
            return;
        }
        let dial = &mut self.dials[id];
        dial.took.clear();
        dial.begun = None;
        if let Some(at) = mux {
            dial.at = at;
            dial.stage = WAITING;
            dial.stage_until = None;
            self.dial_timer(id);
            return self.join_mux(id, at);
        }
        dial.at = 0;
        dial.begun = Some(self.now);
        self.connect_first(id);
    }
}
