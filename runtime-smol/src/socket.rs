//! One socket, and what its task waits for.

use std::cell::Cell;
use std::io;
use std::task::Waker;

use async_io::Async;
use ginnel_core::driver::{self, Pipes, Stream};
use ginnel_core::engine::{Engine, SocketId};
use ginnel_core::time::Time;

pub(crate) struct Socket {
    pub(crate) io: Async<Stream>,
    /// Of the socket's task.
    pub(crate) waker: Cell<Option<Waker>>,
    /// What the parked task has asked the reactor for.
    pub(crate) waits_read: Cell<bool>,
    pub(crate) waits_write: Cell<bool>,
    /// The last write was refused.
    pub(crate) blocked: Cell<bool>,
    pub(crate) closed: Cell<bool>,
    fin_sent: Cell<bool>,
}

impl Socket {
    pub(crate) fn new(io: Async<Stream>) -> Self {
        Self {
            io,
            waker: Cell::new(None),
            waits_read: Cell::new(false),
            waits_write: Cell::new(false),
            blocked: Cell::new(false),
            closed: Cell::new(false),
            fin_sent: Cell::new(false),
        }
    }

    /// Writes until refused or done; shuts down writing when the engine wants it.
    pub(crate) fn flush(
        &self,
        id: SocketId,
        engine: &mut Engine,
        pipes: &mut Pipes,
        now: Time,
    ) -> io::Result<()> {
        if !self.blocked.get() {
            self.blocked
                .set(driver::write(self.io.get_ref(), id, engine, pipes, now)?);
        }
        if engine.interest(id).fin && !self.fin_sent.replace(true) {
            self.io.get_ref().finish()?;
        }
        Ok(())
    }

    /// The task ends; with `reset`, the close behind it is an RST.
    pub(crate) fn close(&self, reset: bool) {
        if reset {
            driver::reset(self.io.get_ref());
        }
        self.closed.set(true);
        self.wake();
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake_by_ref();
            self.waker.set(Some(waker));
        }
    }
}
