//! A running configuration is replaced: by a signal, at intervals, and certificates by their files.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use ginnel_tests::certificate::{self, Pem};
use ginnel_tests::check::{self, KIB, Targets, Way};
use ginnel_tests::client::Refused;
use ginnel_tests::target::{Target, free_addr, order};
use ginnel_tests::{Proc, Program, Proxy, Speak, on_both_runtimes};
use rustix::process::Signal;

/// Often enough that a test need not wait.
const WATCH: (&str, &str) = ("GINNEL_WATCH", "20ms");

on_both_runtimes! {
    fn services_are_added_changed_and_removed(ginnel: &Program) {
        let targets = Targets::new();
        let [stays, changes, goes, comes] = [(); 4].map(|()| free_addr());
        let before = [("stays", stays, ""), ("changes", changes, ""), ("goes", goes, "")];
        let server = start(ginnel, &before);
        let ways = [stays, changes, goes].map(way);
        let mut open = ways.each_ref().map(|way| Echo::open(way, &targets));

        let after = [("comes", comes, ""), ("stays", stays, ""), ("changes", changes, USER)];
        reload(&server, &after, "reload: 1 service added, 1 changed, 1 removed, 1 unchanged");
        open.iter_mut().for_each(Echo::again);
        for addr in [stays, comes] {
            check::both_ways(&way(addr), &targets.work, KIB, KIB);
        }
        assert_eq!(way(changes).try_open(&targets.work).map(drop), Err(Refused::Socks5Method(0xff)));
        let user = Proxy::new(Speak::Socks5, changes).user("alice", "s3cret");
        check::both_ways(&Way::proxy("changes", user), &targets.work, KIB, KIB);
        assert!(TcpStream::connect(goes).is_err(), "a removed service accepts");
        for echo in open {
            echo.finish();
        }

        // And back again: what was there before is there again.
        reload(&server, &before, "reload: 1 service added, 1 changed, 1 removed, 1 unchanged");
        for addr in [stays, changes, goes] {
            check::both_ways(&way(addr), &targets.work, KIB, KIB);
        }
        assert!(TcpStream::connect(comes).is_err(), "a removed service accepts");
        ends(server);
    }

    fn an_address_is_left_for_one_that_it_covers(ginnel: &Program) {
        let targets = Targets::new();
        let addr = free_addr();
        let all = SocketAddr::from(([0, 0, 0, 0], addr.port()));
        let server = start(ginnel, &[("entry", all, "")]);
        let mut open = Echo::open(&way(addr), &targets);
        let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        write_and_signal(&server, &file(&[("entry", addr, ""), ("busy", busy.local_addr().unwrap(), "")]));
        server.wait_for_line(&["reload: kept the old configuration: "]);
        check::both_ways(&way(addr), &targets.work, KIB, KIB);
        for to in [addr, all, addr] {
            reload(&server, &[("entry", to, "")], "reload: 0 services added, 1 changed, 0 removed, 0 unchanged");
            check::both_ways(&way(addr), &targets.work, KIB, KIB);
            open.again();
        }
        open.finish();
        ends(server);
    }

    fn two_services_exchange_their_addresses(ginnel: &Program) {
        let targets = Targets::new();
        let addrs = [free_addr(), free_addr()];
        let services = |[open, closed]: [SocketAddr; 2]| [("open", open, ""), ("closed", closed, USER)];
        let server = start(ginnel, &services(addrs));
        let mut echo = Echo::open(&way(addrs[0]), &targets);
        for [open, closed] in [[addrs[1], addrs[0]], addrs] {
            reload(&server, &services([open, closed]), "reload: 0 services added, 2 changed, 0 removed, 0 unchanged");
            check::both_ways(&way(open), &targets.work, KIB, KIB);
            let refused = way(closed).try_open(&targets.work).map(drop);
            assert_eq!(refused, Err(Refused::Socks5Method(0xff)));
            echo.again();
        }
        echo.finish();
        ends(server);
    }

    fn the_time_for_a_drain_follows(ginnel: &Program) {
        let targets = Targets::new();
        let entry = free_addr();
        let text = |timeout: &str| format!("drainTimeout: {timeout}\n{}", file(&[("entry", entry, "")]));
        let server = ginnel.serve_file(&text("5m"), 1);
        let mut echo = Echo::open(&way(entry), &targets);
        write_and_signal(&server, &text("100ms"));
        server.wait_for_line(&["reload: 0 services added, 0 changed, 0 removed, 1 unchanged"]);
        echo.again();
        server.signal(Signal::TERM);
        server.wait_for_line(&["1 connection left, up to 100ms for it"]);
        let (status, lines) = server.wait();
        assert_eq!(status.code(), Some(0), "{lines:#?}");
    }

    fn a_mux_session_survives_and_a_changed_chain_gets_its_own(ginnel: &Program) {
        let targets = Targets::new();
        let far = ginnel.serve(&["-L", "relay+mws://127.0.0.1:0"]);
        let [first, second] = [(); 2].map(|()| Target::tap(far.addr()));
        let entry = free_addr();
        let file = |other: SocketAddr, node: SocketAddr| format!(
            "services:\n{}{}chains:\n- name: far\n  hops:\n  - name: hop\n    nodes:\n    - {{name: node, addr: '{node}', connector: {{type: relay}}, dialer: {{type: mws}}}}\n",
            service("entry", entry, "").replace("type: socks5", "type: socks5, chain: far"),
            service("other", other, ""),
        );
        let client = ginnel.spawn(&["-C", "gost.yml"], &[("gost.yml", &file(free_addr(), first.addr))]);
        client.wait_for_services(2);
        let mut echo = Echo::open(&way(entry), &targets);
        write_and_signal(&client, &file(free_addr(), first.addr));
        client.wait_for_line(&["reload: 0 services added, 1 changed, 0 removed, 1 unchanged"]);
        check::both_ways(&way(entry), &targets.work, KIB, KIB);
        assert_eq!((first.accepted(), second.accepted()), (1, 0));

        let last = free_addr();
        write_and_signal(&client, &file(last, second.addr));
        client.wait_for_line(&["reload: 0 services added, 2 changed, 0 removed, 0 unchanged"]);
        check::both_ways(&way(entry), &targets.work, KIB, KIB);
        assert_eq!((first.accepted(), second.accepted()), (1, 1));
        echo.again();
        echo.finish();
        ends(client);
    }

    fn a_bad_configuration_changes_nothing_and_says_why(ginnel: &Program) {
        let targets = Targets::new();
        let [one, two] = [(); 2].map(|()| free_addr());
        let server = start(ginnel, &[("one", one, "")]);
        let mut echo = Echo::open(&way(one), &targets);
        let busy = Target::sink();
        let unknown = file(&[("two", two, "")]).replace("socks5", "sokcs5");
        for (text, why) in [
            ("services: [", "gost.yml"),
            (unknown.as_str(), "sokcs5"),
            (&file(&[("two", two, ""), ("busy", busy.addr, "")]), &format!("listen {}", busy.addr)),
        ] {
            write_and_signal(&server, text);
            server.wait_for_line(&["reload: kept the old configuration: ", why]);
            echo.again();
            check::both_ways(&way(one), &targets.work, KIB, KIB);
            assert!(TcpStream::connect(two).is_err(), "a part of it is served");
        }
        reload(&server, &[("two", two, "")], "reload: 1 service added, 0 changed, 1 removed, 0 unchanged");
        echo.finish();
        check::both_ways(&way(two), &targets.work, KIB, KIB);
        ends(server);
    }

    fn nobody_is_refused_meanwhile(ginnel: &Program) {
        let targets = Targets::new();
        let [stays, changes] = [(); 2].map(|()| free_addr());
        let server = start(ginnel, &[("stays", stays, ""), ("changes", changes, "")]);
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let clients = [stays, changes].map(|addr| {
                let (over, targets) = (&over, &targets);
                scope.spawn(move || {
                    while !over.load(Ordering::SeqCst) {
                        check::both_ways(&way(addr), &targets.work, KIB, KIB);
                    }
                })
            });
            for round in 0..20 {
                let retries = format!(", retries: {}", 1 + round % 3);
                let services = [("stays", stays, ""), ("changes", changes, retries.as_str())];
                reload(&server, &services, "reload: 0 services added, 1 changed, 0 removed, 1 unchanged");
            }
            over.store(true, Ordering::SeqCst);
            for client in clients {
                client.join().expect("tunnels all the time");
            }
        });
        ends(server);
    }

    fn the_level_of_the_log_follows(ginnel: &Program) {
        let targets = Targets::new();
        let one = free_addr();
        let services = file(&[("one", one, "")]);
        let server = ginnel.serve_file(&services, 1);
        write_and_signal(&server, &(services.clone() + "log: {level: warn}\n"));
        server.wait_for_count("reload: 0 services added", 1);
        check::both_ways(&way(one), &targets.work, KIB, KIB);
        write_and_signal(&server, &services);
        server.wait_for_count("reload: 0 services added", 2);
        check::both_ways(&way(one), &targets.work, KIB, KIB);
        server.wait_for_line(&[" >< "]);
        assert_eq!(server.count(" <> "), 1, "lines below the level");
    }

    fn users_of_a_file_are_read_again(ginnel: &Program) {
        let targets = Targets::new();
        let addr = free_addr();
        let text = format!(
            "services:\n{}authers:\n- name: users\n  file: {{path: users.txt}}\n",
            service("one", addr, "").replace("type: socks5", "type: socks5, auther: users")
        );
        let server = ginnel.spawn(&["-C", "gost.yml"], &[("gost.yml", &text), ("users.txt", "alice old\n")]);
        server.wait_for_services(1);
        let proxy = |password: &str| Proxy::new(Speak::Socks5, addr).user("alice", password);
        check::both_ways(&Way::proxy("old", proxy("old")), &targets.work, KIB, KIB);
        server.signal(Signal::HUP);
        server.wait_for_line(&["reload: 0 services added, 0 changed, 0 removed, 1 unchanged"]);
        std::fs::write(server.dir().join("users.txt"), "alice new\n").expect("a file");
        server.signal(Signal::HUP);
        server.wait_for_line(&["reload: 0 services added, 1 changed, 0 removed, 0 unchanged"]);
        check::both_ways(&Way::proxy("new", proxy("new")), &targets.work, KIB, KIB);
        assert_eq!(proxy("old").open(targets.work.addr).map(drop), Err(Refused::Socks5Auth(1)));
    }

    fn users_of_a_file_need_no_signal(ginnel: &Program) {
        let targets = Targets::new();
        let addr = free_addr();
        let text = format!(
            "services:\n{}authers:\n- name: users\n  file: {{path: users.txt}}\n",
            service("one", addr, "").replace("type: socks5", "type: socks5, auther: users")
        );
        let files = [("gost.yml", text.as_str()), ("users.txt", "alice old\n")];
        let server = ginnel.var(WATCH.0, WATCH.1).spawn(&["-C", "gost.yml"], &files);
        server.wait_for_services(1);
        let proxy = |password: &str| Proxy::new(Speak::Socks5, addr).user("alice", password);
        let way = Way::proxy("old", proxy("old"));
        check::both_ways(&way, &targets.work, KIB, KIB);
        // Only what the files say is taken over, not the edited configuration.
        server.replace("gost.yml", "nonsense");
        std::fs::write(server.dir().join("users.txt"), "alice new\n").expect("a file");
        server.wait_for_line(&["files of users, rules, CAs or sites changed: 0 services added, 1 changed"]);
        check::both_ways(&Way::proxy("new", proxy("new")), &targets.work, KIB, KIB);
        assert_eq!(proxy("old").open(targets.work.addr).map(drop), Err(Refused::Socks5Auth(1)));
    }

    fn an_interval_needs_no_signal_and_says_only_what_is_new(ginnel: &Program) {
        let targets = Targets::new();
        let [one, two] = [(); 2].map(|()| free_addr());
        let text = file(&[("one", one, "")]);
        let server = ginnel.spawn(&["-R", "20ms", "-C", "gost.yml"], &[("gost.yml", &text)]);
        server.wait_for_services(1);
        server.replace("gost.yml", "nonsense");
        server.wait_for_line(&["reload: kept the old configuration: "]);
        check::both_ways(&way(one), &targets.work, KIB, KIB);
        server.replace("gost.yml", &file(&[("one", one, ""), ("two", two, "")]));
        server.wait_for_line(&["reload: 1 service added, 0 changed, 0 removed, 1 unchanged"]);
        check::both_ways(&way(two), &targets.work, KIB, KIB);
        let said = server.lines().iter().filter(|line| line.contains("reload: ")).count();
        assert_eq!(said, 2);
    }

    /// As certbot and Kubernetes do it: the files are links, and the links are replaced.
    fn a_certificate_is_replaced_without_a_reload(ginnel: &Program) {
        let targets = Targets::new();
        let ginnel = &ginnel.var(WATCH.0, WATCH.1);
        let folder = ginnel_tests::Folder::new();
        let path = |name: &str| folder.path().join(name);
        let link = |to: &str| {
            symlink(to, path("next")).expect("a link");
            std::fs::rename(path("next"), path("live")).expect("a link");
        };
        let certificates = ["one", "two", "mixed"].map(|name| {
            std::fs::create_dir(path(name)).expect("a folder");
            let Pem { cert, key } = certificate::localhost();
            std::fs::write(path(name).join("key.pem"), key).expect("a file");
            std::fs::write(path(name).join("cert.pem"), &cert).expect("a file");
            cert
        });
        std::fs::copy(path("one/key.pem"), path("mixed/key.pem")).expect("a file");
        link("one");
        let at = path("live").display().to_string();
        let listen = format!("socks5+tls://127.0.0.1:0?certFile={at}/cert.pem&keyFile={at}/key.pem");
        let server = ginnel.serve(&["-L", &listen]);
        let dial = |ca: &str| {
            let node = format!("socks5+tls://{}?secure=true&caFile=ca.pem&serverName=localhost", server.addr());
            let client = ginnel.spawn(&["-L", "socks5://127.0.0.1:0", "-F", &node], &[("ca.pem", ca)]);
            client.wait_for_services(1);
            (way(client.addr()), client)
        };
        let (old, _old) = dial(&certificates[0]);
        let mut echo = Echo::open(&old, &targets);

        link("mixed");
        server.wait_for_line(&["certificate: kept the old one: ", "key.pem", "is not the key of"]);
        check::both_ways(&old, &targets.work, KIB, KIB);
        link("two");
        server.wait_for_line(&["certificate", "cert.pem: changed, used for new connections"]);
        let (new, _new) = dial(&certificates[1]);
        check::both_ways(&new, &targets.work, KIB, KIB);
        // Another one, for who trusted the old certificate may resume what it has.
        let (late, _late) = dial(&certificates[0]);
        check::no_way(&late, &targets.work);
        echo.again();
        echo.finish();
        let kept = server.lines().iter().filter(|line| line.contains("kept the old one")).count();
        assert_eq!(kept, 1);
        ends(server);
    }
}

