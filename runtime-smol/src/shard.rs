//! One thread: a local executor, its listeners and sockets, names and the clock around one engine.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use async_io::{Async, Timer};
use ginnel_core::driver::{
    self, ACCEPT_PAUSE, Acceptor, Answer, Buffers, Command, Control, GOODBYE, HAND_OVER, Input,
    Listener, Listening, Reserve, Resolver, Serve, Served, Serving, Stream, Turn,
};
use ginnel_core::engine::{Action, ConnMeta, Door, Engine, PortId, SocketId};
use ginnel_core::error::Fail;
use ginnel_core::event::Event;
use ginnel_core::plan::Plan;
use ginnel_core::time::Time;
use slotmap::SecondaryMap;
use smol::channel::Receiver;
use smol::future::FutureExt;
use smol::{LocalExecutor, Task};

use crate::socket::Socket;
use crate::{Sink, port};

type Accepting = (Async<Acceptor>, Task<()>);

pub(crate) struct Shard {
    pub(crate) executor: LocalExecutor<'static>,
    pub(crate) engine: RefCell<Engine>,
    pub(crate) ports: RefCell<SecondaryMap<PortId, Rc<port::Socket>>>,
    resolver: RefCell<Resolver>,
    /// For one datagram.
    pub(crate) space: RefCell<Vec<u8>>,
    sockets: RefCell<SecondaryMap<SocketId, Rc<Socket>>>,
    /// Listeners, and the tasks that accept.
    doors: RefCell<BTreeMap<Door, Accepting>>,
    buffers: RefCell<Buffers>,
    /// The socket whose task runs now: it need not be woken.
    running: Cell<Option<SocketId>>,
    /// When the timer task will look at the engine's deadline.
    armed: Cell<Option<Time>>,
    timer: RefCell<Option<Waker>>,
    /// The tasks that wait for room to accept.
    waiting: RefCell<Vec<Waker>>,
    pub(crate) reserve: RefCell<Reserve>,
    /// The engine has nothing left to finish.
    drained: Cell<bool>,
    /// Waits for that, and then for the last socket.
    ending: RefCell<Option<Waker>>,
    start: Instant,
    sink: Sink,
}

#[allow(clippy::disallowed_methods)] // The adapter owns the clock.
pub(crate) fn run(
    plan: Arc<Plan>,
    listeners: Vec<Listening>,
    control: Control,
    sink: Sink,
) -> io::Result<()> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let (sender, answers) = smol::channel::unbounded();
    let shard = Rc::new(Shard {
        executor: LocalExecutor::new(),
        engine: RefCell::new(Engine::new(plan, seed)),
        ports: RefCell::default(),
        resolver: RefCell::new(Resolver::new(move |answer| {
            let _ = sender.try_send(answer);
        })),
        space: RefCell::default(),
        sockets: RefCell::default(),
        doors: RefCell::default(),
        buffers: RefCell::default(),
        running: Cell::new(None),
        armed: Cell::new(None),
        timer: RefCell::new(None),
        reserve: RefCell::new(Reserve::new()?),
        drained: Cell::new(false),
        waiting: RefCell::default(),
        ending: RefCell::new(None),
        start: Instant::now(),
        sink,
    });
    let mut served = Served::new();
    for (service, listener) in listeners {
        served.insert(service, shard.listen(service, listener)?);
    }
    shard.executor.spawn(time(shard.clone())).detach();
    let task = names(shard.clone(), answers);
    shard.executor.spawn(task).detach();
    let control = Async::new(control)?;
    async_io::block_on(shard.executor.run(async {
        let mut draining = false;
        'serving: while !shard.drained.get() {
            let drained = async {
                shard.until(|shard| shard.drained.get()).await;
                Ok(())
            };
            control.readable().or(drained).await?;
            while let Some(command) = control.get_ref().take() {
                match command {
                    Command::Stop => break 'serving,
                    Command::Drain { timeout, left } => {
                        draining = true;
                        // The ports of the engine stay, and udp listeners: by these, clients that are known
                        // are answered.
                        for service in std::mem::take(&mut served).into_keys() {
                            shard.close_door(Door::Service(service));
                        }
                        let now = shard.now();
                        let count = shard.engine.borrow_mut().handle_drain(now + timeout, now);
                        let _ = left.send(count);
                        shard.act();
                    }
                    Command::Reload { .. } if draining => {}
                    Command::Reload { plan, serve, done } => {
                        let now = shard.now();
                        shard.engine.borrow_mut().handle_reload(plan, now);
                        shard.act();
                        for error in shard.serve_others(&mut served, serve) {
                            let _ = done.send(error);
                        }
                    }
                }
            }
        }
        for (service, serving) in served {
            shard.unserve(service, serving);
        }
        let now = shard.now();
        let at_once = draining && !shard.drained.get();
        let goodbye = if at_once { Duration::ZERO } else { GOODBYE };
        shard.engine.borrow_mut().handle_stop(now);
        shard.act();
        shard
            .until(|shard| shard.sockets.borrow().is_empty())
            .or(async {
                Timer::after(goodbye).await;
            })
            .await;
        // Closed by the end of the process, they would seem to have said all.
        for (id, socket) in &*shard.sockets.borrow() {
            socket.close(!shard.engine.borrow_mut().interest(id).fin);
        }
        Ok(())
    }))
}

