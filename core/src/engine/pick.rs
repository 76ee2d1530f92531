//! Which way: a chain, a node of each hop, and one of a forwarding service's targets.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::{Engine, SessionId};
use crate::addr::{Host, Target};
use crate::error::{Cause, Fail};
use crate::plan::{ConnectorKind, GroupMember, Hop, Node, Strategy};
use crate::route::access::bypassed;
use crate::route::sniff::Seen;
use crate::route::{Candidate, Pool};

/// A node: chain, hop and index in it.
pub(super) type Pick = (usize, usize, usize);

/// The nodes of one way, one a hop, with where they come from.
#[derive(Clone, Debug, Default)]
pub(super) struct Route {
    pub(super) chain: usize,
    pub(super) nodes: Vec<Arc<Node>>,
    /// Hop and index of each node.
    pub(super) picks: Vec<(usize, usize)>,
    /// Which member of the service's chain group it is.
    pub(super) member: Option<usize>,
}

impl Route {
    /// The last of the first `before` nodes that has a mux dialer: everything up to it belongs to the session.
    pub(super) fn last_mux(&self, before: usize) -> Option<usize> {
        self.nodes[..before]
            .iter()
            .rposition(|node| node.dialer.mux.is_some())
    }

    pub(super) fn pick(&self, at: usize) -> Option<Pick> {
        let (hop, node) = self.picks.get(at)?;
        Some((self.chain, *hop, *node))
    }
}

/// A way, and the nodes that run a race for one of its places.
#[derive(Default)]
pub(super) struct Picked {
    pub(super) route: Route,
    pub(super) rivals: Option<Rivals>,
}

pub(super) struct Rivals {
    /// The place in the route.
    pub(super) at: usize,
    pub(super) nodes: Vec<usize>,
}

/// What a way is wanted for.
pub(super) struct Wish<'a> {
    pub(super) service: usize,
    /// In place of the service's.
    pub(super) chain: Option<usize>,
    /// What the `hash` strategy goes by.
    pub(super) source: &'a str,
    pub(super) target: &'a Target,
    /// Nodes that failed this connection.
    pub(super) failed: &'a [Pick],
}

impl Engine {
    pub(super) fn pick_route(&mut self, wish: &Wish<'_>) -> Result<Picked, Fail> {
        let plan = self.plan.clone();
        let mut picked = Picked::default();
        let Some((chain, member)) = self.pick_chain(wish)? else {
            return Ok(picked);
        };
        let route = &mut picked.route;
        (route.chain, route.member) = (chain, member);
        for (index, hop) in plan.chains[chain].hops.iter().enumerate() {
            let Some(nodes) = candidates(hop, wish.target)? else {
                // A rule says so: the way ends here.
                break;
            };
            let avoid = tried(wish.failed, chain, index);
            let pool = self.hub.pool(chain, index);
            let entropy = &mut self.entropy;
            let node = pool.select(
                &nodes,
                &hop.selector,
                wish.source,
                &avoid,
                self.now,
                entropy,
            );
            let Some(node) = node else {
                // Never around the hop: a missing node must not turn into a direct connection.
                let text = format!("hop {} has no node", hop.name);
                return Err(Fail::new(Cause::NetUnreachable, text));
            };
            if is_direct(&hop.nodes[node]) {
                continue;
            }
            if hop.selector.strategy == Strategy::Parallel && picked.rivals.is_none() {
                let mut rivals = pool.eligible(&nodes, &hop.selector, &avoid, self.now);
                rivals.retain(|node| !is_direct(&hop.nodes[node.index]));
                picked.rivals = (rivals.len() > 1).then(|| Rivals {
                    at: route.nodes.len(),
                    nodes: rivals.iter().map(|node| node.index).collect(),
                });
            }
            route.nodes.push(hop.nodes[node].clone());
            route.picks.push((index, node));
        }
        Ok(picked)
    }

    /// The chain and, with several, which of them.
    fn pick_chain(&mut self, wish: &Wish<'_>) -> Result<Option<(usize, Option<usize>)>, Fail> {
        if let Some(chain) = wish.chain {
            return Ok(Some((chain, None)));
        }
        let plan = self.plan.clone();
        let service = &plan.services[wish.service];
        let Some(group) = &service.policy.group else {
            return Ok(service.chain.map(|chain| (chain, None)));
        };
        let members = group.members.iter().enumerate();
        let nodes: Vec<_> = members
            .filter(|(_, member)| member.fits(wish.target))
            .map(|(index, member)| Candidate::member(index, member))
            .collect();
        let mut avoid = Vec::new();
        for (index, member) in group.members.iter().enumerate() {
            if wish.failed.iter().any(|(chain, ..)| *chain == member.chain) {
                avoid.push(index);
            }
        }
        let pool = self.hub.group(wish.service);
        let entropy = &mut self.entropy;
        let index = pool.select(
            &nodes,
            &group.selector,
            wish.source,
            &avoid,
            self.now,
            entropy,
        );
        let Some(index) = index else {
            // As with a hop: not around the chains.
            let text = format!("no chain of the group is for {}", wish.target);
            return Err(Fail::new(Cause::NetUnreachable, text));
        };
        Ok(Some((group.members[index].chain, Some(index))))
    }

