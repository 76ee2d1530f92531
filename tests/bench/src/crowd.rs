//! Very many idle tunnels through one server: what they hold, and how long a new one takes beside them.
//!
//! Their clients and targets are bare sockets of this process, which answers pings and does nothing else. Sources
//! and targets are spread over the loopback network, since one pair of addresses has not enough ports. At the
//! server a tunnel has two sockets, so it needs twice as many descriptors as there are tunnels, and so does this
//! process: with fewer, there are fewer tunnels.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ginnel_tests::folder::Folder;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustix::process::{Resource, getrlimit};

use crate::peer::{Peer, words};
use crate::process::Process;

/// All tunnels must be there by then.
const OPENING: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(10);
/// A little more than two ping periods of 15 s: everybody was asked at least twice.
const HOLDING: Duration = Duration::from_secs(32);
/// Before memory is looked at.
const SETTLE: Duration = Duration::from_secs(2);
/// How long the end of it all may go unnoticed.
const PAUSE: Duration = Duration::from_millis(100);
/// Descriptors for everything else.
const SPARE: usize = 200;
/// Tunnels by way of one source, or to one target.
const SHARE: usize = 10_000;
const OPENERS: usize = 4;
const PROBES: usize = 200;
const MIB: f64 = 1_048_576.0;

/// Measures one program with up to `count` tunnels, and says what it found.
pub fn run(peer: &Peer, count: usize) -> Result<(), String> {
    measure(peer, count).map_err(|error| format!("{}: {error}", peer.name))
}

fn measure(peer: &Peer, wanted: usize) -> io::Result<()> {
    let count = wanted.min(room());
    if count < wanted {
        println!(
            "{count} tunnels instead of {wanted}: each needs two descriptors; raise the hard limit of \
             open files (ulimit -Hn {})",
            2 * wanted + SPARE
        );
    }
    let target = Target::start()?;
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port();
    let dir = Folder::new();
    let line = words(&peer.server, "ws", port, 0, (Ipv4Addr::LOCALHOST, 0).into());
    let server = Process::start(&line, dir.path())?;
    let entry = Entry {
        port,
        target: target.port,
    };
    entry.wait()?;
    let alone = entry.probe()?;
    thread::sleep(SETTLE);

    let memory = || server.memory().map_or(0.0, |bytes| bytes / MIB);
    let before = memory();
    let begun = Instant::now();
    let crowd = Crowd::new()?;
    thread::scope(|scope| -> io::Result<()> {
        let keeper = scope.spawn(|| crowd.keep());
        let opened = entry.open_all(count, &crowd);
        let result = opened.and_then(|()| {
            println!(
                "{count} tunnels, opened in {:.0} s",
                begun.elapsed().as_secs_f64()
            );
            thread::sleep(HOLDING);
            let held = memory();
            let beside = entry.probe()?;
            let each = (held - before) * 1024.0 / count as f64;
            println!(
                "resident: {before:.1} MiB without, {held:.1} MiB with them: {each:.2} KiB each"
            );
            println!("a new tunnel and its first byte back: {beside} beside them, {alone} before");
            Ok(())
        });
        crowd.over.store(true, Ordering::Relaxed);
        let pings = keeper.join().expect("the keeper");
        result?;
        let pings = pings?;
        println!(
            "pings answered: {:.1} a tunnel",
            pings as f64 / count as f64
        );
        Ok(())
    })?;
    drop(crowd);
    target.drop_all();
    thread::sleep(Duration::from_secs(7));
    println!("resident after their close: {:.1} MiB", memory());
    Ok(())
}

/// How many tunnels the descriptors suffice for.
fn room() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit)
        .unwrap_or(usize::MAX)
        .saturating_sub(SPARE)
        / 2
}

/// Where all tunnels lead. Those that send something get it back.
struct Target {
    port: u16,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Target {
    fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let target = Self {
            port: listener.local_addr()?.port(),
            streams: Arc::default(),
        };
        let streams = target.streams.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let local = stream.local_addr().map(|addr| addr.ip());
                // The first of the addresses is for those that are served.
                if local.is_ok_and(|ip| ip == Ipv4Addr::LOCALHOST) {
                    thread::spawn(move || echo(stream));
                } else {
                    streams.lock().expect("the list").push(stream);
                }
            }
        });
        Ok(target)
    }

    fn drop_all(&self) {
        self.streams.lock().expect("the list").clear();
    }
}

fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut byte = [0];
    while stream.read(&mut byte)? > 0 {
        stream.write_all(&byte)?;
    }
    Ok(())
}

struct Entry {
    port: u16,
    target: u16,
}

