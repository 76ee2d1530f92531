//! A world of engines and programs joined by pipes: every step is drawn from one seed.
//!
//! A pipe has a capacity, carries chunks cut at random, can stall and can be reset. Time stands still
//! while anything can happen and then jumps to the next deadline.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ginnel_core::engine::{Engine, SocketId};
use ginnel_core::plan::Plan;
use ginnel_core::time::Time;

use crate::net::Net;
use crate::program::Program;
use crate::random::Random;
use crate::weather::Sky;
use middlebox::Middlebox;

mod connection;
mod control;
mod flow;
pub mod middlebox;
mod sockets;

pub use connection::{Connection, Listener, Owner, Pipe};
pub use sockets::meta;

pub struct World {
    pub random: Random,
    pub engines: Vec<Engine>,
    pub programs: Vec<Program>,
    pub events: Vec<ginnel_core::event::Event>,
    pub program_ends: Vec<Option<(usize, usize)>>,
    pub connections: Vec<Connection>,
    /// Those in which something can still happen.
    pub live: Vec<usize>,
    pub sockets: HashMap<(usize, SocketId), (usize, usize)>,
    /// Taken off one socket of an engine for another one, and not yet written.
    piped: HashMap<(usize, SocketId), VecDeque<u8>>,
    /// Bytes that no engine saw.
    pub spliced: u64,
    pub listeners: HashMap<SocketAddr, Listener>,
    /// Acknowledgements between engines are somebody else's.
    pub relayed: bool,
    /// What stands between two engines.
    pub middlebox: Middlebox,
    /// Behind these addresses everything vanishes.
    pub swallows: HashSet<SocketAddr>,
    pub net: Net,
    pub now: Time,
    pub capacity: usize,
    pub resets: u32,
    /// Looks at a connection that no engine had room for.
    pub waited: u64,
    pub about: String,
    pub sky: Sky,
    pub steps: u64,
    /// When a run ends at the latest.
    pub until: Time,
    /// When the engines get another plan.
    reload: Option<(u64, Vec<Plan>)>,
    /// When this engine is drained, and for how long.
    drain: Option<(u64, usize, Duration)>,
    /// When it looks at the clock, although something else can happen.
    look: Option<(u64, usize)>,
    /// Engines that said they are drained.
    pub drained: usize,
}

impl World {
    pub fn new(seed: u64, plans: Vec<Plan>) -> Self {
        let mut random = Random::new(seed);
        let engines = plans
            .into_iter()
            .map(|plan| Engine::new(Arc::new(plan), [random.below(256) as u8; 32]))
            .collect();
        let capacity = [40, 600, 8000, 100_000][random.below(4)];
        Self {
            random,
            engines,
            programs: Vec::new(),
            events: Vec::new(),
            program_ends: Vec::new(),
            connections: Vec::new(),
            live: Vec::new(),
            sockets: HashMap::new(),
            piped: HashMap::new(),
            spliced: 0,
            listeners: HashMap::new(),
            relayed: false,
            middlebox: Middlebox::of(seed),
            swallows: HashSet::new(),
            net: Net::default(),
            now: Time::ZERO,
            capacity,
            resets: 0,
            waited: 0,
            about: String::new(),
            sky: Sky::default(),
            steps: 0,
            until: Time::ZERO,
            reload: None,
            drain: None,
            look: None,
            drained: 0,
        }
    }

    pub fn listen(&mut self, addr: SocketAddr, listener: Listener) {
        self.listeners.insert(addr, listener);
    }

    /// A program connects to an engine's service.
    pub fn start(&mut self, program: Program, addr: SocketAddr) {
        let index = self.programs.len();
        self.programs.push(program);
        self.program_ends.push(None);
        assert!(
            self.connect(Owner::Program(index), addr).is_some(),
            "nobody listens at {addr}"
        );
    }

    /// Does at most this much, all at one time.
    pub fn run_steps(&mut self, steps: usize) {
        for _ in 0..steps {
            if !self.step() && !self.unstall() {
                return;
            }
        }
    }

    /// Runs until nothing can happen any more within `patience` of simulated time.
    pub fn run(&mut self, patience: Duration) {
        self.until = self.now + patience;
        loop {
            if self.steps > 1_000_000 {
                panic!(
                    "no end after {} steps: capacity {}, {} {:?}",
                    self.steps, self.capacity, self.about, self.programs
                );
            }
            if self.step() {
                continue;
            }
            if self.unstall() {
                continue;
            }
            let Some(at) = self.next_event() else {
                return;
            };
            if at > self.until {
                return;
            }
            self.now = at.max(self.now);
            for index in 0..self.engines.len() {
                self.look_at_clock(index);
            }
        }
    }

    /// The deadline of this engine may have come.
    pub fn look_at_clock(&mut self, e: usize) {
        let due = self.engines[e].poll_timeout();
        if due.is_none_or(|at| at > self.now) || self.sleeps(e) {
            return;
        }
        self.engines[e].handle_timeout(self.now);
        let next = self.engines[e].poll_timeout();
        assert!(
            next.is_none_or(|next| next > self.now),
            "a deadline stays in the past"
        );
        self.act(e);
    }

    /// Something that can happen does; false when nothing can.
    fn step(&mut self) -> bool {
        self.steps += 1;
        if let Some((_, plans)) = self.reload.take_if(|(step, _)| *step == self.steps) {
            for (index, plan) in plans.into_iter().enumerate() {
                self.engines[index].handle_reload(Arc::new(plan), self.now);
                self.engines[index].check();
                self.act(index);
            }
        }
        if let Some((_, e, patience)) = self.drain.take_if(|(step, ..)| *step == self.steps) {
            self.listeners
                .retain(|_, listener| !matches!(listener, Listener::Engine(of, _) if *of == e));
            self.engines[e].handle_drain(self.now + patience, self.now);
            self.engines[e].check();
            self.act(e);
            self.look = Some((self.steps + 1 + self.random.below(200) as u64, e));
        }
        if let Some((_, e)) = self.look.take_if(|(step, _)| *step == self.steps) {
            self.engines[e].handle_timeout(self.now);
            self.engines[e].check();
            self.act(e);
        }
        if self.net.is_used() && self.random.chance(3) && self.datagram_step() || self.weather() {
            return true;
        }
        let connections = &self.connections;
        self.live.retain(|c| connections[*c].is_live());
        let ends = 2 * self.live.len();
        let from = self.random.below(ends);
        for offset in 0..ends {
            let end = (from + offset) % ends;
            if self.step_end(self.live[end / 2], end % 2) {
                return true;
            }
        }
        self.datagram_step()
    }
}
