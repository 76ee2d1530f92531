//! Names that are asked of name servers of our own, not of the system.
//!
//! Whoever asks for the same name waits for one lookup. It asks one server after the other, over a dial each,
//! which is the way to the server and the exchange with it; what is found is remembered for as long as it is good.

mod cache;
mod exchange;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use self::cache::Known;
pub(super) use self::cache::Names;
pub(super) use self::exchange::Exchange;
use super::dial::Purpose;
use super::{DialId, Engine, LookupId};
use crate::addr::Host;
use crate::error::{Cause, Fail};
use crate::event::Traced;
use crate::plan::Resolver;
use crate::wire::dns::Answer;

const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A resolver, and what is asked of it.
type Name = (String, String);

pub(super) struct Lookup {
    resolver: Arc<Resolver>,
    host: String,
    service: usize,
    server: usize,
    /// The preferred family has no address: it is the other one's turn.
    second: bool,
    /// The answer does not fit into a datagram.
    stream: bool,
    dial: DialId,
    pub(super) waiting: Vec<DialId>,
    /// It goes on without anybody who waits.
    alone: bool,
}

/// What a dial waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) lookup: LookupId,
    /// The node of its route, else the target.
    node: Option<usize>,
}

impl Lookup {
    fn name(&self) -> Name {
        name_of(&self.resolver, &self.host)
    }
}

fn name_of(resolver: &Resolver, host: &str) -> Name {
    (resolver.name.clone(), host.to_ascii_lowercase())
}

impl Engine {
    /// True if the dial has to wait for its target's addresses, or has failed.
    pub(super) fn asks_for_target(&mut self, id: DialId) -> bool {
        let dial = &self.dials[id];
        let (Purpose::Session(_) | Purpose::Lookup(_)) = dial.purpose else {
            return false;
        };
        let plan = self.plan.clone();
        let Some(resolver) = &plan.services[dial.service].policy.resolver else {
            return false;
        };
        let Host::Name(host) = &dial.target.host else {
            return false;
        };
        // An empty name is the local machine, or what the far end chooses.
        if host.is_empty() {
            return false;
        }
        let host = host.clone();
        match self.look_up(id, resolver, host, None) {
            Some(addrs) => self.take_target(id, addrs),
            None => return true,
        }
        false
    }

    /// True if the dial has to wait for a node's address, or has failed. `from`: nodes in front of it are not
    /// connected to.
    pub(super) fn asks_for_nodes(&mut self, id: DialId, from: usize) -> bool {
        for at in from..self.dials[id].route.nodes.len() {
            let dial = &self.dials[id];
            let node = dial.route.nodes[at].clone();
            let (Some(resolver), Host::Name(host)) = (&node.policy.resolver, &node.addr.host)
            else {
                continue;
            };
            let known = dial.places.iter().any(|(known, _)| *known == at);
            if known || host.is_empty() || super::connect::mapped(&node).is_some() {
                continue;
            }
            match self.look_up(id, resolver, host.clone(), Some(at)) {
                Some(addrs) => self.dials[id].places.push((at, addrs)),
                None => return true,
            }
        }
        false
    }

    fn take_target(&mut self, id: DialId, addrs: Vec<IpAddr>) {
        let dial = &mut self.dials[id];
        if let Some(ip) = addrs.first() {
            dial.target.host = Host::Ip(*ip);
        }
        dial.known = addrs;
    }

    /// Addresses that are known, or the dial waits for a lookup.
    fn look_up(
        &mut self,
        id: DialId,
        resolver: &Arc<Resolver>,
        host: String,
        node: Option<usize>,
    ) -> Option<Vec<IpAddr>> {
        let name = name_of(resolver, &host);
        if let Some(addrs) = self.known(resolver, &host, self.dials[id].service) {
            return Some(addrs);
        }
        let dial = &mut self.dials[id];
        dial.stage = "resolving the name";
        dial.stage_until = None;
        dial.at = node.unwrap_or(dial.route.nodes.len());
        let service = dial.service;
        self.trace_dial(id, || Traced::Resolving { host: host.clone() });
        self.dial_timer(id);
        let asked = self.names.asked.get(&name).copied();
        let lookup = asked.unwrap_or_else(|| self.new_lookup(resolver, &host, service));
        self.dials[id].asked = Some(Asked { lookup, node });
        self.lookups[lookup].waiting.push(id);
        if asked.is_none() {
            self.ask_server(lookup);
        }
        None
    }

    fn new_lookup(&mut self, resolver: &Arc<Resolver>, host: &str, service: usize) -> LookupId {
        let lookup = Lookup {
            resolver: resolver.clone(),
            host: host.to_owned(),
            service,
            server: 0,
            second: false,
            stream: false,
            dial: DialId::default(),
            waiting: Vec::new(),
            alone: false,
        };
        let name = lookup.name();
        let id = self.lookups.insert(lookup);
        self.names.asked.insert(name, id);
        id
    }

