//! One thread's loop: listeners, sockets, names and the clock around one engine.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use ginnel_core::driver::{
    self, ACCEPT_PAUSE, Acceptor, Answer, Buffers, Command, Control, GOODBYE, HAND_OVER, Input,
    Listener, Listening, Reserve, Resolver, Serve, Served, Serving, Stream, Turn,
};
use ginnel_core::engine::{Action, Door, Engine, SocketId};
use ginnel_core::error::{Eof, Fail};
use ginnel_core::event::Event;
use ginnel_core::plan::Plan;
use ginnel_core::time::Time;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use slotmap::{Key, KeyData, SecondaryMap};

use crate::Sink;
use crate::port::{self, Ports};
use crate::socket::Socket;

/// Sockets' tokens are their ids, of which none is this small.
const CONTROL: Token = Token(0);
const NAMES: Token = Token(1);
const LISTENERS: usize = 2;

/// Accepts before the sockets have their turn.
const ACCEPTS: usize = 64;

pub(crate) struct Shard {
    pub(crate) poll: Poll,
    pub(crate) engine: Engine,
    pub(crate) ports: Ports,
    serving: Served,
    listeners: BTreeMap<Door, Acceptor>,
    /// Listeners with connections to accept.
    accepting: Vec<Door>,
    accept_again: Option<Instant>,
    pub(crate) reserve: Reserve,
    sockets: SecondaryMap<SocketId, Socket>,
    /// Sockets with work left, in turn.
    ready: VecDeque<SocketId>,
    resolver: Resolver,
    answers: Receiver<Answer>,
    buffers: Buffers,
    /// The socket whose turn it is: it looks again by itself.
    running: Option<SocketId>,
    control: Control,
    draining: bool,
    /// The engine has nothing left to finish.
    drained: bool,
    stopping: Option<Instant>,
    start: Instant,
    sink: Sink,
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
                self.engine.handle_timeout(now);
                self.act();
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

    fn list(&mut self, id: SocketId) {
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
        if !self.flush(id) {
            return false;
        }
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
        let now = self.now();
        input.tell(&mut self.engine, id, now);
        self.act();
        true
    }

    fn flush(&mut self, id: SocketId) -> bool {
        let now = self.now();
        let Some(socket) = self.sockets.get_mut(id) else {
            return false;
        };
        let pipes = &mut self.buffers.pipes;
        if !socket.connecting && socket.flush(id, &mut self.engine, pipes, now).is_err() {
            self.engine.handle_broken(id, now);
        }
        self.act();
        true
    }

