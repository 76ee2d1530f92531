//! Peers that mean harm, or are broken: what they cost is bounded, what they get is an error, and nothing of
//! them is left when they go (`Engine::check` after each input, the census at the end).

mod owed;
mod requests;
mod rig;
mod slow;

use std::time::Duration;

use ginnel_core::engine::SocketId;
use ginnel_core::error::Cause;
use ginnel_core::event::Event;
use rig::{AUTO, HTTP, MWS, Rig, SERVICES, WS, frame, own, smux};

const SYN: u8 = 0;
const FIN: u8 = 1;
const PSH: u8 = 2;
const NOP: u8 = 3;
const BINARY: u8 = 0x82;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// Sends a message of many smux frames.
fn say_smux(rig: &mut Rig, id: SocketId, frames: &[Vec<u8>]) -> usize {
    rig.say(id, &frame(BINARY, &frames.concat()))
}

#[test]
fn a_flood_of_pings_gets_one_pong_a_piece_and_then_an_end() {
    let mut rig = Rig::new(None);
    let id = rig.upgraded(WS);
    rig.say(id, &frame(PING, b"").repeat(5000));
    assert_eq!(rig.hear(id), [PONG, 0]);
    rig.say(id, &frame(PING, b"").repeat(6000));
    let heard = rig.hear(id);
    let close = [0x88, 2 + 48, 0x03, 0xf0];
    let text = b"more than 10000 frames without data in a second";
    assert!(
        heard.windows(text.len()).any(|part| part == text),
        "{heard:?}"
    );
    assert!(
        heard.windows(2).any(|part| part == &close[2..]),
        "{heard:?}"
    );
    rig.end();
}

#[test]
fn pings_that_nobody_reads_the_answers_of_stop_being_read() {
    let mut rig = Rig::new(None);
    let id = rig.upgraded(WS);
    let flood = frame(PING, &[7; 125]);
    for _ in 0..100_000 {
        if rig.say(id, &flood) < flood.len() {
            break;
        }
        rig.wait(Duration::from_millis(1));
    }
    assert_eq!(rig.engine.interest(id).read, 0);
    assert!(rig.engine.memory() < 4 << 20, "{}", rig.engine.memory());
    rig.end();
}

#[test]
fn frames_that_carry_nothing_end_the_connection() {
    for (kind, wire) in [
        ("pong", frame(PONG, b"")),
        ("empty message", frame(BINARY, b"")),
        (
            "empty fragments",
            [frame(0x02, b""), frame(0x80, b"")].concat(),
        ),
    ] {
        let mut rig = Rig::new(None);
        let id = rig.upgraded(WS);
        rig.say(id, &wire.repeat(9000));
        assert!(rig.hear(id).is_empty(), "{kind}: answered");
        // Another second, another ten thousand.
        rig.wait(Duration::from_secs(1));
        rig.say(id, &wire.repeat(9000));
        assert!(rig.hear(id).is_empty(), "{kind}: answered");
        rig.say(id, &wire.repeat(2000));
        assert_eq!(rig.hear(id).first(), Some(&0x88), "{kind}: no close frame");
        rig.end();
    }
}

#[test]
fn smux_frames_that_carry_nothing_end_the_session() {
    for (kind, wire) in [
        ("NOP", smux(NOP, 0, b"")),
        ("empty PSH", smux(PSH, 3, b"")),
        ("FIN of nothing", smux(FIN, 99, b"")),
    ] {
        let mut rig = Rig::new(None);
        let id = rig.upgraded(MWS);
        say_smux(&mut rig, id, &[smux(SYN, 3, b"")]);
        say_smux(&mut rig, id, &vec![wire; 11_000]);
        let down = rig.events.iter().find_map(|event| match event {
            Event::SessionDown { fail, .. } => fail.clone(),
            _ => None,
        });
        let down = down.unwrap_or_else(|| panic!("{kind}: the session goes on"));
        assert_eq!(down.cause, Cause::Limit, "{kind}");
        rig.end();
    }
}

/// A byte a frame, and nobody takes them at the other end: the memory stays near what they carry.
#[test]
fn one_byte_frames_cost_about_a_byte() {
    let mut rig = Rig::new(None);
    let id = rig.upgraded(WS);
    let wire = frame(BINARY, b"x").repeat(10_000);
    while rig.say(id, &wire) == wire.len() {
        assert!(rig.engine.memory() < 2 << 20, "{}", rig.engine.memory());
    }
    let waiting = rig.engine.census().bytes;
    assert!(waiting > 200_000, "{waiting} bytes stopped it");
    assert!(rig.engine.memory() < 2 * waiting);
    rig.end();
}

#[test]
fn a_flood_of_streams_is_bounded() {
    let mut rig = Rig::new(None);
    let id = rig.upgraded(MWS);
    let syns: Vec<_> = (0..20_000).map(|n| smux(SYN, 3 + 2 * n, b"")).collect();
    say_smux(&mut rig, id, &syns);
    assert!(rig.targets.len() <= 4096, "{} dials", rig.targets.len());
    assert!(
        rig.events
            .iter()
            .any(|event| matches!(event, Event::SessionDown { .. }))
    );
    rig.end();
}

#[test]
fn streams_are_refused_where_the_budget_has_no_room() {
    let mut rig = Rig::new(Some(1 << 20));
    let id = rig.upgraded(MWS);
    let other = rig.upgraded(WS);
    for n in 0..1000 {
        say_smux(&mut rig, id, &[smux(SYN, 3 + 2 * n, b"")]);
        rig.hear(id);
    }
    assert!(
        (20..200).contains(&rig.targets.len()),
        "{}",
        rig.targets.len()
    );
    assert!(!rig.engine.accepting(), "sockets come after that");
    // Who is in is served.
    rig.say(other, &frame(BINARY, b"hello"));
    let target = rig.targets[0];
    assert_eq!(rig.hear(target), b"hello");
    rig.reset(id);
    rig.wait(Duration::from_secs(10));
    assert!(rig.engine.accepting());
    rig.end();
}

