//! One thread: a local executor, its listeners and sockets, names and the clock around one engine.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use async_io::{Async, Timer};
use ginnel_core::driver::{
    self, Answer, Buffers, Control, Input, Listening, Reserve, Resolver, Stream, Turn,
};
use ginnel_core::engine::{Action, ConnMeta, Door, Engine, PortId, SocketId};
use ginnel_core::error::Fail;
use ginnel_core::plan::Plan;
use ginnel_core::time::Time;
use slotmap::SecondaryMap;
use smol::LocalExecutor;
use smol::channel::Receiver;

use crate::doors::Accepting;
use crate::socket::Socket;
use crate::{Sink, control, port};

pub(crate) struct Shard {
    pub(crate) executor: LocalExecutor<'static>,
    pub(crate) engine: RefCell<Engine>,
    pub(crate) ports: RefCell<SecondaryMap<PortId, Rc<port::Socket>>>,
    resolver: RefCell<Resolver>,
    /// For one datagram.
    pub(crate) space: RefCell<Vec<u8>>,
    pub(crate) sockets: RefCell<SecondaryMap<SocketId, Rc<Socket>>>,
    /// Listeners, and the tasks that accept.
    pub(crate) doors: RefCell<BTreeMap<Door, Accepting>>,
    buffers: RefCell<Buffers>,
    /// The socket whose task runs now: it need not be woken.
    running: Cell<Option<SocketId>>,
    /// When the timer task will look at the engine's deadline.
    armed: Cell<Option<Time>>,
    timer: RefCell<Option<Waker>>,
    /// The tasks that wait for room to accept.
    pub(crate) waiting: RefCell<Vec<Waker>>,
    pub(crate) reserve: RefCell<Reserve>,
    /// The engine has nothing left to finish.
    pub(crate) drained: Cell<bool>,
    /// Waits for that, and then for the last socket.
    pub(crate) ending: RefCell<Option<Waker>>,
    start: Instant,
    pub(crate) sink: Sink,
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
    shard.executor.spawn(time(shard.clone())).detach();
    shard.executor.spawn(names(shard.clone(), answers)).detach();
    let serving = control::run(shard.clone(), listeners, control);
    async_io::block_on(shard.executor.run(serving))
}

async fn connect(shard: Rc<Shard>, id: SocketId, stream: io::Result<Stream>) {
    let result = connected(stream).await;
    if !shard.engine.borrow().knows(id) {
        return;
    }
    let result = match result {
        Ok((io, meta)) => {
            shard.adopt(id, Socket::new(io));
            Ok(meta)
        }
        Err(error) => Err(Fail::from(&error)),
    };
    shard.tell(|engine, now| engine.handle_connected(id, result, now));
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
        shard.tell(|engine, now| engine.handle_resolved(query, result, now));
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
    pub(crate) fn adopt(self: &Rc<Self>, id: SocketId, socket: Socket) {
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

    /// An input to the engine, and all that it asks for then.
    pub(crate) fn tell<T>(self: &Rc<Self>, input: impl FnOnce(&mut Engine, Time) -> T) -> T {
        let now = self.now();
        let result = input(&mut self.engine.borrow_mut(), now);
        self.act();
        result
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

    pub(crate) fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }
}
