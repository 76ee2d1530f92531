//! Hours of mixed load with kills, resets, black holes and stops: `soak [SECONDS]`, 7200 by default.
//!
//! For each channel and runtime one pair of processes, with http, socks5 and relay inside. After each fault
//! the first request must succeed, every byte that arrives must be the right one, and at the end neither memory
//! nor descriptors of the clients (which live all the time) may have grown. `SOAK_SEED=n` repeats the choices.
// It is about time.
#![allow(clippy::disallowed_methods)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ginnel_tests::check::{KIB, MIB};
use ginnel_tests::payload::{self, Hash};
use ginnel_tests::target::{self, Target, free_addr, order};
use ginnel_tests::{Proc, Program, Proxy, Runtime, Speak, Valve};
use rustix::process::Signal;

const CHANNELS: [&str; 4] = ["ws", "wss", "mws", "mwss"];
const INSIDE: [&str; 3] = ["http", "socks5", "relay"];
/// Between two faults.
const PAUSE: Duration = Duration::from_secs(5);
/// Before the first sample that counts: caches and buffers have grown to what they need.
const WARM: Duration = Duration::from_secs(60);
/// Growth that an allocator explains.
const MEMORY: u64 = 12 * MIB;
const DESCRIPTORS: u64 = 24;

#[derive(Default)]
struct Count {
    /// Requests, and those of them that a fault cut.
    requests: AtomicU64,
    cut: AtomicU64,
    /// Bytes that arrived and were not those that were sent.
    wrong: AtomicU64,
    faults: AtomicU64,
    /// First requests after a fault that failed.
    failed: AtomicU64,
}

struct Pair {
    name: String,
    program: Program,
    channel: &'static str,
    server_addrs: Vec<SocketAddr>,
    entries: Vec<SocketAddr>,
    valves: Vec<Valve>,
    client: Proc,
    server: Option<Proc>,
}