async fn accept(shard: Rc<Shard>, door: Door) {
    loop {
        shard.room().await;
        match poll_fn(|cx| shard.poll_accept(cx, door)).await {
            Ok(stream) => {
                if let Some(stream) = stream {
                    shard.accepted(door, stream);
                }
                if shard.is_for_others(door) {
                    Timer::after(HAND_OVER).await;
                }
            }
            Err(error) if driver::is_exhausted(&error) => {
                (shard.sink)(Event::Exhausted);
                Timer::after(ACCEPT_PAUSE).await;
            }
            // The connection was gone before it was accepted.
            Err(_) => {}
        }
    }
}

async fn connect(shard: Rc<Shard>, id: SocketId, stream: io::Result<Stream>) {
    let result = connected(stream).await;
    let now = shard.now();
    if !shard.engine.borrow().knows(id) {
        return;
    }
    match result {
        Ok((io, meta)) => {
            shard.adopt(id, Socket::new(io));
            shard
                .engine
                .borrow_mut()
                .handle_connected(id, Ok(meta), now);
        }
        Err(error) => {
            let fail = Fail::from(&error);
            shard
                .engine
                .borrow_mut()
                .handle_connected(id, Err(fail), now);
        }
    }
    shard.act();
}

async fn connected(stream: io::Result<Stream>) -> io::Result<(Async<Stream>, ConnMeta)> {
    let io = Async::new_nonblocking(stream?)?;
    loop {
        // What `writable` allocates would stay with the socket.
        poll_fn(|cx| io.poll_writable(cx)).await?;
        if let Some(meta) = io.get_ref().connected()? {
            return Ok((io, meta));
        }
    }
}

async fn names(shard: Rc<Shard>, answers: Receiver<Answer>) {
    while let Ok((query, result)) = answers.recv().await {
        let now = shard.now();
        shard
            .engine
            .borrow_mut()
            .handle_resolved(query, result, now);
        shard.act();
    }
}

/// The engine's deadline. Moved here only when it comes earlier; a later one is found when this fires. What
/// came is read before: the sockets that woke together with this have their turn.
async fn time(shard: Rc<Shard>) {
    let mut timer = Timer::never();
    let mut last = false;
    poll_fn(|cx: &mut Context| {
        shard.timer.replace(Some(cx.waker().clone()));
        loop {
            let Some(at) = shard.engine.borrow().poll_timeout() else {
                shard.armed.set(None);
                return Poll::Pending;
            };
            let now = shard.now();
            if at <= now {
                if !std::mem::replace(&mut last, true) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                shard.engine.borrow_mut().handle_timeout(now);
                shard.act();
                continue;
            }
            last = false;
            if shard.armed.replace(Some(at)) != Some(at) {
                timer.set_at(shard.start + at.since(Time::ZERO));
            }
            if std::pin::Pin::new(&mut timer).poll(cx).is_pending() {
                return Poll::<()>::Pending;
            }
            shard.armed.set(None);
        }
    })
    .await
}

/// An async function would keep what it is given twice.
fn serve(shard: Rc<Shard>, id: SocketId, socket: Rc<Socket>) -> impl Future<Output = ()> {
    poll_fn(move |cx| {
        shard.running.set(Some(id));
        let poll = shard.turn(cx, id, &socket);
        shard.running.set(None);
        poll
    })
}

