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
use ginnel_core::engine::{Action, ConnMeta, Engine, Reach, SocketId};
use ginnel_core::error::{Cause, Eof, Fail};
use ginnel_core::plan::Plan;
use ginnel_core::time::Time;

use crate::net::Net;
use crate::program::{Program, Said};
use crate::random::Random;

/// A direction of a connection.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    fin: bool,
    fin_delivered: bool,
    /// The reader does not look for a while.
    stalled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Engine(usize, SocketId),
    Program(usize),
    /// Not yet accepted by that engine, for that service.
    Backlog(usize, usize),
    /// Closed.
    Nobody,
}

/// One end: it reads `pipes[end]` of its connection and writes the other.
struct Connection {
    pipes: [Pipe; 2],
    owners: [Owner; 2],
    reset: bool,
    /// What is sent arrives nowhere, and nobody is told.
    hole: bool,
    /// Nobody reads.
    stopped: bool,
    /// Not yet told to the owner.
    reset_news: [bool; 2],
    /// The engine did not want to read, and has not said otherwise since.
    asleep: [bool; 2],
    from: SocketAddr,
}

impl Connection {
    fn is_between(&self) -> bool {
        let engine = |owner: &Owner| matches!(owner, Owner::Engine(..));
        self.owners.iter().all(engine)
    }

    fn is_live(&self) -> bool {
        self.reset_news != [false; 2] || (!self.reset && self.owners != [Owner::Nobody; 2])
    }
}

pub enum Listener {
    Engine(usize, usize),
    Program(Box<dyn Fn(&mut Random) -> Program>),
}

