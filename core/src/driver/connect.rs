//! Sockets for bytes: how they are made, what they are set to, who is at their ends.

use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

use super::Reserve;
use crate::addr::beside;
use crate::engine::ConnMeta;
use crate::plan::{Endpoint, Interface, Keepalive, SocketOptions};

/// A socket file's ends have no addresses.
pub(super) const NAMELESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A socket for bytes, of TCP or of a socket file, that does not block.
#[derive(Debug)]
pub struct Stream(Socket);

impl Stream {
    /// Begins to connect, with the reserve of descriptors if it must be. It is writable when that has ended:
    /// see [`Stream::connected`].
    pub fn connect(
        to: &Endpoint,
        options: &SocketOptions,
        reserve: &mut Reserve,
    ) -> io::Result<Self> {
        match begin(to, options) {
            Err(error) if reserve.lend(&error) => begin(to, options),
            result => result,
        }
    }

    pub(super) fn accepted(socket: Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let stream = Self(socket);
        stream.no_delay();
        Ok(stream)
    }

    /// Small messages must not wait for acknowledgements. Socket files know no such thing.
    fn no_delay(&self) {
        let _ = self.0.set_tcp_nodelay(true);
    }

    /// Whether connecting has ended, and how.
    pub fn connected(&self) -> io::Result<Option<ConnMeta>> {
        if let Some(error) = self.0.take_error()? {
            return Err(error);
        }
        match self.meta() {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(None),
            meta => meta.map(Some),
        }
    }

    pub fn meta(&self) -> io::Result<ConnMeta> {
        let addr = |addr: SockAddr| addr.as_socket().unwrap_or(NAMELESS);
        Ok(ConnMeta::new(
            addr(self.0.peer_addr()?),
            addr(self.0.local_addr()?),
        ))
    }

    /// Writes what more is to follow at once.
    #[cfg(target_os = "linux")]
    pub(super) fn write_more(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let flags = rustix::net::SendFlags::MORE.bits() as i32;
        self.0.send_vectored_with_flags(slices, flags)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn write_more(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.send_vectored(slices)
    }

    pub fn finish(&self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}

impl Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buffer)
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&self.0).write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        (&self.0).write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn begin(to: &Endpoint, options: &SocketOptions) -> io::Result<Stream> {
    let addr = match to {
        Endpoint::Ip(addr) => *addr,
        Endpoint::File(path) => {
            // It is connected at once, or refused.
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.connect(&SockAddr::unix(path)?)?;
            return Stream::accepted(UnixStream::from(socket).into());
        }
    };
    let stream = Stream(socket(
        Domain::for_address(addr),
        NONBLOCKING,
        options.mptcp,
    )?);
    let socket = &stream.0;
    #[cfg(not(target_os = "linux"))]
    socket.set_nonblocking(true)?;
    stream.no_delay();
    set_keepalive(&SockRef::from(socket), options.keepalive)?;
    #[cfg(target_os = "linux")]
    if let Some(mark) = options.mark {
        socket.set_mark(mark)?;
    }
    leave_by(socket, addr, &options.interface)?;
    match socket.connect(&addr.into()) {
        Err(error) if !is_begun(&error) => Err(unconnected(addr, error)),
        _ => Ok(stream),
    }
}

/// The system says no more than `EINVAL` of a link-local address without a zone, or with another one than that of
/// the interface which the socket was bound to.
pub(super) fn unconnected(to: SocketAddr, error: io::Error) -> io::Error {
    let SocketAddr::V6(v6) = to else { return error };
    let (ip, kind) = (v6.ip(), error.kind());
    if kind != io::ErrorKind::InvalidInput || !ip.is_unicast_link_local() {
        return error;
    }
    let text = match v6.scope_id() {
        0 => format!("{ip} is link-local: name its interface, as in [{ip}%eth0]"),
        _ => format!("{to} is in another zone than the interface to leave by"),
    };
    io::Error::new(kind, text)
}

/// From the first call on, where the system has that: it saves two.
#[cfg(target_os = "linux")]
const NONBLOCKING: Type = Type::STREAM.nonblocking();
#[cfg(not(target_os = "linux"))]
const NONBLOCKING: Type = Type::STREAM;

/// Multipath TCP only if the system has it.
pub fn tcp_socket(domain: Domain, mptcp: bool) -> io::Result<Socket> {
    socket(domain, Type::STREAM, mptcp)
}

fn socket(domain: Domain, kind: Type, mptcp: bool) -> io::Result<Socket> {
    #[cfg(target_os = "linux")]
    if mptcp && let Ok(socket) = Socket::new(domain, kind, Some(Protocol::MPTCP)) {
        return Ok(socket);
    }
    let _ = mptcp;
    Socket::new(domain, kind, Some(Protocol::TCP))
}

fn leave_by(socket: &Socket, to: SocketAddr, interfaces: &[Interface]) -> io::Result<()> {
    let mut result = Ok(());
    for interface in interfaces {
        result = match interface {
            // The engine knows it.
            Interface::Auto => Ok(()),
            Interface::Addr(ip) if ip.is_ipv4() == to.is_ipv4() => {
                socket.bind(&beside(to, *ip, 0).into())
            }
            Interface::Addr(ip) => Err(other_family(to, *ip)),
            Interface::Device(name) => bind_device(socket, name),
        };
        if result.is_ok() {
            return Ok(());
        }
    }
    result
}

pub(super) fn other_family(to: SocketAddr, from: IpAddr) -> io::Error {
    io::Error::new(
        io::ErrorKind::AddrNotAvailable,
        format!("{to} cannot be reached from {from}: the families differ"),
    )
}

#[cfg(target_os = "linux")]
pub(super) fn bind_device(socket: &Socket, name: &str) -> io::Result<()> {
    socket.bind_device(Some(name.as_bytes()))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn bind_device(_: &Socket, name: &str) -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        format!("interface {name}: this system takes an address only"),
    ))
}

/// `EINPROGRESS`, of Linux and of the BSDs.
fn is_begun(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(115 | 36))
}

/// Sockets that a listener accepts have what the listener has.
pub fn set_keepalive(socket: &SockRef<'_>, keepalive: Keepalive) -> io::Result<()> {
    // The system counts whole seconds and takes none for a mistake.
    let seconds = |time: Duration| time.max(Duration::from_secs(1));
    let mut params = TcpKeepalive::new()
        .with_time(seconds(keepalive.idle))
        .with_interval(seconds(keepalive.interval));
    if keepalive != Keepalive::default() {
        params = params.with_retries(keepalive.count);
    }
    socket.set_tcp_keepalive(&params)
}
