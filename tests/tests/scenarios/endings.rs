//! Half-closes by either side first, and resets: every handler, every channel, direct and through a node.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use ginnel_tests::check::{self, KIB, MIB, Targets, Way};
use ginnel_tests::pair::{CHANNELS, Inside, Link, Pair};
use ginnel_tests::target::order;
use ginnel_tests::{PATIENCE, Program, Proxy, Speak, Target, Valve, on_both_runtimes};
use rustix::net::sockopt::set_socket_linger;

on_both_runtimes! {
    fn either_side_ends_first_through_every_channel(ginnel: &Program) {
        let targets = Targets::new();
        let links: Vec<_> = CHANNELS
            .iter()
            .flat_map(|channel| Inside::ALL.map(|inside| Link::new(channel, inside)))
            .collect();
        let pair = Pair::start(ginnel, ginnel, &links, &targets);
        for way in &pair.ways {
            either_side_first(way, &targets, 256 * KIB);
        }
    }

    fn either_side_ends_first_directly(ginnel: &Program) {
        let targets = Targets::new();
        let speaks = [("http", Speak::Http), ("socks5", Speak::Socks5), ("socks4", Speak::Socks4), ("relay", Speak::Relay)];
        for (scheme, speak) in speaks {
            let server = ginnel.serve(&["-L", &format!("{scheme}://127.0.0.1:0")]);
            either_side_first(&Way::proxy(scheme, Proxy::new(speak, server.addr())), &targets, 256 * KIB);
        }
        let server = ginnel.serve(&["-L", &format!("tcp://127.0.0.1:0/{}", targets.work.addr)]);
        let entry = (targets.work.addr, Proxy::new(Speak::Raw, server.addr()));
        either_side_first(&Way::fixed("forward", vec![entry]), &targets, 256 * KIB);
    }

    fn an_answer_of_64_mib_behind_the_clients_end(ginnel: &Program) {
        let targets = Targets::new();
        let links = [("tls", Inside::Socks5), ("ws", Inside::Http), ("mwss", Inside::Relay)];
        let links = links.map(|(channel, inside)| Link::new(channel, inside));
        let pair = Pair::start(ginnel, ginnel, &links, &targets);
        for way in &pair.ways {
            check::half_close(way, &targets.work, 64 * MIB);
        }
    }

    /// nginx and most CDNs take the end of either direction for that of both.
    fn half_closes_pass_web_servers(ginnel: &Program) {
        let targets = Targets::new();
        behind_a_web_server(ginnel, |way, _| either_side_first(way, &targets, 256 * KIB));
    }

    /// Who goes between two nodes, or is stopped, ends what it carries; nobody must take that for a whole.
    fn a_web_server_that_stops_is_no_end(ginnel: &Program) {
        let targets = Targets::new();
        behind_a_web_server(ginnel, |way, valve| {
            for half_closed in [false, true] {
                let mut stream = way.open(&targets.work);
                let kind = if half_closed { order::AFTER_END } else { order::SOURCE };
                stream.write_all(&order(kind, 0, 64 * MIB, 1)).expect("a reader");
                if half_closed {
                    stream.shutdown(Shutdown::Write).expect("an end");
                }
                stream.read_exact(&mut [0; 100_000]).expect("a beginning");
                valve.end();
                let got = io::copy(&mut stream, &mut io::sink());
                let name = &way.name;
                assert!(got.is_err(), "{name}: a cut became an end ({half_closed}): {got:?}");
            }
        });
    }

    /// What was cut must not look like a whole: neither side takes the other's reset for an end.
    fn a_reset_on_one_side_is_one_on_the_other(ginnel: &Program) {
        for channel in CHANNELS {
            let (said, ends) = mpsc::channel();
            let target = Target::start(move |stream| reset_or_tell(stream, &said));
            let server = ginnel.serve(&["-L", &format!("socks5+{channel}://127.0.0.1:0")]);
            let node = format!("socks5+{channel}://{}", server.addr());
            let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
            let way = Way::socks5(channel, client.addr());

            let mut stream = way.open(&target);
            stream.write_all(b"R").expect("a reader");
            let got = io::copy(&mut stream, &mut io::sink());
            assert!(got.is_err(), "{channel}: the target's reset became an end: {got:?}");

            let mut stream = way.open(&target);
            stream.write_all(b"T").expect("a reader");
            stream.read_exact(&mut [0]).expect("the target has read that");
            reset(stream);
            let end = ends.recv_timeout(PATIENCE).expect("the target is told");
            assert!(end.is_err(), "{channel}: the client's reset became an end");
        }
    }
}

/// Two nodes with a web server in between, for each channel and for what is not encrypted inside of it.
fn behind_a_web_server(ginnel: &Program, check: impl Fn(&Way, &Valve)) {
    for channel in ["ws", "wss", "mws", "mwss"] {
        for (inside, options) in [("http", ""), ("socks5", "?notls=true"), ("socks5", "")] {
            let server =
                ginnel.serve(&["-L", &format!("{inside}+{channel}://127.0.0.1:0{options}")]);
            let valve = Valve::web_server(server.addr());
            let node = format!("{inside}+{channel}://{}{options}", valve.addr);
            let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
            let name = format!("{inside}+{channel}{options}");
            check(&Way::socks5(name, client.addr()), &valve);
        }
    }
}

fn either_side_first(way: &Way, targets: &Targets, bytes: u64) {
    check::half_close(way, &targets.work, bytes);
    check::target_ends(way, &targets.work, bytes);
    check::upload_behind_the_end(way, &targets.work, bytes, bytes);
}

fn reset(stream: TcpStream) {
    set_socket_linger(&stream, Some(Duration::ZERO)).expect("a socket");
}

/// `R`: says something and resets. `T`: says something and tells how the client ends.
fn reset_or_tell(mut stream: TcpStream, said: &Sender<io::Result<()>>) {
    let mut order = [0];
    if stream.read_exact(&mut order).is_err() || stream.write_all(b"x").is_err() {
        return;
    }
    match order {
        [b'R'] => reset(stream),
        _ => drop(said.send(io::copy(&mut stream, &mut io::sink()).map(drop))),
    }
}
