//! A world of engines and programs joined by pipes: every step is drawn from one seed.
//!
//! A pipe has a capacity, carries chunks cut at random, can stall and can be reset. Time stands still
//! while anything can happen and then jumps to the next deadline.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::IoSlice;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ginnel_core::bytes::BytesMut;
use ginnel_core::engine::{Action, ConnMeta, Door, Engine, PortId, SocketId, Splice};
use ginnel_core::error::{Cause, Eof, Fail};
use ginnel_core::plan::{Endpoint, Plan};
use ginnel_core::time::Time;

use crate::net::Net;
use crate::plans;
use crate::program::{Program, Said};
use crate::random::Random;
use crate::weather::{Answer, Cargo, PAUSE, Sky};
use middlebox::Middlebox;

mod control;
mod flow;
pub mod middlebox;

/// A direction of a connection.
#[derive(Default)]
pub struct Pipe {
    pub bytes: VecDeque<u8>,
    pub fin: bool,
    fin_delivered: bool,
    /// The reader does not look for a while.
    stalled: bool,
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
    stopped: bool,
    /// Not yet told to the owner.
    pub reset_news: [bool; 2],
    /// The engine did not want to read, and has not said otherwise since.
    asleep: [bool; 2],
    /// So much of the field that a middlebox spoils has passed, each way.
    spoiled: [usize; 2],
    from: SocketAddr,
}

impl Connection {
    fn is_between(&self) -> bool {
        let engine = |owner: &Owner| matches!(owner, Owner::Engine(..));
        self.owners.iter().all(engine)
    }

    fn is_live(&self) -> bool {
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

    /// A port for connections: it must be free.
    pub fn bind_listener(&mut self, e: usize, id: PortId, addr: SocketAddr) {
        let result = match self.listeners.contains_key(&addr) {
            true => Err(Fail::new(Cause::Local, "address in use")),
            false => {
                self.listeners.insert(addr, Listener::Port(e, id));
                Ok(addr)
            }
        };
        self.engines[e].handle_bound(id, result, self.now);
    }

    pub fn connect(&mut self, from: Owner, addr: SocketAddr) -> Option<usize> {
        let listener = self.listeners.get(&addr)?;
        let c = self.connections.len();
        let to = match listener {
            Listener::Engine(e, service) => Owner::Backlog(*e, Door::Service(*service)),
            Listener::Port(e, port) => Owner::Backlog(*e, Door::Port(*port)),
            Listener::Program(make) => {
                let program = make(&mut self.random);
                self.programs.push(program);
                self.program_ends.push(None);
                Owner::Program(self.programs.len() - 1)
            }
        };
        self.live.push(c);
        self.connections.push(Connection {
            pipes: [Pipe::default(), Pipe::default()],
            owners: [from, to],
            reset: false,
            tunnel: matches!((from, to), (Owner::Engine(..), Owner::Backlog(..))),
            hole: self.swallows.contains(&addr),
            stopped: false,
            reset_news: [false; 2],
            asleep: [false; 2],
            spoiled: [0; 2],
            from: addr,
        });
        for (end, owner) in [from, to].into_iter().enumerate() {
            if let Owner::Program(p) = owner {
                self.program_ends[p] = Some((c, end));
            }
        }
        self.accept(c);
        Some(c)
    }

    /// Takes a connection out of the backlog, if its engine has room.
    fn accept(&mut self, c: usize) -> bool {
        let Owner::Backlog(e, door) = self.connections[c].owners[1] else {
            return false;
        };
        if self.sleeps(e) {
            return false;
        }
        if !self.engines[e].accepting() {
            self.waited += 1;
            return false;
        }
        let mut meta = meta(self.connections[c].from, c);
        if let Owner::Engine(from, _) = self.connections[c].owners[0] {
            meta.remote.set_ip([10, 0, 0, 1 + from as u8].into());
        }
        let id = self.engines[e].handle_door(door, meta, self.now);
        self.sockets.insert((e, id), (c, 1));
        self.connections[c].owners[1] = Owner::Engine(e, id);
        self.act(e);
        true
    }

    /// Takes the engine's actions, and checks it afterwards.
    pub fn act(&mut self, e: usize) {
        while let Some(action) = self.engines[e].poll_action() {
            match action {
                Action::Connect {
                    id,
                    to: Endpoint::Ip(addr),
                    ..
                } => {
                    let addr = match addr == plans::zoned(80) {
                        true => plans::target(),
                        false => addr,
                    };
                    self.answer(e, Answer::Connected(id, addr));
                }
                Action::Connect { id, to, .. } => {
                    let there = e + 1 == self.engines.len() && to.to_string() == plans::FILE;
                    assert!(there, "{to} from engine {e}");
                    self.answer(e, Answer::Connected(id, plans::target()));
                }
                Action::Resolve { query, host, port } => {
                    self.answer(e, Answer::Resolved(query, host, port))
                }
                Action::Probe { id, within, .. } => self.answer(e, Answer::Reach(id, within)),
                Action::Wake(id) => {
                    if let Some((c, end)) = self.sockets.get(&(e, id)) {
                        self.connections[*c].asleep[*end] = false;
                    }
                }
                Action::WakePort(_) => {}
                Action::Bind { id, ask } => self.bind(e, id, ask),
                Action::Unbind(id) => {
                    self.net.unbind(e, id);
                    let port = |listener: &mut Listener| matches!(listener, Listener::Port(of, port) if (*of, *port) == (e, id));
                    self.listeners.retain(|_, listener| !port(listener));
                }
                Action::Close { id, reset } => self.close(e, id, reset),
                Action::Drained => self.drained += 1,
            }
        }
        while let Some(event) = self.engines[e].poll_event() {
            self.events.push(event);
        }
        self.engines[e].check();
    }

    fn close(&mut self, e: usize, id: SocketId, reset: bool) {
        self.forget_answers(e, id);
        self.piped.remove(&(e, id));
        let Some((c, end)) = self.sockets.remove(&(e, id)) else {
            return;
        };
        let connection = &mut self.connections[c];
        connection.owners[end] = Owner::Nobody;
        if connection.reset {
            return;
        }
        // A close with unread input is an RST on a real socket too.
        if reset || !connection.pipes[end].bytes.is_empty() {
            self.reset(c, end);
        } else {
            self.send(c, 1 - end, Cargo::Fin);
        }
    }
}

pub fn meta(addr: SocketAddr, c: usize) -> ConnMeta {
    ConnMeta {
        remote: SocketAddr::from(([10, 1, (c / 250) as u8, (c % 250) as u8], 40_000)),
        local: addr,
    }
}
