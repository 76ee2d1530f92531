//! Chains that lead back to where they begin.

// How long a refusal takes is measured by a clock.
#![allow(clippy::disallowed_methods)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ginnel_tests::check::{self, KIB, Targets, Way};
use ginnel_tests::target::free_addr;
use ginnel_tests::{Proc, Program, Proxy, Speak, on_both_runtimes};

use super::{ask_socks5, assert_ends};

on_both_runtimes! {
    /// A proxy that is its own node, through another service: descriptors end, the process does not.
    fn a_circle_of_two_services_is_survived(ginnel: &Program) {
        let targets = Targets::new();
        let [a, b] = [(); 2].map(|()| free_addr());
        let circle = |name: &str, at: SocketAddr, to: SocketAddr| format!(
            "- {{name: {name}, addr: '{at}', handler: {{type: socks5, chain: {name}}}, listener: {{type: tcp}}}}\n\
             CHAINS- {{name: {name}, hops: [{{name: {name}, nodes: [{{name: {name}, addr: '{to}', connector: {{type: socks5}}, dialer: {{type: tcp}}}}]}}]}}\n"
        );
        let parts = [circle("service-0", a, b), circle("service-1", b, a)].map(|text| {
            let (service, chain) = text.split_once("CHAINS").expect("both");
            (service.to_owned(), chain.to_owned())
        });
        let plain = "- {name: service-2, addr: '127.0.0.1:0', handler: {type: socks5}, listener: {type: tcp}}\n";
        let text = format!(
            "services:\n{}{}{plain}chains:\n{}{}",
            parts[0].0, parts[1].0, parts[0].1, parts[1].1
        );
        let server = ginnel.descriptors(300).serve_file(&text, 3);
        assert_ends(&mut ask_socks5(a), "a circle");
        // Each round of it gives its descriptors back.
        server.wait_for_count(" >< ", server.count(" <> "));
        let way = Way::socks5("afterwards", server.service(2));
        check::both_ways(&way, &targets.work, KIB, KIB);
    }

    /// Three processes, of which each is the node of the one before: the ninth proxy refuses.
    fn a_circle_of_three_processes_is_told(ginnel: &Program) {
        for channel in ["ws", "mws"] {
            let targets = Targets::new();
            let at = [(); 3].map(|()| free_addr());
            let circle: Vec<Proc> = (0..3)
                .map(|index| {
                    let listen = format!("socks5+{channel}://{}", at[index]);
                    let node = format!("socks5+{channel}://{}", at[(index + 1) % 3]);
                    ginnel.descriptors(300).serve(&["-L", &listen, "-F", &node, "-L", "socks5://127.0.0.1:0"])
                })
                .collect();
            let before: Vec<_> = circle.iter().map(|proc| proc.descriptors()).collect();
            let node = format!("socks5+{channel}://{}", at[0]);
            let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
            let begin = Instant::now();
            let refused = Proxy::new(Speak::Socks5, client.addr()).open(targets.work.addr);
            assert!(refused.is_err(), "a way out of a circle");
            assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
            // The fourth round begins at the first again; the last proxy of the third was its client.
            circle[0].wait_for_line(&["came through 9 proxies"]);
            circle[2].wait_for_line(&["the nodes lead in a circle, expected 101"]);
            for (proc, before) in circle.iter().zip(before) {
                let more = proc.descriptors().zip(before).map(|(now, before)| now.saturating_sub(before));
                assert!(more.is_none_or(|more| more < 30), "{more:?} more descriptors");
            }
        }
    }
}
