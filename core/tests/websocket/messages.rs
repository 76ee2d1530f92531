//! Payload: how it is framed, and that it arrives.

use proptest::prelude::*;

use super::*;

#[test]
fn a_write_is_one_message_up_to_the_limit() {
    let (mut client, mut server) = pair();
    server.send(&text(65536));
    assert_eq!(server.sent()[..10], hex("827f0000000000010000"));
    // More than that in pieces of 10 000: none is cut. A larger piece is.
    server.send(&text(70000));
    let wire = server.sent();
    assert_eq!(
        (&wire[..4], wire.len()),
        (&hex("827eea60")[..], 70000 + 4 + 4)
    );
    assert_eq!(meaning(&wire, false).0, text(70000));
    let mut one = Rope::default();
    one.push(Seg::copy_from(&text(70000)));
    server.send_rope(one);
    let wire = server.sent();
    assert_eq!(
        (&wire[..10], wire.len()),
        (&hex("827f0000000000010000")[..], 70000 + 10 + 4)
    );
    assert_eq!(meaning(&wire, false).0, text(70000));
    client.send(&text(126));
    let wire = client.sent();
    assert_eq!((&wire[..4], wire.len()), (&hex("82fe007e")[..], 126 + 8));
    assert_eq!(meaning(&wire, true).0, text(126));
}

#[test]
fn messages_are_fragmented_as_gost_does() {
    let plan = WsClient {
        max_frame: Some(4096),
        ..client_plan()
    };
    let (mut client, _) = pair_of(plan, server_plan(), [false; 2]);
    client.send(&text(4096));
    assert_eq!(client.sent()[..4], hex("82fe1000"));
    client.send(&text(4097));
    let wire = client.sent();
    assert_eq!(wire[..4], hex("02fe1000"));
    assert_eq!(wire[8 + 4096..][..2], hex("8081"));
    assert_eq!(meaning(&wire, true).0, text(4097));

    let plan = WsClient {
        max_frame: Some(131_072),
        ..client_plan()
    };
    let (mut client, _) = pair_of(plan, server_plan(), [false; 2]);
    client.send(&text(70000));
    assert_eq!(client.sent()[..10], hex("82ff0000000000011170"));
}

#[test]
fn every_frame_has_its_own_key() {
    let (mut client, _) = pair();
    let mut keys: Vec<_> = (0..50)
        .map(|_| {
            client.send(b"x");
            client.sent()[2..6].to_vec()
        })
        .collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 50);
}

#[test]
fn payload_is_sent_from_where_it_lies() {
    let (mut client, _) = pair();
    let body = BytesMut::from(&text(5000)[..]);
    let address = body.as_ptr();
    let mut rope = Rope::default();
    rope.push(body.into());
    client
        .call(|ws, cx, io| ws.send(cx, &mut rope, io.down))
        .unwrap();
    assert_eq!(client.down.pop(usize::MAX).unwrap().body.as_ptr(), address);
}

#[test]
fn what_does_not_shrink_goes_plainly() {
    let (mut client, mut server) = compressing_pair();
    client.send(&text(5000));
    let wire = client.sent();
    assert!(wire[0] == 0xc2 && wire.len() < 1000);
    server.recv(&wire).unwrap();
    client.send(&noise(5000));
    let wire = client.sent();
    assert_eq!((wire[0], wire.len()), (0x82, 5008));
    server.recv(&wire).unwrap();
    // Compression is tried again after a while.
    for _ in 0..17 {
        client.send(&text(5000));
    }
    let wire = client.sent();
    assert!(wire.len() < 17 * 5008);
    server.recv(&wire).unwrap();
    let expected = [text(5000), noise(5000), text(5000).repeat(17)].concat();
    assert!(server.data == expected);
}

/// A masked (key zero) compressed message of `len` zeros.
pub fn bomb(len: usize) -> Vec<u8> {
    let mut pool = Pool::default();
    let mut deflater = pool.deflater(15);
    let packed = pool.deflate(&mut deflater, [&vec![0; len][..]].into_iter(), true);
    let mut wire = hex("c2ff");
    wire.extend_from_slice(&(packed.len() as u64).to_be_bytes());
    wire.extend_from_slice(&[0; 4]);
    wire.extend_from_slice(&packed);
    wire
}

#[test]
fn a_bomb_is_inflated_turn_by_turn() {
    const LEN: usize = 20 << 20;
    const TURN: usize = (1 << 20) + (64 << 10);
    let (_, mut server) = compressing_strangers();
    server.recv(&bomb(LEN)).unwrap();
    assert!((1..=TURN).contains(&server.data.len()));
    server.recv(&hex("82810000000061")).unwrap();
    assert!(server.data.len() <= TURN);
    server.lower_end(Eof::Fin).unwrap();
    assert_eq!(server.end, None);

    // While we are paused, nothing happens.
    server.ws.pause(true, server.now);
    assert_eq!(server.ws.next_timeout(), None);
    let before = server.data.len();
    server.now = at(1);
    server.call(|ws, cx, io| ws.timeout(cx, io)).unwrap();
    assert_eq!(server.data.len(), before);
    server.ws.pause(false, server.now);

    while let Some(next) = server.ws.next_timeout() {
        let before = server.data.len();
        server.run_until(next).unwrap();
        assert!(server.data.len() - before <= TURN);
    }
    assert_eq!(server.data.len(), LEN + 1);
    assert_eq!(server.data.last(), Some(&b'a'));
    assert_eq!(server.end, Some(false));
}

