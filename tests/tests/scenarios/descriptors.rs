//! Caps on connections, and what happens when descriptors run out.

use std::io::{Read, Write};
use std::net::TcpStream;

use ginnel_tests::check::{self, KIB, Targets, Way};
use ginnel_tests::client::connect;
use ginnel_tests::target::order;
use ginnel_tests::{Program, on_both_runtimes};

on_both_runtimes! {
    fn without_descriptors_clients_wait_and_tunnels_go_on(ginnel: &Program) {
        let targets = Targets::new();
        let listen = "socks5://127.0.0.1:0?readTimeout=10m";
        let server = ginnel.descriptors(40).serve(&["-L", listen, "-threads", "1"]);
        let way = Way::socks5("socks5", server.addr());
        let mut tunnel = way.open(&targets.work);
        tunnel.write_all(&order(order::ECHO, 0, 0, 0)).expect("a reader");
        let silent: Vec<TcpStream> = (0..60).map(|_| connect(server.addr())).collect();
        server.wait_for_line(&["clients have to wait", "LimitNOFILE"]);
        for _ in 0..3 {
            tunnel.write_all(b"ping").expect("a reader");
            let mut back = [0; 4];
            tunnel.read_exact(&mut back).expect("an echo");
            assert_eq!(&back, b"ping");
        }
        // Whoever was accepted last can still be connected.
        drop(silent);
        for _ in 0..5 {
            check::both_ways(&way, &targets.work, KIB, KIB);
        }
        assert_eq!(server.count("clients have to wait"), 1);
    }

    fn more_connections_than_the_cap_are_closed_and_room_is_used_again(ginnel: &Program) {
        let targets = Targets::new();
        for option in ["maxConnections", "maxPerClient"] {
            let server = ginnel.serve(&["-L", &format!("socks5://127.0.0.1:0?{option}=2")]);
            let way = Way::socks5(option, server.addr());
            let open: Vec<_> = (0..2).map(|_| way.open(&targets.work)).collect();
            for _ in 0..20 {
                check::assert_end(&mut connect(server.addr()), option);
            }
            let told = format!("closed: {option}=2 is reached");
            server.wait_for_line(&[&told]);
            assert_eq!(server.count(&told), 1);
            drop(open);
            server.wait_for_count(" >< ", 2);
            check::both_ways(&way, &targets.work, KIB, KIB);
        }
    }

    /// Those that are refused fail, and the session goes on.
    fn a_mux_session_has_a_cap_on_streams(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "socks5+mws://127.0.0.1:0?mux.maxStreams=2"]);
        let node = format!("socks5+mws://{}", server.addr());
        let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
        let way = Way::socks5("mws", client.addr());
        let open: Vec<_> = (0..2).map(|_| way.open(&targets.work)).collect();
        targets.work.wait_for_accepted(2);
        check::no_way(&way, &targets.work);
        for stream in open {
            check::transfer("below the cap", stream, KIB, KIB);
        }
        server.wait_for_count(" >< ", 2);
        check::both_ways(&way, &targets.work, KIB, KIB);
    }
}
