//! Servers at the far end of a tunnel, each on a port of its own.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use crate::client::patient;
use crate::payload::{Hash, Payload};

/// What the banner server says before it is asked anything.
pub const BANNER: &[u8] = b"SSH-2.0-ginnel-test\r\n";

/// First byte of what a client tells a working server; three numbers follow: bytes up, bytes down,
/// seed of the bytes down.
pub mod order {
    /// Everything comes back until the client's end.
    pub const ECHO: u8 = b'E';
    /// Both directions at once; then the hash of the bytes up.
    pub const TRANSFER: u8 = b'T';
    /// Reads to the client's end, and only then answers: the hash of what came, the bytes down, end.
    pub const AFTER_END: u8 = b'F';
    /// The bytes down, then the end, though the client goes on.
    pub const SOURCE: u8 = b'S';
    /// As `SOURCE`; what the client says behind that end is heard by the test.
    pub const UPLOAD: u8 = b'U';
    /// Reads nothing more until the test opens the gate; then as `TRANSFER`.
    pub const STALL: u8 = b'W';
}

pub fn order(kind: u8, up: u64, down: u64, seed: u64) -> [u8; 25] {
    let mut order = [kind; 25];
    order[1..9].copy_from_slice(&up.to_be_bytes());
    order[9..17].copy_from_slice(&down.to_be_bytes());
    order[17..].copy_from_slice(&seed.to_be_bytes());
    order
}

/// A listening server with a thread for each connection. Dropped, it stops to accept.
pub struct Target {
    pub addr: SocketAddr,
    accepted: Arc<AtomicUsize>,
    gate: Arc<Gate>,
    stopped: Arc<AtomicBool>,
}

impl Target {
    pub fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        Self::with_gate(move |stream, _| serve(stream))
    }

    fn with_gate(serve: impl Fn(TcpStream, &Gate) + Send + Sync + 'static) -> Self {
        Self::on("127.0.0.1:0", serve).expect("a port on the loopback")
    }

    fn on(
        addr: &str,
        serve: impl Fn(TcpStream, &Gate) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(addr)?;
        let target = Self {
            addr: listener.local_addr()?,
            accepted: Arc::default(),
            gate: Arc::default(),
            stopped: Arc::default(),
        };
        let (accepted, gate) = (target.accepted.clone(), target.gate.clone());
        let stopped = target.stopped.clone();
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                accepted.fetch_add(1, Ordering::SeqCst);
                patient(&stream);
                let (serve, gate) = (serve.clone(), gate.clone());
                thread::spawn(move || serve(stream, &gate));
            }
        });
        Ok(target)
    }

    /// Does what each client orders.
    pub fn work() -> Self {
        Self::with_gate(|stream, gate| drop(work(stream, gate)))
    }

    /// The same on IPv6, where there is such a loopback.
    pub fn work_v6() -> Option<Self> {
        Self::on("[::1]:0", |stream, gate| drop(work(stream, gate))).ok()
    }

    /// The same at an address of the caller's choice.
    pub fn work_at(addr: &str) -> io::Result<Self> {
        Self::on(addr, |stream, gate| drop(work(stream, gate)))
    }

    /// Speaks first, then does what each client orders.
    pub fn banner() -> Self {
        Self::with_gate(|mut stream, gate| {
            if stream.write_all(BANNER).is_ok() {
                drop(work(stream, gate));
            }
        })
    }

    /// Reads and forgets.
    pub fn sink() -> Self {
        Self::start(|mut stream| drop(io::copy(&mut stream, &mut io::sink())))
    }

    /// Passes everything on to another address: counts the connections of a node.
    pub fn tap(to: SocketAddr) -> Self {
        Self::start(move |client| {
            let Ok(server) = TcpStream::connect(to) else {
                return;
            };
            let _ = server.set_nodelay(true);
            let _ = client.set_read_timeout(None);
            let (Ok(from), Ok(into)) = (client.try_clone(), server.try_clone()) else {
                return;
            };
            let up = thread::spawn(move || pass(from, into));
            pass(server, client);
            let _ = up.join();
        })
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Connections accepted, with every one that was made before this call, and one of its own behind
    /// them: the kernel hands them out in order.
    pub fn accepted_by_now(&self) -> usize {
        let mut own = TcpStream::connect(self.addr).expect("a target that listens");
        patient(&own);
        own.write_all(&order(order::ECHO, 0, 0, 0))
            .expect("an order");
        own.shutdown(Shutdown::Write).expect("an end");
        io::copy(&mut own, &mut io::sink()).expect("the end of an echo");
        self.accepted()
    }

    /// Waits until the kernel's queue is empty of those that a tunnel has connected.
    #[allow(clippy::disallowed_methods)] // A test waits in real time.
    pub fn wait_for_accepted(&self, count: usize) {
        let until = Instant::now() + crate::PATIENCE;
        while self.accepted() < count {
            assert!(Instant::now() < until, "{count} connections to accept");
            thread::yield_now();
        }
    }

    /// Waits for an `UPLOAD` that brought this.
    pub fn wait_for(&self, hash: Hash) -> bool {
        let heard = self.gate.heard.lock().expect("gate");
        let missing = |heard: &mut Vec<Hash>| !heard.contains(&hash);
        let (heard, _) = self
            .gate
            .opened
            .wait_timeout_while(heard, crate::PATIENCE, missing)
            .expect("gate");
        heard.contains(&hash)
    }

    /// Lets every `STALL` go on.
    pub fn open_gate(&self) {
        *self.gate.open.lock().expect("gate") = true;
        self.gate.opened.notify_all();
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.open_gate();
        // Wakes the accept loop.
        let _ = TcpStream::connect(self.addr);
    }
}

