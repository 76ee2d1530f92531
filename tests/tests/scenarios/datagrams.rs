//! Datagrams: forwarded, and of SOCKS5 clients, directly and by every kind of node that carries them.

use std::net::UdpSocket;
use std::time::Duration;

use ginnel_tests::datagram::{Client, Echo};
use ginnel_tests::{Proc, Program, on_both_runtimes};

/// The largest is less behind a header of SOCKS5, which is in the same packet.
const SIZES: [usize; 5] = [0, 1, 1200, 20_000, 65_507];
const SMALLER: [usize; 5] = [0, 1, 1200, 20_000, 65_497];

const SERVERS: [&str; 4] = ["socks5", "auto", "http", "relay"];

/// A client process with a forward and a SOCKS5 service, through `node`.
fn client(ginnel: &Program, echo: &Echo, node: Option<&str>) -> Proc {
    let forward = format!("udp://127.0.0.1:0/{}", echo.addr);
    let mut args = vec!["-L", &forward, "-L", "socks5://127.0.0.1:0?udp=true"];
    args.extend(node.into_iter().flat_map(|node| ["-F", node]));
    ginnel.serve(&args)
}

fn carries(name: &str, proc: &Proc, echo: &Echo, largest: usize) {
    let raw = Client::raw(proc.service(0));
    for n in SIZES {
        raw.echoes(&format!("{name}, forwarded"), n.min(largest));
    }
    let client = Client::associate(proc.service(1), echo.addr).expect("an association");
    for n in SMALLER {
        client.echoes(&format!("{name}, associated"), n.min(largest));
    }
}

fn by_nodes(ginnel: &Program, channel: &str) {
    let echo = Echo::start();
    let servers: Vec<String> = SERVERS
        .iter()
        .map(|handler| {
            let option = if *handler == "relay" { "bind" } else { "udp" };
            format!("{handler}+{channel}://127.0.0.1:0?{option}=true")
        })
        .collect();
    let args: Vec<&str> = servers.iter().flat_map(|server| ["-L", server]).collect();
    let server = ginnel.serve(&args);
    for (index, handler) in SERVERS.iter().enumerate() {
        let connector = if *handler == "auto" {
            "socks5"
        } else {
            handler
        };
        let node = format!("{connector}+{channel}://{}", server.service(index));
        let client = client(ginnel, &echo, Some(&node));
        carries(&node, &client, &echo, usize::MAX);
    }
    // Outside the channel, with a second header in front.
    let node = format!("socks5+{channel}://{}?relay=udp", server.service(0));
    let client = client(ginnel, &echo, Some(&node));
    carries(&node, &client, &echo, 65_000);
}

on_both_runtimes! {
    fn directly(ginnel: &Program) {
        let echo = Echo::start();
        carries("direct", &client(ginnel, &echo, None), &echo, usize::MAX);
    }

    fn by_nodes_over_tcp(ginnel: &Program) { by_nodes(ginnel, "tcp"); }
    fn by_nodes_over_tls(ginnel: &Program) { by_nodes(ginnel, "tls"); }
    fn by_nodes_over_ws(ginnel: &Program) { by_nodes(ginnel, "ws"); }
    fn by_nodes_over_wss(ginnel: &Program) { by_nodes(ginnel, "wss"); }
    fn by_nodes_over_mws(ginnel: &Program) { by_nodes(ginnel, "mws"); }
    fn by_nodes_over_mwss(ginnel: &Program) { by_nodes(ginnel, "mwss"); }

    /// Relay to a service with a target of its own, behind another node, for many clients at once.
    fn the_far_end_chooses_the_target(ginnel: &Program) {
        let echo = Echo::start();
        let target = format!("relay+mws://127.0.0.1:0/{}", echo.addr);
        let server = ginnel.serve(&["-L", "http+ws://127.0.0.1:0", "-L", &target]);
        let client = ginnel.serve(&[
            // An address for documentation, which the far end does not look at, and none.
            "-L", "udp://127.0.0.1:0/192.0.2.1:9", "-L", "udp://127.0.0.1:0",
            "-F", &format!("http+ws://{}", server.service(0)),
            "-F", &format!("relay+mws://{}", server.service(1)),
        ]);
        let clients: Vec<Client> = (0..20).map(|n| Client::raw(client.service(n % 2))).collect();
        for (n, one) in clients.iter().enumerate() {
            one.echoes("the target of the far end", n);
        }
        for one in &clients {
            one.echoes("the target of the far end", 1200);
        }
    }

    /// What is no datagram of SOCKS5 changes nothing, and a fragment is dropped.
    fn junk_does_not_end_an_association(ginnel: &Program) {
        let echo = Echo::start();
        let proxy = client(ginnel, &echo, None);
        let client = Client::associate(proxy.service(1), echo.addr).expect("an association");
        client.echoes("before", 5);
        for junk in [&b""[..], b"\0", b"junk", b"\0\0\x01\x01\x7f\0\0\x01\0\x07part", b"\0\0\0\x09\0\0\0\0\0\0"] {
            client.send_raw(junk);
        }
        // A name that nobody has.
        client.send_raw(b"\0\0\0\x03\x0fno.such.invalid\0\x35lost");
        client.echoes("after", 6);
    }

    fn an_association_ends_with_its_connection(ginnel: &Program) {
        let echo = Echo::start();
        let proxy = client(ginnel, &echo, None);
        let mut client = Client::associate(proxy.service(1), echo.addr).expect("an association");
        client.echoes("open", 100);
        client.leave();
        let line = proxy.wait_for_line(&["\"kind\":\"handler\"", " >< ", "duration"]);
        assert!(line.contains("\"inputBytes\":100"), "{line}");
        client.send(b"too late");
        assert_eq!(client.receive(Duration::from_millis(300)), None);
    }

    fn an_idle_client_is_forgotten_and_may_come_again(ginnel: &Program) {
        let echo = Echo::start();
        let forward = format!("udp://127.0.0.1:0/{}?ttl=1s", echo.addr);
        let proxy = ginnel.serve(&["-L", &forward]);
        let client = Client::raw(proxy.service(0));
        client.echoes("first", 10);
        proxy.wait_for_line(&[" >< ", "duration"]);
        client.echoes("second", 10);
        proxy.wait_for_count(" >-< ", 2);
    }

    /// A target that is not there ends nothing but its own association: the next one is tried.
    fn a_dead_target_is_left(ginnel: &Program) {
        let echo = Echo::start();
        let dead = UdpSocket::bind("127.0.0.1:0").expect("a port").local_addr().expect("it");
        let forward = format!("udp://127.0.0.1:0/{dead},{}", echo.addr);
        let proxy = ginnel.serve(&["-L", &forward]);
        Client::raw(proxy.service(0)).echoes("of two targets", 9);
    }

    /// As gost: without `udp=true` (`bind=true` for relay) the client is told no.
    fn it_has_to_be_allowed(ginnel: &Program) {
        let echo = Echo::start();
        let server = ginnel.serve(&[
            "-L", "socks5://127.0.0.1:0",
            "-L", "http://127.0.0.1:0",
            "-L", "relay://127.0.0.1:0",
        ]);
        let refused = |proc: &Proc, index| Client::associate(proc.service(index), echo.addr).err();
        assert_eq!(refused(&server, 0), Some(2));
        for (index, connector) in ["socks5", "http", "relay"].iter().enumerate() {
            let node = format!("{connector}://{}", server.service(index));
            let client = client(ginnel, &echo, Some(&node));
            assert!(refused(&client, 1).is_some(), "{connector}");
        }
    }
}
