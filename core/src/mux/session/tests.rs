mod ends;
mod frames;
mod shares;

use std::time::Duration;

use super::*;
use crate::buffer::Seg;

type Mux8 = Smux<u8>;

fn hex(text: &str) -> BytesMut {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect::<Vec<u8>>()
        .as_slice()
        .into()
}

fn session(version: u8, client: bool) -> Mux8 {
    let plan = Mux {
        version,
        ..Mux::default()
    };
    Smux::new(plan, client, 100, Time::ZERO)
}

/// Everything the session sends when `data` waits for its only owner.
fn sent(mux: &mut Mux8, data: &mut Vec<u8>) -> Vec<u8> {
    let mut wire = Vec::new();
    while let Some(seg) = mux.poll(Time::ZERO, |_, max| {
        let n = max.min(data.len());
        let rest = data.split_off(n);
        let piece = std::mem::replace(data, rest);
        let seg = (!piece.is_empty()).then(|| Seg::copy_from(&piece));
        (seg, !data.is_empty())
    }) {
        wire.extend(seg.parts().concat());
    }
    wire
}

/// What a server session makes of `wire`, as text; every opened stream is owned by its own id.
fn received(version: u8, wire: &str) -> Result<String, String> {
    let mut mux = session(version, false);
    let mut text = String::new();
    for byte in hex(wire) {
        let mut events = Vec::new();
        mux.recv(BytesMut::from(&[byte][..]), Time::ZERO, &mut events)
            .map_err(|fail| fail.text)?;
        for event in events {
            match event {
                Event::Open(id) => {
                    mux.adopt(id, id as u8);
                    text += &format!("+{id} ");
                }
                Event::Data(id, data) => {
                    text += &format!("{id}:{} ", String::from_utf8_lossy(&data))
                }
                Event::Fin(id) => text += &format!("-{id} "),
                Event::Reset(_) | Event::Away => panic!("a signal without agreement"),
            }
        }
    }
    Ok(text.trim_end().to_owned())
}

#[test]
fn frames_sent_are_those_of_the_reference() {
    let mut mux = session(1, true);
    let id = mux.open(1).unwrap();
    assert_eq!(id, 3);
    mux.wants_send(id);
    mux.finish(id);
    let wire = sent(&mut mux, &mut b"hello".to_vec());
    let expected = hex("0100000003000000 010205000300000068656c6c6f 0101000003000000");
    assert_eq!(wire, expected);
    assert_eq!(mux.open(2), Ok(5));
}

#[test]
fn long_writes_are_split_at_the_frame_size() {
    let mut mux = session(1, true);
    let id = mux.open(1).unwrap();
    mux.wants_send(id);
    let wire = sent(&mut mux, &mut vec![7; 40000]);
    assert_eq!(wire[8..16], hex("0102008003000000"));
    assert_eq!(wire[16 + 32768..24 + 32768], hex("0102401c03000000"));
}

#[test]
fn frames_received_mean_what_the_reference_says() {
    let protocol = |result: Result<String, String>| assert!(result.is_err(), "{result:?}");
    protocol(received(1, "0200000003000000"));
    protocol(received(1, "0000000003000000"));
    protocol(received(1, "0105000003000000"));
    protocol(received(1, "01000200030000004142"));
    protocol(received(1, "0103010000000000410100000003000000"));
    for (wire, expected) in [
        ("01040800030000000000000000000000", ""),
        (
            "0100000003000000 0100000003000000 010201000300000041",
            "+3 3:A",
        ),
        ("0100000002000000 0100000000000000", "+2 +0"),
        ("0102030009000000414243 0100000003000000", "+3"),
        (
            "0100000003000000 0102000003000000 010201000300000042",
            "+3 3:B",
        ),
        ("0101000009000000 0100000003000000", "+3"),
        ("0103000009000000 0100000003000000", "+3"),
        (
            "0100000003000000 0102030003000000616263 0101000003000000",
            "+3 3:a 3:b 3:c -3",
        ),
    ] {
        assert_eq!(received(1, wire).as_deref(), Ok(expected), "{wire}");
    }
}

