//! Sockets that are bound, the system calls on those for datagrams, and what they mean to the engine.

use std::io;
use std::net::{SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, SockRef, Socket, Type};

use super::{Acceptor, Reserve};
use crate::addr::{beside, canonical};
use crate::engine::{Ask, Engine, PortId};
use crate::error::Fail;
use crate::plan::{Interface, SocketOptions};
use crate::time::Time;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// The system's own buffers are for a few large datagrams only. It may grant less.
const BUFFER: usize = 1024 * 1024;

/// Bytes of space for [`Port::receive`]: no datagram is cut.
pub const SPACE: usize = 65_536;

#[derive(Debug)]
pub struct Port {
    socket: UdpSocket,
    connected: bool,
    v6: bool,
}

/// What was bound.
#[derive(Debug)]
pub enum Bound {
    Connections(Acceptor),
    Datagrams(Port),
}

/// Does what [`Action::Bind`](crate::engine::Action) asks for, with the reserve of descriptors if it must be.
pub fn bind(ask: Ask, reserve: &mut Reserve) -> io::Result<(Bound, SocketAddr)> {
    match open_port(&ask) {
        Err(error) if reserve.lend(&error) => open_port(&ask),
        result => result,
    }
}

fn open_port(ask: &Ask) -> io::Result<(Bound, SocketAddr)> {
    match ask {
        Ask::Connections { local } => {
            let socket = open(*local, Type::STREAM, true)?;
            socket.listen(BACKLOG)?;
            let listener = Acceptor::new(socket);
            listener.set_nonblocking()?;
            let local = listener.local_addr()?;
            Ok((Bound::Connections(listener), local))
        }
        Ask::Datagrams {
            local,
            peer,
            options,
        } => {
            let port = Port::open(*local, *peer, options)?;
            let local = port.local_addr()?;
            Ok((Bound::Datagrams(port), local))
        }
    }
}

impl Port {
    fn open(
        local: SocketAddr,
        peer: Option<SocketAddr>,
        options: &SocketOptions,
    ) -> io::Result<Self> {
        let socket = leaving_by(local, peer, &options.interface)?;
        #[cfg(target_os = "linux")]
        if let Some(mark) = options.mark {
            socket.set_mark(mark)?;
        }
        if let Some(peer) = peer {
            let connected = socket.connect(&peer.into());
            connected.map_err(|error| super::connect::unconnected(peer, error))?;
        }
        Self::of(socket.into(), peer.is_some())
    }

    /// A listener's socket.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        Self::of(socket, false)
    }

    fn of(socket: UdpSocket, connected: bool) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let _ = SockRef::from(&socket).set_recv_buffer_size(BUFFER);
        let _ = SockRef::from(&socket).set_send_buffer_size(BUFFER);
        let v6 = socket.local_addr()?.is_ipv6();
        Ok(Self {
            socket,
            connected,
            v6,
        })
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Sends what waits; true if the system took no more of it, false if there is no more.
    pub fn flush(&self, id: PortId, engine: &mut Engine, now: Time) -> bool {
        while let Some(datagram) = engine.transmit_datagram(id) {
            let result = match datagram.to {
                Some(to) if !self.connected => self.socket.send_to(datagram.data, self.mapped(to)),
                _ => self.socket.send(datagram.data),
            };
            let result = match result {
                Ok(_) => Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(Fail::from(&error)),
            };
            engine.handle_datagram_sent(id, result, now);
        }
        false
    }

    /// Receives one datagram; false if there is none.
    pub fn receive(&self, id: PortId, engine: &mut Engine, space: &mut [u8], now: Time) -> bool {
        match self.socket.recv_from(space) {
            Ok((n, from)) => {
                let from = canonical(from);
                engine.handle_datagram(id, from, &space[..n], now);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => engine.handle_datagram_error(id, Fail::from(&error), now),
        }
        true
    }

    /// A socket for both families knows IPv4 addresses by their IPv6 form.
    fn mapped(&self, to: SocketAddr) -> SocketAddr {
        match to {
            SocketAddr::V4(to) if self.v6 => {
                SocketAddrV6::new(to.ip().to_ipv6_mapped(), to.port(), 0, 0).into()
            }
            to => to,
        }
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// By the first interface that fits, if any is named.
fn leaving_by(
    local: SocketAddr,
    peer: Option<SocketAddr>,
    interfaces: &[Interface],
) -> io::Result<Socket> {
    let any = || open(local, Type::DGRAM, peer.is_none());
    let mut failed = None;
    let mut interfaces: Vec<&Interface> = interfaces.iter().collect();
    if peer.is_none() {
        // One socket for all: of several addresses an IPv4 one, which names of datagrams prefer, too.
        interfaces.sort_by_key(|one| matches!(one, Interface::Addr(ip) if ip.is_ipv6()));
    }
    for interface in interfaces {
        let socket = match interface {
            Interface::Addr(ip) if local.ip().is_unspecified() => match peer {
                Some(peer) if peer.is_ipv4() != ip.is_ipv4() => {
                    Err(super::connect::other_family(peer, *ip))
                }
                Some(peer) => open_one(beside(peer, *ip, 0), Type::DGRAM),
                None => open_one(SocketAddr::new(*ip, local.port()), Type::DGRAM),
            },
            Interface::Addr(_) | Interface::Auto => any(),
            Interface::Device(name) => any().and_then(|socket| {
                super::connect::bind_device(&socket, name)?;
                Ok(socket)
            }),
        };
        match socket {
            Ok(socket) => return Ok(socket),
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or_else(any, Err)
}

/// Without IPv6 in the kernel, all addresses are those of IPv4.
fn open(local: SocketAddr, kind: Type, falls_back: bool) -> io::Result<Socket> {
    match open_one(local, kind) {
        Err(_) if falls_back && local.is_ipv6() && local.ip().is_unspecified() => {
            open_one(([0, 0, 0, 0], local.port()).into(), kind)
        }
        socket => socket,
    }
}

fn open_one(local: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(local), kind, None)?;
    if local.is_ipv6() {
        socket.set_only_v6(!local.ip().is_unspecified())?;
    }
    if kind == Type::STREAM {
        // What is left of earlier connections does not matter.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&local.into())?;
    Ok(socket)
}
