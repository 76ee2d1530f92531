//! The byte budget: what stalled readers hold, and that nobody else notices.

use std::io::Write;
use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};

use ginnel_tests::check::{self, KIB, MIB, Targets, Way};
use ginnel_tests::target::order;
use ginnel_tests::{Proc, Program, Proxy, Speak, on_both_runtimes};

const BUDGET: u64 = 32 * MIB;
/// What an allocator keeps and threads need, beside what connections hold.
const SLACK: u64 = 24 * MIB;

/// One at a time: what the system holds for hundreds of stalled connections comes near all that it gives to TCP,
/// and beyond that it resets the connections of anybody.
static STALLED: Mutex<()> = Mutex::new(());

/// Clients that ask for more than all buffers hold, and read nothing.
fn stalled_readers(ginnel: &Program, channel: &str, readers: usize) {
    let _alone = STALLED.lock().unwrap_or_else(PoisonError::into_inner);
    let targets = Targets::new();
    let server = ginnel.serve(&[
        "-L",
        &format!("socks5+{channel}://127.0.0.1:0?notls=true"),
        "--memory",
        "32MiB",
    ]);
    let client = ginnel.serve(&[
        "-L",
        "socks5://127.0.0.1:0",
        "-F",
        &format!("socks5+{channel}://{}?notls=true", server.addr()),
        "--memory",
        "32MiB",
    ]);
    let proxy = Proxy::new(Speak::Socks5, client.addr());
    let way = Way::proxy(channel, proxy.clone());
    check::both_ways(&way, &targets.work, MIB, MIB);
    let before = [&server, &client].map(Proc::resident);
    let stalled: Vec<TcpStream> = (0..readers as u64)
        .map(|n| {
            let mut stream = proxy.open(targets.work.addr).expect("a tunnel");
            stream
                .write_all(&order(order::SOURCE, 0, 64 * MIB, n))
                .expect("an order");
            stream
        })
        .collect();
    // Others are served meanwhile, and these transfers give the stalled ones time to fill what they may.
    for _ in 0..5 {
        check::both_ways(&way, &targets.work, 256 * KIB, 256 * KIB);
    }
    for (proc, before) in [&server, &client].into_iter().zip(before) {
        if let (Some(before), Some(now)) = (before, proc.resident()) {
            let grown = now.saturating_sub(before);
            assert!(
                grown <= BUDGET + SLACK,
                "{channel}: {readers} stalled readers cost {} KiB",
                grown / KIB
            );
        }
    }
    drop(stalled);
    check::both_ways(&way, &targets.work, MIB, MIB);
}

on_both_runtimes! {
    fn stalled_readers_stay_within_the_budget_on_ws(ginnel: &Program) {
        stalled_readers(ginnel, "ws", 200);
    }

    fn stalled_readers_stay_within_the_budget_on_mws(ginnel: &Program) {
        stalled_readers(ginnel, "mws", 200);
    }

    /// More clients than there is room for: the last ones wait until the first ones leave.
    fn connections_wait_for_room(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&[
            "-L", "socks5://127.0.0.1:0", "--memory", "2MiB", "--threads", "1",
        ]);
        let proxy = Proxy::new(Speak::Socks5, server.addr());
        let mut open: Vec<TcpStream> = Vec::new();
        // Each costs some kilobytes, so these have room.
        for _ in 0..100 {
            open.push(proxy.open(targets.work.addr).expect("a tunnel"));
        }
        let silent: Vec<TcpStream> = (0..400)
            .map(|_| ginnel_tests::client::connect(server.addr()))
            .collect();
        let late = std::thread::spawn({
            let (proxy, addr) = (proxy.clone(), targets.work.addr);
            move || proxy.open(addr).map(drop)
        });
        check::transfer("an open tunnel", open.pop().expect("a hundred"), 64 * KIB, 64 * KIB);
        drop(silent);
        drop(open);
        late.join().expect("no panic").expect("a tunnel, in the end");
    }

    /// What a thousand tunnels held is not kept for the next thousand. Without a mux: a stream of one holds so little
    /// that lists which have grown once would come to half of it.
    fn memory_goes_back_after_many_connections(ginnel: &Program) {
        if cfg!(not(target_env = "gnu")) {
            // Other allocators give it back in their own time.
            return;
        }
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "socks5+ws://127.0.0.1:0"]);
        let client = ginnel.serve(&[
            "-L", "socks5://127.0.0.1:0",
            "-F", &format!("socks5+ws://{}", server.addr()),
        ]);
        let proxy = Proxy::new(Speak::Socks5, client.addr());
        let open = |count: usize| -> Vec<TcpStream> {
            (0..count)
                .map(|_| proxy.open(targets.work.addr).expect("a tunnel"))
                .collect()
        };
        // Code and tables that stay.
        drop(open(20));
        let resident = || [&server, &client].map(|proc| proc.resident().unwrap_or_default());
        let before = resident();
        let tunnels = open(1000);
        let held = resident();
        drop(tunnels);
        check::until("memory to be given back", || {
            let now = resident();
            (0..2).all(|n| now[n].saturating_sub(before[n]) <= held[n].saturating_sub(before[n]) / 2)
        });
    }
}
