//! From what a client wants to a dial: what is refused, and what names stand for.

use std::net::IpAddr;

use super::udp::names::preferred;
use super::{Engine, SessionId};
use crate::addr::{Host, Target};
use crate::error::{Cause, Fail};
use crate::handler::Goal;
use crate::route::access::bypassed;

impl Engine {
    /// Starts the way to what the client wants.
    pub(super) fn dial_goal(&mut self, id: SessionId, goal: Goal) {
        match goal {
            Goal::Target(target) => self.dial_target(id, target),
            Goal::Forward => self.start_dial(id, None),
            Goal::Bind(bind) => self.bind_goal(id, bind),
            Goal::Datagrams(framing, to) => self.dial_datagrams(id, framing, to),
        }
    }

    /// A target that the client named.
    pub(super) fn dial_target(&mut self, id: SessionId, target: Target) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.target = Some(target.to_string().into());
        let service = session.service;
        if self.is_refused(service, &target) {
            let fail = Fail::new(Cause::Denied, "the target is refused (bypass)");
            return self.dialed(id, Err(fail), &[]);
        }
        self.start_dial(id, Some(target));
    }

    /// Where a client's datagram goes to, if it may. Names that a table knows travel no further.
    pub(super) fn datagram_goal(&self, service: usize, mut target: Target) -> Option<Target> {
        if self.is_refused(service, &target) {
            return None;
        }
        if let Some(ip) = preferred(&self.known_addrs(service, &target), IpAddr::is_ipv4) {
            target.host = Host::Ip(ip);
        }
        Some(target)
    }

    fn is_refused(&self, service: usize, target: &Target) -> bool {
        let policy = &self.plan.services[service].policy;
        bypassed(policy.bypasses.iter().map(AsRef::as_ref), target)
    }

    /// The addresses that the service's host table has for a target.
    pub(super) fn known_addrs(&self, service: usize, target: &Target) -> Vec<IpAddr> {
        let hosts = &self.plan.services[service].policy.hosts;
        let found = match (hosts, &target.host) {
            (Some(hosts), Host::Name(name)) => hosts.lookup(name),
            _ => None,
        };
        found.unwrap_or_default().to_vec()
    }
}
