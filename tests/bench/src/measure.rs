//! One pair of processes, and everything that is measured of it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use ginnel_tests::folder::Folder;

use crate::args::Size;
use crate::cpus::Placing;
use crate::figures::{Figure, Figures};
use crate::load::{Direction, Entry, Target};
use crate::peer::{Kind, Peer, words};
use crate::process::{Calls, Process};

/// Until the first byte has come back.
const START: Duration = Duration::from_secs(15);
/// For the connections of the memory figures.
const OPENING: Duration = Duration::from_secs(60);
const BURST: usize = 64 * 1024;
const GIB: f64 = (1_u64 << 30) as f64;
const MIB: f64 = (1_u64 << 20) as f64;

type Step<'a> = fn(&mut Session<'a>) -> io::Result<()>;

pub struct Session<'a> {
    server: Process,
    client: Process,
    entry: Entry,
    target: &'a Target,
    size: &'a Size,
    name: String,
    dir: Folder,
    figures: Figures,
}

impl<'a> Session<'a> {
    pub fn start(
        peer: &Peer,
        channel: &str,
        target: &'a Target,
        size: &'a Size,
        placing: &Placing,
    ) -> Result<Self, String> {
        let (port, entry) = free_ports().map_err(|error| format!("two ports: {error}"))?;
        let dir = Folder::new();
        let start = |line: &str| {
            let words = words(line, channel, port, entry, target.addr);
            placing.tunnels();
            let process = Process::start(&words, dir.path());
            placing.load();
            process.map_err(|error| format!("{line:?}: {error}"))
        };
        let mut session = Self {
            server: start(&peer.server)?,
            client: start(&peer.client)?,
            entry: Entry {
                addr: (Ipv4Addr::LOCALHOST, entry).into(),
                target: target.addr,
                socks5: peer.entry == Kind::Socks5,
            },
            target,
            size,
            name: format!("{}, {channel}", peer.name),
            dir,
            figures: Figures::new(),
        };
        session.wait()?;
        Ok(session)
    }

