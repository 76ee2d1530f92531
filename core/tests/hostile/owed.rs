//! Readers that are slow, or pause, after their target has said all and gone: the rest is theirs.

use std::time::Duration;

use ginnel_core::engine::SocketId;

use super::{BINARY, FIN, HTTP, MWS, Rig, SYN, WS, frame, say_smux, smux};

const SECOND: Duration = Duration::from_secs(1);

/// A tunnel for which the target has sent all that the engine takes, and the end.
fn ended(service: usize) -> (Rig, SocketId, usize) {
    let mut rig = Rig::new(None);
    let id = match service {
        HTTP => rig.connect(service),
        _ => rig.upgraded(service),
    };
    match service {
        HTTP => rig.say(id, b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
        MWS => say_smux(&mut rig, id, &[smux(SYN, 3, b"")]),
        _ => rig.say(id, &frame(BINARY, b"hello")),
    };
    if service == HTTP {
        rig.hear(id);
    }
    let target = rig.targets[0];
    let piece = vec![b'x'; 50_000];
    let mut sent = 0;
    loop {
        let taken = rig.say(target, &piece);
        sent += taken;
        if taken < piece.len() {
            break;
        }
    }
    (rig, id, sent)
}

/// Takes so much each second, until nothing more comes or the connection is gone; returns how much of it was `x`.
fn read(rig: &mut Rig, id: SocketId, rate: usize) -> usize {
    let mut got = Vec::new();
    for _ in 0..3000 {
        let taken = rig.take(id, rate);
        got.extend_from_slice(&taken);
        rig.wait(SECOND);
        if taken.is_empty() || !rig.engine.knows(id) {
            break;
        }
    }
    count(&got)
}

/// Headers have an `x` here and there, but not three.
fn count(wire: &[u8]) -> usize {
    let runs = wire.split(|byte| *byte != b'x').map(<[u8]>::len);
    runs.filter(|run| *run > 2).sum()
}

#[test]
fn a_slow_reader_gets_all_that_its_target_said() {
    for service in [HTTP, WS, MWS] {
        let (mut rig, id, sent) = ended(service);
        let target = rig.targets[0];
        rig.finish(target);
        assert_eq!(read(&mut rig, id, 400), sent, "service {service}");
        rig.end();
    }
}

/// What of a stream still waits at its session leaves as slowly.
#[test]
fn a_stream_that_is_closing_moves_as_slowly_as_its_session() {
    let (mut rig, id, sent) = ended(MWS);
    let target = rig.targets[0];
    say_smux(&mut rig, id, &[smux(FIN, 3, b"")]);
    rig.finish(target);
    assert_eq!(read(&mut rig, id, 400), sent);
    rig.end();
}

/// Both directions have ended: nothing but the rest is left of the tunnel.
#[test]
fn a_slow_reader_that_has_said_its_end_gets_all() {
    let (mut rig, id, sent) = ended(HTTP);
    let target = rig.targets[0];
    rig.finish(id);
    rig.finish(target);
    assert_eq!(read(&mut rig, id, 400), sent);
    assert!(!rig.resets.contains(&id));
    rig.end();
}

#[test]
fn a_reader_may_pause_for_minutes() {
    for client_ended in [false, true] {
        let (mut rig, id, sent) = ended(HTTP);
        let target = rig.targets[0];
        if client_ended {
            rig.finish(id);
        }
        rig.finish(target);
        let before = rig.take(id, 1000).len();
        rig.wait(240 * SECOND);
        assert_eq!(before + read(&mut rig, id, 100_000), sent);
        rig.end();
    }
}

/// What was written is not yet read: the system has it, and an RST would take it away.
#[test]
fn who_is_silent_after_an_end_is_closed_in_order() {
    for service in [HTTP, WS] {
        let (mut rig, id, sent) = ended(service);
        let target = rig.targets[0];
        rig.finish(target);
        assert_eq!(read(&mut rig, id, 10_000_000), sent);
        rig.wait(50 * SECOND);
        assert!(rig.engine.knows(id));
        rig.wait(20 * SECOND);
        assert!(rig.closed.contains(&id), "service {service}");
        assert!(!rig.resets.contains(&id), "service {service}");
        rig.end();
    }
}

/// A peer that has said all may close, and its system refuses what still comes, such as our pongs. What it had said
/// is there to be read, however slowly.
#[test]
fn a_write_that_fails_takes_nothing_of_what_came_before() {
    for service in [HTTP, WS, MWS] {
        let (mut rig, id, mut sent) = ended(service);
        let target = rig.targets[0];
        assert_eq!(
            rig.engine.interest(target).read,
            0,
            "it waits for the reader"
        );
        rig.engine.handle_broken(target, rig.now);
        let mut got = Vec::new();
        for _ in 0..50 {
            got.extend(rig.take(id, 50_000));
            sent += rig.say(target, &[b'x'; 10_000]);
        }
        assert!(rig.engine.knows(target));
        rig.finish(target);
        assert!(!rig.engine.knows(target));
        got.extend(rig.hear(id));
        assert_eq!(count(&got), sent, "service {service}");
        // Which end it was nobody knows: it must not be taken for one in order.
        assert!(service != HTTP || rig.resets.contains(&id));
        rig.end();
    }
}

/// Nobody is there to be written to: what is to be sent goes nowhere, and holds up nobody.
#[test]
fn what_is_for_a_broken_socket_is_dropped() {
    let (mut rig, id, _) = ended(HTTP);
    let target = rig.targets[0];
    rig.engine.handle_broken(id, rig.now);
    assert!(rig.hear(id).is_empty());
    for _ in 0..20 {
        assert_eq!(rig.say(target, &[b'x'; 100_000]), 100_000);
    }
    assert!(rig.hear(id).is_empty());
    // Nothing is heard of either any more.
    rig.finish(target);
    rig.wait(70 * SECOND);
    assert!(!rig.engine.knows(id));
    rig.end();
}

/// A close frame ends both directions; what comes behind it is read, for a socket that is closed would answer it
/// with an RST, which takes the peer what it has not yet read.
#[test]
fn behind_a_close_frame_the_transport_is_read_to_its_end() {
    for left in [false, true] {
        let mut rig = Rig::new(None);
        let id = rig.upgraded(WS);
        rig.say(id, &frame(BINARY, b"hello"));
        rig.say(id, &frame(0x88, &[0x03, 0xe8]));
        assert_eq!(rig.hear(id), [0x88, 2, 0x03, 0xe8]);
        rig.wait(4 * SECOND);
        assert!(rig.engine.knows(id), "closed before its peer");
        assert_eq!(rig.say(id, &frame(0x8a, b"late")), 10);
        match left {
            true => rig.finish(id),
            false => rig.wait(6 * SECOND),
        }
        assert!(!rig.engine.knows(id) && !rig.resets.contains(&id));
        rig.end();
    }
}

/// Whatever its code, a close frame is answered (RFC 6455, 5.5.1), although the tunnel counts as cut.
#[test]
fn a_close_frame_of_any_code_is_answered() {
    for code in [1001_u16, 1009, 1011, 3000, 4999] {
        let mut rig = Rig::new(None);
        let id = rig.upgraded(WS);
        rig.say(id, &frame(BINARY, b"hello"));
        let target = rig.targets[0];
        assert_eq!(rig.hear(target), b"hello");
        let code = code.to_be_bytes();
        rig.say(id, &frame(0x88, &code));
        assert_eq!(rig.hear(id), [&[0x88, 2], &code[..]].concat());
        assert!(rig.resets.contains(&target), "the target is told");
        rig.finish(id);
        assert!(!rig.engine.knows(id) && !rig.resets.contains(&id));
        rig.end();
    }
}

/// Nobody is waited for without end.
#[test]
fn who_takes_nothing_for_five_minutes_is_given_up() {
    for client_ended in [false, true] {
        let (mut rig, id, _) = ended(HTTP);
        let target = rig.targets[0];
        if client_ended {
            rig.finish(id);
        }
        rig.finish(target);
        rig.wait(299 * SECOND);
        assert!(rig.engine.knows(id));
        rig.wait(370 * SECOND);
        assert!(rig.resets.contains(&id), "client ended: {client_ended}");
        rig.end();
    }
}
