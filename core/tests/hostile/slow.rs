//! Clients behind a slow link, for whom much waits: what is said about the connection itself does not wait
//! behind it.

use std::time::Duration;

use ginnel_core::engine::SocketId;

use super::{BINARY, MWS, PING, PONG, Rig, SYN, WS, frame, say_smux, smux};

/// Of what waits, so much may go before a control frame: see `Limits::ahead`, and the head of a frame.
const AHEAD: usize = 64 * 1024 + 10;
/// Bytes a second.
const RATE: usize = 10_000;

/// A connection for which a target has sent all that the engine takes.
fn crowded(service: usize) -> (Rig, SocketId) {
    let mut rig = Rig::new(None);
    let id = rig.upgraded(service);
    match service {
        MWS => say_smux(&mut rig, id, &[smux(SYN, 3, b"")]),
        _ => rig.say(id, &frame(BINARY, b"hello")),
    };
    crowd(&mut rig);
    (rig, id)
}

fn crowd(rig: &mut Rig) {
    let target = rig.targets[0];
    // Of larger ones a mux session takes no more than it has room for.
    let piece = vec![b'x'; 30_000];
    for _ in 0..100 {
        if rig.say(target, &piece) < piece.len() {
            return;
        }
    }
    panic!("the engine reads on and on");
}

/// The offset of the first control frame with this opcode in frames of a server.
fn offset_of(first: u8, wire: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at + 10 <= wire.len() {
        if wire[at] == first {
            return Some(at);
        }
        at += match wire[at + 1] {
            126 => 4 + usize::from(u16::from_be_bytes([wire[at + 2], wire[at + 3]])),
            127 => 10 + u64::from_be_bytes(wire[at + 2..at + 10].try_into().unwrap()) as usize,
            n => 2 + usize::from(n),
        };
    }
    (wire.get(at) == Some(&first)).then_some(at)
}

#[test]
fn a_pong_goes_before_what_waits() {
    for service in [WS, MWS] {
        let (mut rig, id) = crowded(service);
        let waiting = rig.engine.census().bytes;
        assert!(waiting > 3 * AHEAD, "{waiting} bytes wait");
        rig.say(id, &frame(PING, b"?"));
        let wire = rig.hear(id);
        let at = offset_of(PONG, &wire).expect("a pong");
        // A mux session has one more frame in its message.
        let most = if service == MWS {
            AHEAD + 33_000
        } else {
            AHEAD
        };
        assert!(at <= most, "a pong behind {at} of {} bytes", wire.len());
        assert!(wire.len() > waiting, "nothing was lost");
        rig.end();
    }
}

/// A few bytes of it in a write of their own would wake the peer for nothing.
#[test]
fn a_large_read_leaves_a_mux_session_whole() {
    let mut rig = Rig::new(None);
    let id = rig.upgraded(MWS);
    say_smux(&mut rig, id, &[smux(SYN, 3, b"")]);
    let target = rig.targets[0];
    let piece = vec![b'x'; 64 * 1024];
    assert_eq!(rig.say(target, &piece), piece.len());
    let wire = rig.take(id, usize::MAX);
    assert!(wire.len() > piece.len(), "{} bytes left", wire.len());
    assert_eq!(rig.engine.census().bytes, 0, "bytes wait");
    rig.end();
}

#[test]
fn a_close_frame_goes_before_what_waits() {
    let said = [
        frame(0x88, &[0x03, 0xe8]),
        // Reserved bits.
        frame(0xf2, b"?"),
    ];
    for said in said {
        let (mut rig, id) = crowded(WS);
        rig.say(id, &said);
        let wire = rig.hear(id);
        let at = offset_of(0x88, &wire).expect("a close frame");
        assert!(at <= AHEAD, "a close frame behind {at} bytes");
        rig.end();
    }
}

/// gost's dialer counts nothing but pongs as life, and waits two periods for one.
#[test]
fn a_client_that_counts_pongs_only_lives_on_a_saturated_link() {
    for service in [WS, MWS] {
        let (mut rig, id) = crowded(service);
        let (mut heard, mut pinged, mut asked) = (Vec::new(), 0, 0);
        let mut longest = 0;
        // Tenths of a second, for ten periods.
        for tick in 0..1500 {
            if tick % 150 == 0 {
                rig.say(id, &frame(PING, &[pinged]));
                (pinged, asked) = (pinged + 1, tick);
            }
            heard.extend(rig.take(id, RATE / 10));
            crowd(&mut rig);
            rig.wait(Duration::from_millis(100));
            let pong = [PONG, 1, pinged - 1];
            if heard.windows(3).any(|part| part == pong) {
                longest = longest.max(if tick < 150 { 0 } else { tick - asked });
                heard.clear();
                asked = tick + 1_000_000;
            } else {
                assert!(
                    asked > tick || tick - asked < 149,
                    "ping {pinged} unanswered"
                );
            }
            assert!(rig.engine.knows(id));
        }
        assert!(
            longest < 110,
            "an answer after {longest} tenths of a second"
        );
        rig.end();
    }
}
