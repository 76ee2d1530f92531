//! What streams may hold of what their session may, to the byte and to the moment.

use super::*;

/// Of peers that agreed on version 2, with the streams 3 and 5.
fn agreed(max_agreed: usize) -> Mux8 {
    let plan = Mux {
        max_agreed,
        ..Mux::default()
    };
    super::agreed(plan, &[3, 5])
}

#[test]
fn a_stream_over_its_quarter_waits_until_half_of_that_is_read() {
    let mut mux = with_streams(1, 40);
    feed(&mut mux, &psh(1, 3, 10), Time::ZERO);
    assert!(mux.readable());
    feed(&mut mux, &psh(1, 3, 1), Time::ZERO);
    assert!(!mux.readable());
    mux.consumed(3, 5, Time::ZERO);
    assert!(!mux.readable(), "6 bytes are more than 5");
    mux.consumed(3, 1, Time::ZERO);
    assert!(mux.readable());
    mux.check();
}

#[test]
fn a_session_is_read_while_there_is_room_for_a_byte() {
    let mut mux = with_streams(1, 40);
    for id in [3, 5, 7] {
        feed(&mut mux, &psh(1, id, 10), Time::ZERO);
    }
    feed(&mut mux, &[1, 0, 0, 0, 9, 0, 0, 0], Time::ZERO);
    mux.adopt(9, 9);
    feed(&mut mux, &psh(1, 9, 9), Time::ZERO);
    assert!(mux.readable());
    feed(&mut mux, &psh(1, 9, 1), Time::ZERO);
    assert!(!mux.readable());
}

#[test]
fn of_two_streams_the_one_that_nobody_reads_is_given_up_after_five_seconds() {
    let mut mux: Mux8 = Smux::new(Mux::default(), false, 4, Time::ZERO);
    for id in [3, 5] {
        feed(&mut mux, &[1, 0, 0, 0, id, 0, 0, 0], Time::ZERO);
        mux.adopt(id.into(), id);
    }
    mux.limit_share(Some(50), None);
    feed(&mut mux, &psh(1, 3, 51), second(1));
    assert_eq!(mux.next_stall(), Some(second(6)));
    let before = Time::ZERO + (second(6).since(Time::ZERO) - Duration::from_nanos(1));
    assert!(mux.stalled(before).is_empty());
    assert_eq!(mux.stalled(second(6)), [3]);
}

#[test]
fn the_rest_of_a_frame_for_a_stream_that_was_given_up_is_dropped() {
    let mut mux = with_streams(1, 40);
    let frame = psh(1, 3, 30);
    feed(&mut mux, &frame[..12], Time::ZERO);
    mux.release(3);
    mux.check();
    let mut events = Vec::new();
    mux.recv(frame[12..].into(), Time::ZERO, &mut events)
        .unwrap();
    assert!(events.is_empty() && mux.readable(), "{events:?}");
    // Another stream's end does nothing to it.
    let frame = psh(1, 5, 8);
    feed(&mut mux, &frame[..12], Time::ZERO);
    mux.release(7);
    mux.recv(frame[12..].into(), Time::ZERO, &mut events)
        .unwrap();
    assert!(matches!(&events[..], [Event::Data(5, data)] if data.len() == 4));
    mux.check();
}

#[test]
fn windows_of_many_streams_are_small_but_not_too_small() {
    let mut mux = agreed(100_000);
    assert_eq!(mux.window(), 50_000);
    for n in [0, 1, 1] {
        feed(&mut mux, &psh(2, 3, n), Time::ZERO);
        assert_eq!(mux.window(), 50_000);
    }
    feed(&mut mux, &psh(2, 5, 1), Time::ZERO);
    assert_eq!(mux.window(), 32_768);
    mux.consumed(5, 1, Time::ZERO);
    assert_eq!(mux.window(), 50_000);
    assert_eq!(agreed(1000).window(), 1000, "of a session that has less");
}