/// An address that refuses connections.
pub fn refusing() -> SocketAddr {
    free_addr()
}

/// An address on the loopback that is free and will be: below the ports that the system gives to
/// sockets without one, and not given out twice.
pub fn free_addr() -> SocketAddr {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 22_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes that run at the same time start in different places.
    let start = std::process::id().wrapping_mul(397);
    for _ in 0..COUNT {
        let no = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = (FIRST + start.wrapping_add(no) % COUNT) as u16;
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let everywhere = SocketAddr::from(([0, 0, 0, 0], port));
        if TcpListener::bind(addr).is_ok() && TcpListener::bind(everywhere).is_ok() {
            return addr;
        }
    }
    panic!("no free port from {FIRST} on");
}

#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
    /// What `UPLOAD`s have brought.
    heard: Mutex<Vec<Hash>>,
}

impl Gate {
    fn wait(&self) {
        let open = self.open.lock().expect("gate");
        drop(self.opened.wait_while(open, |open| !*open).expect("gate"));
    }
}

fn work(mut stream: TcpStream, gate: &Gate) -> io::Result<()> {
    let mut order = [0; 25];
    stream.read_exact(&mut order)?;
    let number = |at: usize| {
        let bytes = order[at..at + 8].try_into().expect("eight bytes");
        u64::from_be_bytes(bytes)
    };
    let (up, down, seed) = (number(1), number(9), number(17));
    match order[0] {
        order::ECHO => echo(stream),
        order::STALL => {
            gate.wait();
            transfer(stream, up, down, seed)
        }
        order::TRANSFER => transfer(stream, up, down, seed),
        order::AFTER_END => {
            let hash = hash_to_end(&mut stream)?;
            stream.write_all(&hash.0.to_be_bytes())?;
            send_payload(&mut stream, seed, down)?;
            stream.shutdown(Shutdown::Write)
        }
        order::UPLOAD => {
            send_payload(&mut stream, seed, down)?;
            stream.shutdown(Shutdown::Write)?;
            let hash = hash_to_end(&mut stream)?;
            gate.heard.lock().expect("gate").push(hash);
            gate.opened.notify_all();
            Ok(())
        }
        order::SOURCE => {
            send_payload(&mut stream, seed, down)?;
            stream.shutdown(Shutdown::Write)?;
            hash_to_end(&mut stream).map(drop)
        }
        other => {
            eprintln!("target: order {other}");
            Ok(())
        }
    }
}

fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut from = stream.try_clone()?;
    io::copy(&mut from, &mut stream)?;
    stream.shutdown(Shutdown::Write)
}

fn transfer(mut stream: TcpStream, up: u64, down: u64, seed: u64) -> io::Result<()> {
    let mut from = stream.try_clone()?;
    let reader = thread::spawn(move || hash_of(&mut from, up));
    send_payload(&mut stream, seed, down)?;
    let hash = reader.join().expect("the hashing thread")?;
    stream.write_all(&hash.0.to_be_bytes())?;
    hash_to_end(&mut stream).map(drop)
}

/// Writes the first `len` bytes of a seed's payload.
pub fn send_payload(into: &mut impl Write, seed: u64, len: u64) -> io::Result<()> {
    let mut payload = Payload::new(seed);
    let mut piece = vec![0; 16 * 1024];
    let mut left = len;
    while left > 0 {
        let n = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        payload.fill(&mut piece[..n]);
        into.write_all(&piece[..n])?;
        left -= n as u64;
    }
    Ok(())
}

/// The hash of exactly `len` bytes.
pub fn hash_of(from: &mut impl Read, len: u64) -> io::Result<Hash> {
    let mut hash = Hash::default();
    let mut piece = vec![0; 16 * 1024];
    let mut left = len;
    while left > 0 {
        let n = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match from.read(&mut piece[..n]) {
            Ok(0) => {
                let text = format!("expected {len} bytes, the end came after {}", len - left);
                return Err(io::Error::new(ErrorKind::UnexpectedEof, text));
            }
            Ok(n) => {
                hash.update(&piece[..n]);
                left -= n as u64;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => {
                let text = format!("{e} after {} of {len} bytes", len - left);
                return Err(io::Error::new(e.kind(), text));
            }
        }
    }
    Ok(hash)
}

fn hash_to_end(from: &mut impl Read) -> io::Result<Hash> {
    let mut hash = Hash::default();
    let mut piece = vec![0; 16 * 1024];
    loop {
        match from.read(&mut piece)? {
            0 => return Ok(hash),
            n => hash.update(&piece[..n]),
        }
    }
}

fn pass(mut from: TcpStream, mut into: TcpStream) {
    match io::copy(&mut from, &mut into) {
        Ok(_) => drop(into.shutdown(Shutdown::Write)),
        Err(_) => drop(into.shutdown(Shutdown::Both)),
    }
}
