//! Whose reader stands still, and what becomes of the others.

use super::*;

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
