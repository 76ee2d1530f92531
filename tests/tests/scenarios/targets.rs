//! Targets by address and by name, those that cannot be reached, and what each client is told.

use ginnel_tests::check::{self, KIB, Targets, Way};
use ginnel_tests::client::Refused;
use ginnel_tests::pair::{Inside, Link, Pair};
use ginnel_tests::target::refusing;
use ginnel_tests::{Dest, Program, Proxy, Speak, Target, on_both_runtimes};

const SPOKEN: [Speak; 5] = [
    Speak::Http,
    Speak::Socks5,
    Speak::Socks4,
    Speak::Socks4a,
    Speak::Relay,
];

on_both_runtimes! {
    fn by_ipv4_ipv6_and_name(ginnel: &Program) {
        let targets = Targets::new();
        let v6 = Target::work_v6();
        let server = ginnel.serve(&[
            "-L", "auto://127.0.0.1:0",
            "-L", "relay://127.0.0.1:0?nodelay=true",
        ]);
        for speak in SPOKEN {
            let proxy = Proxy::new(speak, server.service(usize::from(speak == Speak::Relay)));
            check::both_ways(&Way::proxy("IPv4", proxy.clone()), &targets.work, KIB, KIB);
            if let Some(v6) = v6.as_ref().filter(|_| speak != Speak::Socks4) {
                check::both_ways(&Way::proxy("IPv6", proxy.clone()), v6, KIB, KIB);
            }
            let name = Dest::Name("localhost".into(), targets.work.addr.port());
            let open = proxy.open(name).unwrap_or_else(|e| panic!("{speak:?} by name: {e:?}"));
            check::transfer("by name", open, KIB, KIB);
        }
    }

    fn a_refusing_target(ginnel: &Program) {
        expect(ginnel, refusing().into(), [502, 5, 91, 91]);
    }

    fn a_name_that_does_not_exist(ginnel: &Program) {
        expect(ginnel, Dest::Name("no.such.invalid".into(), 80), [502, 4, 91, 91]);
    }

    /// Whatever the server said, each client gets it in its own words.
    fn a_refusing_target_behind_a_node(ginnel: &Program) {
        let targets = Targets::new();
        for channel in ["ws", "mwss"] {
            let insides = [Inside::Http, Inside::Socks5, Inside::Socks4];
            let links = insides.map(|inside| Link::new(channel, inside));
            let pair = Pair::start(ginnel, ginnel, &links, &targets);
            let refused = |index: usize| {
                let way: &Way = &pair.ways[index];
                way.try_dest(refusing()).map(drop).expect_err("a refusal")
            };
            assert_eq!(refused(0).code(), 502);
            assert_eq!(refused(1), Refused::Socks5(5));
            assert_eq!(refused(2), Refused::Socks4(91));
        }
    }

    /// With the log's level at `warn` nobody would know why otherwise.
    fn a_node_that_hangs_up_is_a_warning(ginnel: &Program) {
        let node = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = node.local_addr().expect("its address");
        std::thread::spawn(move || for client in node.incoming() { drop(client); });
        for words in ["socks5+wss", "relay+mwss", "http+tcp"] {
            let url = format!("{words}://{addr}");
            let client = ginnel.serve(&["-L", "http://127.0.0.1:0", "-F", &url]);
            let proxy = Proxy::new(Speak::Http, client.addr());
            assert_eq!(proxy.open(refusing()).map(drop).expect_err(words).code(), 502);
            client.wait_for_line(&["\"level\":\"warn\"", "node-0", &addr.to_string()]);
        }
    }

    /// A relay client may be told before the answer is in: then the tunnel ends without a byte.
    fn a_refusing_target_behind_relay(ginnel: &Program) {
        let server = ginnel.serve(&["-L", "relay+ws://127.0.0.1:0"]);
        let node = format!("relay+ws://{}", server.addr());
        let client = ginnel.serve(&["-L", "http://127.0.0.1:0", "-F", &node]);
        match Proxy::new(Speak::Http, client.addr()).open(refusing()) {
            Ok(mut stream) => check::assert_end(&mut stream, "relay"),
            Err(refused) => assert_eq!(refused.code(), 502),
        }
    }

    /// The service has no target: that of the node is taken, and a node without one refuses.
    fn a_relay_node_chooses_the_target(ginnel: &Program) {
        let targets = Targets::new();
        for channel in ["tcp", "wss", "mws"] {
            let target = format!("relay+{channel}://u:p@127.0.0.1:0/{}", targets.work.addr);
            let none = format!("relay+{channel}://u:p@127.0.0.1:0");
            let server = ginnel.serve(&["-L", &target, "-L", &none]);
            let client = |index, options: &str| {
                let node = format!("relay+{channel}://u:p@{}{options}", server.service(index));
                ginnel.serve(&["-L", "tcp://127.0.0.1:0", "-F", &node])
            };
            for options in ["", "?nodelay=true"] {
                let client = client(0, options);
                let proxy = Proxy::new(Speak::Raw, client.addr());
                let way = Way::fixed(channel, vec![(targets.work.addr, proxy)]);
                check::both_ways(&way, &targets.work, 50 * KIB, 100 * KIB);
            }
            let client = client(1, "?nodelay=true");
            let mut stream = std::net::TcpStream::connect(client.addr()).expect("a connection");
            check::assert_end(&mut stream, channel);
            server.wait_for_line(&["\"level\":\"warn\"", "this service, which has no forwarder"]);
        }
    }

    fn relay_reports_a_refusing_target(ginnel: &Program) {
        let server = ginnel.serve(&["-L", "relay://127.0.0.1:0"]);
        let refused = Proxy::new(Speak::Relay, server.addr()).open(refusing()).map(drop);
        let Err(Refused::Relay(code)) = refused else {
            panic!("expected a status, got {refused:?}");
        };
        assert!([5, 6, 7].contains(&code), "status {code}");
    }

    fn a_forward_to_a_refusing_target_ends(ginnel: &Program) {
        let server = ginnel.serve(&["-L", &format!("tcp://127.0.0.1:0/{}", refusing())]);
        let open = Proxy::new(Speak::Raw, server.addr()).open(refusing());
        check::assert_end(&mut open.expect("a connection"), "forward");
    }
}

fn expect(ginnel: &Program, dest: Dest, codes: [u16; 4]) {
    let server = ginnel.serve(&["-L", "auto://127.0.0.1:0"]);
    for (speak, code) in SPOKEN.into_iter().zip(codes) {
        if speak == Speak::Socks4 && matches!(dest, Dest::Name(..)) {
            continue;
        }
        let refused = Proxy::new(speak, server.addr())
            .open(dest.clone())
            .map(drop);
        let refused = refused.expect_err("a refusal");
        assert_ne!(refused, Refused::Closed, "{speak:?}");
        assert_eq!(refused.code(), code, "{speak:?}: {refused:?}");
    }
}
