//! Windows of version 2: those of the reference, and those that peers agreed on.

use super::*;

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

/// The peer gives stream 5 a window.
fn takes_what_is_said(mux: &mut Mux8) {
    feed(mux, &hex("0204080005000000 00000000 00001000"), Time::ZERO);
    sent(mux, &mut Vec::new());
}

#[test]
fn who_waits_for_answers_waits_for_small_windows_of_others() {
    let mut mux = agreed(Mux::default(), &[3, 5]);
    takes_what_is_said(&mut mux);
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
    assert_eq!(told(100, true, 512, 11), Some(3 * 512 / 5));
    assert_eq!(told(30_000, true, 77, 210), Some(3 * 512 / 5 / 2));
    assert_eq!(told(30_000, true, 64, 211), Some(1024));
}

/// Behind a small window comes what a large one before it allowed: only a byte beyond both would show a round trip.
#[test]
fn a_smaller_window_takes_nothing_back() {
    let mut mux = agreed(Mux::default(), &[3, 5]);
    takes_what_is_said(&mut mux);
    // Stream 3 is read and a window told: its size, and as far as the peer may have sent, in KiB.
    let read = |mux: &mut Mux8, kib: usize, now: Time| {
        for _ in 0..8 * kib {
            feed(mux, &psh(2, 3, 128), now);
            mux.consumed(3, 128, now);
        }
        let window = mux.update(3, now).unwrap().window;
        (window / 1024, mux.streams[&3].end / 1024)
    };
    assert_eq!(read(&mut mux, 128, Time::ZERO), (1024, 1152));
    let now = Time::ZERO + Duration::from_millis(1);
    mux.wants_send(5);
    let mut question = Some(Seg::copy_from(b"a question"));
    while mux.poll(now, |_, _| (question.take(), false)).is_some() {}
    assert_eq!(read(&mut mux, 64, now), (64, 1152));
    assert_eq!(read(&mut mux, 1024, now), (64, 1280));
}