/// Open and close, thousands of times: no stream, dial or socket stays.
#[test]
fn rapid_resets_leave_nothing() {
    let mut rig = Rig::new(None);
    let id = rig.upgraded(MWS);
    for n in 0..3000 {
        let stream = 3 + 2 * n;
        let frames = [smux(SYN, stream, b""), smux(FIN, stream, b"")];
        assert!(say_smux(&mut rig, id, &frames) > 0, "not read any more");
        rig.hear(id);
    }
    for target in std::mem::take(&mut rig.targets) {
        rig.reset(target);
    }
    rig.hear(id);
    let census = rig.engine.census();
    assert_eq!((census.sessions, census.dials), (0, 0));
    assert!(census.links < 10, "{census:?}");
    rig.end();
}

/// Version 1 has no windows: a stream that nobody reads keeps its share, then holds up the session for a moment,
/// and is given up for the others.
#[test]
fn one_stalled_stream_does_not_stop_the_others() {
    let mut rig = Rig::new(None);
    let id = rig.upgraded(MWS);
    let streams: Vec<u32> = (0..64).map(|n| 3 + 2 * n).collect();
    for stream in &streams {
        say_smux(&mut rig, id, &[smux(SYN, *stream, b"")]);
    }
    assert_eq!(rig.targets.len(), 64);
    let stalled = rig.targets[0];
    let data = smux(PSH, 3, &[0; 30_000]);
    let mut sent = 0;
    while say_smux(&mut rig, id, std::slice::from_ref(&data)) > 0 {
        sent += 30_000;
        assert!(sent < 3 << 20, "a share is not all there is");
        let (stream, target) = (
            streams[sent / 30_000 % 63 + 1],
            rig.targets[sent / 30_000 % 63 + 1],
        );
        say_smux(&mut rig, id, &[smux(PSH, stream, b"hello")]);
        if rig.engine.interest(id).read > 0 {
            assert_eq!(rig.hear(target), b"hello");
        }
    }
    rig.wait(Duration::from_secs(6));
    assert!(
        rig.engine.interest(id).read > 0,
        "the stalled one is given up"
    );
    for (stream, target) in streams.iter().zip(rig.targets.clone()).skip(1) {
        rig.hear(target);
        say_smux(&mut rig, id, &[smux(PSH, *stream, b"more")]);
        assert_eq!(rig.hear(target), b"more");
    }
    rig.wait(Duration::from_secs(6));
    assert!(rig.closed.contains(&stalled));
    rig.end();
}

#[test]
fn stalled_targets_stay_below_the_budget_and_others_are_served() {
    let mut rig = Rig::new(Some(8 << 20));
    let bulk = frame(BINARY, &[1; 60_000]);
    for _ in 0..300 {
        let id = rig.upgraded(WS);
        while rig.say(id, &bulk) == bulk.len() {}
        assert!(rig.engine.memory() <= 8 << 20);
    }
    assert!(rig.engine.accepting());
    let id = rig.upgraded(WS);
    let target = *rig.targets.last().unwrap();
    let mut served = 0;
    for _ in 0..10_000 {
        rig.say(id, &frame(BINARY, &[2; 1000]));
        served += rig.hear(target).len();
    }
    assert_eq!(served, 10_000_000);
    rig.end();
}

#[test]
fn nobody_connects_to_itself() {
    let mut rig = Rig::new(None);
    for host in [
        own(HTTP).to_string(),
        format!("0.0.0.0:{}", own(HTTP).port()),
    ] {
        let id = rig.connect(HTTP);
        rig.say(
            id,
            format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(),
        );
        let heard = rig.hear(id);
        assert!(
            heard.starts_with(b"HTTP/1.1 403 "),
            "{}",
            String::from_utf8_lossy(&heard)
        );
    }
    assert!(rig.targets.is_empty());
    // Another service of ours is a target as any other.
    let id = rig.connect(HTTP);
    let host = own(AUTO);
    rig.say(
        id,
        format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(),
    );
    assert!(rig.hear(id).starts_with(b"HTTP/1.1 200 "));
    rig.end();
}

/// Whatever the first bytes are, in whatever pieces, and whoever leaves.
#[test]
fn garbage_leaves_nothing() {
    let openings: [&[u8]; 12] = [
        b"",
        b"\0",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x05\xff",
        b"\x05\x01\x00\x05\x01\x00\x09\x01",
        b"\x04\x01\x00\x50\x00\x00\x00\x01",
        b"\x01\x01\x00\xff\xff",
        b"GET / HTTP/1.1\r\nHost: a",
        b"GET /ws HTTP/9.9\r\n\r\n",
        b"POST http://a/ HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    let mut rig = Rig::new(None);
    for service in SERVICES {
        for opening in openings {
            for cut in [1, 7, usize::MAX] {
                let id = rig.connect(service);
                for piece in opening.chunks(cut.min(opening.len().max(1))) {
                    rig.say(id, piece);
                }
                rig.hear(id);
                if cut == 7 {
                    rig.reset(id);
                }
            }
        }
    }
    // Slow ones are given up.
    rig.wait(Duration::from_secs(120));
    let census = rig.engine.census();
    let silent = 2 * 2;
    assert!(census.links <= silent, "{census:?}");
    rig.end();
}
