//! Sockets for datagrams: their readiness, and their turns.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use ginnel_core::driver::{self, Bound, Port, RECEIVES, SPACE};
use ginnel_core::engine::{Ask, Door, PortId};
use ginnel_core::error::Fail;
use mio::unix::SourceFd;
use mio::{Interest, Token};
use slotmap::{Key, KeyData, SecondaryMap};

use crate::shard::Shard;

/// Tells the token of a port from that of a connection: no slot is used two thousand million times.
const MARK: u64 = 1 << 63;

#[derive(Default)]
pub(crate) struct Ports {
    sockets: SecondaryMap<PortId, Socket>,
    ready: VecDeque<PortId>,
    space: Vec<u8>,
}

struct Socket {
    port: Port,
    readable: bool,
    writable: bool,
}

/// The token of a port, and back.
pub(crate) fn token(id: PortId) -> Token {
    Token((id.data().as_ffi() | MARK) as usize)
}

pub(crate) fn id(token: Token) -> Option<PortId> {
    let token = token.0 as u64;
    (token & MARK != 0).then(|| PortId::from(KeyData::from_ffi(token & !MARK)))
}

impl Ports {
    /// Whether a token is that of a port, which then has its turn.
    pub(crate) fn note(&mut self, token: Token, event: &mio::event::Event) -> bool {
        let Some(id) = id(token) else {
            return false;
        };
        if let Some(socket) = self.sockets.get_mut(id) {
            socket.readable |= event.is_readable() || event.is_error();
            socket.writable |= event.is_writable();
            self.ready.push_back(id);
        }
        true
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.ready.is_empty()
    }
}

impl Shard {
    pub(crate) fn serve_port(
        &mut self,
        service: usize,
        socket: std::net::UdpSocket,
    ) -> io::Result<PortId> {
        let port = Port::new(socket)?;
        let now = self.now();
        let id = self.engine.handle_listen(service, port.local_addr()?, now);
        self.add_port(id, port)?;
        Ok(id)
    }

    pub(crate) fn unserve_port(&mut self, id: PortId) {
        self.close_port(id);
        self.tell(|engine, now| engine.handle_unlisten(id, now));
    }

    pub(crate) fn bind_port(&mut self, id: PortId, ask: Ask) {
        let bound = driver::bind(ask, &mut self.reserve).and_then(|(bound, local)| {
            match bound {
                Bound::Datagrams(port) => self.add_port(id, port)?,
                Bound::Connections(listener) => self.open_door(Door::Port(id), listener)?,
            }
            Ok(local)
        });
        let now = self.now();
        let result = bound.map_err(|error| Fail::from(&error));
        self.engine.handle_bound(id, result, now);
    }

    pub(crate) fn close_port(&mut self, id: PortId) {
        self.close_door(Door::Port(id));
        if let Some(socket) = self.ports.sockets.remove(id) {
            // Closing is not enough while others have the same socket.
            let fd = socket.port.as_fd().as_raw_fd();
            let _ = self.poll.registry().deregister(&mut SourceFd(&fd));
        }
    }

    fn add_port(&mut self, id: PortId, port: Port) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let fd = port.as_fd().as_raw_fd();
        self.poll
            .registry()
            .register(&mut SourceFd(&fd), token(id), interest)?;
        let socket = Socket {
            port,
            readable: true,
            writable: true,
        };
        self.ports.sockets.insert(id, socket);
        self.ports.ready.push_back(id);
        Ok(())
    }

    pub(crate) fn wake_port(&mut self, id: PortId) {
        let now = self.now();
        if let Some(socket) = self.ports.sockets.get_mut(id)
            && socket.writable
        {
            socket.writable = !socket.port.flush(id, &mut self.engine, now);
        }
    }

    pub(crate) fn turn_ports(&mut self) {
        if self.ports.space.is_empty() && !self.ports.ready.is_empty() {
            self.ports.space = vec![0; SPACE];
        }
        for _ in 0..self.ports.ready.len() {
            if let Some(id) = self.ports.ready.pop_front() {
                self.turn_port(id);
            }
        }
    }

    fn turn_port(&mut self, id: PortId) {
        self.wake_port(id);
        self.act();
        for _ in 0..RECEIVES {
            let now = self.now();
            let Some(socket) = self.ports.sockets.get_mut(id) else {
                return;
            };
            let space = &mut self.ports.space;
            socket.readable =
                socket.readable && socket.port.receive(id, &mut self.engine, space, now);
            if !socket.readable {
                return;
            }
            self.act();
        }
        self.ports.ready.push_back(id);
    }
}