impl Shard {
    fn listen(self: &Rc<Self>, service: usize, listener: Listener) -> io::Result<Serving> {
        Ok(match listener {
            Listener::Stream(listener) => {
                self.open_door(Door::Service(service), listener)?;
                Serving::Tcp
            }
            Listener::Udp(socket) => Serving::Udp(self.serve_port(service, socket)?),
            Listener::Reverse => {
                let now = self.now();
                self.engine.borrow_mut().handle_serve(service, now);
                self.act();
                Serving::Reverse
            }
        })
    }

    fn unserve(self: &Rc<Self>, service: usize, serving: Serving) {
        match serving {
            Serving::Tcp => self.close_door(Door::Service(service)),
            Serving::Udp(id) => self.unserve_port(id),
            Serving::Reverse => {
                let now = self.now();
                self.engine.borrow_mut().handle_unserve(service, now);
                self.act();
            }
        }
    }

    pub(crate) fn open_door(self: &Rc<Self>, door: Door, listener: Acceptor) -> io::Result<()> {
        let listener = Async::new(listener)?;
        let task = self.executor.spawn(accept(self.clone(), door));
        self.doors.borrow_mut().insert(door, (listener, task));
        Ok(())
    }

    /// Its port is free when this returns: the task that accepts borrows the listener only while it runs.
    pub(crate) fn close_door(&self, door: Door) {
        let closed = self.doors.borrow_mut().remove(&door);
        drop(closed);
    }