fn main() -> ExitCode {
    let number = |text: Option<String>| text.and_then(|text| text.parse().ok());
    let seconds = number(std::env::args().nth(1)).unwrap_or(7200);
    let seed = number(std::env::var("SOAK_SEED").ok()).unwrap_or(1);
    println!("soak for {seconds} s, SOAK_SEED={seed}");
    let target = Target::work();
    let count = Count::default();
    let over = AtomicBool::new(false);
    let mut pairs: Vec<Pair> = Vec::new();
    for runtime in [Runtime::Smol, Runtime::Mio] {
        for channel in CHANNELS {
            pairs.push(Pair::start(Program::ginnel(runtime), channel));
        }
    }
    let begin = Instant::now();
    let mut samples: Vec<Vec<[u64; 2]>> = pairs.iter().map(|_| Vec::new()).collect();
    let mut random = Random(seed);
    thread::scope(|scope| {
        for pair in &pairs {
            let entries = pair.entries.clone();
            let (over, count, target) = (&over, &count, &target);
            for (load, entry) in entries.into_iter().enumerate() {
                let seed = seed ^ u64::from(entry.port()) << 8;
                scope.spawn(move || work(entry, target, seed + load as u64, over, count));
            }
        }
        let mut told = Instant::now();
        while begin.elapsed() < Duration::from_secs(seconds) {
            thread::sleep(PAUSE);
            let index = random.below(pairs.len() as u64) as usize;
            pairs[index].fault(&mut random, &target, &count);
            for (pair, samples) in pairs.iter().zip(&mut samples) {
                if begin.elapsed() > WARM {
                    samples.push(
                        [pair.client.resident(), pair.client.descriptors()]
                            .map(Option::unwrap_or_default),
                    );
                }
            }
            if told.elapsed() > Duration::from_secs(60) {
                told = Instant::now();
                println!("{:>5} s: {}", begin.elapsed().as_secs(), count.text());
            }
        }
        over.store(true, Ordering::SeqCst);
    });
    println!("{:>5} s: {}", begin.elapsed().as_secs(), count.text());
    let mut good =
        count.failed.load(Ordering::SeqCst) == 0 && count.wrong.load(Ordering::SeqCst) == 0;
    for (pair, samples) in pairs.iter().zip(&samples) {
        good &= is_flat(&pair.name, samples);
    }
    println!("{}", if good { "passed" } else { "FAILED" });
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

impl Pair {
    fn start(program: Program, channel: &'static str) -> Self {
        let server_addrs: Vec<SocketAddr> = INSIDE.iter().map(|_| free_addr()).collect();
        let entries: Vec<SocketAddr> = INSIDE.iter().map(|_| free_addr()).collect();
        let valves: Vec<Valve> = server_addrs.iter().map(|addr| Valve::new(*addr)).collect();
        let server = serve(&program, channel, &server_addrs);
        let (mut services, mut chains) = (String::new(), String::new());
        for ((inside, entry), valve) in INSIDE.iter().zip(&entries).zip(&valves) {
            let (listener, to) = (listener("socks5", "tcp", inside, *entry), valve.addr);
            services +=
                &listener.replace("type: socks5", &format!("type: socks5, chain: {inside}"));
            chains += &format!(
                "- {{name: {inside}, hops: [{{name: h, nodes: [{{name: n, addr: '{to}', connector: {{type: {inside}}}, dialer: {{type: {channel}}}}}]}}]}}\n"
            );
        }
        let text = format!("log: {{level: warn}}\nservices:\n{services}chains:\n{chains}");
        let client = program.spawn(&["-C", "gost.yml"], &[("gost.yml", &text)]);
        entries.iter().for_each(|addr| wait_for(*addr));
        Self {
            name: format!("{} {channel}", program.name()),
            program,
            channel,
            server_addrs,
            entries,
            valves,
            client,
            server: Some(server),
        }
    }

    /// Something bad, and then a request each way that must succeed.
    fn fault(&mut self, random: &mut Random, target: &Target, count: &Count) {
        let what = match random.below(4) {
            0 => {
                self.server.take().expect("a server").kill();
                self.server = Some(serve(&self.program, self.channel, &self.server_addrs));
                "killed"
            }
            1 => {
                self.valves.iter().for_each(Valve::reset);
                "reset"
            }
            2 => {
                self.valves.iter().for_each(Valve::swallow);
                "black hole"
            }
            _ => {
                let server = self.server.as_ref().expect("a server");
                let process = if random.below(2) == 0 {
                    server
                } else {
                    &self.client
                };
                process.signal(Signal::STOP);
                thread::sleep(Duration::from_millis(500 + random.below(4000)));
                process.signal(Signal::CONT);
                "stopped"
            }
        };
        count.faults.fetch_add(1, Ordering::Relaxed);
        for (entry, inside) in self.entries.iter().zip(INSIDE) {
            if let Err(why) = exchange(*entry, target, random) {
                count.failed.fetch_add(1, Ordering::Relaxed);
                println!(
                    "{}: {inside}: the first request after \"{what}\": {why}",
                    self.name
                );
            }
        }
        if what == "black hole" {
            self.valves.iter().for_each(Valve::reset);
        }
    }
}

fn serve(program: &Program, channel: &str, addrs: &[SocketAddr]) -> Proc {
    let services: String = INSIDE
        .iter()
        .zip(addrs)
        .map(|(inside, addr)| listener(inside, channel, inside, *addr))
        .collect();
    let text = format!("log: {{level: warn}}\nservices:\n{services}");
    let server = program.spawn(&["-C", "gost.yml"], &[("gost.yml", &text)]);
    addrs.iter().for_each(|addr| wait_for(*addr));
    server
}

fn listener(handler: &str, channel: &str, name: &str, addr: SocketAddr) -> String {
    format!(
        "- {{name: {name}, addr: '{addr}', handler: {{type: {handler}}}, listener: {{type: {channel}}}}}\n"
    )
}

fn wait_for(addr: SocketAddr) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(addr).is_err() {
        assert!(Instant::now() < deadline, "nobody listens at {addr}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Requests of all sizes, one after the other, and some that are left in the middle.
fn work(entry: SocketAddr, target: &Target, seed: u64, over: &AtomicBool, count: &Count) {
    let mut random = Random(seed);
    while !over.load(Ordering::SeqCst) {
        count.requests.fetch_add(1, Ordering::Relaxed);
        if random.below(5) == 0 {
            let opened = Proxy::new(Speak::Socks5, entry).open(target.addr);
            if let Ok(mut stream) = opened {
                let _ = stream.write_all(&order(order::SOURCE, 0, MIB, 1));
                let _ = stream.read(&mut [0; 1000]);
            }
        } else if let Err(why) = exchange(entry, target, &mut random) {
            let kind = if why.contains("wrong") {
                &count.wrong
            } else {
                &count.cut
            };
            kind.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(Duration::from_millis(random.below(200)));
    }
}

/// Bytes up and down at the same time, compared by their hashes.
fn exchange(entry: SocketAddr, target: &Target, random: &mut Random) -> Result<(), String> {
    let [up, down] = [(); 2].map(|()| [1, 1000, 20 * KIB, 200 * KIB][random.below(4) as usize]);
    let seed = random.next();
    let mut stream = Proxy::new(Speak::Socks5, entry)
        .open(target.addr)
        .map_err(|refused| format!("{refused:?}"))?;
    let text = |error: std::io::Error| error.to_string();
    let mut into = stream.try_clone().map_err(text)?;
    let writer = thread::spawn(move || {
        into.write_all(&order(order::TRANSFER, up, down, seed + 1))?;
        target::send_payload(&mut into, seed, up)
    });
    let hash = target::hash_of(&mut stream, down).map_err(text)?;
    writer.join().expect("the writing thread").map_err(text)?;
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).map_err(text)?;
    let sent = |seed, len: u64| Hash::of(&payload::bytes(seed, len as usize));
    match hash == sent(seed + 1, down) && Hash(u64::from_be_bytes(answer)) == sent(seed, up) {
        true => Ok(()),
        false => Err("wrong bytes".to_owned()),
    }
}

/// Compares the first third with the last, each by its median.
fn is_flat(name: &str, samples: &[[u64; 2]]) -> bool {
    let third = samples.len() / 3;
    if third == 0 {
        println!("{name}: too short to tell");
        return true;
    }
    let median = |part: &[[u64; 2]], of: usize| {
        let mut values: Vec<u64> = part.iter().map(|sample| sample[of]).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    let [memory, descriptors] = [0, 1].map(|of| {
        (
            median(&samples[..third], of),
            median(&samples[2 * third..], of),
        )
    });
    println!(
        "{name}: memory {} -> {} KiB, descriptors {} -> {}",
        memory.0 / KIB,
        memory.1 / KIB,
        descriptors.0,
        descriptors.1
    );
    memory.1 <= memory.0 + MEMORY && descriptors.1 <= descriptors.0 + DESCRIPTORS
}

impl Count {
    fn text(&self) -> String {
        let get = |of: &AtomicU64| of.load(Ordering::SeqCst);
        format!(
            "{} requests, {} cut by {} faults, {} wrong, {} failed after a fault",
            get(&self.requests),
            get(&self.cut),
            get(&self.faults),
            get(&self.wrong),
            get(&self.failed)
        )
    }
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) >> 1
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }
}