#[test]
fn version_2_stops_at_the_window_and_goes_on_as_the_reference() {
    let mut mux = session(2, true);
    let id = mux.open(1).unwrap();
    let mut data = vec![1; 600_000];
    mux.wants_send(id);
    let wire = sent(&mut mux, &mut data);
    assert_eq!(wire.len(), 8 + 8 * (8 + 32768));
    let mut update = |consumed: &str| {
        let frame = format!("0204080003000000{consumed}00000100");
        mux.recv(hex(&frame), Time::ZERO, &mut Vec::new()).unwrap();
        sent(&mut mux, &mut data).len()
    };
    assert_eq!(update("e8030000"), 0);
    assert_eq!(update("e8830000"), 0);
    assert_eq!(update("00800300"), 8 + 32768);
}

#[test]
fn version_2_reports_the_first_read_and_every_half_window() {
    let mut mux = session(2, false);
    let mut events = Vec::new();
    let mut wire = hex("0200000003000000 0202ffff03000000");
    wire.extend_from_slice(&[0; 65535]);
    mux.recv(wire, Time::ZERO, &mut events).unwrap();
    mux.adopt(3, 1);
    let mut after = |n| {
        mux.consumed(3, n, Time::ZERO);
        sent(&mut mux, &mut Vec::new())
    };
    assert_eq!(after(1000), hex("0204080003000000 e8030000 00000100"));
    assert!(after(31000).is_empty());
    assert!(after(767).is_empty());
    assert_eq!(after(1001), hex("0204080003000000 e8830000 00000100"));
}

#[test]
fn more_consumed_than_sent_is_a_violation() {
    let mut mux = session(2, true);
    let id = mux.open(1).unwrap();
    mux.wants_send(id);
    sent(&mut mux, &mut b"abc".to_vec());
    let wire = hex("0204080003000000ffff000000000100");
    assert!(mux.recv(wire, Time::ZERO, &mut Vec::new()).is_err());
}

#[test]
fn streams_take_turns() {
    let mut mux = session(1, true);
    for owner in 1..=3 {
        let id = mux.open(owner).unwrap();
        mux.wants_send(id);
    }
    let mut left = [0, 2, 2, 1];
    let mut order = Vec::new();
    while let Some(seg) = mux.poll(Time::ZERO, |owner, _| {
        let left = &mut left[usize::from(owner)];
        if *left == 0 {
            return (None, false);
        }
        *left -= 1;
        (Some(Seg::copy_from(b"x")), *left > 0)
    }) {
        let frame = seg.parts().concat();
        order.push((frame[1], frame[4]));
    }
    assert_eq!(
        order,
        [
            (0, 3),
            (0, 5),
            (0, 7),
            (2, 3),
            (2, 5),
            (2, 7),
            (2, 3),
            (2, 5)
        ]
    );
}

/// A server session with `max_receive`, and streams 3, 5 and 7 adopted by 3, 5 and 7.
fn with_streams(version: u8, max_receive: usize) -> Mux8 {
    let plan = Mux {
        version,
        max_receive,
        ..Mux::default()
    };
    let mut mux = Smux::new(plan, false, 4, Time::ZERO);
    for id in [3, 5, 7] {
        feed(&mut mux, &[version, 0, 0, 0, id, 0, 0, 0], Time::ZERO);
        mux.adopt(id.into(), id);
    }
    mux
}

/// A server session of peers that agreed on version 2, and these streams, adopted by their numbers.
fn agreed(plan: Mux, ids: &[u8]) -> Mux8 {
    let mut mux = Smux::new(plan, false, 4, Time::ZERO);
    mux.agree();
    for id in ids {
        feed(&mut mux, &[2, 0, 0, 0, *id, 0, 0, 0], Time::ZERO);
        mux.adopt((*id).into(), *id);
    }
    mux
}

fn feed(mux: &mut Mux8, wire: &[u8], now: Time) {
    mux.recv(BytesMut::from(wire), now, &mut Vec::new())
        .unwrap();
    mux.check();
}

fn psh(version: u8, id: u8, n: u8) -> Vec<u8> {
    let mut wire = vec![version, 2, n, 0, id, 0, 0, 0];
    wire.resize(8 + usize::from(n), 0);
    wire
}