pub struct World {
    pub random: Random,
    pub engines: Vec<Engine>,
    pub programs: Vec<Program>,
    pub events: Vec<ginnel_core::event::Event>,
    program_ends: Vec<Option<(usize, usize)>>,
    connections: Vec<Connection>,
    /// Those in which something can still happen.
    live: Vec<usize>,
    sockets: HashMap<(usize, SocketId), (usize, usize)>,
    listeners: HashMap<SocketAddr, Listener>,
    /// Behind these addresses everything vanishes.
    pub swallows: HashSet<SocketAddr>,
    pub net: Net,
    pub now: Time,
    pub capacity: usize,
    pub resets: u32,
    /// Looks at a connection that no engine had room for.
    pub waited: u64,
    pub about: String,
    steps: u64,
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
            listeners: HashMap::new(),
            swallows: HashSet::new(),
            net: Net::default(),
            now: Time::ZERO,
            capacity,
            resets: 0,
            waited: 0,
            about: String::new(),
            steps: 0,
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
        let until = self.now + patience;
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
            let Some(at) = self.engines.iter().filter_map(Engine::poll_timeout).min() else {
                return;
            };
            if at > until {
                return;
            }
            self.now = at.max(self.now);
            for index in 0..self.engines.len() {
                if self.engines[index]
                    .poll_timeout()
                    .is_some_and(|at| at <= self.now)
                {
                    self.engines[index].handle_timeout(self.now);
                    let next = self.engines[index].poll_timeout();
                    assert!(
                        next.is_none_or(|next| next > self.now),
                        "a deadline stays in the past"
                    );
                    self.act(index);
                }
            }
        }
    }

    /// At that step all engines get these plans.
    pub fn reload_at(&mut self, step: u64, plans: Vec<Plan>) {
        self.reload = Some((step, plans));
    }

    /// At that step nobody is accepted by this engine any more, and what is open may go on for `patience`.
    pub fn drain_at(&mut self, step: u64, engine: usize, patience: Duration) {
        self.drain = Some((step, engine, patience));
    }

    pub fn is_draining(&self) -> bool {
        self.drain.is_none()
    }

    pub fn is_reloaded(&self) -> bool {
        self.reload.is_none()
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
        if self.net.is_used() && self.random.chance(3) && self.datagram_step() {
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

    fn step_end(&mut self, c: usize, end: usize) -> bool {
        if std::mem::take(&mut self.connections[c].reset_news[end]) {
            self.deliver_end(c, end, Eof::Reset);
            return true;
        }
        if self.connections[c].reset || self.connections[c].owners[end] == Owner::Nobody {
            return false;
        }
        if end == 1 && self.accept(c) {
            return true;
        }
        if self.connections[c].hole || self.connections[c].stopped {
            return self.write(c, end);
        }
        let reads_first = self.random.below(2) == 0;
        if reads_first && self.read(c, end) {
            return true;
        }
        self.write(c, end) || (!reads_first && self.read(c, end))
    }

    fn read(&mut self, c: usize, end: usize) -> bool {
        let random = &mut self.random;
        let connection = &mut self.connections[c];
        let pipe = &mut connection.pipes[end];
        if pipe.stalled {
            return false;
        }
        if pipe.bytes.is_empty() {
            if !pipe.fin || pipe.fin_delivered {
                if let (true, Owner::Engine(e, id)) = (pipe.fin_delivered, connection.owners[end]) {
                    let read = self.engines[e].interest(id).read;
                    assert_eq!(
                        read, 0,
                        "reading is wanted behind the end: a driver would spin"
                    );
                }
                return false;
            }
            if let Owner::Engine(e, id) = connection.owners[end] {
                connection.asleep[end] |= self.engines[e].interest(id).read == 0;
                if connection.asleep[end] {
                    return false;
                }
            }
            pipe.fin_delivered = true;
            self.deliver_end(c, end, Eof::Fin);
            return true;
        }
        if random.below(200) == 0 {
            pipe.stalled = true;
            return true;
        }
        let cut = match random.below(4) {
            0 => 1,
            1 => 1 + random.below(20),
            2 => 1 + random.below(1500),
            _ => usize::MAX,
        };
        match connection.owners[end] {
            Owner::Engine(e, id) => {
                let max = self.engines[e].interest(id).read;
                connection.asleep[end] |= max == 0;
                if connection.asleep[end] {
                    return false;
                }
                let n = pipe.bytes.len().min(cut).min(max);
                let chunk: Vec<u8> = pipe.bytes.drain(..n).collect();
                self.engines[e].handle_input(id, BytesMut::from(&chunk[..]), self.now);
                self.act(e);
            }
            Owner::Program(p) => {
                let n = pipe.bytes.len().min(cut);
                let chunk: Vec<u8> = pipe.bytes.drain(..n).collect();
                self.programs[p].received(&chunk);
            }
            Owner::Backlog(..) => return false,
            Owner::Nobody => pipe.bytes.clear(),
        }
        true
    }

    fn write(&mut self, c: usize, end: usize) -> bool {
        let room = self
            .capacity
            .saturating_sub(self.connections[c].pipes[1 - end].bytes.len());
        match self.connections[c].owners[end] {
            Owner::Engine(e, id) => {
                let mut slices = [IoSlice::new(&[]); 4];
                let used = self.engines[e].transmit(id, &mut slices);
                let offered: Vec<u8> = slices[..used]
                    .iter()
                    .flat_map(|slice| slice.iter().copied())
                    .collect();
                if offered.is_empty() {
                    let pipe = &mut self.connections[c].pipes[1 - end];
                    if self.engines[e].interest(id).fin && !pipe.fin {
                        pipe.fin = true;
                        return true;
                    }
                    return false;
                }
                if room == 0 {
                    return false;
                }
                let n = offered.len().min(room).min(1 + self.random.below(40_000));
                let pipe = &mut self.connections[c].pipes[1 - end];
                pipe.bytes.extend(&offered[..n]);
                self.engines[e].handle_sent(id, n, self.now);
                self.act(e);
                true
            }
            Owner::Program(p) => {
                if self.connections[c].pipes[1 - end].fin || room == 0 {
                    return false;
                }
                let said = self.programs[p].says(&mut self.random, room);
                let pipe = &mut self.connections[c].pipes[1 - end];
                match said {
                    Said::Nothing => false,
                    Said::Bytes(bytes) => {
                        pipe.bytes.extend(bytes);
                        true
                    }
                    Said::Fin => {
                        pipe.fin = true;
                        true
                    }
                    Said::Reset => {
                        self.resets += 1;
                        self.reset(c, end);
                        true
                    }
                }
            }
            Owner::Nobody | Owner::Backlog(..) => false,
        }
    }

    fn unstall(&mut self) -> bool {
        let mut any = false;
        for connection in &mut self.connections {
            for pipe in &mut connection.pipes {
                any |= std::mem::take(&mut pipe.stalled);
            }
        }
        any
    }

    fn deliver_end(&mut self, c: usize, end: usize, how: Eof) {
        match self.connections[c].owners[end] {
            Owner::Engine(e, id) => {
                self.engines[e].handle_eof(id, how, self.now);
                self.act(e);
            }
            Owner::Program(p) => self.programs[p].ended(how),
            Owner::Nobody | Owner::Backlog(..) => {}
        }
    }

    /// The end `by` resets the connection: what is under way is lost.
    fn reset(&mut self, c: usize, by: usize) {
        let connection = &mut self.connections[c];
        connection.reset = true;
        connection.owners[by] = Owner::Nobody;
        let told = !connection.hole && connection.owners[1 - by] != Owner::Nobody;
        connection.reset_news[1 - by] = told;
        for pipe in &mut connection.pipes {
            pipe.bytes.clear();
        }
    }

    /// Cuts every connection between two engines.
    pub fn cut_tunnels(&mut self) {
        for c in 0..self.connections.len() {
            if self.connections[c].is_between() && !self.connections[c].reset {
                self.resets += 1;
                self.connections[c].reset = true;
                self.connections[c].reset_news = [true; 2];
            }
        }
    }

    /// What is sent between two engines arrives nowhere from now on, and nobody is told.
    pub fn swallow_tunnels(&mut self) {
        for connection in &mut self.connections {
            connection.hole |= connection.is_between();
        }
    }

    /// Nobody reads what is between two engines, or everybody again. Their systems acknowledge it.
    pub fn stop_tunnels(&mut self, stopped: bool) {
        for connection in &mut self.connections {
            connection.stopped = stopped && connection.is_between();
        }
    }

    pub fn unlisten(&mut self, addr: SocketAddr) -> Listener {
        self.listeners.remove(&addr).expect("a listener")
    }

    /// Connections between engines that are in use at both ends.
    pub fn tunnels_open(&self) -> usize {
        let open = |c: &&Connection| c.is_between() && !c.reset && !c.hole;
        self.connections.iter().filter(open).count()
    }

    /// Targets that were spoken to.
    pub fn echoed(&self) -> usize {
        let echo = |program: &&Program| program.echo && program.received > 0;
        self.programs.iter().filter(echo).count()
    }

    pub fn clients_done(&self) -> usize {
        let done = |program: &&Program| program.client && program.done();
        self.programs.iter().filter(done).count()
    }

    pub fn stop(&mut self) {
        for e in 0..self.engines.len() {
            self.engines[e].handle_stop(self.now);
            self.act(e);
        }
    }

    /// Every client has got all it wanted, and the end.
    pub fn all_done(&self, setting: &dyn std::fmt::Debug) {
        for program in self.programs.iter().filter(|program| program.client) {
            let place = || format!("{setting:?}: {program:?} {:#?}", self.events);
            assert_eq!(program.failed, None, "{}", place());
            assert!(program.done(), "{}", place());
        }
    }

    /// Where the clients of all engines connected to, as these know it.
    pub fn opened_at(&self) -> impl Iterator<Item = SocketAddr> {
        self.events.iter().filter_map(|event| match event {
            ginnel_core::event::Event::Opened { local, .. } => Some(*local),
            _ => None,
        })
    }

    /// Connections between engines that are alive.
    pub fn tunnels(&self) -> usize {
        self.connections.iter().filter(|c| c.is_between()).count()
    }

    fn connect(&mut self, from: Owner, addr: SocketAddr) -> Option<usize> {
        let listener = self.listeners.get(&addr)?;
        let c = self.connections.len();
        let to = match listener {
            Listener::Engine(e, service) => Owner::Backlog(*e, *service),
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
            hole: self.swallows.contains(&addr),
            stopped: false,
            reset_news: [false; 2],
            asleep: [false; 2],
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
        let Owner::Backlog(e, service) = self.connections[c].owners[1] else {
            return false;
        };
        if !self.engines[e].accepting() {
            self.waited += 1;
            return false;
        }
        let meta = meta(self.connections[c].from, c);
        let id = self.engines[e].handle_accept(service, meta, self.now);
        self.sockets.insert((e, id), (c, 1));
        self.connections[c].owners[1] = Owner::Engine(e, id);
        self.act(e);
        true
    }

    /// Takes the engine's actions, and checks it afterwards.
    pub fn act(&mut self, e: usize) {
        while let Some(action) = self.engines[e].poll_action() {
            match action {
                Action::Connect { id, addr } => match self.connect(Owner::Engine(e, id), addr) {
                    Some(c) => {
                        self.sockets.insert((e, id), (c, 0));
                        let meta = meta(addr, c);
                        self.engines[e].handle_connected(id, Ok(meta), self.now);
                    }
                    None => {
                        let fail = Fail::new(Cause::Refused, "connection refused");
                        self.engines[e].handle_connected(id, Err(fail), self.now);
                    }
                },
                Action::Resolve { query, host, .. } => {
                    let result = match host.as_str() {
                        "target.test" => Ok(vec![[10, 0, 0, 9].into()]),
                        _ => Err(Fail::new(Cause::NameNotFound, "no such name")),
                    };
                    self.engines[e].handle_resolved(query, result, self.now);
                }
                Action::Wake(id) => {
                    if let Some((c, end)) = self.sockets.get(&(e, id)) {
                        self.connections[*c].asleep[*end] = false;
                    }
                }
                Action::Probe { id, .. } => {
                    let place = self.sockets.get(&(e, id));
                    let reach = match place.is_some_and(|(c, _)| self.connections[*c].hole) {
                        true => Reach::Silent,
                        false => Reach::Answers,
                    };
                    self.engines[e].handle_reach(id, reach, self.now);
                }
                Action::WakePort(_) => {}
                Action::Bind { id, ask } => self.bind(e, id, ask),
                Action::Unbind(id) => self.net.unbind(e, id),
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
            connection.pipes[1 - end].fin = true;
        }
    }
}

fn meta(addr: SocketAddr, c: usize) -> ConnMeta {
    ConnMeta {
        remote: SocketAddr::from(([10, 1, (c / 250) as u8, (c % 250) as u8], 40_000)),
        local: addr,
    }
}