    fn wait(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START;
        loop {
            for (process, end) in [(&mut self.server, "server"), (&mut self.client, "client")] {
                if process.has_ended() {
                    return Err(format!("the {end}'s process has ended"));
                }
            }
            match self.entry.echo() {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    return Err(format!("no way through: {error}"));
                }
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// What fails is said and left out.
    pub fn measure(&mut self) -> Figures {
        // Memory first: what a load leaves behind would hide that of connections.
        let steps: [(&str, Step<'a>); 5] = [
            ("memory", Self::memory),
            ("bulk", Self::bulk),
            ("connections", Self::connections),
            ("round trips", Self::trips),
            ("system calls", Self::calls),
        ];
        for (what, step) in steps {
            if let Err(error) = step(self) {
                eprintln!("{}: {what}: {error}", self.name);
            }
        }
        std::mem::take(&mut self.figures)
    }

    fn memory(&mut self) -> io::Result<()> {
        let count = self.size.connections;
        let deadline = Instant::now() + OPENING;
        thread::sleep(self.size.settle);
        let base = self.both(Process::memory);
        let mut open = Vec::new();
        while open.len() < count {
            in_time(deadline)?;
            open.push(self.entry.echo()?);
        }
        thread::sleep(self.size.settle);
        let idle = self.both(Process::memory);
        let mut message = vec![3; BURST];
        for echo in &mut open {
            in_time(deadline)?;
            echo.trip(&mut message)?;
        }
        thread::sleep(self.size.settle);
        let burst = self.both(Process::memory);
        drop(open);
        thread::sleep(self.size.settle);
        let closed = self.both(Process::memory);
        self.note(Figure::Base, base.map(|bytes| bytes / MIB));
        for (figure, bytes) in [
            (Figure::Idle, idle),
            (Figure::Burst, burst),
            (Figure::Closed, closed),
        ] {
            let more = bytes.zip(base).map(|(bytes, base)| bytes - base);
            self.note(figure, more.map(|more| more / count as f64 / 1024.0));
        }
        Ok(())
    }

    fn bulk(&mut self) -> io::Result<()> {
        for (direction, streams, cpu, sleeps) in [
            (Direction::Down, 1, Figure::Down, Some(Figure::DownSleeps)),
            (Direction::Up, 1, Figure::Up, Some(Figure::UpSleeps)),
            (Direction::Down, 8, Figure::Down8, None),
            (Direction::Up, 8, Figure::Up8, None),
        ] {
            let time = self.size.time;
            let start = self.target.moved();
            let look = || {
                let moved = self.target.moved() as f64;
                (moved, self.both(Process::cpu), self.both(Process::sleeps))
            };
            let (before, after) = self.entry.flow(direction, streams, self.target, || {
                // Until all buffers on the way are full.
                self.rest(time / 4, start);
                let before = look();
                self.rest(time, before.0 as u64);
                (before, look())
            })?;
            let moved = after.0 - before.0;
            let spent = |from: Option<f64>, to: Option<f64>| Some(to? - from?);
            let spent_cpu = spent(before.1, after.1);
            let slept = spent(before.2, after.2);
            if moved > 0.0 {
                self.note(cpu, spent_cpu.map(|cpu| cpu / moved * GIB));
                if let Some(figure) = sleeps {
                    self.note(figure, slept.map(|sleeps| sleeps / moved * MIB));
                }
            }
        }
        Ok(())
    }

    /// Waits, and longer on a machine so busy that nothing has arrived since there were `from` bytes.
    fn rest(&self, time: Duration, from: u64) {
        thread::sleep(time);
        let deadline = Instant::now() + START;
        while self.target.moved() == from && Instant::now() < deadline {
            thread::sleep(time);
        }
    }

    fn connections(&mut self) -> io::Result<()> {
        let before = self.both(Process::cpu);
        let count = self.entry.connections(self.size.time, self.size.opened)?;
        let after = self.both(Process::cpu);
        let spent = after.zip(before).map(|(after, before)| after - before);
        self.note(
            Figure::Connection,
            spent.map(|cpu| cpu / count as f64 * 1e6),
        );
        Ok(())
    }

    fn trips(&mut self) -> io::Result<()> {
        let mut echo = self.entry.echo()?;
        let time = self.size.time;
        echo.trips(time / 10)?;
        let alone = echo.trips(time)?;
        self.note_trips(&alone, Figure::P50, Figure::P99);
        for (direction, p50, p99) in [
            (Direction::Down, Figure::DownP50, Figure::DownP99),
            (Direction::Up, Figure::UpP50, Figure::UpP99),
        ] {
            let beside = self.entry.flow(direction, 1, self.target, || {
                thread::sleep(time / 4);
                echo.trips(time)
            })??;
            self.note_trips(&beside, p50, p99);
        }
        Ok(())
    }

    fn note_trips(&mut self, sorted: &[f64], p50: Figure, p99: Figure) {
        let at = |part: f64| sorted.get((sorted.len() as f64 * part) as usize).copied();
        self.note(p50, at(0.50));
        self.note(p99, at(0.99));
    }

    fn calls(&mut self) -> io::Result<()> {
        for (direction, server, client) in [
            (Direction::Down, Figure::DownSender, Figure::DownReceiver),
            (Direction::Up, Figure::UpReceiver, Figure::UpSender),
        ] {
            let at_server = Calls::count(&self.server, self.dir.path());
            let at_client = Calls::count(&self.client, self.dir.path());
            if at_server.is_none() && at_client.is_none() {
                return Ok(());
            }
            let before = self.target.moved();
            let deadline = Instant::now() + self.size.time * 10;
            self.entry.flow(direction, 1, self.target, || {
                let enough = || self.target.moved() - before >= self.size.counted;
                while !enough() && Instant::now() < deadline {
                    thread::sleep(Duration::from_millis(1));
                }
            })?;
            let mib = (self.target.moved() - before) as f64 / MIB;
            for (figure, calls) in [(server, at_server), (client, at_client)] {
                let calls = calls.and_then(Calls::end);
                self.note(figure, calls.map(|calls| calls / mib));
            }
        }
        Ok(())
    }

    fn both(&self, of: impl Fn(&Process) -> Option<f64>) -> Option<f64> {
        Some(of(&self.server)? + of(&self.client)?)
    }

    fn note(&mut self, figure: Figure, value: Option<f64>) {
        if let Some(value) = value {
            self.figures.insert(figure, value);
        }
    }
}

fn in_time(deadline: Instant) -> io::Result<()> {
    match Instant::now() < deadline {
        true => Ok(()),
        false => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Two that were free just now.
fn free_ports() -> io::Result<(u16, u16)> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (one, other) = (bind()?, bind()?);
    let port = |listener: &TcpListener| listener.local_addr().map(|addr: SocketAddr| addr.port());
    Ok((port(&one)?, port(&other)?))
}
