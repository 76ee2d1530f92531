//! Who may come in, and where to.

use std::io::{Read, Write};
use std::net::TcpStream;

use ginnel_tests::check::{self, KIB, Targets, Way};
use ginnel_tests::client::{Dest, Refused, connect};
use ginnel_tests::{Program, Proxy, Speak, on_both_runtimes};

use super::way;

on_both_runtimes! {
    fn who_is_not_admitted_gets_no_byte(ginnel: &Program) {
        let targets = Targets::new();
        for (rules, admitted) in [
            ("127.0.0.1", false),
            ("10.0.0.0/8", true),
            ("~127.0.0.0/8", true),
            ("~10.0.0.0-10.0.0.9,::1", false),
        ] {
            for channel in ["tcp", "ws", "mws"] {
                let server = ginnel.serve(&["-L", &format!("socks5+{channel}://127.0.0.1:0?admission={rules}")]);
                let node = format!("socks5+{channel}://{}", server.addr());
                let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
                let way = way(client.addr());
                match admitted {
                    true => check::both_ways(&way, &targets.work, KIB, KIB),
                    false => {
                        check::no_way(&way, &targets.work);
                        assert!(closes(connect(server.addr())), "{rules} {channel}");
                    }
                }
            }
        }
    }

    /// The client that a trusted proxy tells of must be admitted, too, and is counted as itself.
    fn rules_are_for_the_client_behind_a_trusted_proxy(ginnel: &Program) {
        let targets = Targets::new();
        for (channel, rules, own) in [
            ("ws", "10.9.9.9", true),
            ("mws", "10.9.9.9", true),
            // The proxy need not be one of those who may come in.
            ("ws", "~10.9.9.8", false),
            ("mws", "~10.9.9.8", false),
        ] {
            let line = format!("socks5+{channel}://127.0.0.1:0?trustedProxies=127.0.0.1&admission={rules}");
            let server = ginnel.serve(&["-L", &line]);
            for (told, admitted) in [
                ("?header.X-Forwarded-For=10.9.9.9", false),
                ("?header.X-Forwarded-For=10.9.9.8", true),
                ("", own),
            ] {
                let node = format!("socks5+{channel}://{}{told}", server.addr());
                let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
                match admitted {
                    true => check::both_ways(&way(client.addr()), &targets.work, KIB, KIB),
                    false => check::no_way(&way(client.addr()), &targets.work),
                }
            }
        }
    }

    fn a_bypass_of_the_service_refuses_in_the_words_of_the_protocol(ginnel: &Program) {
        let targets = Targets::new();
        for (speak, handler, code) in [
            (Speak::Http, "http", 403),
            (Speak::Http, "auto", 403),
            (Speak::Socks5, "socks5", 2),
            (Speak::Socks4, "socks4", 92),
            (Speak::Relay, "relay", 3),
        ] {
            let port = targets.work.addr.port();
            for (rules, refused) in [
                ("127.0.0.1", true),
                ("127.0.0.0/8", true),
                ("127.0.0.1-127.0.0.3", true),
                (&format!("127.0.0.1:{port}"), true),
                ("127.0.0.1:1-2", false),
                ("127.*", true),
                ("~10.0.0.0/8", true),
                ("~127.0.0.1,example.com", false),
                (".example.com", false),
            ] {
                let line = format!("{handler}://127.0.0.1:0?nodelay=true&bypass={rules}");
                let server = ginnel.serve(&["-L", &line]);
                let way = Way::proxy(line, Proxy::new(speak, server.addr()));
                match refused {
                    true => assert_eq!(way.try_open(&targets.work).unwrap_err().code(), code, "{rules}"),
                    false => check::both_ways(&way, &targets.work, KIB, KIB),
                }
            }
        }
        // Three of the lists let in, for each protocol.
        assert_eq!(targets.work.accepted(), 3 * 5, "who was refused got through");
    }

    fn hosts_stand_for_names(ginnel: &Program) {
        let targets = Targets::new();
        let hosts = "hosts=target.example:127.0.0.1,.below.example:127.0.0.1";
        let server = ginnel.serve(&["-L", &format!("socks5://127.0.0.1:0?{hosts}")]);
        let proxy = Proxy::new(Speak::Socks5, server.addr());
        for name in ["target.example", "TARGET.example", "a.b.below.example"] {
            let dest = Dest::Name(name.to_owned(), targets.work.addr.port());
            let stream = proxy.open(dest).expect(name);
            check::transfer(name, stream, KIB, KIB);
        }
        // And names of nodes, by the table of the hop.
        let node = format!("socks5://node.example:{}?hosts=node.example:127.0.0.1", server.addr().port());
        let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
        check::both_ways(&way(client.addr()), &targets.work, KIB, KIB);
    }

    fn skipauth_asks_some_clients_for_nothing(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "auto://a:b@127.0.0.1:0?skipauth=10.0.0.1,127.0.0.0/8"]);
        check::both_ways(&way(server.addr()), &targets.work, KIB, KIB);
        let server = ginnel.serve(&["-L", "auto://a:b@127.0.0.1:0?skipauth=10.0.0.1"]);
        check::no_way(&way(server.addr()), &targets.work);
    }

    fn every_failed_login_is_one_line(ginnel: &Program) {
        let targets = Targets::new();
        for (speak, handler) in [
            (Speak::Http, "http"),
            (Speak::Socks5, "socks5"),
            (Speak::Relay, "relay"),
            (Speak::Socks4, "socks4"),
            (Speak::Socks5, "auto"),
        ] {
            let server = ginnel.serve(&["-L", &format!("{handler}://alice:s3cret@127.0.0.1:0?nodelay=true")]);
            let proxy = Proxy::new(speak, server.addr()).user("eve x", "wrong");
            assert!(proxy.open(targets.work.addr).is_err(), "{handler}");
            let line = server.wait_for_line(&["auth_failed"]);
            let expected = "auth_failed client=127.0.0.1 user=eve%20x service=service-0";
            assert!(line.contains(expected) && line.contains("\"warn\""), "{line}");
            assert_eq!(server.count("auth_failed"), 1);
        }
    }

    fn rules_of_files_are_read_again(ginnel: &Program) {
        let targets = Targets::new();
        let ginnel = ginnel.var("GINNEL_WATCH", "20ms");
        let file = "\
services:
- {name: s, addr: '127.0.0.1:0', handler: {type: socks5}, bypass: b, admissions: [a], climiter: c}
bypasses:
- {name: b, file: {path: bypass.txt}}
admissions:
- {name: a, whitelist: true, file: {path: admission.txt}}
climiters:
- {name: c, file: {path: limits.txt}}
";
        let files = [
            ("gost.yml", file),
            ("bypass.txt", "# nothing\n"),
            ("admission.txt", "127.0.0.1\n"),
            ("limits.txt", "$ 100 # enough\n"),
        ];
        let server = ginnel.spawn(&["-C", "gost.yml"], &files);
        server.wait_for_services(1);
        let way = way(server.named("s"));
        check::both_ways(&way, &targets.work, KIB, KIB);
        server.replace("bypass.txt", "127.0.0.0/8\n");
        check::until("the bypass of the file", || way.try_open(&targets.work).map(drop) == Err(Refused::Socks5(2)));
        server.replace("admission.txt", "10.0.0.0/8\n");
        check::until("the admission of the file", || closes(connect(server.named("s"))));
        server.replace("bypass.txt", "not a pattern\n");
        server.wait_for_line(&["kept what was read before", "bypass.txt:1", "is no pattern"]);
    }

    fn what_is_wrong_names_its_place(ginnel: &Program) {
        for (args, words) in [
            (&["-L", ":0?bypass=a b"][..], &["-L #1", "bypass-0", "is no pattern"][..]),
            (&["-L", ":0", "-F", "socks5://a:1?bypass=10.0.0.0/33"], &["-F #1", "10.0.0.0/33", "network"]),
            (&["-L", ":0?admission=*.example.com"], &["admission-0", "matchers[0]", "expected an address"]),
            (&["-L", ":0?hosts=a:b"], &["hosts-0", "mappings[0]", "expected an address"]),
            (&["-L", ":0?skipauth=x"], &["-L #1", "skipauth", "expected an address"]),
            (&["-L", ":0?hash=x"], &["hash", "expected host"]),
        ] {
            let (status, lines) = ginnel.spawn(args, &[]).wait();
            assert_eq!(status.code(), Some(1), "{args:?}");
            let hit = lines.iter().any(|line| words.iter().all(|word| line.contains(word)));
            assert!(hit, "{args:?}: {words:?} not in {lines:#?}");
        }
    }
}

/// Whether the other side ends the connection without a byte.
fn closes(mut stream: TcpStream) -> bool {
    let _ = stream.write_all(&[5, 1, 0]);
    let mut byte = [0];
    !matches!(stream.read(&mut byte), Ok(n) if n > 0)
}