#[test]
fn a_window_that_was_told_is_kept_when_little_is_left() {
    let mut mux = agreed(1 << 20);
    mux.limit_share(Some(10), None);
    for _ in 0..8 {
        feed(&mut mux, &psh(2, 3, 255), Time::ZERO);
    }
    assert!(
        mux.readable(),
        "2048 bytes may come before the first window"
    );
    feed(&mut mux, &psh(2, 3, 9), Time::ZERO);
    assert!(!mux.readable());
    mux.consumed(3, 1024, Time::ZERO);
    assert!(!mux.readable());
    mux.consumed(3, 1, Time::ZERO);
    assert!(mux.readable());
    // The first window is told now.
    sent(&mut mux, &mut Vec::new());
    for _ in 0..10 {
        feed(&mut mux, &psh(2, 3, 255), Time::ZERO);
    }
    assert!(mux.readable());
}

#[test]
fn who_speaks_and_who_is_spoken_to_are_both_others() {
    let mut mux = agreed(1 << 30);
    let told = |mux: &mut Mux8, now: u64| {
        let now = Time::ZERO + Duration::from_millis(now);
        let wire = mux
            .poll(now, |_, _| (None, false))
            .map(|seg| seg.parts().concat());
        wire.map(|wire| u32::from_le_bytes(wire[12..].try_into().unwrap()) / 1024)
    };
    sent(&mut mux, &mut Vec::new());
    let read = |mux: &mut Mux8, kib: u32, now: u64| {
        let at = Time::ZERO + Duration::from_millis(now);
        for _ in 0..8 * kib {
            feed(mux, &psh(2, 3, 128), at);
            mux.consumed(3, 128, at);
        }
        told(mux, now)
    };
    assert_eq!(read(&mut mux, 192, 0), Some(1024), "alone");
    // Payload for the other one.
    mux.wants_send(5);
    let at = Time::ZERO + Duration::from_millis(1);
    let frame = mux.poll(at, |owner, _| (Some(Seg::copy_from(&[owner])), false));
    assert_eq!(frame.unwrap().parts().concat()[..5], [2, 2, 1, 0, 5]);
    assert_eq!(read(&mut mux, 512, 2), Some(64), "it waits for an answer");
}

#[test]
fn silence_is_counted_from_what_came_last() {
    let mut mux = session(1, true);
    assert!(mux.timeout(second(9)).is_ok());
    assert!(sent(&mut mux, &mut Vec::new()).is_empty(), "too early");
    mux.recv(hex("0103000000000000"), second(5), &mut Vec::new())
        .unwrap();
    assert_eq!(mux.last_heard(), second(5));
    mux.heard(second(7));
    mux.pause(false, second(8));
    assert_eq!(mux.last_heard(), second(7), "it was not paused");
    for n in [10, 20, 30] {
        assert_eq!(mux.next_timeout(), Some(second(n)));
        mux.timeout(second(n)).unwrap();
        assert_eq!(
            mux.poll(second(n), |_, _| (None, false))
                .map(|seg| seg.len()),
            Some(8)
        );
    }
    assert_eq!(
        mux.next_timeout(),
        Some(second(37)),
        "the peer's 30 seconds"
    );
    mux.pause(true, second(31));
    assert_eq!(mux.next_timeout(), Some(second(40)));
    mux.timeout(second(39)).unwrap();
    mux.pause(true, second(39));
    assert_eq!(mux.last_heard(), second(7));
    mux.pause(false, second(39));
    assert_eq!(mux.last_heard(), second(39));
}

#[test]
fn without_keepalive_nothing_is_sent_or_expected() {
    let plan = Mux {
        keepalive: None,
        ..Mux::default()
    };
    let mut mux: Mux8 = Smux::new(plan, true, 4, Time::ZERO);
    assert_eq!(mux.next_timeout(), None);
    mux.timeout(second(1000)).unwrap();
    assert!(sent(&mut mux, &mut Vec::new()).is_empty());
}
