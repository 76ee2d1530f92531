//! Just enough WebSocket to look at a connection from the outside.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use tungstenite::handshake::derive_accept_key;

use crate::PATIENCE;
use crate::client::{connect, field, patient, read_head};

pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

pub mod opcode {
    pub const BINARY: u8 = 2;
    pub const PING: u8 = 9;
    pub const PONG: u8 = 10;
}

/// A frame with its payload unmasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub fin: bool,
    pub compressed: bool,
    pub opcode: u8,
    pub masked: bool,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut head = [0; 2];
        from.read_exact(&mut head)?;
        let masked = head[1] & 0x80 != 0;
        let len = match head[1] & 0x7f {
            126 => {
                let mut len = [0; 2];
                from.read_exact(&mut len)?;
                u64::from(u16::from_be_bytes(len))
            }
            127 => {
                let mut len = [0; 8];
                from.read_exact(&mut len)?;
                u64::from_be_bytes(len)
            }
            short => u64::from(short),
        };
        assert!(len <= 1 << 24, "a frame of {len} bytes");
        let mut mask = [0; 4];
        if masked {
            from.read_exact(&mut mask)?;
        }
        let mut payload = vec![0; len as usize];
        from.read_exact(&mut payload)?;
        for (i, byte) in payload.iter_mut().enumerate() {
            *byte ^= mask[i % 4];
        }
        Ok(Self {
            fin: head[0] & 0x80 != 0,
            compressed: head[0] & 0x40 != 0,
            opcode: head[0] & 0x0f,
            masked,
            payload,
        })
    }
}

/// A whole small frame, masked with zeros when it comes from a client.
pub fn frame(opcode: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    assert!(payload.len() < 126, "a small frame");
    let mut frame = vec![0x80 | opcode, payload.len() as u8];
    if masked {
        frame[1] |= 0x80;
        frame.extend([0; 4]);
    }
    frame.extend(payload);
    frame
}

/// A listener that records the head of each upgrade request and hands the connection to the test.
pub struct Recorder {
    pub addr: SocketAddr,
    requests: mpsc::Receiver<(String, TcpStream)>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on the loopback");
        let addr = listener.local_addr().expect("an address");
        let (sender, requests) = mpsc::channel();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                patient(&stream);
                let Some(head) = read_head(&mut stream) else {
                    continue;
                };
                if sender.send((head, stream)).is_err() {
                    return;
                }
            }
        });
        Self { addr, requests }
    }

    pub fn request(&self) -> (String, TcpStream) {
        self.requests
            .recv_timeout(PATIENCE)
            .expect("an upgrade request")
    }

    /// Answers the next request with a correct 101.
    pub fn upgrade(&self) -> (String, TcpStream) {
        let (head, mut stream) = self.request();
        let key = field(&head, "Sec-WebSocket-Key").expect("a key");
        let response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            derive_accept_key(key.as_bytes())
        );
        stream.write_all(response.as_bytes()).expect("a reader");
        (head, stream)
    }
}

/// A correct upgrade request, to be spoiled line by line.
pub fn upgrade_request(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    )
}

/// Sends a request head on a new connection and gives back the response head and the connection.
pub fn ask(addr: SocketAddr, request: &str) -> (String, TcpStream) {
    let mut stream = connect(addr);
    let head = ask_on(&mut stream, request);
    (head, stream)
}

/// The same on an open connection. A response body stays unread.
pub fn ask_on(stream: &mut (impl Read + Write), request: &str) -> String {
    stream.write_all(request.as_bytes()).expect("a reader");
    read_head(stream).expect("a response")
}

/// The bytes inside the data frames of a connection, control frames left out. What is written goes
/// out as one masked frame.
pub struct Unframed<S> {
    pub stream: S,
    unread: Vec<u8>,
}

impl<S> Unframed<S> {
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            unread: Vec::new(),
        }
    }
}

impl<S: Read> Read for Unframed<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.unread.is_empty() {
            let frame = Frame::read(&mut self.stream)?;
            if frame.opcode <= opcode::BINARY {
                self.unread = frame.payload;
            }
        }
        let n = into.len().min(self.unread.len());
        into[..n].copy_from_slice(&self.unread[..n]);
        self.unread.drain(..n);
        Ok(n)
    }
}

impl<S: Write> Write for Unframed<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(125)];
        self.stream.write_all(&frame(opcode::BINARY, piece, true))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// One smux frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smux {
    pub version: u8,
    pub command: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Smux {
    pub const SYN: u8 = 0;
    pub const FIN: u8 = 1;
    pub const PSH: u8 = 2;
    pub const NOP: u8 = 3;

    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut head = [0; 8];
        from.read_exact(&mut head)?;
        let [version, command, len @ .., a, b, c, d] = head;
        let mut payload = vec![0; usize::from(u16::from_le_bytes(len))];
        from.read_exact(&mut payload)?;
        Ok(Self {
            version,
            command,
            stream: u32::from_le_bytes([a, b, c, d]),
            payload,
        })
    }
}
