//! Paths that die in silence, servers that die and come back: who notices when, and what it costs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use ginnel_tests::check::{self, KIB, Targets, Way};
use ginnel_tests::target::{free_addr, order};
use ginnel_tests::{Proc, Program, Proxy, Speak, Valve, on_both_runtimes};
use rustix::process::Signal;

/// Short periods, so that nobody has to wait for half a minute.
const SHORT: &str = "ttl=1s&mux.keepaliveInterval=1s&mux.keepaliveTimeout=3s";

const CHANNELS: [&str; 4] = ["ws", "wss", "mws", "mwss"];

fn server(ginnel: &Program, channel: &str, at: SocketAddr) -> Proc {
    ginnel.serve(&["-L", &format!("socks5+{channel}://{at}?{SHORT}")])
}

fn client(ginnel: &Program, channel: &str, at: SocketAddr) -> (Proc, Way) {
    let node = format!("socks5+{channel}://{at}?{SHORT}");
    let client = ginnel.serve(&["-D", "-L", "http://127.0.0.1:0", "-F", &node]);
    let way = Way::proxy(channel, Proxy::new(Speak::Http, client.addr()));
    (client, way)
}

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn echo(way: &Way, targets: &Targets) -> TcpStream {
    let mut stream = way.open(&targets.work);
    stream
        .write_all(&order(order::ECHO, 0, 0, 0))
        .expect("a reader");
    stream.write_all(b"x").expect("a reader");
    stream.read_exact(&mut [0]).expect("an echo");
    stream
}

/// It ends, whether in order or not.
fn assert_over(stream: &mut TcpStream, at: &str) {
    let mut rest = [0; 64];
    match stream.read(&mut rest) {
        Ok(0) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        other => panic!("{at}: {other:?}"),
    }
}

fn mux(channel: &str) -> bool {
    channel.starts_with('m')
}

on_both_runtimes! {
    /// An idle tunnel lives on through pings; on a path that swallows everything it ends at both sides.
    fn a_silent_path_is_found_dead_at_both_ends(ginnel: &Program) {
        check::each(CHANNELS, |channel| {
            let targets = Targets::new();
            let server = server(ginnel, channel, anywhere());
            let valve = Valve::new(server.addr());
            let (client, way) = client(ginnel, channel, valve.addr);
            let mut tunnel = echo(&way, &targets);
            check::silence(std::slice::from_ref(&tunnel), 2500);
            valve.swallow();
            assert_over(&mut tunnel, channel);
            for side in [&client, &server] {
                side.wait_for_line(&["nothing received for"]);
            }
            check::both_ways(&way, &targets.work, 10 * KIB, 10 * KIB);
            if mux(channel) {
                client.wait_for_line(&["session to", "is up again"]);
                assert_eq!(client.count("dead: nothing received for"), 1);
            }
        });
    }

    /// Before anybody notices: the session is believed alive, and the request is the first to find out.
    fn the_first_request_on_a_dead_path_succeeds(ginnel: &Program) {
        check::each(CHANNELS, |channel| {
            let targets = Targets::new();
            let server = server(ginnel, channel, anywhere());
            let valve = Valve::new(server.addr());
            let (_client, way) = client(ginnel, channel, valve.addr);
            for _ in 0..3 {
                check::both_ways(&way, &targets.work, 10 * KIB, 10 * KIB);
                valve.swallow();
                check::both_ways(&way, &targets.work, 10 * KIB, 10 * KIB);
                valve.reset();
            }
        });
    }

    fn the_first_request_after_a_crash_succeeds(ginnel: &Program) {
        check::each(CHANNELS, |channel| {
            let targets = Targets::new();
            let at = free_addr();
            let first = server(ginnel, channel, at);
            let valve = Valve::new(first.addr());
            let (_client, way) = client(ginnel, channel, valve.addr);
            let mut tunnel = echo(&way, &targets);
            first.kill();
            assert_over(&mut tunnel, channel);
            // It comes back somewhere else: the path leads there.
            let second = server(ginnel, channel, anywhere());
            valve.redirect(second.addr());
            check::both_ways(&way, &targets.work, 10 * KIB, 10 * KIB);
        });
    }

    fn a_stopped_server_goes_on_where_it_was(ginnel: &Program) {
        check::each(CHANNELS, |channel| {
            let targets = Targets::new();
            let server = server(ginnel, channel, anywhere());
            let (client, way) = client(ginnel, channel, server.addr());
            let mut tunnel = echo(&way, &targets);
            check::silence(std::slice::from_ref(&tunnel), 2000);
            server.signal(Signal::STOP);
            assert_over(&mut tunnel, channel);
            client.wait_for_line(&["nothing received for"]);
            server.signal(Signal::CONT);
            check::both_ways(&way, &targets.work, 10 * KIB, 10 * KIB);
        });
    }

    /// A target that does not read holds up whoever sends to it, for longer than any period: no reason to die.
    fn a_stalled_target_is_no_dead_path(ginnel: &Program) {
        check::each(CHANNELS, |channel| {
            let targets = Targets::new();
            let server = server(ginnel, channel, anywhere());
            let (client, way) = client(ginnel, channel, server.addr());
            check::stalled_for(&way, &targets.work, 4000);
            check::stalled_client(&way, &targets.work, 4000);
            assert_eq!(client.count("nothing received"), 0);
            assert_eq!(server.count("nothing received"), 0);
        });
    }
}
