//! One thread's loop: listeners, sockets, names and the clock around one engine.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use ginnel_core::driver::{
    self, Acceptor, Answer, Buffers, Control, Input, Listening, Reserve, Resolver, Served, Stream,
    Turn,
};
use ginnel_core::engine::{Action, Door, Engine, SocketId};
use ginnel_core::error::Fail;
use ginnel_core::plan::Plan;
use ginnel_core::time::Time;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use slotmap::{Key, KeyData, SecondaryMap};

use crate::Sink;
use crate::doors::door;
use crate::port::Ports;
use crate::socket::Socket;

/// Sockets' tokens are their ids, of which none is this small.
const CONTROL: Token = Token(0);
const NAMES: Token = Token(1);
pub(crate) const LISTENERS: usize = 2;

pub(crate) struct Shard {
    pub(crate) poll: Poll,
    pub(crate) engine: Engine,
    pub(crate) ports: Ports,
    pub(crate) serving: Served,
    pub(crate) listeners: BTreeMap<Door, Acceptor>,
    /// Listeners with connections to accept.
    pub(crate) accepting: Vec<Door>,
    pub(crate) accept_again: Option<Time>,
    pub(crate) reserve: Reserve,
    pub(crate) sockets: SecondaryMap<SocketId, Socket>,
    /// Sockets with work left, in turn.
    ready: VecDeque<SocketId>,
    resolver: Resolver,
    answers: Receiver<Answer>,
    buffers: Buffers,
    /// The socket whose turn it is: it looks again by itself.
    running: Option<SocketId>,
    pub(crate) control: Control,
    pub(crate) draining: bool,
    /// The engine has nothing left to finish.
    pub(crate) drained: bool,
    pub(crate) stopping: Option<Time>,
    start: Instant,
    pub(crate) sink: Sink,
}

impl Shard {
    #[allow(clippy::disallowed_methods)] // The adapter owns the clock.
    pub(crate) fn new(
        plan: Arc<Plan>,
        listeners: Vec<Listening>,
        control: Control,
        sink: Sink,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry();
        let readable = control.as_fd().as_raw_fd();
        registry.register(&mut SourceFd(&readable), CONTROL, Interest::READABLE)?;
        let waker = Waker::new(registry, NAMES)?;
        let (sender, answers) = mpsc::channel();
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let mut shard = Self {
            ports: Ports::default(),
            poll,
            engine: Engine::new(plan, seed),
            serving: Served::new(),
            listeners: BTreeMap::new(),
            accepting: Vec::new(),
            accept_again: None,
            reserve: Reserve::new()?,
            sockets: SecondaryMap::new(),
            ready: VecDeque::new(),
            resolver: Resolver::new(move |answer| {
                if sender.send(answer).is_ok() {
                    let _ = waker.wake();
                }
            }),
            answers,
            buffers: Buffers::default(),
            running: None,
            control,
            draining: false,
            drained: false,
            stopping: None,
            start: Instant::now(),
            sink,
        };
        for (service, listener) in listeners {
            shard.listen(service, listener)?;
        }
        Ok(shard)
    }

