//! Listeners, and whom they let in.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use async_io::{Async, Timer};
use ginnel_core::driver::{self, ACCEPT_PAUSE, Acceptor, HAND_OVER, Stream};
use ginnel_core::engine::Door;
use ginnel_core::event::Event;
use smol::Task;

use crate::shard::Shard;
use crate::socket::Socket;

pub(crate) type Accepting = (Async<Acceptor>, Task<()>);

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

impl Shard {
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
}
