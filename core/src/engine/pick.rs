//! Which way: a node of each hop, or one of a forwarding service's targets.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::{Engine, SessionId};
use crate::addr::{Host, Target};
use crate::error::{Cause, Fail};
use crate::plan::{ConnectorKind, Node};
use crate::route::Candidate;

/// The nodes of one way, one a hop, with where they come from.
#[derive(Clone, Debug, Default)]
pub(super) struct Route {
    pub(super) chain: usize,
    pub(super) nodes: Vec<Arc<Node>>,
    /// Hop and index of each node.
    pub(super) picks: Vec<(usize, usize)>,
}

impl Route {
    /// The last of the first `before` nodes that has a mux dialer: everything up to it belongs to the session.
    pub(super) fn last_mux(&self, before: usize) -> Option<usize> {
        self.nodes[..before]
            .iter()
            .rposition(|node| node.dialer.mux.is_some())
    }
}

impl Engine {
    pub(super) fn pick_route(
        &mut self,
        service: usize,
        client: IpAddr,
        failed: &[(usize, usize)],
    ) -> Result<Route, Fail> {
        let plan = self.plan.clone();
        let Some(chain) = plan.services[service].chain else {
            return Ok(Route::default());
        };
        let mut route = Route {
            chain,
            ..Route::default()
        };
        for (index, hop) in plan.chains[chain].hops.iter().enumerate() {
            let nodes: Vec<Candidate> = hop
                .nodes
                .iter()
                .map(|node| Candidate {
                    weight: node.weight,
                    backup: node.backup,
                })
                .collect();
            let avoid: Vec<usize> = failed
                .iter()
                .filter(|(hop, _)| *hop == index)
                .map(|(_, node)| *node)
                .collect();
            let pool = self.hub.pool(chain, index);
            let picked = pool.select(
                &nodes,
                &hop.selector,
                client,
                &avoid,
                self.now,
                &mut self.entropy,
            );
            let Some(node) = picked else {
                // Never around the hop: a missing node must not turn into a direct connection.
                let text = format!("hop {} has no node", hop.name);
                return Err(Fail::new(Cause::NetUnreachable, text));
            };
            if hop.nodes[node].connector.kind == ConnectorKind::Direct {
                continue;
            }
            route.nodes.push(hop.nodes[node].clone());
            route.picks.push((index, node));
        }
        Ok(route)
    }

    /// The target of a forwarding service for this session.
    pub(super) fn forward_target(&mut self, session: SessionId) -> Result<Target, Fail> {
        let plan = self.plan.clone();
        let client = self.client_ip(session);
        let service = self.sessions[session].service;
        let nowhere = Target::new(Host::Name(String::new()), 0);
        let Some(forward) = &plan.services[service].forward else {
            // The far end of a `forward` or `relay` connector chooses the target.
            return match plan.services[service].chain {
                Some(_) => Ok(nowhere),
                None => Err(Fail::new(
                    Cause::NetUnreachable,
                    "no target to forward to and no chain whose end could choose one",
                )),
            };
        };
        let nodes: Vec<Candidate> = forward
            .nodes
            .iter()
            .map(|node| Candidate {
                weight: node.weight,
                backup: node.backup,
            })
            .collect();
        let pool = self.hub.targets(service);
        pool.select(
            &nodes,
            &forward.selector,
            client,
            &[],
            self.now,
            &mut self.entropy,
        )
        .map(|index| forward.nodes[index].addr.clone())
        .ok_or_else(|| {
            Fail::new(
                Cause::NetUnreachable,
                "the service has no target to forward to",
            )
        })
    }

    /// The address of a session's client.
    pub(super) fn client_ip(&self, session: SessionId) -> IpAddr {
        let link = self
            .sessions
            .get(session)
            .and_then(|session| self.links.get(session.client));
        link.map_or(Ipv4Addr::UNSPECIFIED.into(), |link| link.client.remote.ip())
    }
}
