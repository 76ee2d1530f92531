//! What is simulated: an entry, one or two hops over any channel, a target.

mod build;
mod draw;

use std::net::SocketAddr;
use std::sync::Arc;

use ginnel_core::plan::{Channel, ConnectorKind, HandlerKind, Mux, Node, Ping, Plan};
use ginnel_core::wire::proxy_protocol::Version;

use crate::program::{Program, Speaks};
use crate::random::Random;
use crate::world::{Listener, World};

pub const TARGET: (&str, u16) = ("target.test", 80);

/// Where the target is, too.
pub const FILE: &str = "/run/target.sock";

pub fn entry() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 1080))
}

pub fn target() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 9], 80))
}

/// Where the target is, too: a link-local address, whose zone is to be resolved.
pub const ZONED: &str = "fe80::9%eth0";

/// That of the target, with the number of the zone.
pub fn zoned(port: u16) -> SocketAddr {
    std::net::SocketAddrV6::new([0xfe80, 0, 0, 0, 0, 0, 0, 9].into(), port, 0, 3).into()
}

/// The address of a second node.
pub fn second() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 3], 8000))
}

pub fn server(hop: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], 8000 + hop as u16))
}

#[derive(Clone, Debug)]
pub struct Setting {
    pub speaks: Speaks,
    entry: HandlerKind,
    listens: Channel,
    queue: usize,
    hops: Vec<(Channel, ConnectorKind, HandlerKind)>,
    pub mux: Mux,
    pub compression: bool,
    max_frame: Option<usize>,
    nodelay: bool,
    /// A PROXY header goes in front of each hop.
    pub proxied: Option<Version>,
    /// The hops look like a web site.
    hidden: bool,
    /// The target is a socket file at the end of the chain.
    file: bool,
    /// The target is on a link of the last machine.
    zoned: bool,
    /// The target speaks first, this many bytes.
    pub speaker: Option<usize>,
    pub cuts: bool,
    /// Byte budget of each engine.
    pub memory: Option<usize>,
    /// The limits of small devices.
    pub small: bool,
    /// From how many bytes on a read is a large one, behind which there may be a splice.
    pub splice: Option<usize>,
}

impl Setting {
    /// What the entry speaks.
    pub fn entry(&mut self, kind: HandlerKind) {
        self.entry = kind;
    }

    /// Nothing on the way asks whether the other end is there.
    pub fn is_bare(&self) -> bool {
        self.hops.iter().all(|hop| !hop.0.has_ws())
    }

    fn is_reverse(&self) -> bool {
        matches!(self.listens, Channel::Rtcp | Channel::Rudp)
    }

    /// Sessions that may stay when all clients are gone, an engine: a mux session through an earlier hop.
    pub fn lasting_sessions(&self) -> [usize; 2] {
        let muxed = |hop: &(Channel, ConnectorKind, HandlerKind)| hop.0.has_mux();
        [0, self.hops.iter().skip(1).filter(|hop| muxed(hop)).count()]
    }

    pub fn listen(&self, world: &mut World) {
        world.listen(entry(), Listener::Engine(0, 0));
        for hop in 0..self.hops.len() {
            world.listen(server(hop), Listener::Engine(1, hop));
        }
        world.listen(second(), Listener::Engine(1, 0));
        let speaker = self.speaker;
        let target = move |_: &mut Random| match speaker {
            Some(n) => Program::speaker(n),
            None => Program::echo(),
        };
        world.listen(self::target(), Listener::Program(Box::new(target)));
    }

    /// What is sent to the node follows at once on what opens the stream.
    pub fn eager(&mut self) {
        self.nodelay = false;
    }

    /// These pings at both ends of the channel.
    pub fn pings(&self, plans: &mut [Plan], ping: Option<Ping>) {
        for service in &mut plans[1].services {
            if let Some(ws) = &mut service.listener.ws {
                Arc::make_mut(ws).ping = ping;
            }
        }
        self.pings_of_nodes(plans, ping);
    }

    pub fn pings_of_nodes(&self, plans: &mut [Plan], ping: Option<Ping>) {
        for node in plans[0].chains[0]
            .hops
            .iter_mut()
            .flat_map(|hop| &mut hop.nodes)
        {
            if let Some(ws) = &mut Arc::make_mut(node).dialer.ws {
                Arc::make_mut(ws).ping = ping;
            }
        }
    }

    /// A second node for the first hop, at another address of the same server.
    pub fn second_node(&self, plans: &mut [Plan]) {
        let hop = &mut plans[0].chains[0].hops[0];
        let mut node = Node::clone(&hop.nodes[0]);
        node.addr = second().into();
        hop.nodes.push(Arc::new(node));
    }
}