impl Entry {
    fn wait(&self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.served() {
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => thread::sleep(Duration::from_millis(20)),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// A tunnel between these, as far as the answer to the request for it.
    fn open(&self, source: Ipv4Addr, target: Ipv4Addr) -> io::Result<TcpStream> {
        let fd = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&fd, &SocketAddrV4::new(source, 0))?;
        connect(&fd, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.port))?;
        let mut stream = TcpStream::from(fd);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(
            b"GET /ws HTTP/1.1\r\nHost: crowd\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        if !head.starts_with(b"HTTP/1.1 101 ") {
            let head = String::from_utf8_lossy(&head).into_owned();
            return Err(io::Error::other(head));
        }
        // Connect to an address (feature 2) of IPv4 (kind 1).
        let mut request = vec![1, 1, 0, 10, 2, 0, 7, 1];
        request.extend(target.octets());
        request.extend(self.target.to_be_bytes());
        stream.write_all(&frame(0x82, &request))?;
        let mut reply = [0; 6];
        stream.read_exact(&mut reply)?;
        match reply {
            // A message of four bytes: version 1, no fault.
            [0x82, 4, 1, 0, 0, 0] => Ok(stream),
            other => Err(io::Error::other(format!("the relay answered {other:?}"))),
        }
    }

    /// A new tunnel, until its first byte is back.
    fn served(&self) -> io::Result<Duration> {
        let begun = Instant::now();
        let mut stream = self.open(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST)?;
        stream.write_all(&frame(0x82, b"a"))?;
        let mut reply = [0; 3];
        stream.read_exact(&mut reply)?;
        stream.shutdown(Shutdown::Write)?;
        Ok(begun.elapsed())
    }

    /// What a new tunnel takes: the median and the 99th percentile.
    fn probe(&self) -> io::Result<String> {
        let one = || self.served().map(|taken| taken.as_secs_f64() * 1e3);
        let mut taken: Vec<f64> = std::iter::repeat_with(one)
            .take(PROBES)
            .collect::<io::Result<_>>()?;
        taken.sort_by(f64::total_cmp);
        let at = |percent: usize| taken[taken.len() * percent / 100];
        Ok(format!("{:.2} ms (p99 {:.2})", at(50), at(99)))
    }

    fn open_all(&self, count: usize, crowd: &Crowd) -> io::Result<()> {
        let deadline = Instant::now() + OPENING;
        thread::scope(|scope| {
            let openers: Vec<_> = (0..OPENERS)
                .map(|first| {
                    scope.spawn(move || -> io::Result<()> {
                        for number in (first..count).step_by(OPENERS) {
                            if Instant::now() > deadline {
                                return Err(ErrorKind::TimedOut.into());
                            }
                            let last = (number / SHARE) as u8 + 2;
                            let source = Ipv4Addr::new(127, 0, 1, last);
                            let target = Ipv4Addr::new(127, 0, 2, last);
                            let stream = self.open(source, target)?;
                            crowd.add(stream)?;
                        }
                        Ok(())
                    })
                })
                .collect();
            let ends = openers
                .into_iter()
                .map(|opener| opener.join().expect("an opener"));
            ends.collect()
        })
    }
}

/// The clients' ends. Who has a ping to answer is told by an epoll: to ask each of them would take longer than
/// a tunnel does to open.
struct Crowd {
    epoll: OwnedFd,
    streams: Mutex<Vec<TcpStream>>,
    over: AtomicBool,
}

impl Crowd {
    fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            streams: Mutex::default(),
            over: AtomicBool::new(false),
        })
    }

    fn add(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        let mut streams = self.streams.lock().expect("the list");
        let number = EventData::new_u64(streams.len() as u64);
        epoll::add(&self.epoll, &stream, number, EventFlags::IN)?;
        streams.push(stream);
        Ok(())
    }

    /// Answers pings until it is over; returns how many.
    fn keep(&self) -> io::Result<usize> {
        let mut pings = 0;
        let pause = Timespec::try_from(PAUSE).expect("a part of a second");
        let mut events = Vec::with_capacity(256);
        while !self.over.load(Ordering::Relaxed) {
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&pause))?;
            for event in events.drain(..) {
                let streams = self.streams.lock().expect("the list");
                let stream = &streams[event.data.u64() as usize];
                match answered(stream)? {
                    Some(answered) => pings += answered,
                    None => epoll::delete(&self.epoll, stream)?,
                }
            }
        }
        Ok(pings)
    }
}

/// Answers the pings that are there; `None` at the end of the stream.
fn answered(mut stream: &TcpStream) -> io::Result<Option<usize>> {
    let mut frames = [0; 512];
    let n = match stream.read(&mut frames) {
        Ok(0) => return Ok(None),
        Ok(n) => n,
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        Err(_) => return Ok(None),
    };
    let mut frames = &frames[..n];
    let mut pings = 0;
    // The server sends short frames and nothing else.
    while let [kind, len, rest @ ..] = frames {
        let (payload, behind) = rest.split_at(rest.len().min(usize::from(*len)));
        if *kind == 0x89 {
            pings += 1;
            stream.write_all(&frame(0x8a, payload))?;
        }
        frames = behind;
    }
    Ok(Some(pings))
}

/// A short frame of a client. The key of zeros changes nothing.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend(payload);
    frame
}
