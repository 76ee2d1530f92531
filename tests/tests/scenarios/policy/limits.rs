//! How many at a time, and how fast.

// What passes a limit is measured by a clock.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, Instant};

use ginnel_tests::check::{self, KIB, Targets};
use ginnel_tests::client::{Refused, connect};
use ginnel_tests::{Program, on_both_runtimes};

use super::way;

on_both_runtimes! {
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
            check::until("a free place", || way(one.addr()).try_open(&targets.work).is_ok());
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
            check::until("another connection", || way.try_open(&targets.work).is_ok());
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
}