#[test]
fn unread_bytes_stop_the_session_at_its_budget() {
    let mut mux = with_streams(2, 10);
    feed(&mut mux, &psh(2, 3, 10), Time::ZERO);
    assert!(!mux.readable());
    mux.consumed(3, 4, Time::ZERO);
    assert!(mux.readable());
    mux.release(3);
    mux.check();
}

/// It could only come if it were read: a frame above the budget would stop the session for good.
#[test]
fn what_is_only_announced_does_not_stop_the_session() {
    let mut mux = with_streams(1, 40);
    feed(&mut mux, &psh(1, 3, 200)[..10], Time::ZERO);
    assert!(mux.readable());
    feed(&mut mux, &[0; 10], Time::ZERO);
    assert!(!mux.readable(), "12 bytes are more than a quarter of 40");
    mux.consumed(3, 12, Time::ZERO);
    assert!(mux.readable());
}

#[test]
fn a_stream_without_windows_that_nobody_reads_is_given_up_for_the_others() {
    let second = |n| Time::ZERO + Duration::from_secs(n);
    let mut mux = with_streams(1, 400);
    feed(&mut mux, &psh(1, 3, 101), second(1));
    assert!(!mux.readable());
    assert_eq!(mux.next_stall(), Some(second(1) + share::STALL));
    // A slow reader only slows down.
    mux.consumed(3, 1, second(4));
    assert_eq!(mux.next_stall(), Some(second(4) + share::STALL));
    assert!(mux.stalled(second(8)).is_empty());
    assert_eq!(mux.stalled(second(9)), [3]);
    assert_eq!(
        mux.next_stall(),
        Some(second(14)),
        "told once, and again later"
    );
    mux.release(3);
    assert!(mux.readable());
    assert_eq!(mux.next_stall(), None);
    mux.check();
}

#[test]
fn a_lone_stream_may_stall_for_ever() {
    let mut mux = Smux::<u8>::new(Mux::default(), false, 4, Time::ZERO);
    feed(&mut mux, &[1, 0, 0, 0, 3, 0, 0, 0], Time::ZERO);
    mux.adopt(3, 3);
    mux.limit_share(Some(50), None);
    feed(&mut mux, &psh(1, 3, 100), Time::ZERO);
    assert!(!mux.readable());
    assert_eq!(mux.next_stall(), None);
    assert!(mux.stalled(Time::ZERO + Duration::from_secs(99)).is_empty());
}

#[test]
fn agreed_windows_shrink_while_streams_hold_something() {
    let mut mux = agreed(Mux::default(), &[3, 5, 7]);
    let half = mux.capacity() / 2;
    assert_eq!(mux.window(), half);
    feed(&mut mux, &psh(2, 3, 100), Time::ZERO);
    feed(&mut mux, &psh(2, 5, 100), Time::ZERO);
    assert_eq!(mux.window(), half / 2);
    mux.limit_share(Some(500), Some(5000));
    assert_eq!(mux.window(), 5000);
    mux.consumed(3, 100, Time::ZERO);
    // UPD for the first time, with the present window.
    let wire = sent(&mut mux, &mut Vec::new());
    assert_eq!(wire[..16], hex("0204080003000000 64000000 88130000"));
    assert_eq!(wire.len(), 3 * 16, "once a stream");
}

#[test]
fn who_reads_much_is_told_a_larger_window() {
    let mut mux = agreed(Mux::default(), &[3, 5]);
    sent(&mut mux, &mut Vec::new());
    // The window that is told when so many bytes of a stream came and were read.
    let mut told = |id: u8, kib: usize, millis: u64| {
        let now = Time::ZERO + Duration::from_millis(millis);
        for _ in 0..8 * kib {
            feed(&mut mux, &psh(2, id, 128), now);
            mux.consumed(id.into(), 128, now);
        }
        let (mut wire, mut window) = (Vec::new(), None);
        while let Some(seg) = mux.poll(now, |_, _| (None, false)) {
            wire.extend(seg.parts().concat());
        }
        if let Some(bytes) = wire.last_chunk() {
            window = Some(u32::from_le_bytes(*bytes) / 1024);
        }
        window
    };
    assert_eq!(told(3, 127, 0), Some(256));
    assert_eq!(told(3, 64, 1), Some(1024));
    assert_eq!(told(3, 511, 2), None);
    assert_eq!(told(3, 1, 3), Some(1024));
    // Others as well.
    assert_eq!(told(5, 3, 4), Some(256));
    assert_eq!(told(3, 512, 5), Some(1024));
    assert_eq!(told(5, 125, 6), Some(1024));
    // Not in more than 50 ms for 1 MiB.
    assert_eq!(told(3, 512, 31), Some(256));
}