    /// Does what the engine asks until it asks nothing more.
    pub(crate) fn act(&mut self) {
        while let Some(action) = self.engine.poll_action() {
            match action {
                Action::Connect { id, to, options } => {
                    let stream = Stream::connect(&to, &options, &mut self.reserve);
                    if let Err(error) = stream.and_then(|stream| self.register(id, stream, true)) {
                        let now = self.now();
                        self.engine
                            .handle_connected(id, Err(Fail::from(&error)), now);
                    }
                }
                Action::Resolve { query, host, port } => self.resolver.ask(query, host, port),
                Action::Wake(id) => {
                    let now = self.now();
                    if let Some(socket) = self.sockets.get_mut(id)
                        && !socket.connecting
                    {
                        let pipes = &mut self.buffers.pipes;
                        if socket.flush(id, &mut self.engine, pipes, now).is_err() {
                            self.engine.handle_broken(id, now);
                        }
                        if socket.readable && self.running != Some(id) {
                            // Reading may be wanted again, and no event would say so.
                            self.list(id);
                        }
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

    fn register(&mut self, id: SocketId, stream: Stream, connecting: bool) -> io::Result<()> {
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
        let now = self.now();
        let socket = &mut self.sockets[id];
        match socket.stream.connected() {
            Ok(None) => return,
            Ok(Some(meta)) => {
                socket.connecting = false;
                self.engine.handle_connected(id, Ok(meta), now);
            }
            Err(error) => {
                self.engine
                    .handle_connected(id, Err(Fail::from(&error)), now);
                self.sockets.remove(id);
            }
        }
        self.act();
        self.list(id);
    }

    /// Those that the engine has no room for wait in the system's queue.
    #[allow(clippy::disallowed_methods)] // The adapter owns the clock.
    fn accept(&mut self) {
        if self.accept_again.is_some_and(|at| at > Instant::now()) {
            return;
        }
        if !self.engine.accepting() {
            return;
        }
        let waited = self.accept_again.take().is_some();
        for door in std::mem::take(&mut self.accepting) {
            for round in 0.. {
                let Some(listener) = self.listeners.get(&door) else {
                    break;
                };
                if round == ACCEPTS || !self.engine.accepting() {
                    self.accepting.push(door);
                    break;
                }
                let takes = waited && round == 0;
                if !takes && listener.is_for_others(self.sockets.len()) {
                    self.accepting.push(door);
                    self.accept_again = Some(Instant::now() + HAND_OVER);
                    break;
                }
                match self.reserve.accept(listener) {
                    Ok(stream) => self.accepted(door, stream),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if driver::is_exhausted(&error) => {
                        self.accepting.push(door);
                        self.accept_again = Some(Instant::now() + ACCEPT_PAUSE);
                        (self.sink)(Event::Exhausted);
                        break;
                    }
                    // The connection was gone before it was accepted.
                    Err(_) => {}
                }
            }
        }
    }

    fn accepted(&mut self, door: Door, stream: Stream) {
        let Ok(meta) = stream.meta() else {
            return;
        };
        let now = self.now();
        let id = self.engine.handle_door(door, meta, now);
        if self.register(id, stream, false).is_err() {
            self.engine.handle_eof(id, Eof::Reset, now);
        }
        self.act();
        self.list(id);
    }

    fn resolved(&mut self) {
        while let Ok((query, result)) = self.answers.try_recv() {
            let now = self.now();
            self.engine.handle_resolved(query, result, now);
            self.act();
        }
    }

    fn obey(&mut self) {
        while let Some(command) = self.control.take() {
            match command {
                Command::Stop => self.begin_stop(),
                Command::Drain { timeout, left } => {
                    self.draining = true;
                    self.close_listeners();
                    let now = self.now();
                    let _ = left.send(self.engine.handle_drain(now + timeout, now));
                    self.act();
                }
                Command::Reload { .. } if self.draining || self.stopping.is_some() => {}
                Command::Reload { plan, serve, done } => {
                    let now = self.now();
                    self.engine.handle_reload(plan, now);
                    self.act();
                    for error in self.serve_others(serve) {
                        let _ = done.send(error);
                    }
                }
            }
        }
    }

    /// What is not in the list any more is closed first: a listener may be that of another service now.
    fn serve_others(&mut self, serve: Vec<Serve>) -> Vec<io::Error> {
        let (leaving, new) = driver::changes(&mut self.serving, serve);
        for (service, serving) in leaving {
            self.unserve(service, serving);
        }
        let new = new.into_iter();
        new.filter_map(|(service, listener)| self.listen(service, listener).err())
            .collect()
    }

    fn listen(&mut self, service: usize, listener: Listener) -> io::Result<()> {
        let serving = match listener {
            Listener::Stream(listener) => {
                listener.set_nonblocking()?;
                self.open_door(Door::Service(service), listener)?;
                Serving::Tcp
            }
            Listener::Udp(socket) => Serving::Udp(self.serve_port(service, socket)?),
            Listener::Reverse => {
                let now = self.now();
                self.engine.handle_serve(service, now);
                self.act();
                Serving::Reverse
            }
        };
        self.serving.insert(service, serving);
        Ok(())
    }

    fn unserve(&mut self, service: usize, serving: Serving) {
        match serving {
            Serving::Tcp => self.close_door(Door::Service(service)),
            Serving::Udp(id) => self.unserve_port(id),
            Serving::Reverse => {
                let now = self.now();
                self.engine.handle_unserve(service, now);
                self.act();
            }
        }
    }

    pub(crate) fn open_door(&mut self, door: Door, listener: Acceptor) -> io::Result<()> {
        let token = match door {
            Door::Service(service) => Token(LISTENERS + service),
            Door::Port(id) => port::token(id),
        };
        let (fd, registry) = (listener.as_fd().as_raw_fd(), self.poll.registry());
        registry.register(&mut SourceFd(&fd), token, Interest::READABLE)?;
        self.listeners.insert(door, listener);
        self.accepting.push(door);
        Ok(())
    }

    pub(crate) fn close_door(&mut self, door: Door) {
        if let Some(listener) = self.listeners.remove(&door) {
            // Closing is not enough while others have the same socket.
            let fd = listener.as_fd().as_raw_fd();
            let _ = self.poll.registry().deregister(&mut SourceFd(&fd));
        }
    }

    /// The ports of the engine stay, and udp listeners: by these, clients that are known are answered.
    fn close_listeners(&mut self) {
        for service in std::mem::take(&mut self.serving).into_keys() {
            self.close_door(Door::Service(service));
        }
    }

    #[allow(clippy::disallowed_methods)] // The adapter owns the clock.
    fn begin_stop(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        let at_once = self.draining && !self.drained;
        let goodbye = if at_once { Duration::ZERO } else { GOODBYE };
        self.stopping = Some(Instant::now() + goodbye);
        self.close_listeners();
        let now = self.now();
        self.engine.handle_stop(now);
        self.act();
    }

    /// Closed by the end of the process, they would seem to have said all.
    fn reset_rest(&mut self) {
        for (id, socket) in &self.sockets {
            if !self.engine.interest(id).fin {
                driver::reset(&socket.stream);
            }
        }
    }

    #[allow(clippy::disallowed_methods)] // The adapter owns the clock.
    fn is_done(&self) -> bool {
        self.stopping
            .is_some_and(|until| self.sockets.is_empty() || Instant::now() >= until)
    }

    #[allow(clippy::disallowed_methods)] // The adapter owns the clock.
    fn timeout(&mut self) -> Option<Duration> {
        if !self.ready.is_empty() || !self.ports.is_idle() {
            return Some(Duration::ZERO);
        }
        let now = Instant::now();
        let until = |at: Instant| at.saturating_duration_since(now);
        let engine = self
            .engine
            .poll_timeout()
            .map(|at| until(self.start + at.since(Time::ZERO)));
        let accept = match self.accept_again {
            Some(at) => Some(until(at)),
            None if !self.accepting.is_empty() && self.engine.accepting() => Some(Duration::ZERO),
            None => None,
        };
        let stop = self.stopping.map(until);
        [engine, accept, stop].into_iter().flatten().min()
    }

    pub(crate) fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }
}

/// The listener that a token would be of.
fn door(token: Token) -> Door {
    match port::id(token) {
        Some(id) => Door::Port(id),
        None => Door::Service(token.0.wrapping_sub(LISTENERS)),
    }
}
