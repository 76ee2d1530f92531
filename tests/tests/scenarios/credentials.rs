//! Right and wrong credentials, and the exact words for no.

use ginnel_tests::check::{self, KIB, Targets, Way};
use ginnel_tests::client::{Refused, connect, field, status};
use ginnel_tests::frames::ask_on;
use ginnel_tests::pair::{CHANNELS, Inside, Link, Pair};
use ginnel_tests::{Program, Proxy, Speak, on_both_runtimes};

on_both_runtimes! {
    fn http_answers_407(ginnel: &Program) {
        let targets = Targets::new();
        for handler in ["http", "auto"] {
            let server = ginnel.serve(&["-L", &format!("{handler}://alice:s3cret@127.0.0.1:0")]);
            let proxy = Proxy::new(Speak::Http, server.addr());
            right(&proxy, &targets);
            for wrong in [proxy.clone(), proxy.clone().user("alice", "wrong"), proxy.clone().user("bob", "s3cret")] {
                let refused = wrong.open(targets.work.addr).map(drop);
                let Err(Refused::Http(407, head)) = &refused else {
                    panic!("{handler}: expected 407, got {refused:?}");
                };
                let challenge = field(head, "Proxy-Authenticate").expect("a challenge");
                assert!(challenge.starts_with("Basic realm="), "{challenge}");
            }
            let target = targets.work.addr;
            let request = format!("GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\n\r\n");
            let head = ask_on(&mut connect(server.addr()), &request);
            assert_eq!(status(&head), 407, "{head}");
            assert_eq!(targets.work.accepted(), 1 + usize::from(handler == "auto"));
        }
    }

    fn socks5_answers_1_1_or_no_method(ginnel: &Program) {
        let targets = Targets::new();
        for handler in ["socks5", "auto"] {
            let server = ginnel.serve(&["-L", &format!("{handler}://alice:s3cret@127.0.0.1:0")]);
            let proxy = Proxy::new(Speak::Socks5, server.addr());
            right(&proxy, &targets);
            let wrong = proxy.clone().user("alice", "wrong").open(targets.work.addr).map(drop);
            assert_eq!(wrong, Err(Refused::Socks5Auth(1)), "{handler}");
            let none = proxy.open(targets.work.addr).map(drop);
            assert_eq!(none, Err(Refused::Socks5Method(0xff)), "{handler}");
        }
    }

    /// The name is all that SOCKS4 can say: it stands for a user without a password.
    fn socks4_answers_93(ginnel: &Program) {
        let targets = Targets::new();
        for handler in ["socks4", "auto"] {
            let server = ginnel.serve(&["-L", &format!("{handler}://alice@127.0.0.1:0")]);
            for speak in [Speak::Socks4, Speak::Socks4a] {
                let proxy = Proxy::new(speak, server.addr());
                let way = Way::proxy(handler, proxy.clone().user("alice", ""));
                check::both_ways(&way, &targets.work, KIB, KIB);
                for wrong in [proxy.clone(), proxy.user("bob", "")] {
                    let refused = wrong.open(targets.work.addr).map(drop);
                    assert_eq!(refused, Err(Refused::Socks4(93)), "{handler}");
                }
            }
        }
    }

    fn relay_answers_unauthorized(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "relay://alice:s3cret@127.0.0.1:0?nodelay=true"]);
        let proxy = Proxy::new(Speak::Relay, server.addr());
        right(&proxy, &targets);
        for wrong in [proxy.clone(), proxy.user("alice", "wrong")] {
            let refused = wrong.open(targets.work.addr).map(drop);
            assert_eq!(refused, Err(Refused::Relay(2)));
        }
    }

    fn a_password_may_hold_any_byte(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "auto://a%40b:p%3Aw%2F%25%20x@127.0.0.1:0"]);
        for speak in [Speak::Http, Speak::Socks5] {
            let proxy = Proxy::new(speak, server.addr()).user("a@b", "p:w/% x");
            check::both_ways(&Way::proxy("special", proxy), &targets.work, KIB, KIB);
        }
    }

    fn a_node_gets_the_credentials_of_the_chain(ginnel: &Program) {
        let targets = Targets::new();
        let right = ("alice", "s3cret");
        let insides = [
            Inside::Http,
            Inside::Socks5,
            Inside::Relay,
            Inside::AutoHttp,
            Inside::AutoSocks5,
            Inside::RelayForward,
        ];
        for channel in CHANNELS {
            let links = insides.map(|inside| Link::new(channel, inside).users(right, right));
            let pair = Pair::start(ginnel, ginnel, &links, &targets);
            for way in &pair.ways {
                check::both_ways(way, &targets.work, 10 * KIB, 10 * KIB);
            }
        }
    }

    fn a_node_that_rejects_them_is_no_way(ginnel: &Program) {
        let targets = Targets::new();
        let wrong = |inside| Link::new("ws", inside).users(("alice", "s3cret"), ("alice", "wrong"));
        let links = [Inside::Http, Inside::Socks5, Inside::Relay, Inside::AutoHttp].map(wrong);
        let pair = Pair::start(ginnel, ginnel, &links, &targets);
        for way in &pair.ways {
            check::no_way(way, &targets.work);
        }
    }
}

fn right(proxy: &Proxy, targets: &Targets) {
    let way = Way::proxy("right", proxy.clone().user("alice", "s3cret"));
    check::both_ways(&way, &targets.work, KIB, KIB);
}
