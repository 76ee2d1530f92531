//! Clients of proxies, as plainly as the protocols allow: each reads exactly its reply and not a
//! byte more, so that what follows is left for the test.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::PATIENCE;

/// Where a client asks to be connected to.
#[derive(Clone, Debug)]
pub enum Dest {
    Addr(SocketAddr),
    Name(String, u16),
}

impl From<SocketAddr> for Dest {
    fn from(addr: SocketAddr) -> Self {
        Self::Addr(addr)
    }
}

impl std::fmt::Display for Dest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Addr(addr) => addr.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

/// How a proxy said no.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// The whole response head.
    Http(u16, String),
    /// The method chosen: 0xff.
    Socks5Method(u8),
    /// The status of the user/password negotiation.
    Socks5Auth(u8),
    Socks5(u8),
    Socks4(u8),
    Relay(u8),
    /// It ended the connection without an answer.
    Closed,
}

impl Refused {
    /// The code of whatever protocol it was.
    pub fn code(&self) -> u16 {
        match self {
            Self::Http(code, _) => *code,
            Self::Socks5Method(code)
            | Self::Socks5Auth(code)
            | Self::Socks5(code)
            | Self::Socks4(code)
            | Self::Relay(code) => u16::from(*code),
            Self::Closed => 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speak {
    Http,
    Socks5,
    Socks4,
    Socks4a,
    Relay,
    /// Nothing: the service has its own target.
    Raw,
}

/// A proxy to go through, and how.
#[derive(Clone, Debug)]
pub struct Proxy {
    pub speak: Speak,
    pub addr: SocketAddr,
    pub user: Option<(String, String)>,
}

impl Proxy {
    pub fn new(speak: Speak, addr: SocketAddr) -> Self {
        Self {
            speak,
            addr,
            user: None,
        }
    }

    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.user = Some((name.to_owned(), password.to_owned()));
        self
    }

    pub fn open(&self, dest: impl Into<Dest>) -> Result<TcpStream, Refused> {
        self.open_on(connect(self.addr), &dest.into())
    }

    /// The same on a connection that exists already.
    pub fn open_on<S: Read + Write>(&self, mut on: S, dest: &Dest) -> Result<S, Refused> {
        let user = self.user.as_ref().map(|(n, p)| (n.as_str(), p.as_str()));
        match self.speak {
            Speak::Http => http(&mut on, dest, user),
            Speak::Socks5 => socks5(&mut on, dest, user),
            Speak::Socks4 => socks4(&mut on, dest, user, false),
            Speak::Socks4a => socks4(&mut on, dest, user, true),
            Speak::Relay => relay(&mut on, dest, user),
            Speak::Raw => Ok(()),
        }
        .map(|()| on)
    }
}

/// A connection on which no read or write waits for ever.
pub fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap_or_else(|e| panic!("connect to {addr}: {e}"));
    patient(&stream);
    stream
}

pub(crate) fn patient(stream: &TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
    stream.set_nodelay(true).expect("a socket");
}

/// An HTTP head up to and with its empty line, read byte by byte. `None`: the connection ended.
pub fn read_head(from: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match from.read(&mut byte) {
            Ok(0) => return None,
            Ok(_) => head.push(byte[0]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::ConnectionReset => return None,
            Err(e) => panic!("{e} after {:?}", String::from_utf8_lossy(&head)),
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

pub fn status(head: &str) -> u16 {
    let code = head.split(' ').nth(1).unwrap_or_default();
    code.parse()
        .unwrap_or_else(|_| panic!("no status in {head:?}"))
}

/// The value of a field, compared without regard to case.
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

pub fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

fn http(
    on: &mut (impl Read + Write),
    dest: &Dest,
    user: Option<(&str, &str)>,
) -> Result<(), Refused> {
    let mut request = format!("CONNECT {dest} HTTP/1.1\r\nHost: {dest}\r\n");
    if let Some((name, password)) = user {
        request += &format!("Proxy-Authorization: {}\r\n", basic(name, password));
    }
    request += "\r\n";
    on.write_all(request.as_bytes())
        .map_err(|_| Refused::Closed)?;
    let head = read_head(on).ok_or(Refused::Closed)?;
    match status(&head) {
        200 => Ok(()),
        code => Err(Refused::Http(code, head)),
    }
}

fn socks5(
    on: &mut (impl Read + Write),
    dest: &Dest,
    user: Option<(&str, &str)>,
) -> Result<(), Refused> {
    let offer: &[u8] = if user.is_some() {
        &[5, 2, 0, 2]
    } else {
        &[5, 1, 0]
    };
    send(on, offer)?;
    let [version, method] = receive(on)?;
    assert_eq!(version, 5, "version of the method reply");
    match (method, user) {
        (0, _) => {}
        (2, Some((name, password))) => {
            let mut message = vec![1, name.len() as u8];
            message.extend(name.as_bytes());
            message.push(password.len() as u8);
            message.extend(password.as_bytes());
            send(on, &message)?;
            let [version, status] = receive(on)?;
            assert_eq!(version, 1, "version of the password reply");
            if status != 0 {
                return Err(Refused::Socks5Auth(status));
            }
        }
        (method, _) => return Err(Refused::Socks5Method(method)),
    }

    let mut request = vec![5, 1, 0];
    address(dest, &mut request);
    send(on, &request)?;
    let [version, reply, reserved, kind] = receive(on)?;
    assert_eq!((version, reserved), (5, 0), "head of the reply");
    let rest = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(receive::<1>(on)?[0]),
        _ => panic!("address type {kind} in the reply"),
    };
    let mut bound = vec![0; rest + 2];
    on.read_exact(&mut bound).map_err(|_| Refused::Closed)?;
    match reply {
        0 => Ok(()),
        code => Err(Refused::Socks5(code)),
    }
}

/// ATYP, address and port, as SOCKS5 and relay share them.
fn address(dest: &Dest, into: &mut Vec<u8>) {
    match dest {
        Dest::Addr(addr) => match addr.ip() {
            IpAddr::V4(ip) => {
                into.push(1);
                into.extend(ip.octets());
            }
            IpAddr::V6(ip) => {
                into.push(4);
                into.extend(ip.octets());
            }
        },
        Dest::Name(name, _) => {
            into.extend([3, name.len() as u8]);
            into.extend(name.as_bytes());
        }
    }
    into.extend(port(dest).to_be_bytes());
}

fn port(dest: &Dest) -> u16 {
    match dest {
        Dest::Addr(addr) => addr.port(),
        Dest::Name(_, port) => *port,
    }
}

/// SOCKS4, or 4a with whatever the destination is as the name.
fn socks4(
    on: &mut (impl Read + Write),
    dest: &Dest,
    user: Option<(&str, &str)>,
    by_name: bool,
) -> Result<(), Refused> {
    let mut request = vec![4, 1];
    request.extend(port(dest).to_be_bytes());
    match dest {
        Dest::Addr(SocketAddr::V4(addr)) if !by_name => request.extend(addr.ip().octets()),
        _ => request.extend([0, 0, 0, 1]),
    }
    request.extend(user.map_or(b"".as_slice(), |(name, _)| name.as_bytes()));
    request.push(0);
    match dest {
        Dest::Name(name, _) => {
            request.extend(name.as_bytes());
            request.push(0);
        }
        Dest::Addr(addr) if by_name => {
            request.extend(addr.ip().to_string().as_bytes());
            request.push(0);
        }
        Dest::Addr(_) => {}
    }
    send(on, &request)?;
    let reply: [u8; 8] = receive(on)?;
    assert_eq!(reply[0], 0, "version of the reply");
    match reply[1] {
        90 => Ok(()),
        code => Err(Refused::Socks4(code)),
    }
}

/// Version 1 of gost's relay: features 1 (user) and 2 (address), then a response of the same form.
fn relay(
    on: &mut (impl Read + Write),
    dest: &Dest,
    user: Option<(&str, &str)>,
) -> Result<(), Refused> {
    let mut features = Vec::new();
    if let Some((name, password)) = user {
        let mut data = vec![name.len() as u8];
        data.extend(name.as_bytes());
        data.push(password.len() as u8);
        data.extend(password.as_bytes());
        feature(1, &data, &mut features);
    }
    let mut data = Vec::new();
    address(dest, &mut data);
    feature(2, &data, &mut features);
    let mut request = vec![1, 1];
    request.extend((features.len() as u16).to_be_bytes());
    request.extend(features);
    send(on, &request)?;

    let [version, status, high, low] = receive(on)?;
    assert_eq!(version, 1, "version of the response");
    let mut features = vec![0; usize::from(u16::from_be_bytes([high, low]))];
    on.read_exact(&mut features).map_err(|_| Refused::Closed)?;
    match status {
        0 => Ok(()),
        code => Err(Refused::Relay(code)),
    }
}

fn feature(kind: u8, data: &[u8], into: &mut Vec<u8>) {
    into.push(kind);
    into.extend((data.len() as u16).to_be_bytes());
    into.extend(data);
}

fn send(on: &mut impl Write, bytes: &[u8]) -> Result<(), Refused> {
    on.write_all(bytes).map_err(|_| Refused::Closed)
}

fn receive<const N: usize>(on: &mut impl Read) -> Result<[u8; N], Refused> {
    let mut bytes = [0; N];
    match on.read_exact(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            panic!("no reply of {N} bytes in {PATIENCE:?}")
        }
        Err(_) => Err(Refused::Closed),
    }
}
