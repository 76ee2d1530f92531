//! What every tunnel has to do, whatever it is made of.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use crate::PATIENCE;
use crate::client::{Dest, Proxy, Refused, Speak};
use crate::payload::{self, Hash};
use crate::target::{self, BANNER, Target, order};

pub const KIB: u64 = 1024;
pub const MIB: u64 = 1024 * KIB;

/// The two servers that every tunnel is tried on.
pub struct Targets {
    pub work: Target,
    pub banner: Target,
}

impl Default for Targets {
    fn default() -> Self {
        Self::new()
    }
}

impl Targets {
    pub fn new() -> Self {
        Self {
            work: Target::work(),
            banner: Target::banner(),
        }
    }
}

/// A way to a target: through a proxy that is told where to go, or through entries that each lead to
/// one target.
#[derive(Clone, Debug)]
pub struct Way {
    pub name: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Proxy(Proxy),
    Fixed(Vec<(SocketAddr, Proxy)>),
}

impl Way {
    pub fn proxy(name: impl Into<String>, proxy: Proxy) -> Self {
        Self {
            name: name.into(),
            kind: Kind::Proxy(proxy),
        }
    }

    /// Through a SOCKS5 proxy there.
    pub fn socks5(name: impl Into<String>, addr: SocketAddr) -> Self {
        Self::proxy(name, Proxy::new(Speak::Socks5, addr))
    }

    /// Pairs of target and entry.
    pub fn fixed(name: impl Into<String>, entries: Vec<(SocketAddr, Proxy)>) -> Self {
        Self {
            name: name.into(),
            kind: Kind::Fixed(entries),
        }
    }

    pub fn try_open(&self, target: &Target) -> Result<TcpStream, Refused> {
        match &self.kind {
            Kind::Proxy(proxy) => proxy.open(target.addr),
            Kind::Fixed(entries) => {
                let entry = entries.iter().find(|(to, _)| *to == target.addr);
                let (to, proxy) = entry.unwrap_or_else(|| panic!("{}: no such target", self.name));
                proxy.open(*to)
            }
        }
    }

    /// To anywhere, where the way is a proxy.
    pub fn try_dest(&self, dest: impl Into<Dest>) -> Result<TcpStream, Refused> {
        match &self.kind {
            Kind::Proxy(proxy) => proxy.open(dest),
            Kind::Fixed(_) => panic!("{}: leads to one target only", self.name),
        }
    }

    pub fn open(&self, target: &Target) -> TcpStream {
        self.try_open(target)
            .unwrap_or_else(|e| panic!("{}: refused: {e:?}", self.name))
    }
}

/// Runs every case, also after one has failed; fails in the end if any did.
pub fn each<C>(cases: impl IntoIterator<Item = C>, check: impl Fn(C)) {
    let outcomes = cases
        .into_iter()
        .map(|case| catch_unwind(AssertUnwindSafe(|| check(case))));
    let failed: Vec<usize> = outcomes
        .enumerate()
        .filter_map(|(i, outcome)| outcome.is_err().then_some(i + 1))
        .collect();
    assert!(failed.is_empty(), "failed: cases {failed:?}");
}

/// Seeds differ between calls, but not between runs of the same test: they are in every message.
fn seed() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0x5eed);
    NEXT.fetch_add(2, Ordering::Relaxed)
}

