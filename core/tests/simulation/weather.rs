//! What networks and machines do to those who use them: delays, answers in any order, outages, readers that
//! pause, processes that are stopped, clocks that jump.

use std::net::SocketAddr;
use std::time::Duration;

use ginnel_core::engine::{Engine, QueryId, Reach, SocketId};
use ginnel_core::error::{Cause, Fail};
use ginnel_core::time::Time;

use crate::plans;
use crate::random::Random;
use crate::world::middlebox::Middlebox;
use crate::world::{Listener, Owner, World, meta};

/// For how long a program does not read: several in a row are shorter than what ends a stalled mux stream.
pub const PAUSE: Duration = Duration::from_millis(300);

/// When the system gives up a connection through a black hole, if nobody does it before: TCP's keep-alive.
const GIVEN_UP: Duration = Duration::from_secs(180);

/// What is sent through a pipe.
pub enum Cargo {
    Bytes(Vec<u8>),
    Fin,
}

/// What the system owes an engine.
#[derive(Debug)]
pub enum Answer {
    Connected(SocketId, SocketAddr),
    Resolved(QueryId, String, u16),
    Reach(SocketId, Duration),
}

/// What may happen in a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Bytes are under way for this long at most, and answers of the system, each for itself.
    pub latency: Duration,
    /// Bytes a second that pass between two engines, each way.
    pub rate: Option<u32>,
    /// One in so many reads of a program is followed by a pause.
    pub pauses: Option<usize>,
    /// One in so many steps is followed by a jump of the clock.
    pub jumps: Option<usize>,
    /// At that step nothing passes between two engines, for so long; and comes later.
    pub outage: Option<(u64, Duration)>,
    /// At that step an engine is stopped, for so long.
    pub nap: Option<(u64, usize, Duration)>,
}

impl Weather {
    pub fn draw(random: &mut Random) -> Self {
        Self {
            latency: Duration::from_millis([0, 20, 150, 300][random.below(4)]),
            pauses: random.chance(2).then_some(20),
            ..Self::default()
        }
    }

    pub fn pauses(&self, random: &mut Random) -> bool {
        self.pauses.is_some_and(|one_in| random.chance(one_in))
    }
}

/// The weather, and what it holds up.
#[derive(Default)]
pub struct Sky {
    pub weather: Weather,
    answers: Vec<(Time, usize, Answer)>,
    /// An outage.
    dark: Option<(Time, Time)>,
    /// The engine that is stopped.
    asleep: Option<(usize, Time)>,
    /// When the system gives up what is in a black hole.
    given_up: Option<Time>,
    pub jumps: u64,
    /// The step of the last jump.
    jumped: u64,
}

impl World {
    /// What is due of the weather; true if that was something.
    pub fn weather(&mut self) -> bool {
        self.sky.asleep = self.sky.asleep.filter(|(_, until)| *until > self.now);
        self.sky.dark = self.sky.dark.filter(|(_, until)| *until > self.now);
        if let Some((_, e, long)) = self.sky.weather.nap.take_if(|nap| nap.0 <= self.steps) {
            self.sky.asleep = Some((e, self.now + long));
        }
        if let Some((_, long)) = self.sky.weather.outage.take_if(|out| out.0 <= self.steps) {
            self.darken(long);
        }
        let jumps = self.sky.weather.jumps;
        if jumps.is_some_and(|one_in| self.random.chance(one_in))
            && self.steps > self.sky.jumped + 20
        {
            self.sky.jumped = self.steps;
            self.jump();
        }
        if self.sky.given_up.take_if(|at| *at <= self.now).is_some() {
            for connection in &mut self.connections {
                if connection.hole {
                    connection.reset = true;
                    connection.reset_news = connection.owners.map(|owner| owner != Owner::Nobody);
                }
            }
        }
        self.arrive();
        self.answer_one()
    }

    /// When something happens next by itself.
    pub fn next_event(&self) -> Option<Time> {
        let engines = self.engines.iter().enumerate();
        let awake = engines.filter(|(e, _)| !self.sleeps(*e));
        let deadlines = awake.filter_map(|(_, engine)| Engine::poll_timeout(engine));
        let answers = self.sky.answers.iter().filter(|(_, e, _)| !self.sleeps(*e));
        let pipes = self.live.iter().flat_map(|c| &self.connections[*c].pipes);
        let transit = pipes.clone().filter_map(|pipe| pipe.transit.front());
        deadlines
            .chain(answers.map(|(at, ..)| *at))
            .chain(transit.map(|(at, _)| *at))
            .chain(pipes.filter_map(|pipe| pipe.paused))
            .chain(self.sky.asleep.map(|(_, until)| until))
            .chain(self.sky.dark.map(|(_, until)| until))
            .chain(self.sky.given_up)
            .min()
    }