    /// A connection, or after a while without one the news that there is one now.
    fn poll_accept(&self, cx: &mut Context, door: Door) -> Poll<io::Result<Option<Stream>>> {
        let doors = self.doors.borrow();
        let Some((listener, _)) = doors.get(&door) else {
            return Poll::Pending;
        };
        match self.reserve.borrow_mut().accept(listener.get_ref()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                listener.poll_readable(cx).map_ok(|()| None)
            }
            result => Poll::Ready(result.map(Some)),
        }
    }

    fn is_for_others(&self, door: Door) -> bool {
        let (doors, load) = (self.doors.borrow(), self.sockets.borrow().len());
        let listener = doors.get(&door).map(|(listener, _)| listener.get_ref());
        listener.is_some_and(|listener| listener.is_for_others(load))
    }

    /// What is not in the list any more is closed first: a listener may be that of another service now.
    fn serve_others(self: &Rc<Self>, served: &mut Served, serve: Vec<Serve>) -> Vec<io::Error> {
        let mut failed = Vec::new();
        let (leaving, new) = driver::changes(served, serve);
        for (service, serving) in leaving {
            self.unserve(service, serving);
        }
        for (service, listener) in new {
            match self.listen(service, listener) {
                Ok(serving) => drop(served.insert(service, serving)),
                Err(error) => failed.push(error),
            }
        }
        failed
    }

    fn accepted(self: &Rc<Self>, door: Door, stream: Stream) {
        let Ok(meta) = stream.meta() else {
            return;
        };
        let Ok(io) = Async::new_nonblocking(stream) else {
            return;
        };
        let now = self.now();
        let id = self.engine.borrow_mut().handle_door(door, meta, now);
        self.adopt(id, Socket::new(io));
        self.act();
    }

    fn adopt(self: &Rc<Self>, id: SocketId, socket: Socket) {
        let socket = Rc::new(socket);
        self.sockets.borrow_mut().insert(id, socket.clone());
        self.executor
            .spawn(serve(self.clone(), id, socket))
            .detach();
    }

    /// One turn of a socket's task: write, read a bounded amount, wait for what is missing.
    fn turn(self: &Rc<Self>, cx: &mut Context, id: SocketId, socket: &Rc<Socket>) -> Poll<()> {
        let waker = socket.waker.take();
        let same = waker.filter(|waker| waker.will_wake(cx.waker()));
        let waker = same.unwrap_or_else(|| cx.waker().clone());
        socket.waker.set(Some(waker));
        socket.waits_read.set(false);
        socket.waits_write.set(false);
        let mut turn = Turn::default();
        let mut readable = false;
        loop {
            if socket.blocked.get() {
                match socket.io.poll_writable(cx) {
                    Poll::Ready(_) => socket.blocked.set(false),
                    Poll::Pending => socket.waits_write.set(true),
                }
            }
            self.flush(id, socket);
            self.act();
            if socket.closed.get() {
                return Poll::Ready(());
            }
            if socket.blocked.get() && !socket.waits_write.get() {
                continue;
            }
            let max = self.engine.borrow_mut().interest(id).read;
            if max == 0 {
                return Poll::Pending;
            }
            if !readable {
                match socket.io.poll_readable(cx) {
                    Poll::Ready(_) => {}
                    Poll::Pending => {
                        socket.waits_read.set(true);
                        return Poll::Pending;
                    }
                }
            }
            if turn.is_over() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            readable = self.read(id, socket, max, &mut turn);
        }
    }

    /// One read; whether another one makes sense without asking the reactor.
    fn read(&self, id: SocketId, socket: &Socket, max: usize, turn: &mut Turn) -> bool {
        let mut buffers = self.buffers.borrow_mut();
        let mut engine = self.engine.borrow_mut();
        let input = driver::read(socket.io.get_ref(), id, &engine, &mut buffers, max);
        turn.count(&input);
        let now = self.now();
        let more = matches!(input, Input::Data { full: true, .. } | Input::Spliced(_));
        input.tell(&mut engine, id, now);
        more
    }

    fn flush(&self, id: SocketId, socket: &Socket) {
        let now = self.now();
        let mut engine = self.engine.borrow_mut();
        let pipes = &mut self.buffers.borrow_mut().pipes;
        if socket.flush(id, &mut engine, pipes, now).is_err() {
            engine.handle_broken(id, now);
        }
    }

    /// Does what the engine asks until it asks nothing more. Other sockets are written to from here; their
    /// tasks are woken only when they wait for less than they need now.
    pub(crate) fn act(self: &Rc<Self>) {
        loop {
            let action = self.engine.borrow_mut().poll_action();
            let Some(action) = action else {
                break;
            };
            match action {
                Action::Connect { id, to, options } => {
                    let stream = Stream::connect(&to, &options, &mut self.reserve.borrow_mut());
                    self.executor
                        .spawn(connect(self.clone(), id, stream))
                        .detach();
                }
                Action::Resolve { query, host, port } => {
                    self.resolver.borrow_mut().ask(query, host, port);
                }
                Action::Wake(id) => {
                    let socket = self.sockets.borrow().get(id).cloned();
                    if let Some(socket) = socket {
                        self.flush(id, &socket);
                        self.rouse(id, &socket);
                    }
                }
                Action::Probe { id, meta, within } => {
                    let reach = driver::reach(&meta, within);
                    let now = self.now();
                    self.engine.borrow_mut().handle_reach(id, reach, now);
                }
                Action::Bind { id, ask } => self.bind_port(id, ask),
                Action::WakePort(id) => self.wake_port(id),
                Action::Unbind(id) => self.close_port(id),
                Action::Close { id, reset } => {
                    self.buffers.borrow_mut().pipes.forget(id);
                    let socket = self.sockets.borrow_mut().remove(id);
                    if let Some(socket) = socket {
                        socket.close(reset);
                    }
                    self.wake_ending();
                }
                Action::Drained => {
                    self.drained.set(true);
                    self.wake_ending();
                }
            }
        }
        loop {
            let event = self.engine.borrow_mut().poll_event();
            let Some(event) = event else {
                break;
            };
            (self.sink)(event);
        }
        if !self.waiting.borrow().is_empty() && self.engine.borrow().accepting() {
            self.waiting.take().into_iter().for_each(Waker::wake);
        }
        let at = self.engine.borrow().poll_timeout();
        let armed = self.armed.get();
        if at.is_some_and(|at| armed.is_none_or(|armed| at < armed))
            && let Some(waker) = &*self.timer.borrow()
        {
            waker.wake_by_ref();
        }
    }

    fn rouse(&self, id: SocketId, socket: &Socket) {
        if self.running.get() == Some(id) {
            return;
        }
        let needs_read = self.engine.borrow_mut().interest(id).read > 0 && !socket.waits_read.get();
        let needs_write = socket.blocked.get() && !socket.waits_write.get();
        if needs_read || needs_write {
            socket.wake();
        }
    }

    /// Connections that the engine has no room for wait in the system's queue.
    async fn room(&self) {
        poll_fn(|cx| {
            if self.engine.borrow().accepting() {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn wake_ending(&self) {
        if let Some(waker) = self.ending.take() {
            waker.wake();
        }
    }

    async fn until(&self, done: impl Fn(&Self) -> bool) {
        poll_fn(|cx| {
            if done(self) {
                return Poll::Ready(());
            }
            self.ending.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await
    }

    pub(crate) fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }
}
