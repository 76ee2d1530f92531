//! Payload that passes within the kernel: what arrives is what was sent, and little is left behind.

use std::io::{Read, Write};

use ginnel_tests::check::{self, KIB, MIB, Targets, Way};
use ginnel_tests::pair::{Inside, Link, Pair};
use ginnel_tests::payload::Hash;
use ginnel_tests::target::{hash_of, order, send_payload};
use ginnel_tests::{Proc, Program, Proxy, Speak, on_both_runtimes};
use rustix::net::{SendFlags, send};
use rustix::process::Signal;

/// Ends of the pipes that two threads may keep, and as many for what is not yet written.
const ENDS: usize = 2 * (2 * 2) * 2;

fn without_splice() -> bool {
    !cfg!(target_os = "linux")
}

/// Pipes beside those that a program was started with.
fn made_pipes(proc: &Proc, before: Option<usize>) -> bool {
    let (Some(before), Some(now)) = (before, proc.pipes()) else {
        return true;
    };
    assert!(now <= before + ENDS, "{now} ends of pipes, {before} before");
    now > before || without_splice()
}

on_both_runtimes! {
    fn large_answers_pass_through_pipes_and_arrive_whole(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", "socks5+ws://127.0.0.1:0?notls=true", "--threads", "2"]);
        let node = format!("socks5+ws://{}?notls=true", server.addr());
        let client = ginnel.serve(&["-L", "socks5://127.0.0.1:0?notls=true", "-F", &node, "--threads", "2"]);
        let way = Way::socks5("ws", client.addr());
        let before = [&server, &client].map(Proc::pipes);
        check::both_ways(&way, &targets.work, 10 * KIB, 10 * KIB);
        check::half_close(&way, &targets.work, 64 * MIB);
        check::target_ends(&way, &targets.work, 64 * MIB);
        check::concurrent(&way, &targets.work, 16, 4 * MIB);
        // A reader that stalls in the middle.
        check::stalled_client(&way, &targets.work, 200);
        check::both_ways(&way, &targets.work, 16 * MIB, 64 * MIB);
        for (proc, before) in [&server, &client].into_iter().zip(before) {
            assert!(made_pipes(proc, before), "nothing was spliced");
        }
    }

    /// Both directions of a relay that only passes bytes on.
    fn a_forward_splices_both_ways(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", &format!("tcp://127.0.0.1:0/{}", targets.work.addr)]);
        let entry = (targets.work.addr, Proxy::new(Speak::Raw, server.addr()));
        let way = Way::fixed("forward", vec![entry]);
        let before = server.pipes();
        check::both_ways(&way, &targets.work, 64 * MIB, 64 * MIB);
        check::upload_behind_the_end(&way, &targets.work, 32 * MIB, 32 * MIB);
        assert!(made_pipes(&server, before), "nothing was spliced");
    }

    /// Bytes that trickle behind bulk, and bulk behind these, in one connection and in order.
    fn bulk_and_trickle_take_turns(ginnel: &Program) {
        let targets = Targets::new();
        let links = ["ws", "tcp", "wss", "mws"].map(|channel| Link::new(channel, Inside::Socks5));
        let pair = Pair::start(ginnel, ginnel, &links, &targets);
        for way in &pair.ways {
            let mut stream = way.open(&targets.work);
            stream.write_all(&order(order::ECHO, 0, 0, 0)).expect("a reader");
            let mut from = stream.try_clone().expect("a socket");
            let writer = std::thread::spawn(move || {
                for round in 0..40 {
                    let len = [1, 16 * MIB, 130, 70_000, 5 * MIB, 33 * KIB][round as usize % 6];
                    send_payload(&mut stream, round, len).expect("a reader");
                }
                stream.shutdown(std::net::Shutdown::Write).expect("a socket");
            });
            for round in 0..40 {
                let len = [1, 16 * MIB, 130, 70_000, 5 * MIB, 33 * KIB][round as usize % 6];
                let hash = hash_of(&mut from, len).expect("an echo");
                let sent = Hash::of(&ginnel_tests::payload::bytes(round, len as usize));
                assert!(hash == sent, "{}: round {round}", way.name);
            }
            assert_eq!(from.read(&mut [0]).expect("an end"), 0);
            writer.join().expect("no panic");
        }
    }

    /// It is no part of the stream here, as it is none for gost. What is behind it arrives, whether it is
    /// copied or spliced.
    fn urgent_data_does_not_stop_what_follows(ginnel: &Program) {
        let targets = Targets::new();
        let server = ginnel.serve(&["-L", &format!("tcp://127.0.0.1:0/{}", targets.work.addr)]);
        let entry = (targets.work.addr, Proxy::new(Speak::Raw, server.addr()));
        let way = Way::fixed("forward", vec![entry]);
        for round in 0..4 {
            let mut stream = way.open(&targets.work);
            stream.write_all(&order(order::ECHO, 0, 0, 0)).expect("a reader");
            stream.write_all(b"0").expect("a reader");
            stream.read_exact(&mut [0]).expect("an echo");
            // All of it is there when it is looked at.
            server.signal(Signal::STOP);
            for (word, urgent) in [("one", true), ("two", false)] {
                stream.write_all(word.as_bytes()).expect("room in a buffer");
                if urgent {
                    send(&stream, b"!", SendFlags::OOB).expect("a socket of TCP");
                }
            }
            server.signal(Signal::CONT);
            let mut words = [0; 6];
            stream.read_exact(&mut words).expect("an echo");
            assert_eq!(&words, b"onetwo");
            let mut from = stream.try_clone().expect("a socket");
            let writer = std::thread::spawn(move || {
                send_payload(&mut stream, 2 * round, 4 * MIB).expect("a reader");
                send(&stream, b"!", SendFlags::OOB).expect("a socket of TCP");
                send_payload(&mut stream, 2 * round + 1, 4 * MIB).expect("a reader");
                stream.shutdown(std::net::Shutdown::Write).expect("a socket");
            });
            for seed in [2 * round, 2 * round + 1] {
                let hash = hash_of(&mut from, 4 * MIB).expect("an echo");
                let sent = Hash::of(&ginnel_tests::payload::bytes(seed, 4 * MIB as usize));
                assert!(hash == sent, "round {round}");
            }
            assert_eq!(from.read(&mut [0]).expect("an end"), 0);
            writer.join().expect("no panic");
        }
    }
}