    pub fn sleeps(&self, e: usize) -> bool {
        matches!(self.sky.asleep, Some((asleep, until)) if asleep == e && until > self.now)
    }

    /// What is open between two engines now is in a black hole for ever.
    pub fn lose_tunnels(&mut self) {
        self.swallow_tunnels();
        self.sky.given_up = Some(self.now + GIVEN_UP);
    }

    /// Nothing passes this connection now.
    pub fn is_dark(&self, c: usize) -> bool {
        self.connections[c].tunnel && self.sky.dark.is_some_and(|(_, until)| until > self.now)
    }

    /// Into pipe `to` of a connection; false for an end that is said already.
    pub fn send(&mut self, c: usize, to: usize, mut cargo: Cargo) -> bool {
        if self.has_fin(c, to) {
            return false;
        }
        if self.connections[c].tunnel {
            self.spoil(c, to, &mut cargo);
        }
        let ends_both = self.connections[c].tunnel && self.middlebox == Middlebox::EndsBoth;
        let other = matches!(cargo, Cargo::Fin) && ends_both;
        let mut at = self.now + self.delay();
        if let (Some((_, dawn)), true) = (self.sky.dark, self.is_dark(c)) {
            at = at.max(dawn);
        }
        let took = self.transmission(c, &cargo);
        let transit = &mut self.connections[c].pipes[to].transit;
        // Bytes do not overtake one another.
        at = at.max(transit.back().map_or(at, |(last, _)| *last)) + took;
        transit.push_back((at, cargo));
        if at == self.now {
            self.arrive_at(c);
        }
        if other {
            self.send(c, 1 - to, Cargo::Fin);
        }
        true
    }

    /// Somebody sent an end through this pipe.
    pub fn has_fin(&self, c: usize, to: usize) -> bool {
        let pipe = &self.connections[c].pipes[to];
        pipe.fin || matches!(pipe.transit.back(), Some((_, Cargo::Fin)))
    }

    /// What an engine asked of the system: now, or later.
    pub fn answer(&mut self, e: usize, answer: Answer) {
        let mut at = self.now + self.delay();
        if let (Some((_, dawn)), Answer::Connected(_, addr)) = (self.sky.dark, &answer)
            && matches!(self.listeners.get(addr), Some(Listener::Engine(..)))
        {
            at = at.max(dawn);
        }
        match at == self.now {
            true => self.give(e, answer),
            false => self.sky.answers.push((at, e, answer)),
        }
    }

    /// The engine closed this socket.
    pub fn forget_answers(&mut self, e: usize, id: SocketId) {
        self.sky.answers.retain(|(_, of, answer)| match answer {
            Answer::Connected(to, _) | Answer::Reach(to, _) => (*of, *to) != (e, id),
            Answer::Resolved(..) => true,
        });
    }

    fn delay(&mut self) -> Duration {
        let latency = self.sky.weather.latency;
        if latency.is_zero() {
            return latency;
        }
        latency.mul_f64(0.5 + self.random.below(1000) as f64 / 2000.0)
    }

    /// How long a slow path is busy with this.
    fn transmission(&self, c: usize, cargo: &Cargo) -> Duration {
        match (self.sky.weather.rate, cargo) {
            (Some(rate), Cargo::Bytes(bytes)) if self.connections[c].tunnel => {
                Duration::from_secs(bytes.len() as u64) / rate
            }
            _ => Duration::ZERO,
        }
    }

    fn arrive(&mut self) {
        for index in 0..self.live.len() {
            self.arrive_at(self.live[index]);
        }
    }

