//! What frames mean wherever they are cut, and how many of those that mean nothing are borne.

use super::*;
use crate::flood::MOST;

fn bytes(mux: &mut Mux8, wire: &str, now: Time) -> Result<Vec<Event>, Fail> {
    let mut events = Vec::new();
    mux.recv(hex(wire), now, &mut events).map(|()| events)
}

#[test]
fn frames_mean_the_same_in_any_cuts() {
    // SYN, PSH, UPD, PSH, NOP, FIN
    let wire = hex(
        "0200000003000000 020205000300000068656c6c6f 02040800030000000000000000000200 \
         0202010003000000 21 0203000000000000 0201000003000000",
    );
    for size in 1..=wire.len() {
        let mut mux = session(2, false);
        let mut events = Vec::new();
        for piece in wire.chunks(size) {
            mux.recv(piece.into(), Time::ZERO, &mut events).unwrap();
        }
        let mut text = String::new();
        for event in events {
            match event {
                Event::Data(3, data) => text += str::from_utf8(&data).unwrap(),
                event => text += &format!("{event:?}"),
            }
        }
        assert_eq!(text, "Open(3)hello!Fin(3)", "in pieces of {size}");
        assert_eq!(mux.streams[&3].window, 0x20000, "in pieces of {size}");
    }
}

/// Each costs a parse, and an honest peer has no use for so many.
#[test]
fn a_flood_of_frames_without_a_use_ends_the_session() {
    for (client, frame, idle) in [
        (false, "0203000000000000", true),
        (false, "0202000003000000", true),
        (false, "0202010003000000 41", false),
        (false, "0201000009000000", true),
        (false, "0204080009000000 0000000000000400", true),
        (false, "0204080003000000 0000000000000400", false),
        (false, "0200000003000000", false),
        (true, "0200000003000000", false),
        (true, "0203000000000000", true),
    ] {
        let mut mux = session(2, client);
        match client {
            true => assert_eq!(mux.open(1), Ok(3)),
            false => _ = bytes(&mut mux, "0200000003000000", Time::ZERO).unwrap(),
        }
        let most = hex(frame).repeat(MOST as usize);
        let received = mux.recv(most.as_slice().into(), Time::ZERO, &mut Vec::new());
        assert!(received.is_ok(), "{frame}");
        let last = bytes(&mut mux, frame, Time::ZERO).map_err(|fail| fail.cause);
        match idle {
            true => assert_eq!(last.unwrap_err(), Cause::Limit, "{frame}"),
            false => assert!(last.is_ok(), "{frame}"),
        }
    }
    // Streams that a dialing session is offered, each of another number.
    let mut mux = session(1, true);
    let mut offer = |id: u32| {
        let [a, b, c, d] = id.to_le_bytes();
        let wire = BytesMut::from(&[1, 0, 0, 0, a, b, c, d][..]);
        mux.recv(wire, Time::ZERO, &mut Vec::new())
    };
    assert!((0..MOST).all(|n| offer(1000 + n).is_ok()));
    assert_eq!(offer(1).unwrap_err().cause, Cause::Limit);
}

#[test]
fn many_idle_frames_in_a_long_time_are_no_flood() {
    let mut mux = session(1, true);
    for second in 0..3 {
        let now = Time::ZERO + Duration::from_secs(second);
        let most = hex("0103000000000000").repeat(MOST as usize);
        let received = mux.recv(most.as_slice().into(), now, &mut Vec::new());
        assert!(received.is_ok(), "in second {second}");
    }
}

#[test]
fn version_1_has_no_windows() {
    let mut mux = with_streams(1, 1 << 20);
    feed(&mut mux, &psh(1, 3, 200), Time::ZERO);
    mux.consumed(3, 200, Time::ZERO);
    assert!(sent(&mut mux, &mut Vec::new()).is_empty(), "no UPD");
    // One that came by mistake: more was consumed than we sent.
    bytes(&mut mux, "0104080003000000 0100000000000000", Time::ZERO).unwrap();
    mux.wants_send(3);
    let wire = sent(&mut mux, &mut vec![1; 1_000_000]);
    assert!(wire.len() > 1_000_000, "{}", wire.len());
}

#[test]
fn news_of_a_window_follow_bytes_that_were_read() {
    let mut mux = with_streams(2, 1 << 20);
    feed(&mut mux, &psh(2, 3, 10), Time::ZERO);
    mux.consumed(3, 0, Time::ZERO);
    assert!(sent(&mut mux, &mut Vec::new()).is_empty());
    mux.consumed(3, 1, Time::ZERO);
    assert_eq!(sent(&mut mux, &mut Vec::new()).len(), 16);
}

#[test]
fn all_that_was_sent_may_be_consumed() {
    let mut mux = session(2, true);
    let id = mux.open(1).unwrap();
    mux.wants_send(id);
    sent(&mut mux, &mut b"abc".to_vec());
    bytes(&mut mux, "0204080003000000 0300000000000100", Time::ZERO).unwrap();
    let more = bytes(&mut mux, "0204080003000000 0400000000000100", Time::ZERO);
    assert_eq!(more.unwrap_err().cause, Cause::Protocol);
}