    /// Fixed order of work: readiness, names, sockets by turns, time, accepts. What came is read before a
    /// deadline that waits for it fires.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => result?,
            }
            for event in &events {
                self.note(event.token(), event);
            }
            self.resolved();
            for _ in 0..self.ready.len() {
                if let Some(id) = self.ready.pop_front() {
                    self.turn(id);
                }
            }
            self.turn_ports();
            let now = self.now();
            if self.engine.poll_timeout().is_some_and(|at| at <= now) {
                self.tell(|engine, _| engine.handle_timeout(now));
            }
            self.accept();
            if self.drained {
                self.begin_stop();
            }
            if self.is_done() {
                self.reset_rest();
                return Ok(());
            }
        }
    }

    fn note(&mut self, token: Token, event: &mio::event::Event) {
        match token {
            CONTROL => self.obey(),
            NAMES => {}
            token if self.listeners.contains_key(&door(token)) => {
                self.accepting.push(door(token));
            }
            token if self.ports.note(token, event) => {}
            Token(id) => {
                let id = SocketId::from(KeyData::from_ffi(id as u64));
                let Some(socket) = self.sockets.get_mut(id) else {
                    return;
                };
                socket.more_behind |=
                    event.is_read_closed() || event.is_error() || event.is_priority();
                socket.readable |= event.is_readable() || socket.more_behind;
                socket.writable |= event.is_writable() || event.is_error();
                self.list(id);
            }
        }
    }

    pub(crate) fn list(&mut self, id: SocketId) {
        if let Some(socket) = self.sockets.get_mut(id)
            && !std::mem::replace(&mut socket.listed, true)
        {
            self.ready.push_back(id);
        }
    }

    /// One socket's turn: finish connecting, write, read a bounded amount.
    fn turn(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(id) else {
            return;
        };
        socket.listed = false;
        if socket.connecting {
            return self.connected(id);
        }
        self.running = Some(id);
        let mut turn = Turn::default();
        while self.step(id, &mut turn) {
            if turn.is_over() {
                self.list(id);
                break;
            }
        }
        self.running = None;
    }

    /// Writes, and reads once. Whether there may be more to read.
    fn step(&mut self, id: SocketId, turn: &mut Turn) -> bool {
        self.flush(id);
        self.act();
        let max = self.engine.interest(id).read;
        let Some(socket) = self.sockets.get_mut(id) else {
            return false;
        };
        if max == 0 || !socket.readable {
            return false;
        }
        let input = socket.read(id, &self.engine, &mut self.buffers, max);
        if let Input::Blocked = input {
            return false;
        }
        turn.count(&input);
        self.tell(|engine, now| input.tell(engine, id, now));
        true
    }

    fn flush(&mut self, id: SocketId) {
        let now = self.now();
        let pipes = &mut self.buffers.pipes;
        if let Some(socket) = self.sockets.get_mut(id)
            && !socket.connecting
            && socket.flush(id, &mut self.engine, pipes, now).is_err()
        {
            self.engine.handle_broken(id, now);
        }
    }

    /// Does what the engine asks until it asks nothing more.
    pub(crate) fn act(&mut self) {
        while let Some(action) = self.engine.poll_action() {
            match action {
                Action::Connect { id, to, options } => {
                    let stream = Stream::connect(&to, &options, &mut self.reserve);
                    if let Err(error) = stream.and_then(|stream| self.add(id, stream, true)) {
                        let now = self.now();
                        self.engine
                            .handle_connected(id, Err(Fail::from(&error)), now);
                    }
                }
                Action::Resolve { query, host, port } => self.resolver.ask(query, host, port),
                Action::Wake(id) => {
                    self.flush(id);
                    if let Some(socket) = self.sockets.get(id)
                        && socket.readable
                        && !socket.connecting
                        && self.running != Some(id)
                    {
                        // Reading may be wanted again, and no event would say so.
                        self.list(id);
                    }
                }
                Action::Probe { id, meta, within } => {
                    let reach = driver::reach(&meta, within);
                    let now = self.now();
                    self.engine.handle_reach(id, reach, now);
                }
                Action::Bind { id, ask } => self.bind_port(id, ask),
                Action::WakePort(id) => self.wake_port(id),
                Action::Unbind(id) => {
                    self.close_port(id);
                    // A descriptor is free.
                    self.accept_again = None;
                }
                Action::Close { id, reset } => {
                    self.buffers.pipes.forget(id);
                    // Nobody else has the socket: its end takes it off the list of the poll.
                    if let Some(socket) = self.sockets.remove(id) {
                        if reset {
                            driver::reset(&socket.stream);
                        }
                        // A descriptor is free.
                        self.accept_again = None;
                    }
                }
                Action::Drained => self.drained = true,
            }
        }
        while let Some(event) = self.engine.poll_event() {
            (self.sink)(event);
        }
    }

    /// An input to the engine, and all that it asks for then.
    pub(crate) fn tell<T>(&mut self, input: impl FnOnce(&mut Engine, Time) -> T) -> T {
        let now = self.now();
        let result = input(&mut self.engine, now);
        self.act();
        result
    }

    pub(crate) fn add(&mut self, id: SocketId, stream: Stream, connecting: bool) -> io::Result<()> {
        let token = Token(id.data().as_ffi() as usize);
        let interest = Interest::READABLE | Interest::WRITABLE;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let interest = interest | Interest::PRIORITY;
        let (fd, registry) = (stream.as_fd().as_raw_fd(), self.poll.registry());
        registry.register(&mut SourceFd(&fd), token, interest)?;
        self.sockets.insert(id, Socket::new(stream, connecting));
        Ok(())
    }

    fn connected(&mut self, id: SocketId) {
        let socket = &mut self.sockets[id];
        let result = match socket.stream.connected() {
            Ok(None) => return,
            Ok(Some(meta)) => {
                socket.connecting = false;
                Ok(meta)
            }
            Err(error) => {
                self.sockets.remove(id);
                Err(Fail::from(&error))
            }
        };
        self.tell(|engine, now| engine.handle_connected(id, result, now));
        self.list(id);
    }

    fn resolved(&mut self) {
        while let Ok((query, result)) = self.answers.try_recv() {
            self.tell(|engine, now| engine.handle_resolved(query, result, now));
        }
    }

    /// Closed by the end of the process, they would seem to have said all.
    fn reset_rest(&mut self) {
        for (id, socket) in &self.sockets {
            if !self.engine.interest(id).fin {
                driver::reset(&socket.stream);
            }
        }
    }

    fn is_done(&self) -> bool {
        self.stopping
            .is_some_and(|until| self.sockets.is_empty() || self.now() >= until)
    }

    fn timeout(&mut self) -> Option<Duration> {
        if !self.ready.is_empty() || !self.ports.is_idle() {
            return Some(Duration::ZERO);
        }
        let now = self.now();
        let accept = match self.accept_again {
            None if !self.accepting.is_empty() && self.engine.accepting() => Some(now),
            again => again,
        };
        let first = [self.engine.poll_timeout(), accept, self.stopping];
        first.into_iter().flatten().min().map(|at| at.since(now))
    }

    pub(crate) fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }
}
