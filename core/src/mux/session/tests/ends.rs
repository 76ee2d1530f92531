//! What must not happen to streams that end, and to those that should not have begun.

use super::*;

/// Commands and streams of what the session sends, payload being `data` of any stream.
fn frames(mux: &mut Mux8, data: &mut Vec<u8>) -> Vec<(u8, u32)> {
    let wire = sent(mux, data);
    let (mut at, mut frames) = (0, Vec::new());
    while at < wire.len() {
        let len = usize::from(u16::from_le_bytes([wire[at + 2], wire[at + 3]]));
        let id = u32::from_le_bytes(wire[at + 4..at + 8].try_into().unwrap());
        frames.push((wire[at + 1], id));
        at += 8 + len;
    }
    frames
}

#[test]
fn nothing_of_a_stream_that_was_given_up_is_sent() {
    let mut mux = session(1, true);
    let id = mux.open(1).unwrap();
    let mut data = vec![7; 10];
    assert_eq!(frames(&mut mux, &mut Vec::new()), [(0, id)]);
    mux.wants_send(id);
    mux.reset(id);
    assert_eq!(
        frames(&mut mux, &mut data),
        [(1, id)],
        "an end, and no data"
    );
    assert_eq!(data.len(), 10);
    assert_eq!(mux.streams(), 0);
}

#[test]
fn a_stream_may_be_ended_again_and_again() {
    let mut mux = session(1, true);
    let id = mux.open(1).unwrap();
    for _ in 0..3 {
        mux.finish(id);
        mux.release(id);
        mux.reset(id);
        mux.consumed(id, 0, Time::ZERO);
        mux.wants_send(id);
    }
    let fins = frames(&mut mux, &mut Vec::new());
    assert_eq!(fins, [(0, id), (1, id)]);
    assert!(mux.is_empty());
}

/// A dialing session takes no streams, whatever their numbers: those that it opens later are its own.
#[test]
fn a_stream_opened_under_our_number_harms_nothing() {
    let mut mux = session(1, true);
    let mut events = Vec::new();
    for id in [3u32, 2, 3, 5] {
        let mut wire = hex("01000000");
        wire.extend_from_slice(&id.to_le_bytes());
        mux.recv(wire, Time::ZERO, &mut events).unwrap();
    }
    assert!(events.is_empty(), "nobody is asked to serve them");
    assert_eq!(mux.open(1), Ok(3));
    mux.recv(hex("010202000300000068 69"), Time::ZERO, &mut events)
        .unwrap();
    assert!(
        matches!(&events[..], [Event::Data(3, data)] if data == "hi"),
        "{events:?}"
    );
    mux.consumed(3, 2, Time::ZERO);
    mux.release(3);
    frames(&mut mux, &mut Vec::new());
    assert!(mux.is_empty());
}

#[test]
fn a_dialing_session_refuses_streams_and_keeps_its_own() {
    let mut mux: Mux8 = Smux::new(Mux::default(), true, 2, Time::ZERO);
    assert_eq!(mux.open(1), Ok(3));
    assert_eq!(frames(&mut mux, &mut Vec::new()), [(0, 3)]);
    for id in [3, 4, 4, 6] {
        feed(&mut mux, &[1, 0, 0, 0, id, 0, 0, 0], Time::ZERO);
    }
    let refused = frames(&mut mux, &mut Vec::new());
    assert_eq!(refused, [(1, 4)], "6 was one too many to be remembered");
    assert_eq!((mux.owner(3), mux.owner(4)), (Some(1), None));
    mux.wants_send(3);
    assert_eq!(frames(&mut mux, &mut vec![7]), [(2, 3)]);
}

#[test]
fn a_session_has_as_many_streams_as_it_may() {
    let mut mux: Mux8 = Smux::new(Mux::default(), true, 2, Time::ZERO);
    assert_eq!((mux.open(7), mux.open(9)), (Ok(3), Ok(5)));
    assert_eq!(mux.open(1).unwrap_err().cause, Cause::Limit);
    assert_eq!(mux.streams(), 2);
    let mut owners: Vec<u8> = mux.owners().collect();
    owners.sort_unstable();
    assert_eq!((owners, mux.owner(5)), (vec![7, 9], Some(9)));
    mux.release(3);
    assert_eq!((mux.streams(), mux.owner(3)), (1, None));
    assert!(!mux.can_open(), "its end has not been sent");
    frames(&mut mux, &mut Vec::new());
    assert_eq!(mux.open(1), Ok(7));
}

#[test]
fn a_stream_ends_when_it_is_to_and_all_of_it_is_sent() {
    let mut mux = session(2, true);
    let id = mux.open(1).unwrap();
    mux.wants_send(id);
    assert_eq!(frames(&mut mux, &mut Vec::new()), [(0, id)]);
    let window = crate::wire::smux::INITIAL_WINDOW as usize;
    let mut data = vec![7; window + 1];
    mux.wants_send(id);
    mux.finish(id);
    assert_eq!(frames(&mut mux, &mut data), vec![(2, id); window / 32768]);
    let update = "0204080003000000 00000400 00000400";
    mux.recv(hex(update), Time::ZERO, &mut Vec::new()).unwrap();
    assert_eq!(frames(&mut mux, &mut data), [(2, id), (1, id)]);
}
