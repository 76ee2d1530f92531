//! From what a client wants to a dial: what is refused, and what names stand for.

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
        }
    }

    /// A target that the client named.
    pub(super) fn dial_target(&mut self, id: SessionId, target: Target) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.target = Some(target.to_string());
        let policy = &self.plan.services[session.service].policy;
        if bypassed(policy.bypasses.iter().map(AsRef::as_ref), &target) {
            let fail = Fail::new(Cause::Denied, "the target is refused (bypass)");
            return self.dialed(id, Err(fail));
        }
        self.start_dial(id, Some(target));
    }

    /// The addresses that the service's host table has for a target.
    pub(super) fn known_addrs(&self, service: usize, target: &Target) -> Vec<std::net::IpAddr> {
        let hosts = &self.plan.services[service].policy.hosts;
        let found = match (hosts, &target.host) {
            (Some(hosts), Host::Name(name)) => hosts.lookup(name),
            _ => None,
        };
        found.unwrap_or_default().to_vec()
    }
}