#[test]
fn who_waits_for_answers_waits_for_small_windows_of_others() {
    let mut mux = agreed(Mux::default(), &[3, 5]);
    // The peer takes what is said.
    feed(
        &mut mux,
        &hex("0204080005000000 00000000 00001000"),
        Time::ZERO,
    );
    sent(&mut mux, &mut Vec::new());
    // So much is said on stream 5, and all that it has if `all`; then stream 3 is read. The window told.
    let mut told = |said: usize, all: bool, kib: usize, millis: u64| {
        let now = Time::ZERO + Duration::from_millis(millis);
        mux.wants_send(5);
        let mut data = Some(Seg::new(BytesMut::zeroed(said)));
        mux.poll(now, |_, _| (data.take(), !all));
        for _ in 0..8 * kib {
            feed(&mut mux, &psh(2, 3, 128), now);
            mux.consumed(3, 128, now);
        }
        let mut windows = Vec::new();
        while let Some(seg) = mux.poll(now, |_, _| (None, false)) {
            let wire = seg.parts().concat();
            windows.push(u32::from_le_bytes(*wire.last_chunk().unwrap()) / 1024);
        }
        windows.pop()
    };
    assert_eq!(told(30_000, true, 3, 1), Some(256));
    assert_eq!(told(100, false, 128, 6), Some(1024));
    // What it needs: three times what came in a round trip of 1 ms.
    assert_eq!(told(100, true, 512, 26), Some(3 * 512 / 20));
    assert_eq!(told(30_000, true, 76, 225), Some(76));
    assert_eq!(told(30_000, true, 64, 226), Some(1024));
}

#[test]
fn a_flood_of_streams_ends_the_session() {
    let mut mux = Smux::<u8>::new(Mux::default(), false, 4, Time::ZERO);
    let mut events = Vec::new();
    let mut opened = 0;
    let fail = loop {
        let wire = BytesMut::from(&[1, 0, 0, 0, opened, 0, 0, 0][..]);
        match mux.recv(wire, Time::ZERO, &mut events) {
            Ok(()) => opened += 1,
            Err(fail) => break fail,
        }
    };
    assert_eq!((fail.cause, opened), (Cause::Limit, 8));
    assert_eq!(events.len(), 4, "the others are refused");
}

#[test]
fn keepalive_speaks_when_idle_and_notices_silence() {
    let mut mux = session(1, true);
    let second = |n| Time::ZERO + Duration::from_secs(n);
    assert_eq!(mux.next_timeout(), Some(second(10)));
    mux.timeout(second(10)).unwrap();
    assert_eq!(sent(&mut mux, &mut Vec::new()), hex("0103000000000000"));
    assert!(mux.next_timeout() > Some(Time::ZERO));
    mux.recv(hex("0103000000000000"), second(20), &mut Vec::new())
        .unwrap();
    assert!(mux.timeout(second(49)).is_ok());
    assert_eq!(mux.timeout(second(50)).unwrap_err().cause, Cause::TimedOut);
    mux.pause(true, second(30));
    assert!(mux.timeout(second(90)).is_ok());
    mux.pause(false, second(90));
    assert!(mux.timeout(second(91)).is_ok());
}

#[test]
fn a_peer_that_does_not_multiplex_is_refused_at_once() {
    // A SOCKS5 greeting, shorter than a header; its sender waits for an answer.
    for wire in ["05 02 00 80", "05"] {
        assert_eq!(
            received(1, wire).unwrap_err(),
            "expected smux version 1, got byte 5: the peer does not multiplex (ws instead of mws), \
             or its mux.version differs"
        );
    }
    assert_eq!(
        received(1, "02").unwrap_err(),
        "expected smux version 1, got byte 2: mux.version must be the same on both ends"
    );
    // A relay answer.
    assert!(received(1, "01 40 00 00").unwrap_err().contains("got 64"));
    assert!(received(1, "01 02 00 00").is_ok());
}