    /// Whether a way is left that has not been tried: around the node `pick`, which has just failed.
    pub(super) fn has_detour(&self, wish: &Wish<'_>, pick: Pick) -> bool {
        let (chain, index, _) = pick;
        let untried = |node: &Candidate| !wish.failed.contains(&(chain, index, node.index));
        let hop = &self.plan.chains[chain].hops[index];
        if let Ok(Some(nodes)) = candidates(hop, wish.target)
            && nodes.iter().any(untried)
        {
            return true;
        }
        let untried = |chain: usize| wish.failed.iter().all(|(failed, ..)| *failed != chain);
        let service = &self.plan.services[wish.service];
        match (wish.chain, &service.policy.group) {
            (None, Some(group)) => {
                let fitting = |member: &&GroupMember| member.fits(wish.target);
                let mut members = group.members.iter().filter(fitting);
                members.any(|member| untried(member.chain))
            }
            (chain, _) => chain.or(service.chain).is_some_and(untried),
        }
    }

    /// One of the targets of a forwarding service, with its index; `failed` were tried before.
    pub(super) fn pick_target(
        &mut self,
        service: usize,
        source: &str,
        failed: &[usize],
        seen: Option<&Seen>,
    ) -> Result<(Option<usize>, Target), Fail> {
        let plan = self.plan.clone();
        let nowhere = Target::new(Host::Name(String::new()), 0);
        let planned = &plan.services[service];
        let Some(forward) = &planned.forward else {
            // The far end of a `forward` or `relay` connector chooses the target.
            return match planned.chains().next() {
                Some(_) => Ok((None, nowhere)),
                None => Err(Fail::new(
                    Cause::NetUnreachable,
                    "no target to forward to and no chain whose end could choose one",
                )),
            };
        };
        let nodes = forward.nodes.iter().enumerate();
        let nodes = nodes.filter(|(_, node)| node.rules.fits(seen));
        let nodes: Vec<_> = nodes
            .map(|(index, node)| Candidate::target(index, node))
            .collect();
        let pool: &mut Pool = self.hub.targets(service);
        let (selector, entropy) = (&forward.selector, &mut self.entropy);
        match pool.select(&nodes, selector, source, failed, self.now, entropy) {
            Some(index) => Ok((Some(index), forward.nodes[index].addr.clone())),
            None => Err(Fail::new(
                Cause::NetUnreachable,
                "the service has no target to forward to",
            )),
        }
    }

    /// What the `hash` strategy goes by: the client, or where it wants to go.
    pub(super) fn hash_source(&self, session: SessionId, target: Option<&Target>) -> String {
        let by_target = self.sessions.get(session).is_some_and(|session| {
            let service = &self.plan.services[session.service];
            service.policy.hash_target
        });
        match target.filter(|_| by_target) {
            Some(target) => target.to_string(),
            None => self.client_ip(session).to_string(),
        }
    }

    /// The address of a session's client.
    pub(super) fn client_ip(&self, session: SessionId) -> IpAddr {
        let link = self
            .sessions
            .get(session)
            .and_then(|session| self.links.get(session.client));
        link.map_or(Ipv4Addr::UNSPECIFIED.into(), |link| {
            link.client().remote.ip()
        })
    }
}

/// The nodes that a target may be reached through. `None`: bypasses leave out the hop, or each node of it.
fn candidates(hop: &Hop, target: &Target) -> Result<Option<Vec<Candidate>>, Fail> {
    // What the far end chooses is not known here.
    let nameless = matches!(&target.host, Host::Name(name) if name.is_empty());
    let is_bypassed =
        |list: &[Arc<_>]| !nameless && bypassed(list.iter().map(AsRef::as_ref), target);
    if is_bypassed(&hop.policy.bypasses) {
        return Ok(None);
    }
    let mut nodes = Vec::new();
    let mut unfit = false;
    for (index, node) in hop.nodes.iter().enumerate() {
        if is_bypassed(&node.policy.bypasses) {
            continue;
        }
        if !node.policy.fits(target) {
            unfit = true;
            continue;
        }
        nodes.push(Candidate::node(index, node));
    }
    if nodes.is_empty() && unfit {
        let text = format!(
            "hop {} has no node for {target}: their filters name others",
            hop.name
        );
        return Err(Fail::new(Cause::NetUnreachable, text));
    }
    let all_bypassed = nodes.is_empty() && !hop.nodes.is_empty();
    Ok((!all_bypassed).then_some(nodes))
}

fn is_direct(node: &Node) -> bool {
    node.connector.kind == ConnectorKind::Direct
}

fn tried(failed: &[Pick], chain: usize, hop: usize) -> Vec<usize> {
    let mut tried = Vec::new();
    for (c, h, node) in failed {
        if (*c, *h) == (chain, hop) {
            tried.push(*node);
        }
    }
    tried
}
