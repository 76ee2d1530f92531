//! Both ends of the traffic: a target, and clients of the tunnel's entry. The target's first byte says what
//! it is to do.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A tunnel that says nothing for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(10);
const CHUNK: usize = 256 * 1024;
const STACK: usize = 64 * 1024;

const ECHO: u8 = b'e';
const SOURCE: u8 = b's';
const SINK: u8 = b'd';

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Down,
    Up,
}

/// A server for the far end.
pub struct Target {
    pub addr: SocketAddr,
    /// Bytes that have arrived, here or at the clients.
    moved: Arc<AtomicU64>,
}

impl Target {
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let target = Self {
            addr: listener.local_addr()?,
            moved: Arc::default(),
        };
        let moved = target.moved.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let moved = moved.clone();
                let serving = thread::Builder::new().stack_size(STACK);
                // A client that is gone is no failure of the target.
                let _ = serving.spawn(move || serve(&stream, &moved));
            }
        });
        Ok(target)
    }

    pub fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }
}

fn serve(mut stream: &TcpStream, moved: &AtomicU64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut order = [0];
    stream.read_exact(&mut order)?;
    match order[0] {
        SOURCE => {
            let chunk = vec![0x5a; CHUNK];
            loop {
                stream.write_all(&chunk)?;
            }
        }
        SINK => {
            let mut chunk = vec![0; CHUNK];
            loop {
                match stream.read(&mut chunk)? {
                    0 => return Ok(()),
                    n => moved.fetch_add(n as u64, Ordering::Relaxed),
                };
            }
        }
        _ => {
            let mut chunk = [0; 16 * 1024];
            loop {
                match stream.read(&mut chunk)? {
                    0 => return Ok(()),
                    n => stream.write_all(&chunk[..n])?,
                }
            }
        }
    }
}

/// How to get to the target.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub addr: SocketAddr,
    pub target: SocketAddr,
    /// It asks where to; it leads to the target otherwise.
    pub socks5: bool,
}

impl Entry {
    fn open(&self, order: u8) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        if self.socks5 {
            self.ask(&mut stream)?;
        }
        stream.write_all(&[order])?;
        Ok(stream)
    }

    /// RFC 1928, without a user.
    fn ask(&self, stream: &mut TcpStream) -> io::Result<()> {
        let SocketAddr::V4(target) = self.target else {
            return Err(ErrorKind::Unsupported.into());
        };
        stream.write_all(&[5, 1, 0])?;
        let mut method = [0; 2];
        stream.read_exact(&mut method)?;
        let mut request = vec![5, 1, 0, 1];
        request.extend(target.ip().octets());
        request.extend(target.port().to_be_bytes());
        stream.write_all(&request)?;
        let mut reply = [0; 10];
        stream.read_exact(&mut reply)?;
        match (method, reply[1], reply[3]) {
            ([5, 0], 0, 1) => Ok(()),
            _ => Err(io::Error::other(format!(
                "SOCKS5 answered {method:?}, {reply:?}"
            ))),
        }
    }

    pub fn echo(&self) -> io::Result<Echo> {
        let mut echo = Echo(self.open(ECHO)?);
        echo.trip(&mut [1])?;
        Ok(echo)
    }

    /// Opens and closes connections for this long, at most `most` of them; how many there were.
    pub fn connections(&self, time: Duration, most: usize) -> io::Result<usize> {
        let end = Instant::now() + time;
        let left = AtomicU64::new(most as u64);
        let take = |left: &AtomicU64| {
            let less = |n: u64| n.checked_sub(1);
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
                .is_ok()
        };
        let results = on_threads(8, || {
            let mut count = 0;
            while (count == 0 || Instant::now() < end) && take(&left) {
                self.echo()?;
                count += 1;
            }
            Ok(count)
        });
        results.into_iter().sum()
    }

    /// Moves bytes on so many streams while `during` runs.
    pub fn flow<T>(
        &self,
        direction: Direction,
        streams: usize,
        target: &Target,
        during: impl FnOnce() -> T,
    ) -> io::Result<T> {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let flows = scope.spawn(|| {
                on_threads(streams, || match direction {
                    Direction::Down => self.down(target, &stop),
                    Direction::Up => self.up(&stop),
                })
            });
            let result = during();
            stop.store(true, Ordering::Relaxed);
            let flows = flows.join().expect("the flows");
            flows.into_iter().collect::<io::Result<()>>()?;
            Ok(result)
        })
    }

    fn down(&self, target: &Target, stop: &AtomicBool) -> io::Result<()> {
        let mut stream = self.open(SOURCE)?;
        let mut chunk = vec![0; CHUNK];
        while !stop.load(Ordering::Relaxed) {
            match stream.read(&mut chunk)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                n => target.moved.fetch_add(n as u64, Ordering::Relaxed),
            };
        }
        Ok(())
    }

    fn up(&self, stop: &AtomicBool) -> io::Result<()> {
        let mut stream = self.open(SINK)?;
        let chunk = vec![0xa5; CHUNK];
        while !stop.load(Ordering::Relaxed) {
            stream.write_all(&chunk)?;
        }
        Ok(())
    }
}

/// A connection on which everything comes back.
pub struct Echo(TcpStream);

impl Echo {
    pub fn trip(&mut self, message: &mut [u8]) -> io::Result<Duration> {
        let before = Instant::now();
        self.0.write_all(message)?;
        self.0.read_exact(message)?;
        Ok(before.elapsed())
    }

    /// Round trips of 64 bytes for this long, in microseconds, in order of size.
    pub fn trips(&mut self, time: Duration) -> io::Result<Vec<f64>> {
        let end = Instant::now() + time;
        let mut taken = Vec::new();
        while taken.is_empty() || Instant::now() < end {
            taken.push(self.trip(&mut [7; 64])?.as_secs_f64() * 1e6);
        }
        taken.sort_by(f64::total_cmp);
        Ok(taken)
    }
}

fn on_threads<T: Send>(
    count: usize,
    work: impl Fn() -> io::Result<T> + Sync,
) -> Vec<io::Result<T>> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(&work)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a thread of the load"))
            .collect()
    })
}
