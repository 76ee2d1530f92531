//! Answers of name servers, for as long as they are good (RFC 2181, 8), and while a new one is asked for, a little
//! longer where that may be (RFC 8767).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::{LONGEST, Name, name_of};
use crate::engine::{Engine, LookupId, SessionId};
use crate::plan::Resolver;
use crate::time::Time;

/// Names that are remembered at most.
const REMEMBERED: usize = 4096;

#[derive(Default)]
pub(in crate::engine) struct Names {
    known: HashMap<Name, Known>,
    pub(super) asked: HashMap<Name, LookupId>,
}

pub(super) struct Known {
    pub(super) addrs: Vec<IpAddr>,
    pub(super) until: Time,
}

impl Names {
    pub(in crate::engine) fn forget(&mut self) {
        self.known.clear();
    }

    pub(super) fn remember(&mut self, name: Name, known: Known, now: Time) {
        if self.known.len() >= REMEMBERED {
            self.known.retain(|_, known| known.until > now);
        }
        if self.known.len() >= REMEMBERED {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.until);
            let oldest = oldest.map(|(name, _)| name.clone());
            oldest.map(|name| self.known.remove(&name));
        }
        self.known.insert(name, known);
    }
}

impl Engine {
    /// The address that the service's resolver has found already, for a datagram.
    pub(in crate::engine) fn remembered(
        &mut self,
        id: SessionId,
        host: &str,
    ) -> Option<Vec<IpAddr>> {
        let service = self.sessions.get(id)?.service;
        let plan = self.plan.clone();
        let resolver = plan.services[service].policy.resolver.as_ref()?;
        self.known(resolver, host, service)
    }

    /// What is remembered, also if it is no longer good where that may be used.
    pub(super) fn known(
        &mut self,
        resolver: &Arc<Resolver>,
        host: &str,
        service: usize,
    ) -> Option<Vec<IpAddr>> {
        let known = self.names.known.get(&name_of(resolver, host))?;
        let addrs = known.addrs.clone();
        if known.until > self.now {
            return Some(addrs);
        }
        let stale = resolver.servers.iter().any(|server| server.stale);
        if !stale || self.now.since(known.until) >= LONGEST {
            return None;
        }
        self.ask_anew(resolver, host, service);
        Some(addrs)
    }

    /// For those who come later.
    fn ask_anew(&mut self, resolver: &Arc<Resolver>, host: &str, service: usize) {
        let is_asked = self.names.asked.contains_key(&name_of(resolver, host));
        if !is_asked && !self.is_draining() {
            let lookup = self.new_lookup(resolver, host, service);
            self.lookups[lookup].alone = true;
            self.ask_server(lookup);
        }
    }
}
