//! What the engine is to do: the validated form of a configuration. Made once, shared by all threads.
//!
//! Nothing here is text that still has to be understood: the command line reads files, checks
//! references and builds the TLS configurations before a plan exists.

mod caps;
mod chain;
mod channel;
mod edge;
mod forward;
mod handler;
mod mux;
mod ping;
mod policy;
mod resolver;
mod reverse;
mod selector;
mod site;
mod socket;
mod udp;
mod ws;

use std::sync::Arc;

pub use self::caps::{Caps, Counted, Refusal};
pub use self::chain::{Chain, Connector, ConnectorKind, Hop, Node};
pub use self::channel::{Channel, Dialer, Listener, TlsClient};
pub use self::edge::Edge;
pub use self::forward::{Forward, ForwardNode, TargetRules};
pub use self::handler::{Handler, HandlerKind, Http, Users};
pub use self::mux::Mux;
pub use self::ping::Ping;
pub use self::policy::{
    ChainGroup, GroupMember, HopPolicy, NodePolicy, Overrides, ServicePolicy, SkipAuth,
};
pub use self::resolver::{DnsChannel, NameServer, Resolver};
pub use self::reverse::Reverse;
pub use self::selector::{Selector, Strategy};
pub use self::site::{Backend, Content, Document, Files, Found as FoundFile, Probe, Site};
pub use self::socket::{Endpoint, Interface, Keepalive, SocketOptions};
pub use self::udp::Udp;
pub use self::ws::{WsClient, WsServer};
use crate::limits::Limits;

#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub services: Vec<Service>,
    pub chains: Vec<Chain>,
    pub limits: Limits,
    /// Whether each step of a connection is told.
    pub trace: bool,
}

impl Plan {
    /// The thread that serves this service, if it must be one: a mux node has one session, not one a thread,
    /// limits are counted by one, and so are the clients of a udp listener, which others could not tell apart, targets
    /// whose answers tell that they fail, and the bindings of a client that comes again.
    pub fn pinned(&self, index: usize, threads: usize) -> Option<usize> {
        let service = self.services.get(index)?;
        let muxed = |hop: &Hop| hop.nodes.iter().any(|node| node.dialer.mux.is_some());
        let is_muxed = |chain: &usize| {
            let chain = self.chains.get(*chain);
            chain.is_some_and(|chain| chain.hops.iter().any(muxed))
        };
        let judged = |forward: &Forward| {
            let mut nodes = forward.nodes.iter();
            nodes.any(|node| !node.rules.fail_codes.is_empty())
        };
        let alone = service.policy.has_limits()
            || !service.listener.channel.dials()
            || service.handler.udp.bind
            || service.forward.as_ref().is_some_and(judged);
        let reverse = service
            .listener
            .reverse
            .as_ref()
            .map(|reverse| reverse.chain);
        let chain = service.chains().chain(reverse).find(is_muxed);
        Some(chain.or(alone.then_some(index))? % threads.max(1))
    }
}

/// One listening address with its handler.
#[derive(Clone, Debug)]
pub struct Service {
    pub name: String,
    pub listener: Listener,
    pub handler: Arc<Handler>,
    /// Index into [`Plan::chains`]; `None` connects directly.
    pub chain: Option<usize>,
    /// Targets of a forwarding service.
    pub forward: Option<Forward>,
    /// Further attempts after a failed connect, when no other node or target is left to try.
    pub retries: u32,
    /// Of sockets that go to targets directly.
    pub socket: Arc<SocketOptions>,
    pub policy: ServicePolicy,
}

impl Service {
    /// Those that its connections may go through, by index.
    pub fn chains(&self) -> impl Iterator<Item = usize> + '_ {
        let group = self.policy.group.as_ref();
        let members = group.into_iter().flat_map(|group| &group.members);
        let single = self.chain.filter(|_| group.is_none());
        members.map(|member| member.chain).chain(single)
    }
}
