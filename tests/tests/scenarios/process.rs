//! The program as seen from a shell: start, messages, log, end.

use std::io::Write;

use ginnel_tests::check::{self, KIB, Targets, Way};
use ginnel_tests::target::{Target, order};
use ginnel_tests::{Program, Proxy, Speak, on_both_runtimes};
use rustix::process::Signal;
use serde_json::Value;

on_both_runtimes! {
    fn sigterm_and_sigint_end_it_in_order(ginnel: &Program) {
        for signal in [Signal::TERM, Signal::INT] {
            let server = ginnel.serve(&["-L", "ws://127.0.0.1:0", "-L", "http://127.0.0.1:0"]);
            server.signal(signal);
            let (status, lines) = server.wait();
            assert_eq!(status.code(), Some(0), "{signal:?}: {lines:#?}");
        }
    }

    /// Open tunnels delay the end at most by the time it gives them.
    fn sigterm_ends_it_with_tunnels_open(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "http+mws://127.0.0.1:0"]);
        let node = format!("http+mws://{}", server.addr());
        let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
        let way = Way::socks5("mws", client.addr());
        let mut open = way.open(&targets.work);
        open.write_all(&order(order::ECHO, 0, 0, 0)).expect("a reader");
        for process in [client, server] {
            process.signal(Signal::TERM);
            let (status, lines) = process.wait();
            assert_eq!(status.code(), Some(0), "{lines:#?}");
        }
        check::assert_end(&mut open, "after the end of the program");
    }

    fn a_busy_port_is_one_line_and_status_1(ginnel: &Program) {
        let taken = Target::sink();
        for scheme in ["http", "ws", "mwss"] {
            let listen = format!("{scheme}://{}", taken.addr);
            let line = fails(ginnel, &["-L", &listen], &[], &[1]);
            assert!(line.contains(&taken.addr.to_string()), "{line}");
        }
    }

    fn a_bad_url_is_one_line_and_names_the_word(ginnel: &Program) {
        for (args, word) in [
            (["-L", "wss://127.0.0.1:99999"], "99999"),
            (["-L", "wsss://127.0.0.1:0"], "wsss"),
            (["-F", "http+wz://127.0.0.1:1"], "wz"),
        ] {
            let mut all = vec!["-L", "http://127.0.0.1:0"];
            all.extend(args);
            let line = fails(ginnel, &all, &[], &[1, 2]);
            assert!(line.contains(word), "{line}");
        }
    }

    fn a_bad_key_is_one_line_and_names_the_file(ginnel: &Program) {
        let listen = "wss://127.0.0.1:0?certFile=cert.pem&keyFile=key.pem";
        let files = [("cert.pem", "no certificate"), ("key.pem", "no key")];
        let line = fails(ginnel, &["-L", listen], &files, &[1, 2]);
        assert!(line.contains("cert.pem") || line.contains("key.pem"), "{line}");
        let line = fails(ginnel, &["-C", "missing.yml"], &[], &[1, 2]);
        assert!(line.contains("missing.yml"), "{line}");
        let file = "services:\n- name: a\n  addr: 127.0.0.1:0\n  handler: {type: auto}\n  listener: {type: wz}\n";
        let line = fails(ginnel, &["-C", "bad.yml"], &[("bad.yml", file)], &[1, 2]);
        assert!(line.contains("wz"), "{line}");
    }

    fn the_log_has_one_object_a_line(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "auto+ws://127.0.0.1:0"]);
        let node = format!("http+ws://{}", server.addr());
        let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0", "-F", &node]);
        let way = Way::socks5("ws", client.addr());
        check::both_ways(&way, &targets.work, 10 * KIB, 20 * KIB);

        let target = targets.work.addr.to_string();
        for process in [&client, &server] {
            let local = process.addr().to_string();
            let opened = object(&process.wait_for_line(&["<> ", &local]));
            assert_eq!((&opened["level"], &opened["service"]), (&"info".into(), &"service-0".into()));
            process.wait_for_line(&["<-> ", &target]);
            process.wait_for_line(&[">-< ", &target]);
            let closed = object(&process.wait_for_line(&[">< ", &local]));
            assert!(closed["duration"].is_u64(), "{closed}");
            let bytes = |key: &str| closed[key].as_u64().unwrap_or_default();
            assert!(bytes("inputBytes") >= 10 * KIB, "{closed}");
            assert!(bytes("outputBytes") >= 20 * KIB, "{closed}");
            for line in process.lines() {
                let line = object(&line);
                assert!(["time", "level", "msg"].iter().all(|key| line[key].is_string()), "{line}");
            }
        }
    }

    fn debug_and_trace_only_say_more(ginnel: &Program) {
        let targets = Targets::new();
        for flag in ["-D", "-DD"] {
            let server = ginnel.serve(&[flag, "-L", "socks5+mws://127.0.0.1:0"]);
            let node = format!("socks5+mws://{}", server.addr());
            let client = ginnel.serve(&[flag, "-L", ":0", "-F", &node]);
            let way = Way::proxy(flag, Proxy::new(Speak::Http, client.addr()));
            check::both_ways(&way, &targets.work, 10 * KIB, 10 * KIB);
        }
    }

    fn every_service_of_a_command_line_uses_its_chain(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "relay+ws://127.0.0.1:0"]);
        let tap = Target::tap(server.addr());
        let node = format!("relay+ws://{}", tap.addr);
        let client = ginnel.serve(&[
            "-L", "http://127.0.0.1:0",
            "-L", "socks5://127.0.0.1:0",
            "-L", &format!("tcp://127.0.0.1:0/{}", targets.work.addr),
            "-F", &node,
        ]);
        for (index, speak) in [Speak::Http, Speak::Socks5, Speak::Raw].into_iter().enumerate() {
            let way = Way::proxy(format!("{speak:?}"), Proxy::new(speak, client.service(index)));
            check::both_ways(&way, &targets.work, KIB, KIB);
        }
        assert_eq!(tap.accepted(), 3);
    }
}

/// The one line that it says before it ends with one of the codes.
fn fails(ginnel: &Program, args: &[&str], files: &[(&str, &str)], codes: &[i32]) -> String {
    let (status, lines) = ginnel.spawn(args, files).wait();
    let code = status.code().unwrap_or(-1);
    assert!(codes.contains(&code), "{args:?}: status {code}: {lines:#?}");
    let [line] = &lines[..] else {
        panic!("{args:?}: expected one line, got {lines:#?}");
    };
    line.clone()
}

fn object(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))
}
