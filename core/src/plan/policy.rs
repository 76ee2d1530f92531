//! Rules around a tunnel: who may come in, where to, how fast, and by which way.

use std::sync::Arc;
use std::time::Duration;

use super::{Resolver, Selector};
use crate::addr::{Host, Target};
use crate::route::Net;
use crate::route::access::Rules;
use crate::route::hosts::Hosts;
use crate::route::limiter::{Counts, Rates, Traffic};
use crate::route::matcher::Matcher;
use crate::route::rule::{Asked, Rule};

/// Rules of a service.
#[derive(Clone, Debug, Default)]
pub struct ServicePolicy {
    /// All must admit a client, before a byte of it is read.
    pub admissions: Vec<Arc<Rules>>,
    /// Targets that are refused.
    pub bypasses: Vec<Arc<Rules>>,
    pub hosts: Option<Arc<Hosts>>,
    /// For names of targets that `hosts` does not have; nothing else knows them then.
    pub resolver: Option<Arc<Resolver>>,
    pub traffic: Option<Arc<Traffic>>,
    pub counts: Option<Arc<Counts>>,
    pub rates: Option<Arc<Rates>>,
    /// For each attempt to reach a target; `None` is the engine's limit.
    pub dial_timeout: Option<Duration>,
    /// Several chains, one of which is taken; in place of [`Service::chain`](super::Service::chain).
    pub group: Option<Arc<ChainGroup>>,
    /// The `hash` strategy goes by the target, not by the client.
    pub hash_target: bool,
}

impl ServicePolicy {
    /// Whether it counts: then one thread has to see all connections of the service.
    pub fn has_limits(&self) -> bool {
        self.traffic.is_some() || self.counts.is_some() || self.rates.is_some()
    }
}

/// `handler.chainGroup`.
#[derive(Clone, Debug)]
pub struct ChainGroup {
    pub members: Vec<GroupMember>,
    pub selector: Selector,
}

#[derive(Clone, Debug)]
pub struct GroupMember {
    /// Index into [`Plan::chains`](super::Plan::chains).
    pub chain: usize,
    pub weight: u32,
    pub backup: bool,
    pub overrides: Overrides,
    /// The chain is taken for these targets only.
    pub rule: Option<Rule>,
}

impl GroupMember {
    pub fn fits(&self, target: &Target) -> bool {
        fits(self.rule.as_ref(), target)
    }
}

/// Rules of a hop.
#[derive(Clone, Debug, Default)]
pub struct HopPolicy {
    /// For these targets the way ends before this hop.
    pub bypasses: Vec<Arc<Rules>>,
}

/// Rules of a node.
#[derive(Clone, Debug, Default)]
pub struct NodePolicy {
    /// The node is not taken for these targets.
    pub bypasses: Vec<Arc<Rules>>,
    /// The node is taken for these hosts only (`filter.host`).
    pub filter: Option<Matcher>,
    /// The same, as gost's later versions say it; goes before `filter`.
    pub rule: Option<Rule>,
    /// Names of node addresses.
    pub hosts: Option<Arc<Hosts>>,
    pub resolver: Option<Arc<Resolver>>,
    pub overrides: Overrides,
}

impl NodePolicy {
    pub fn fits(&self, target: &Target) -> bool {
        if self.rule.is_some() {
            return fits(self.rule.as_ref(), target);
        }
        let filter = self.filter.as_ref();
        // An empty name is chosen by the far end.
        let nameless = matches!(&target.host, Host::Name(name) if name.is_empty());
        filter.is_none_or(|filter| !nameless && filter.matches(&target.host, Some(target.port)))
    }
}

/// The far end knows a target without a name: no rule can tell.
fn fits(rule: Option<&Rule>, target: &Target) -> bool {
    let nameless = matches!(&target.host, Host::Name(name) if name.is_empty());
    let asked = Asked {
        host: Some(&target.host).filter(|_| !nameless),
        ..Asked::default()
    };
    rule.is_none_or(|rule| rule.matches(asked))
}

/// What a node sets for itself, in place of its selector's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    pub max_fails: Option<u32>,
    pub fail_timeout: Option<Duration>,
}

/// Clients without authentication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SkipAuth(pub Vec<Net>);