#[test]
fn an_announced_length_changes_nothing() {
    let (_, mut server) = pair();
    server.recv(&hex("82ff00000100000000000000000061")).unwrap();
    server.recv(b"b").unwrap();
    assert_eq!(server.data, b"ab");
}

/// The receive buffer is the thread's: what is unfinished is copied out of it.
#[test]
fn no_receive_buffer_is_pinned() {
    for wire in [
        "82810000000061",
        "828000000000",
        "8285000000006865",
        "828100000000",
        "82",
        "898500000000",
        "89850000000061",
        "89810000000061",
        "428300000000f248cd",
        "c28700000000f248cdc9c90700",
    ] {
        let (_, mut server) = compressing_pair();
        let mut buffer = BytesMut::with_capacity(4096);
        buffer.extend_from_slice(&hex(wire));
        let chunk = buffer.split();
        server.call(|ws, cx, io| ws.recv(cx, chunk, io)).unwrap();
        assert!(buffer.try_reclaim(4096), "{wire}");
    }
}

#[derive(Clone, Debug)]
enum Op {
    Send { up: bool, len: usize, noisy: bool },
    Move { up: bool, len: usize },
    Ping { up: bool },
    Tick,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (
            any::<bool>(),
            prop_oneof![1usize..300, 1usize..150_000],
            any::<bool>()
        )
            .prop_map(|(up, len, noisy)| Op::Send { up, len, noisy }),
        (any::<bool>(), prop_oneof![1usize..20, 1usize..100_000])
            .prop_map(|(up, len)| Op::Move { up, len }),
        any::<bool>().prop_map(|up| Op::Ping { up }),
        Just(Op::Tick),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_bytes_do_harm(
        wire in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(0), Just(0x80), Just(0x82), Just(0xc2), Just(0x81)],
            0..300,
        ),
        cut in 1usize..300,
    ) {
        let (_, mut server) = compressing_pair();
        let mut failed = false;
        for piece in wire.chunks(cut) {
            let result = server.recv(piece);
            prop_assert!(result.is_ok() || !failed, "two failures");
            failed |= result.is_err();
        }
        prop_assert!(server.down.len() <= 300 * 127);
        let _ = server.lower_end(Eof::Fin);
        server.abort(Cause::Local);
        prop_assert_eq!(server.ws.next_timeout(), None);
    }

    #[test]
    fn what_goes_in_comes_out(
        ops in proptest::collection::vec(op(), 1..40),
        compression: bool,
        agreed: bool,
        max_frame in proptest::option::of(prop_oneof![1usize..100, 100usize..100_000]),
    ) {
        // Tiny frames of large messages only cost time.
        let scale = if max_frame.is_some_and(|bytes| bytes < 100) { 100 } else { 1 };
        let client = WsClient { compression, max_frame, ..client_plan() };
        let server = WsServer { compression, max_frame, ..server_plan() };
        let (client, server) = match agreed {
            true => pair_of(client, server, [false; 2]),
            false => strangers_of(client, server),
        };
        // By direction: 0 from the server to the client, 1 up. `ends[n]` sends into `wires[n]`.
        let mut ends = [server, client];
        let mut sent = [Vec::new(), Vec::new()];
        let mut wires = [Vec::new(), Vec::new()];
        let mut now = Time::ZERO;
        for op in ops {
            match op {
                Op::Send { up, len, noisy } => {
                    let len = len.div_ceil(scale);
                    let data = if noisy { noise(len) } else { text(len) };
                    sent[usize::from(up)].extend_from_slice(&data);
                    ends[usize::from(up)].send(&data);
                }
                Op::Move { up, len } => {
                    let wire: &mut Vec<u8> = &mut wires[usize::from(up)];
                    let piece: Vec<u8> = wire.drain(..len.min(wire.len())).collect();
                    ends[usize::from(!up)].recv(&piece).unwrap();
                }
                Op::Ping { up } => {
                    // The masking key of a ping may be zero.
                    let ping = if up { "898000000000" } else { "8900" };
                    ends[usize::from(up)].down.push_slice(&hex(ping));
                }
                Op::Tick => {
                    now = now + Duration::from_millis(1);
                    ends[0].run_until(now).unwrap();
                    ends[1].run_until(now).unwrap();
                }
            }
            wires[0].extend(ends[0].sent());
            wires[1].extend(ends[1].sent());
        }
        ends[0].recv(&wires[1]).unwrap();
        ends[1].recv(&wires[0]).unwrap();
        let goodbyes = ends.each_mut().map(|end| {
            assert_eq!(end.finish(), !agreed);
            end.sent()
        });
        for ((end, goodbye), expected) in ends.iter_mut().zip([&goodbyes[1], &goodbyes[0]]).zip([&sent[1], &sent[0]]) {
            match agreed {
                true => end.recv(goodbye).unwrap(),
                false => end.lower_end(Eof::Fin).unwrap(),
            }
            end.run_until(now + Duration::from_secs(1)).unwrap();
            prop_assert!(end.data == *expected);
            prop_assert_eq!(end.end, Some(false));
        }
    }
}