    fn answered(&mut self, id: DialId, answer: Answer) {
        let Purpose::NameServer(lookup) = self.dials[id].purpose else {
            return;
        };
        let dial = &self.dials[id];
        let (route, took) = (dial.route.clone(), dial.took.clone());
        self.note_success(&route, &took);
        self.cancel_dial(id);
        let Some(asked) = self.lookups.get_mut(lookup) else {
            return;
        };
        let Some(server) = asked.resolver.servers.get(asked.server) else {
            return;
        };
        if answer.truncated && !asked.stream {
            asked.stream = true;
            return self.ask_server(lookup);
        }
        asked.stream = false;
        if !answer.addrs.is_empty() {
            let good = Duration::from_secs(answer.ttl.into());
            let good = server.ttl.unwrap_or(good).min(LONGEST);
            let known = Known {
                addrs: answer.addrs.clone(),
                until: self.now + good,
            };
            self.names.remember(asked.name(), known, self.now);
            return self.looked_up(lookup, Ok(answer.addrs));
        }
        match asked.second || server.only {
            true => (asked.server, asked.second) = (asked.server + 1, false),
            false => asked.second = true,
        }
        self.ask_server(lookup);
    }

    /// A server cannot tell: the next one is asked.
    pub(super) fn lookup_failed(&mut self, id: LookupId, fail: Fail) {
        let Some(lookup) = self.lookups.get_mut(id) else {
            return;
        };
        let last = lookup.server + 1 >= lookup.resolver.servers.len();
        if last || fail.cause == Cause::Local {
            let fail = Fail::new(fail.cause, format!("{}: {fail}", lookup.host));
            return self.looked_up(id, Err(fail));
        }
        (lookup.server, lookup.second, lookup.stream) = (lookup.server + 1, false, false);
        self.ask_server(id);
    }

    /// The end of a lookup: those who wait go on.
    fn looked_up(&mut self, id: LookupId, result: Result<Vec<IpAddr>, Fail>) {
        let Some(lookup) = self.lookups.remove(id) else {
            return;
        };
        self.names.asked.remove(&lookup.name());
        for waiting in lookup.waiting {
            let Some(dial) = self.dials.get_mut(waiting) else {
                continue;
            };
            let Some(asked) = dial.asked.take() else {
                continue;
            };
            if let (Ok(_), Purpose::Lookup(_)) = (&result, &dial.purpose) {
                let port = dial.target.port;
                let at = |ip: &IpAddr| SocketAddr::new(*ip, port);
                let addrs = result.as_ref().map(|addrs| addrs.iter().map(at).collect());
                self.dial_resolved(waiting, addrs.map_err(Clone::clone));
                continue;
            }
            match (&result, asked.node) {
                (Ok(addrs), node) => {
                    self.trace_dial(waiting, || Traced::Resolved {
                        addrs: addrs.clone(),
                    });
                    let Some(at) = node else {
                        self.take_target(waiting, addrs.clone());
                        self.find_way(waiting);
                        continue;
                    };
                    self.dials[waiting].places.push((at, addrs.clone()));
                    self.enter(waiting);
                }
                (Err(fail), _) => self.dial_failed(waiting, fail.clone()),
            }
        }
    }

    /// A dial waits no more: without anybody else, its lookup ends.
    pub(super) fn leave_lookup(&mut self, id: DialId) {
        let asked = self.dials.get_mut(id).and_then(|dial| dial.asked.take());
        let Some(Asked { lookup, .. }) = asked else {
            return;
        };
        let Some(left) = self.lookups.get_mut(lookup) else {
            return;
        };
        left.waiting.retain(|waiting| *waiting != id);
        if left.waiting.is_empty() && !left.alone {
            let dial = left.dial;
            self.names.asked.remove(&left.name());
            self.lookups.remove(lookup);
            self.cancel_dial(dial);
        }
    }

    /// Each lookup has somebody who waits for it, and a dial.
    pub(super) fn check_lookups(&self) {
        assert_eq!(
            self.names.asked.len(),
            self.lookups.len(),
            "lookups by name"
        );
        for (id, lookup) in self.lookups.iter() {
            assert!(self.dials.contains_key(lookup.dial), "{id:?}: asks nobody");
            assert!(
                lookup.alone || !lookup.waiting.is_empty(),
                "{id:?}: nobody waits"
            );
            for dial in &lookup.waiting {
                let asked = self.dials.get(*dial).and_then(|dial| dial.asked);
                assert_eq!(
                    asked.map(|asked| asked.lookup),
                    Some(id),
                    "{id:?}: waits for another"
                );
            }
        }
        for dial in self.dials.values() {
            let known = dial
                .asked
                .is_none_or(|asked| self.lookups.contains_key(asked.lookup));
            assert!(known, "a dial waits for no lookup");
        }
    }
}