const USER: &str = ", auth: {username: alice, password: s3cret}";

fn service(name: &str, addr: SocketAddr, more: &str) -> String {
    format!(
        "- {{name: {name}, addr: '{addr}', handler: {{type: socks5{more}}}, listener: {{type: tcp}}}}\n"
    )
}

fn file(services: &[(&str, SocketAddr, &str)]) -> String {
    let services = services
        .iter()
        .map(|(name, addr, more)| service(name, *addr, more));
    "services:\n".to_owned() + &services.collect::<String>()
}

fn start(ginnel: &Program, services: &[(&str, SocketAddr, &str)]) -> Proc {
    ginnel.serve_file(&file(services), services.len())
}

fn write_and_signal(server: &Proc, text: &str) {
    server.replace("gost.yml", text);
    server.signal(Signal::HUP);
}

/// Waits for one more line of this text.
fn reload(server: &Proc, services: &[(&str, SocketAddr, &str)], result: &str) {
    let before = server.count(result);
    write_and_signal(server, &file(services));
    server.wait_for_count(result, before + 1);
}

fn ends(server: Proc) {
    server.signal(Signal::TERM);
    let (status, lines) = server.wait();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
}

fn way(addr: SocketAddr) -> Way {
    Way::socks5(addr.to_string(), addr)
}

/// A tunnel to an echo.
struct Echo(TcpStream);

impl Echo {
    fn open(way: &Way, targets: &Targets) -> Self {
        let mut stream = way.open(&targets.work);
        stream
            .write_all(&order(order::ECHO, 0, 0, 0))
            .expect("a reader");
        let mut echo = Self(stream);
        echo.again();
        echo
    }

    fn again(&mut self) {
        let sent = [7; 3000];
        self.0.write_all(&sent).expect("a reader");
        let mut back = [0; 3000];
        self.0.read_exact(&mut back).expect("an echo");
        assert_eq!(sent, back);
    }

    /// It ends because its client does.
    fn finish(mut self) {
        self.again();
        self.0
            .shutdown(std::net::Shutdown::Write)
            .expect("a socket");
        assert_eq!(self.0.read(&mut [0]).expect("an end"), 0);
    }
}
