//! Datagrams: an echo at the far end, and clients with and without a proxy protocol.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use crate::client::patient;

/// How long an answer may take before the datagram is sent again: the system may drop some on a busy
/// machine, and so may a queue.
const ANSWER: Duration = Duration::from_secs(3);
const TRIES: u32 = 6;

/// Sends everything back.
pub struct Echo {
    pub addr: SocketAddr,
}

impl Echo {
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port on the loopback");
        let addr = socket.local_addr().expect("its address");
        std::thread::spawn(move || {
            let mut space = vec![0; 70_000];
            while let Ok((n, from)) = socket.recv_from(&mut space) {
                let _ = socket.send_to(&space[..n], from);
            }
        });
        Self { addr }
    }
}

/// Tells everybody who it was that asked.
pub fn mirror() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let addr = socket.local_addr().expect("its address");
    std::thread::spawn(move || {
        let mut space = [0; 64];
        while let Ok((n, from)) = socket.recv_from(&mut space) {
            let answer = [&space[..n], from.to_string().as_bytes()].concat();
            let _ = socket.send_to(&answer, from);
        }
    });
    addr
}

/// One with a known address at the other side of its own socket.
pub struct Client {
    socket: UdpSocket,
    /// The header of SOCKS5, or none.
    header: Vec<u8>,
    /// The connection that the association belongs to.
    control: Option<TcpStream>,
}

impl Client {
    /// Of a forwarding service.
    pub fn raw(service: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port on the loopback");
        socket.connect(service).expect("an address");
        Self {
            socket,
            header: Vec::new(),
            control: None,
        }
    }

    /// Of SOCKS5 UDP ASSOCIATE. Error: the code of the reply.
    pub fn associate(proxy: SocketAddr, target: SocketAddr) -> Result<Self, u8> {
        let mut control = TcpStream::connect(proxy).expect("the proxy");
        patient(&control);
        control.write_all(&[5, 1, 0]).expect("a greeting");
        let mut method = [0; 2];
        control.read_exact(&mut method).expect("a method");
        assert_eq!(method, [5, 0]);
        let request = [5, 3, 0, 1, 0, 0, 0, 0, 0, 0];
        control.write_all(&request).expect("a request");
        let mut reply = [0; 10];
        control.read_exact(&mut reply).expect("a reply");
        if reply[1] != 0 {
            return Err(reply[1]);
        }
        assert_eq!(reply[3], 1, "an IPv4 address: {reply:?}");
        let ip: [u8; 4] = reply[4..8].try_into().expect("four bytes");
        let port = u16::from_be_bytes([reply[8], reply[9]]);
        let mut client = Self::raw(SocketAddr::from((ip, port)));
        client.header = header(target);
        client.control = Some(control);
        Ok(client)
    }

    /// Its own.
    pub fn addr(&self) -> SocketAddr {
        self.socket.local_addr().expect("an address")
    }

    /// Sends as it is, without a header.
    pub fn send_raw(&self, bytes: &[u8]) {
        self.socket.send(bytes).expect("sent");
    }

    pub fn send(&self, data: &[u8]) {
        self.send_raw(&[&self.header, data].concat());
    }

    /// The next answer, without its header; `None`: there is none in time.
    pub fn receive(&self, wait: Duration) -> Option<Vec<u8>> {
        self.socket.set_read_timeout(Some(wait)).expect("a timeout");
        let mut space = vec![0; 70_000];
        let n = self.socket.recv(&mut space).ok()?;
        let data = space[..n].strip_prefix(self.header.as_slice());
        Some(data.expect("the source of an answer").to_vec())
    }

    /// Sends a datagram of `n` bytes until it comes back, whole and alone.
    pub fn echoes(&self, name: &str, n: usize) {
        let data: Vec<u8> = (0..n).map(|i| (i * 7 + n) as u8).collect();
        for _ in 0..TRIES {
            self.send(&data);
            if let Some(got) = self.receive(ANSWER) {
                assert!(got == data, "{name}: {n} bytes became {}", got.len());
                return;
            }
        }
        panic!("{name}: no answer to {n} bytes");
    }

    /// Waits for a port that somebody else opens, which a gost does not tell.
    #[allow(clippy::disallowed_methods)] // A test waits in real time.
    pub fn until_open(service: SocketAddr) {
        let client = Self::raw(service);
        let until = std::time::Instant::now() + crate::PATIENCE;
        while std::time::Instant::now() < until {
            // Where nobody listens, the system says so.
            let sent = client.socket.send(b"?").is_ok();
            if sent && client.receive(Duration::from_millis(500)).is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{service}: it does not open");
    }

    /// Ends the connection of the association.
    pub fn leave(&mut self) {
        self.control = None;
    }
}

fn header(target: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(target) = target else {
        panic!("an IPv4 target");
    };
    let mut header = vec![0, 0, 0, 1];
    header.extend_from_slice(&target.ip().octets());
    header.extend_from_slice(&target.port().to_be_bytes());
    header
}