/// Waits for a port that somebody else opens, which a gost does not tell.
#[allow(clippy::disallowed_methods)] // A test waits in real time.
pub fn until_open(port: SocketAddr) {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Ok(stream) = TcpStream::connect(port) {
            // One that is accepted and leads nowhere is closed at once.
            let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
            let mut byte = [0];
            let read = (&stream).read(&mut byte);
            if read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
                return;
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("{port}: it does not open");
}

/// Waits until nobody listens at a port any more.
pub fn until_closed(port: SocketAddr) {
    until(&format!("{port} to be closed"), || {
        TcpStream::connect(port).is_err()
    });
}

/// Waits for something that no event tells.
#[allow(clippy::disallowed_methods)] // A test waits in real time.
pub fn until(what: &str, done: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// `up` and `down` bytes at the same time, compared by hash on both ends.
pub fn both_ways(way: &Way, target: &Target, up: u64, down: u64) {
    transfer(&way.name, way.open(target), up, down);
}

/// The same on an open tunnel.
pub fn transfer(name: &str, stream: TcpStream, up: u64, down: u64) {
    ordered_transfer(name, stream, order::TRANSFER, up, down, || ());
}

fn ordered_transfer(
    name: &str,
    mut stream: TcpStream,
    kind: u8,
    up: u64,
    down: u64,
    sent_some: impl FnOnce(),
) {
    let seed = seed();
    let at = format!("{name}: {up} up, {down} down, seed {seed:#x}");
    let mut into = stream.try_clone().expect("a socket");
    let writer = thread::spawn(move || {
        into.write_all(&order(kind, up, down, seed + 1))?;
        target::send_payload(&mut into, seed, up)
    });
    sent_some();
    let hash = target::hash_of(&mut stream, down).unwrap_or_else(|e| panic!("{at}: down: {e}"));
    let expected = Hash::of(&payload::bytes(seed + 1, down as usize));
    assert_eq!(hash, expected, "{at}: bytes down");
    let sent = writer.join().expect("the writing thread");
    sent.unwrap_or_else(|e| panic!("{at}: up: {e}"));
    let answer = read_hash(&mut stream, &at);
    assert_eq!(
        answer,
        Hash::of(&payload::bytes(seed, up as usize)),
        "{at}: bytes up"
    );
}

fn read_hash(stream: &mut TcpStream, at: &str) -> Hash {
    let mut answer = [0; 8];
    stream
        .read_exact(&mut answer)
        .unwrap_or_else(|e| panic!("{at}: hash: {e}"));
    Hash(u64::from_be_bytes(answer))
}

/// A target that speaks first is heard before the client says anything.
pub fn banner_first(way: &Way, targets: &Targets) {
    let mut stream = way.open(&targets.banner);
    let mut banner = vec![0; BANNER.len()];
    stream
        .read_exact(&mut banner)
        .unwrap_or_else(|e| panic!("{}: banner: {e}", way.name));
    assert_eq!(banner, BANNER, "{}: banner", way.name);
    transfer(&way.name, stream, 3 * KIB, 5 * KIB);
}

/// The client ends its direction; the target answers only then, and all of it arrives.
pub fn half_close(way: &Way, target: &Target, down: u64) {
    let seed = seed();
    let up = 10 * KIB;
    let at = format!("{}: half-close, {down} down, seed {seed:#x}", way.name);
    let mut stream = way.open(target);
    let request = payload::bytes(seed, up as usize);
    stream
        .write_all(&order(order::AFTER_END, up, down, seed + 1))
        .and_then(|()| stream.write_all(&request))
        .and_then(|()| stream.shutdown(Shutdown::Write))
        .unwrap_or_else(|e| panic!("{at}: up: {e}"));
    assert_eq!(
        read_hash(&mut stream, &at),
        Hash::of(&request),
        "{at}: bytes up"
    );
    let hash = target::hash_of(&mut stream, down).unwrap_or_else(|e| panic!("{at}: down: {e}"));
    let expected = Hash::of(&payload::bytes(seed + 1, down as usize));
    assert_eq!(hash, expected, "{at}: bytes down");
    assert_end(&mut stream, &at);
}

/// The target ends; the client sees everything before that, then the end.
pub fn target_ends(way: &Way, target: &Target, down: u64) {
    let seed = seed();
    let at = format!("{}: source of {down}, seed {seed:#x}", way.name);
    let mut stream = way.open(target);
    stream
        .write_all(&order(order::SOURCE, 0, down, seed))
        .unwrap_or_else(|e| panic!("{at}: order: {e}"));
    let hash = target::hash_of(&mut stream, down).unwrap_or_else(|e| panic!("{at}: down: {e}"));
    assert_eq!(hash, Hash::of(&payload::bytes(seed, down as usize)), "{at}");
    assert_end(&mut stream, &at);
}

/// The target ends, and the client goes on: all that it says behind that end arrives.
pub fn upload_behind_the_end(way: &Way, target: &Target, down: u64, up: u64) {
    let seed = seed();
    let at = format!(
        "{}: {up} up behind the target's end, seed {seed:#x}",
        way.name
    );
    let mut stream = way.open(target);
    stream
        .write_all(&order(order::UPLOAD, up, down, seed))
        .unwrap_or_else(|e| panic!("{at}: order: {e}"));
    let hash = target::hash_of(&mut stream, down).unwrap_or_else(|e| panic!("{at}: down: {e}"));
    assert_eq!(hash, Hash::of(&payload::bytes(seed, down as usize)), "{at}");
    assert_end(&mut stream, &at);
    target::send_payload(&mut stream, seed + 1, up)
        .and_then(|()| stream.shutdown(Shutdown::Write))
        .unwrap_or_else(|e| panic!("{at}: up: {e}"));
    let sent = Hash::of(&payload::bytes(seed + 1, up as usize));
    assert!(target.wait_for(sent), "{at}: it did not arrive");
}

/// A target that does not read for a while loses nothing, and others are not held up by it.
pub fn stalled_target(way: &Way, target: &Target) {
    let stream = way.open(target);
    ordered_transfer(&way.name, stream, order::STALL, 4 * MIB, MIB, || {
        both_ways(way, target, 64 * KIB, 64 * KIB);
        target.open_gate();
    });
}

/// The same for so long and with so much that everything between is full, and silent.
pub fn stalled_for(way: &Way, target: &Target, milliseconds: u64) {
    let idle = way.open(target);
    let stream = way.open(target);
    ordered_transfer(&way.name, stream, order::STALL, 24 * MIB, MIB, || {
        silence(std::slice::from_ref(&idle), milliseconds);
        target.open_gate();
    });
}

/// A client that reads nothing for so long, while much is sent to it, gets all of it in the end.
pub fn stalled_client(way: &Way, target: &Target, milliseconds: u64) {
    let down = 24 * MIB;
    let idle = way.open(target);
    let mut stream = way.open(target);
    let at = format!("{}: stalled client", way.name);
    stream
        .write_all(&order(order::SOURCE, 0, down, 5))
        .unwrap_or_else(|e| panic!("{at}: order: {e}"));
    silence(std::slice::from_ref(&idle), milliseconds);
    let hash = target::hash_of(&mut stream, down).unwrap_or_else(|e| panic!("{at}: down: {e}"));
    assert_eq!(hash, Hash::of(&payload::bytes(5, down as usize)), "{at}");
}

/// `n` tunnels that are all open before the first one sends.
pub fn concurrent(way: &Way, target: &Target, n: usize, bytes: u64) {
    let all_open = Arc::new(Barrier::new(n));
    thread::scope(|scope| {
        for _ in 0..n {
            let all_open = all_open.clone();
            scope.spawn(move || {
                // Passed also after a failure: the others must not wait for it for ever.
                let stream = catch_unwind(AssertUnwindSafe(|| way.open(target)));
                all_open.wait();
                match stream {
                    Ok(stream) => transfer(&way.name, stream, bytes, bytes),
                    Err(panic) => resume_unwind(panic),
                }
            });
        }
    });
}

/// The end of the stream, by FIN or by reset.
pub fn assert_end(stream: &mut TcpStream, at: &str) {
    let mut more = [0; 64];
    match stream.read(&mut more) {
        Ok(0) => {}
        Ok(n) => panic!("{at}: expected the end, got {:?}", &more[..n]),
        Err(e) if e.kind() == ErrorKind::ConnectionReset => {}
        Err(e) => panic!("{at}: expected the end, got {e}"),
    }
}

/// The way is not opened, or ends without a byte from the target.
pub fn no_way(way: &Way, target: &Target) {
    let before = target.accepted_by_now();
    if let Ok(mut stream) = way.try_open(target) {
        let _ = stream.write_all(&order(order::ECHO, 0, 0, 0));
        assert_end(&mut stream, &way.name);
    }
    assert_eq!(
        target.accepted_by_now(),
        before + 1,
        "{}: the target was reached",
        way.name
    );
}

/// Nothing comes from any of the tunnels for this long, and none of them ends.
pub fn silence(tunnels: &[TcpStream], milliseconds: u64) {
    let wait = Duration::from_millis(milliseconds);
    thread::scope(|scope| {
        for tunnel in tunnels {
            scope.spawn(move || {
                tunnel.set_read_timeout(Some(wait)).expect("a socket");
                match tunnel.peek(&mut [0]) {
                    Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                    other => panic!("expected silence, got {other:?}"),
                }
                tunnel.set_read_timeout(Some(PATIENCE)).expect("a socket");
            });
        }
    });
}
