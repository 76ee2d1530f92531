//! Listening sockets, by gost's rule: `:port` and `[...]` are dual-stack or IPv6, all else IPv4.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use ginnel_core::addr::Target;
use ginnel_core::driver::{self, Acceptor, Listener};
use ginnel_core::plan::Keepalive;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::report::plain;

/// Binds `addr` (`:8080`, `127.0.0.1:8080`, `[::1]:8080`, `:` for any port) without blocking.
/// An error says what was to be bound.
pub fn bind(addr: &str, network: Network, backlog: i32) -> io::Result<Listener> {
    reserve(addr, network)?.listen(backlog)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    Tcp(Tcp),
    Udp,
    /// The address is the path of a socket file.
    File,
    /// Nothing is bound here.
    Reverse,
}

/// Options of a listener's sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    pub mptcp: bool,
    /// Other processes may listen on the same port (`reuseport`).
    pub shared: bool,
    pub keepalive: Keepalive,
}

impl Network {
    pub const TCP: Self = Self::Tcp(Tcp {
        mptcp: false,
        shared: false,
        keepalive: Keepalive::DEFAULT,
    });
}

/// An address that is taken, but where nobody can connect yet.
pub struct Reserved {
    addr: String,
    network: Network,
    socket: Taken,
}

enum Taken {
    Port(Socket),
    File(Acceptor),
    Nothing,
}

pub fn reserve(addr: &str, network: Network) -> io::Result<Reserved> {
    Ok(Reserved {
        addr: addr.to_owned(),
        network,
        socket: take(addr, network, false)?,
    })
}

fn take(addr: &str, network: Network, share: bool) -> io::Result<Taken> {
    match network {
        Network::Reverse => Ok(Taken::Nothing),
        Network::File => {
            let file = Acceptor::at_file(addr.as_ref());
            file.map(Taken::File).map_err(|error| named(addr, &error))
        }
        Network::Tcp(_) | Network::Udp => bound(addr, network, share).map(Taken::Port),
    }
}

/// Listeners that leave, and that meanwhile share their port with who comes: for `127.0.0.1:80` while `:80`
/// still listens. Before and after nobody can.
pub struct Sharing<'a>(&'a [&'a Listener]);

impl<'a> Sharing<'a> {
    pub fn new(leaving: &'a [&'a Listener]) -> io::Result<Self> {
        let sharing = Self(leaving);
        sharing.set(true)?;
        Ok(sharing)
    }

    pub fn reserve(&self, addr: &str, network: Network) -> io::Result<Reserved> {
        Ok(Reserved {
            addr: addr.to_owned(),
            network,
            socket: take(addr, network, true)?,
        })
    }

    fn set(&self, share: bool) -> io::Result<()> {
        self.0.iter().try_for_each(|listener| {
            let socket = match listener {
                Listener::Stream(listener) => listener.socket(),
                Listener::Udp(socket) => SockRef::from(socket),
                Listener::Reverse => return Ok(()),
            };
            socket.set_reuse_port(share)
        })
    }
}

impl Drop for Sharing<'_> {
    fn drop(&mut self) {
        // It worked with `true`; and they leave.
        let _ = self.set(false);
    }
}

impl Reserved {
    pub fn listen(self, backlog: i32) -> io::Result<Listener> {
        let acceptor = match self.socket {
            Taken::Nothing => return Ok(Listener::Reverse),
            Taken::Port(socket) if self.network == Network::Udp => {
                socket.set_reuse_port(false)?;
                return Ok(Listener::Udp(socket.into()));
            }
            Taken::Port(socket) => Acceptor::new(socket),
            Taken::File(acceptor) => acceptor,
        };
        acceptor
            .listen(backlog)
            .map_err(|error| named(&self.addr, &error))?;
        if let Network::Tcp(tcp) = self.network {
            // Not earlier: the one that leaves may still listen.
            acceptor.socket().set_reuse_port(tcp.shared)?;
        }
        Ok(Listener::Stream(acceptor))
    }
}

/// Whether `addr` could be bound now. Nobody can connect meanwhile.
pub fn try_bind(addr: &str, network: Network) -> io::Result<()> {
    take(addr, network, false).map(drop)
}

fn bound(addr: &str, network: Network, share: bool) -> io::Result<Socket> {
    let bound = addresses(addr).and_then(|candidates| {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for candidate in candidates {
            match bind_one(candidate, network, share) {
                Ok(listener) => return Ok(listener),
                Err(error) => last = error,
            }
            // A port that is busy for both families is busy for one of them, too.
            if last.kind() == io::ErrorKind::AddrInUse {
                break;
            }
        }
        Err(last)
    });
    bound.map_err(|error| named(addr, &error))
}

fn named(addr: &str, error: &io::Error) -> io::Error {
    let cure = match error.kind() {
        // What we say ourselves needs no more.
        _ if error.raw_os_error().is_none() => "",
        io::ErrorKind::AddrNotAvailable => ": it is no address of this machine",
        io::ErrorKind::PermissionDenied => {
            ": low ports need root or CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=)"
        }
        _ => "",
    };
    let text = format!("listen {addr}: {}{cure}", plain(error));
    io::Error::new(error.kind(), text)
}

