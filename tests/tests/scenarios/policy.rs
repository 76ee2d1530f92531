//! Who may come in, where to, how fast, and by which node.

// What passes a limit is measured by a clock.
#![allow(clippy::disallowed_methods)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use ginnel_tests::check::{self, KIB, Targets, Way};
use ginnel_tests::client::{Dest, Refused, connect};
use ginnel_tests::gost::{self, STABLE};
use ginnel_tests::target::refusing;
use ginnel_tests::{Proc, Program, Proxy, Speak, on_both_runtimes};

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

    fn clients_behind_a_trusted_proxy_are_counted_one_by_one(ginnel: &Program) {
        let targets = Targets::new();
        for limit in ["maxPerClient=1", "climiter=c"] {
            let file = format!("\
services:
- {{name: s, addr: '127.0.0.1:0', handler: {{type: socks5, metadata: {{}}}}, listener: {{type: ws, metadata: {{trustedProxies: 127.0.0.1{}}}}}{}}}
climiters:
- {{name: c, limits: ['$$ 1']}}
", limit.strip_prefix("max").map_or(String::new(), |_| ", maxPerClient: 1".to_owned()),
                limit.strip_prefix("climiter").map_or("", |_| ", climiter: c"));
            let server = ginnel.serve_file(&file, 1);
            let behind = |client: &str| {
                let node = format!("socks5+ws://{}?header.X-Forwarded-For={client}", server.named("s"));
                ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node])
            };
            let (one, other) = (behind("10.9.9.8"), behind("10.9.9.9"));
            let open = [way(one.addr()).open(&targets.work), way(other.addr()).open(&targets.work)];
            check::no_way(&way(one.addr()), &targets.work);
            drop(open);
            until(|| way(one.addr()).try_open(&targets.work).is_ok());
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

    fn a_dead_node_costs_no_request(ginnel: &Program) {
        let targets = Targets::new();
        for channel in ["tcp", "ws", "mws"] {
            let server = ginnel.serve(&["-L", &format!("relay+{channel}://127.0.0.1:0?nodelay=true")]);
            for strategy in ["round", "fifo", "random", "hash", "parallel"] {
                let (dead, good) = (refusing(), server.addr());
                let node = format!("relay+{channel}://{dead},{good},{}?strategy={strategy}", refusing());
                let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
                for _ in 0..6 {
                    check::both_ways(&way(client.addr()), &targets.work, KIB, KIB);
                }
            }
        }
    }

    /// After a look at both, all go by the nearer one.
    fn the_node_that_is_reached_soonest_is_taken(ginnel: &Program) {
        let targets = Targets::new();
        let [far, near] = [(); 2].map(|()| ginnel.serve(&["-L", "socks5+ws://127.0.0.1:0"]));
        for option in ["strategy: lowestlatency", "strategy: fifo, maxLatency: 700ms"] {
            let (before_far, before_near) = (far.count(" <> "), near.count(" <> "));
            let file = format!("\
services: [{{name: s, addr: '127.0.0.1:0', handler: {{type: socks5, chain: c}}}}]
chains: [{{name: c, hops: [{{name: h, selector: {{{option}}}, nodes: [
  {{name: far, addr: '{}', connector: {{type: socks5}}, dialer: {{type: ws}}}},
  {{name: near, addr: '{}', connector: {{type: socks5}}, dialer: {{type: ws}}}}]}}]}}]
", slow(far.addr()), near.addr());
            // Each thread finds out by itself.
            let client = ginnel.spawn(&["-threads", "1", "-C", "gost.yml"], &[("gost.yml", &file)]);
            client.wait_for_services(1);
            for _ in 0..7 {
                check::both_ways(&way(client.named("s")), &targets.work, KIB, KIB);
            }
            far.wait_for_count(" <> ", before_far + 1);
            near.wait_for_count(" <> ", before_near + 6);
            assert_eq!(far.count(" <> ") - before_far, 1, "{option}");
            assert_eq!(near.count(" <> ") - before_near, 6, "{option}");
        }
    }

    fn the_real_gost_takes_over_from_a_dead_node(ginnel: &Program) {
        let Some(gost) = gost::program(STABLE) else { return };
        let targets = Targets::new();
        let server = gost.serve(&["-L", "socks5+mws://127.0.0.1:0"]);
        let (first, second) = (server.addr(), ginnel.serve(&["-L", "socks5+mws://127.0.0.1:0"]));
        let node = format!("socks5+mws://{first},{}?strategy=fifo", second.addr());
        let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
        check::both_ways(&way(client.addr()), &targets.work, KIB, KIB);
        server.kill();
        for _ in 0..3 {
            check::both_ways(&way(client.addr()), &targets.work, KIB, KIB);
        }
    }

    fn with_all_nodes_dead_nothing_goes_out_directly(ginnel: &Program) {
        let targets = Targets::new();
        let node = format!("socks5://{},{}", refusing(), refusing());
        let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0?retries=2", "-F", &node]);
        for _ in 0..4 {
            check::no_way(&way(client.addr()), &targets.work);
        }
    }

    fn a_dead_target_is_left_for_another(ginnel: &Program) {
        let targets = Targets::new();
        for strategy in ["round", "fifo"] {
            let line = format!("tcp://127.0.0.1:0/{},{}?strategy={strategy}", refusing(), targets.work.addr);
            let server = ginnel.serve(&["-L", &line]);
            for _ in 0..4 {
                check::transfer(&line, connect(server.addr()), KIB, KIB);
            }
        }
    }

    fn a_bypass_of_the_hop_goes_directly_and_one_of_a_node_around_it(ginnel: &Program) {
        let targets = Targets::new();
        let dead = refusing();
        let line = format!("socks5://{dead}?bypass=127.0.0.1");
        let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &line]);
        check::both_ways(&way(client.addr()), &targets.work, KIB, KIB);

        let server = ginnel.serve(&["-L", "socks5://127.0.0.1:0"]);
        let file = format!("\
services:
- {{name: s, addr: '127.0.0.1:0', handler: {{type: socks5, chain: c}}}}
chains:
- name: c
  hops:
  - name: h
    selector: {{strategy: fifo}}
    nodes:
    - {{name: not, addr: '{dead}', connector: {{type: socks5}}, bypass: local}}
    - {{name: other, addr: '{dead}', connector: {{type: socks5}}, filter: {{host: '*.example.com'}}}}
    - {{name: good, addr: '{}', connector: {{type: socks5}}}}
bypasses:
- {{name: local, matchers: ['127.0.0.0/8']}}
", server.addr());
        let client = ginnel.serve_file(&file, 1);
        check::both_ways(&way(client.named("s")), &targets.work, KIB, KIB);
        assert_eq!(client.count("connection refused"), 0, "a node was tried that must not be");
    }

    fn a_chain_of_a_group_takes_over(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "socks5+ws://127.0.0.1:0"]);
        let chain = |name: &str, addr: SocketAddr| format!(
            "- {{name: {name}, hops: [{{name: h-{name}, nodes: [{{name: n, addr: '{addr}', connector: {{type: socks5}}, dialer: {{type: ws}}}}]}}]}}\n"
        );
        let file = format!(
            "services:\n- {{name: s, addr: '127.0.0.1:0', handler: {{type: socks5, chainGroup: {{chains: [a, b], selector: {{strategy: fifo}}}}}}}}\nchains:\n{}{}",
            chain("a", refusing()), chain("b", server.addr()),
        );
        let client = ginnel.serve_file(&file, 1);
        for _ in 0..6 {
            check::both_ways(&way(client.named("s")), &targets.work, KIB, KIB);
        }
        assert!(client.count("connection refused") <= threads(), "a chain that is out was tried");
    }

    fn a_rule_says_which_chain_and_which_node(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "socks5+ws://127.0.0.1:0"]);
        let node = |addr: SocketAddr, rule: &str| format!(
            "{{name: n{}, addr: '{addr}', connector: {{type: socks5}}, dialer: {{type: ws}}, matcher: {{rule: '{rule}'}}}}", addr.port()
        );
        let file = format!(
            "services:\n- {{name: s, addr: '127.0.0.1:0', handler: {{type: socks5, chainGroup: {{chains: [{{chain: a, matcher: {{rule: 'Host(`nobody`)'}}}}, {{chain: b, matcher: {{rule: '!Host(`nobody`) && !Host(`*.example`)'}}}}]}}}}}}\n\
             chains:\n- {{name: a, hops: [{{name: h-a, nodes: [{{name: n, addr: '{dead}'}}]}}]}}\n\
             - {{name: b, hops: [{{name: h-b, nodes: [{}, {}]}}]}}\n",
            node(refusing(), "Host(`nobody`) && Host(`nobody`)"), node(server.addr(), "Host(`127.0.0.1`)"), dead = refusing(),
        );
        let client = ginnel.serve_file(&file, 1);
        for _ in 0..4 {
            check::both_ways(&way(client.named("s")), &targets.work, KIB, KIB);
        }
        // Neither around the nodes nor around the chains.
        for (host, why) in [("localhost", "their filters name others"), ("a.example", "no chain of the group is for")] {
            let to = Dest::Name(host.to_owned(), targets.work.addr.port());
            let refused = Proxy::new(Speak::Socks5, client.named("s")).open(to);
            assert!(refused.is_err(), "{host} was reached");
            client.wait_for_line(&[why]);
        }
        assert_eq!(client.count("connection refused"), 0, "a node was tried that is for others");
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

    fn over_a_limit_of_connections_the_excess_is_closed(ginnel: &Program) {
        let targets = Targets::new();
        for limit in ["climiter=2", "rlimiter=1"] {
            let server = ginnel.serve(&["-L", &format!("socks5://127.0.0.1:0?{limit}")]);
            let way = way(server.addr());
            let open = [way.open(&targets.work), way.open(&targets.work)];
            assert_eq!(way.try_open(&targets.work).map(drop), Err(Refused::Closed), "{limit}");
            drop(open);
            // Places are free again, or time has passed.
            until(|| way.try_open(&targets.work).is_ok());
        }
    }

    fn bytes_pass_at_the_rate_of_the_limit(ginnel: &Program) {
        let targets = Targets::new();
        for (limit, up, down) in [
            ("limiter.in=512KB", 1024 * KIB, KIB),
            ("limiter.out=512KB", KIB, 1024 * KIB),
            ("limiter.conn.in=512KB", 1024 * KIB, KIB),
            ("limiter.conn.out=512KB", KIB, 1024 * KIB),
        ] {
            let server = ginnel.serve(&["-L", &format!("socks5://127.0.0.1:0?{limit}")]);
            let start = Instant::now();
            check::both_ways(&way(server.addr()), &targets.work, up, down);
            let took = start.elapsed();
            // Exactly two seconds; later only because the machine is busy.
            assert!(took >= Duration::from_millis(1800), "{limit}: {took:?}");
            assert!(took < Duration::from_secs(8), "{limit}: {took:?}");
        }
    }

    fn connections_share_a_limit_of_the_service(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "tls://127.0.0.1:0", "-L", &format!("tcp://127.0.0.1:0/{}?limiter.in=512KB", targets.work.addr)]);
        let start = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| check::transfer("shared", connect(server.service(1)), 256 * KIB, KIB));
            }
        });
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(1800), "{took:?}");
        assert!(took < Duration::from_secs(8), "{took:?}");
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
        replace(&server, "bypass.txt", "127.0.0.0/8\n");
        until(|| way.try_open(&targets.work).map(drop) == Err(Refused::Socks5(2)));
        replace(&server, "admission.txt", "10.0.0.0/8\n");
        until(|| closes(connect(server.named("s"))));
        replace(&server, "bypass.txt", "not a pattern\n");
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

/// Each of them learns by itself what is out.
/// A server that is a second away.
fn slow(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            std::thread::sleep(Duration::from_secs(1));
            let server = TcpStream::connect(to).expect("a server");
            for (mut from, mut to) in [
                (
                    client.try_clone().expect("a socket"),
                    server.try_clone().expect("a socket"),
                ),
                (server, client),
            ] {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    addr
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn way(addr: SocketAddr) -> Way {
    Way::socks5(addr.to_string(), addr)
}

/// Whether the other side ends the connection without a byte.
fn closes(mut stream: TcpStream) -> bool {
    let _ = stream.write_all(&[5, 1, 0]);
    let mut byte = [0];
    !matches!(stream.read(&mut byte), Ok(n) if n > 0)
}

fn until(done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "it does not become so");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn replace(server: &Proc, name: &str, text: &str) {
    let path = server.dir().join(name);
    std::fs::write(path.with_extension("new"), text).expect("a file");
    std::fs::rename(path.with_extension("new"), path).expect("a file");
}
