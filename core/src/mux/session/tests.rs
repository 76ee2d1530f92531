mod ends;
mod frames;
mod shares;
mod stalls;
mod windows;

use std::time::Duration;

use super::*;
use crate::buffer::Seg;
use crate::wire::testing;

type Mux8 = Smux<u8>;

fn hex(text: &str) -> BytesMut {
    testing::hex(text).as_slice().into()
}

fn second(n: u64) -> Time {
    Time::ZERO + Duration::from_secs(n)
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
