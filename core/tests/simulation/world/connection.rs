//! A connection: two pipes and who is at their ends.

use std::collections::VecDeque;
use std::net::SocketAddr;

use ginnel_core::engine::{Door, PortId, SocketId};
use ginnel_core::time::Time;

use crate::program::Program;
use crate::random::Random;
use crate::weather::Cargo;

/// A direction of a connection.
#[derive(Default)]
pub struct Pipe {
    pub bytes: VecDeque<u8>,
    pub fin: bool,
    pub(super) fin_delivered: bool,
    /// The reader does not look for a while.
    pub(super) stalled: bool,
    /// It does not look until then.
    pub paused: Option<Time>,
    /// Sent and not yet there, with when it will be.
    pub transit: VecDeque<(Time, Cargo)>,
}

impl Pipe {
    pub fn holds(&self) -> usize {
        let transit = self.transit.iter().map(|(_, cargo)| match cargo {
            Cargo::Bytes(bytes) => bytes.len(),
            Cargo::Fin => 0,
        });
        self.bytes.len() + transit.sum::<usize>()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Engine(usize, SocketId),
    Program(usize),
    /// Not yet accepted by that engine, at that door.
    Backlog(usize, Door),
    /// Closed.
    Nobody,
}

/// One end: it reads `pipes[end]` of its connection and writes the other.
pub struct Connection {
    pub pipes: [Pipe; 2],
    pub owners: [Owner; 2],
    pub reset: bool,
    /// One between two engines, as long as it exists.
    pub tunnel: bool,
    /// What is sent arrives nowhere, and nobody is told.
    pub hole: bool,
    /// Nobody reads.
    pub(super) stopped: bool,
    /// Not yet told to the owner.
    pub reset_news: [bool; 2],
    /// The engine did not want to read, and has not said otherwise since.
    pub(super) asleep: [bool; 2],
    /// So much of the field that a middlebox spoils has passed, each way.
    pub(super) spoiled: [usize; 2],
    pub(super) from: SocketAddr,
}

impl Connection {
    pub(super) fn is_between(&self) -> bool {
        let engine = |owner: &Owner| matches!(owner, Owner::Engine(..));
        self.owners.iter().all(engine)
    }

    pub(super) fn is_live(&self) -> bool {
        let over = self.reset && !self.hole || self.owners == [Owner::Nobody; 2];
        self.reset_news != [false; 2] || !over
    }
}

pub enum Listener {
    Engine(usize, usize),
    /// A port that the engine has bound.
    Port(usize, PortId),
    Program(Box<dyn Fn(&mut Random) -> Program>),
}