/// What to try, in order.
fn addresses(addr: &str) -> io::Result<Vec<SocketAddr>> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "expected host:port");
    if addr.is_empty() || addr.starts_with(':') {
        let port = match addr.trim_start_matches(':') {
            "" => 0,
            text => text.parse().map_err(|_| invalid())?,
        };
        // Without IPv6 in the kernel, IPv4 alone.
        return Ok(vec![
            (Ipv6Addr::UNSPECIFIED, port).into(),
            (Ipv4Addr::UNSPECIFIED, port).into(),
        ]);
    }
    if addr.starts_with('[') {
        let target = Target::parse(addr).filter(|target| target.host.ip().is_some());
        let target = target.ok_or_else(invalid)?;
        if let Some(addr) = target.socket_addr() {
            return Ok(vec![addr]);
        }
        // The system knows the zones that have names.
        let found = (&*target.host.spelled(), target.port).to_socket_addrs();
        return found.map(Iterator::collect).map_err(|_| no_zone(&target));
    }
    let found: Vec<_> = addr
        .to_socket_addrs()?
        .filter(SocketAddr::is_ipv4)
        .take(1)
        .collect();
    match found.is_empty() {
        true => Err(io::Error::new(
            io::ErrorKind::AddrNotAvailable,
            "the host has no IPv4 address",
        )),
        false => Ok(found),
    }
}

fn no_zone(target: &Target) -> io::Error {
    let zone = target.host.spelled();
    let zone = zone.rsplit('%').next().unwrap_or_default();
    io::Error::new(
        io::ErrorKind::AddrNotAvailable,
        format!("this machine has no interface {zone}"),
    )
}

fn bind_one(addr: SocketAddr, network: Network, share: bool) -> io::Result<Socket> {
    let domain = Domain::for_address(addr);
    let tcp = match network {
        Network::Tcp(tcp) => Some(tcp),
        Network::Udp | Network::File | Network::Reverse => None,
    };
    let socket = match tcp {
        Some(tcp) => driver::tcp_socket(domain, tcp.mptcp)?,
        None => Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?,
    };
    if addr.is_ipv6() {
        socket.set_only_v6(!addr.ip().is_unspecified())?;
    }
    // For UDP it would mean that several may have the port at once.
    if let Some(tcp) = tcp {
        socket.set_reuse_address(true)?;
        driver::set_keepalive(&SockRef::from(&socket), tcp.keepalive)?;
    }
    if share || tcp.is_some_and(|tcp| tcp.shared) {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn a_bare_port_listens_on_both_families_and_a_host_on_one() {
        let listener = bind(":0", Network::TCP, 16).unwrap();
        let port = listener.local_addr().unwrap().unwrap().port();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        let listener = bind("localhost:0", Network::TCP, 16).unwrap();
        assert!(listener.local_addr().unwrap().unwrap().is_ipv4());
    }

    #[test]
    fn a_zone_has_a_number_or_a_name() {
        let zone = |addr: &str| match addresses(addr).unwrap()[..] {
            [SocketAddr::V6(addr)] => addr.scope_id(),
            _ => panic!("{addr}"),
        };
        assert_eq!(zone("[fe80::1%7]:80"), 7);
        assert_eq!(zone("[fe80::1%25]:80"), 25);
        for addr in ["[fe80::1%lo]:80", "[fe80::1%25lo]:80"] {
            assert_eq!(zone(addr), 1, "{addr}");
        }
        let error = addresses("[fe80::1%no-such-zone]:80").unwrap_err();
        assert_eq!(
            error.to_string(),
            "this machine has no interface no-such-zone"
        );
    }

    #[test]
    fn a_busy_port_is_named() {
        let listener = bind("127.0.0.1:0", Network::TCP, 16).unwrap();
        let addr = listener.local_addr().unwrap().unwrap().to_string();
        assert!(try_bind(&addr, Network::TCP).is_err());
        let error = bind(&addr, Network::TCP, 16).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(
            error.to_string().starts_with(&format!("listen {addr}: ")),
            "{error}"
        );
        assert!(!error.to_string().contains("os error"), "{error}");
    }

    #[test]
    fn an_address_can_be_taken_from_a_listener_that_covers_it_and_leaves() {
        let leaving = bind(":0", Network::TCP, 16).unwrap();
        let addr = format!(
            "127.0.0.1:{}",
            leaving.local_addr().unwrap().unwrap().port()
        );
        assert!(reserve(&addr, Network::TCP).is_err());
        let other = bind("127.0.0.1:0", Network::TCP, 16).unwrap();
        let wrong = [&other];
        let sharing = Sharing::new(&wrong).unwrap();
        assert!(
            sharing.reserve(&addr, Network::TCP).is_err(),
            "not one that leaves"
        );
        let leaves = [&leaving];
        let sharing = Sharing::new(&leaves).unwrap();
        let listener = sharing
            .reserve(&addr, Network::TCP)
            .unwrap()
            .listen(16)
            .unwrap();
        drop(sharing);
        assert!(
            try_bind(&addr, Network::TCP).is_err(),
            "shared with nobody else"
        );
        drop(leaving);
        let Listener::Stream(listener) = listener else {
            panic!("asked for TCP");
        };
        assert!(TcpStream::connect(&addr).is_ok());
        assert!(listener.accept().is_ok());
    }

    #[test]
    fn nonsense_is_refused() {
        for addr in ["[::1]", "nonsense", ":x", "[::1]:x"] {
            assert!(bind(addr, Network::TCP, 16).is_err(), "{addr}");
        }
    }

    #[test]
    fn a_trial_accepts_nobody() {
        let listener = bind("127.0.0.1:0", Network::TCP, 16).unwrap();
        let addr = listener.local_addr().unwrap().unwrap();
        drop(listener);
        let trial = bound(&addr.to_string(), Network::TCP, false).unwrap();
        assert!(TcpStream::connect(addr).is_err());
        drop(trial);
    }
}
