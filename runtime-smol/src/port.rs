//! One socket for datagrams, and its task.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::UdpSocket;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use async_io::Async;
use ginnel_core::driver::{self, Bound, Port, RECEIVES, SPACE};
use ginnel_core::engine::{Ask, Door, PortId};
use ginnel_core::error::Fail;

use crate::shard::Shard;

pub(crate) struct Socket {
    io: Async<Port>,
    waker: RefCell<Option<Waker>>,
    /// The last one was refused.
    blocked: Cell<bool>,
    closed: Cell<bool>,
}

impl Shard {
    pub(crate) fn serve_port(
        self: &Rc<Self>,
        service: usize,
        socket: UdpSocket,
    ) -> io::Result<PortId> {
        let io = Async::new(Port::new(socket)?)?;
        let local = io.get_ref().local_addr()?;
        let now = self.now();
        let id = self.engine.borrow_mut().handle_listen(service, local, now);
        self.add_port(id, io);
        Ok(id)
    }

    pub(crate) fn unserve_port(self: &Rc<Self>, id: PortId) {
        self.close_port(id);
        self.tell(|engine, now| engine.handle_unlisten(id, now));
    }

    pub(crate) fn bind_port(self: &Rc<Self>, id: PortId, ask: Ask) {
        let bound = driver::bind(ask, &mut self.reserve.borrow_mut());
        let bound = bound.and_then(|(bound, local)| {
            match bound {
                Bound::Datagrams(port) => self.add_port(id, Async::new(port)?),
                Bound::Connections(listener) => self.open_door(Door::Port(id), listener)?,
            }
            Ok(local)
        });
        let now = self.now();
        let result = bound.map_err(|error| Fail::from(&error));
        self.engine.borrow_mut().handle_bound(id, result, now);
    }

    pub(crate) fn close_port(&self, id: PortId) {
        self.close_door(Door::Port(id));
        if let Some(socket) = self.ports.borrow_mut().remove(id) {
            socket.closed.set(true);
            socket.wake();
        }
    }

    pub(crate) fn wake_port(&self, id: PortId) {
        let socket = self.ports.borrow().get(id).cloned();
        if let Some(socket) = socket
            && !socket.blocked.get()
        {
            self.flush_port(id, &socket);
            if socket.blocked.get() {
                socket.wake();
            }
        }
    }

    fn add_port(self: &Rc<Self>, id: PortId, io: Async<Port>) {
        let socket = Rc::new(Socket {
            io,
            waker: RefCell::default(),
            blocked: Cell::new(false),
            closed: Cell::new(false),
        });
        self.ports.borrow_mut().insert(id, socket.clone());
        let shard = self.clone();
        let task = poll_fn(move |cx| shard.turn_port(cx, id, &socket));
        self.executor.spawn(task).detach();
    }

    fn turn_port(self: &Rc<Self>, cx: &mut Context, id: PortId, socket: &Socket) -> Poll<()> {
        socket.waker.replace(Some(cx.waker().clone()));
        while socket.blocked.get() && socket.io.poll_writable(cx).is_ready() {
            socket.blocked.set(false);
            self.flush_port(id, socket);
            self.act();
        }
        for _ in 0..RECEIVES {
            if socket.closed.get() {
                return Poll::Ready(());
            }
            let mut space = self.space.borrow_mut();
            space.resize(SPACE, 0);
            let now = self.now();
            let received =
                socket
                    .io
                    .get_ref()
                    .receive(id, &mut self.engine.borrow_mut(), &mut space, now);
            drop(space);
            self.act();
            if !received && socket.io.poll_readable(cx).is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn flush_port(&self, id: PortId, socket: &Socket) {
        let now = self.now();
        let mut engine = self.engine.borrow_mut();
        let refused = socket.io.get_ref().flush(id, &mut engine, now);
        socket.blocked.set(refused);
    }
}

impl Socket {
    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}