    fn arrive_at(&mut self, c: usize) {
        for end in 0..2 {
            let connection = &mut self.connections[c];
            let pipe = &mut connection.pipes[end];
            pipe.paused = pipe.paused.filter(|until| *until > self.now);
            while pipe.transit.front().is_some_and(|(at, _)| *at <= self.now) {
                match pipe.transit.pop_front() {
                    Some((_, Cargo::Bytes(bytes))) => pipe.bytes.extend(bytes),
                    _ => pipe.fin = true,
                }
            }
            // Whoever has closed resets what still comes.
            if !pipe.bytes.is_empty()
                && connection.owners[end] == Owner::Nobody
                && !connection.reset
            {
                self.reset(c, end);
            }
        }
    }

    /// One answer that is due, any of them.
    fn answer_one(&mut self) -> bool {
        let due =
            |(_, (at, e, _)): &(usize, &(Time, usize, Answer))| *at <= self.now && !self.sleeps(*e);
        let all = self.sky.answers.iter().enumerate().filter(due);
        let due: Vec<usize> = all.map(|(index, _)| index).collect();
        if due.is_empty() || self.random.chance(2) {
            return false;
        }
        let index = due[self.random.below(due.len())];
        let (_, e, answer) = self.sky.answers.swap_remove(index);
        self.give(e, answer);
        self.act(e);
        true
    }

    fn give(&mut self, e: usize, answer: Answer) {
        match answer {
            Answer::Connected(id, addr) => {
                let result = match self.connect(Owner::Engine(e, id), addr) {
                    Some(c) => {
                        self.sockets.insert((e, id), (c, 0));
                        Ok(meta(addr, c))
                    }
                    None => Err(Fail::new(Cause::Refused, "connection refused")),
                };
                self.engines[e].handle_connected(id, result, self.now);
            }
            Answer::Resolved(query, host, port) => {
                let result = match host.as_str() {
                    plans::ZONED => Ok(vec![plans::zoned(port)]),
                    "target.test" => Ok(vec![([10, 0, 0, 9], port).into()]),
                    _ => Err(Fail::new(Cause::NameNotFound, "no such name")),
                };
                self.engines[e].handle_resolved(query, result, self.now);
            }
            Answer::Reach(id, within) => {
                let socket = self.sockets.get(&(e, id)).copied();
                let c = socket.map(|(c, _)| c).filter(|_| !self.relayed);
                let long = |(since, _)| self.now.since(since) >= within;
                let lost = |c: usize| {
                    self.connections[c].hole || (self.is_dark(c) && self.sky.dark.is_some_and(long))
                };
                // Here what is not read is not acknowledged.
                let waits = |(c, end): (usize, usize)| {
                    let connection = &self.connections[c];
                    !connection.hole && connection.pipes[1 - end].holds() > 0
                };
                let reach = match c.is_some_and(lost) {
                    true => Reach::Silent,
                    false if socket.is_some_and(waits) => Reach::Full,
                    false => Reach::Answers,
                };
                self.engines[e].handle_reach(id, reach, self.now);
            }
        }
    }

    fn darken(&mut self, long: Duration) {
        let dawn = self.now + long;
        self.sky.dark = Some((self.now, dawn));
        for connection in self.connections.iter_mut().filter(|c| c.tunnel) {
            for (at, _) in connection
                .pipes
                .iter_mut()
                .flat_map(|pipe| &mut pipe.transit)
            {
                *at = dawn.max(*at);
            }
        }
    }

    /// Minutes or hours are gone at once: everybody was stopped, and the network with them, or not. Drivers
    /// look at what waits in the sockets before they look at the clock.
    fn jump(&mut self) {
        let far = Duration::from_secs([120, 600, 7200][self.random.below(3)]);
        let (before, frozen) = (self.now, self.random.chance(2));
        self.sky.jumps += 1;
        self.now = self.now + far;
        self.until = self.until + far;
        if frozen {
            let pipes = self.connections.iter_mut().flat_map(|c| &mut c.pipes);
            let transit = pipes.flat_map(|pipe| pipe.transit.iter_mut().map(|(at, _)| at));
            let answers = self.sky.answers.iter_mut().map(|(at, ..)| at);
            for at in transit.chain(answers).filter(|at| **at > before) {
                *at = *at + far;
            }
        }
        self.arrive();
        for e in 0..self.engines.len() {
            for c in self.live.clone() {
                for end in 0..2 {
                    if matches!(self.connections[c].owners[end], Owner::Engine(of, _) if of == e) {
                        self.step_end(c, end);
                    }
                }
            }
            self.look_at_clock(e);
        }
    }
}
