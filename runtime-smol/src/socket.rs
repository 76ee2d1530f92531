//! One socket: the system calls on it, and what its task waits for.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::task::Waker;
use std::time::Duration;

use async_io::Async;
use ginnel_core::buffer::Receive;
use ginnel_core::bytes::BytesMut;
use ginnel_core::engine::{ConnMeta, Engine, SocketId};
use ginnel_core::time::Time;
use socket2::SockRef;

/// Slices of one vectored write.
const SLICES: usize = 64;

pub(crate) struct Socket {
    pub(crate) io: Async<TcpStream>,
    /// Of the socket's task.
    pub(crate) waker: RefCell<Option<Waker>>,
    /// What the parked task has asked the reactor for.
    pub(crate) waits_read: Cell<bool>,
    pub(crate) waits_write: Cell<bool>,
    /// The last write was refused.
    pub(crate) blocked: Cell<bool>,
    pub(crate) closed: Cell<bool>,
    fin_sent: Cell<bool>,
}

pub(crate) enum Input {
    /// Whether the read was full: more may be there.
    Data(BytesMut, bool),
    Blocked,
    Fin,
    Failed,
}

impl Socket {
    pub(crate) fn new(io: Async<TcpStream>) -> Self {
        // Best effort: without it small messages wait for acknowledgements.
        let _ = io.get_ref().set_nodelay(true);
        Self {
            io,
            waker: RefCell::new(None),
            waits_read: Cell::new(false),
            waits_write: Cell::new(false),
            blocked: Cell::new(false),
            closed: Cell::new(false),
            fin_sent: Cell::new(false),
        }
    }

    pub(crate) fn meta(&self) -> io::Result<ConnMeta> {
        Ok(ConnMeta::new(
            self.io.get_ref().peer_addr()?,
            self.io.get_ref().local_addr()?,
        ))
    }

    /// Writes until refused or done; shuts down writing when the engine wants it.
    pub(crate) fn flush(&self, id: SocketId, engine: &mut Engine, now: Time) -> io::Result<()> {
        while !self.blocked.get() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let used = engine.transmit(id, &mut slices);
            if used == 0 {
                break;
            }
            let offered: usize = slices[..used].iter().map(|slice| slice.len()).sum();
            match self.io.get_ref().write_vectored(&slices[..used]) {
                Ok(n) => {
                    self.blocked.set(n < offered);
                    engine.handle_sent(id, n, now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked.set(true);
                    engine.handle_sent(id, 0, now);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if engine.interest(id).fin && !self.fin_sent.replace(true) {
            self.io.get_ref().shutdown(Shutdown::Write)?;
        }
        Ok(())
    }

    /// One read of at most `max` bytes.
    pub(crate) fn read(&self, receive: &mut Receive, max: usize) -> Input {
        match self.io.get_ref().read(receive.space(max)) {
            Ok(0) => Input::Fin,
            Ok(n) => {
                let (data, full) = receive.take(n, max);
                Input::Data(data, full)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Input::Blocked,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Input::Blocked,
            Err(_) => Input::Failed,
        }
    }

    /// The task ends; with `reset`, the close behind it is an RST.
    pub(crate) fn close(&self, reset: bool) {
        if reset {
            let _ = SockRef::from(self.io.get_ref()).set_linger(Some(Duration::ZERO));
        }
        self.closed.set(true);
        self.wake();
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}
