use proptest::prelude::*;

use super::*;
use crate::wire::testing;

fn hex(text: &str) -> BytesMut {
    testing::hex(text).as_slice().into()
}

fn all(decoder: &mut Decoder, mut wire: BytesMut) -> Result<Vec<Item>, Violation> {
    let mut items = Vec::new();
    while let Some(item) = decoder.next(&mut wire)? {
        items.push(item);
    }
    assert!(wire.is_empty());
    Ok(items)
}

#[test]
fn masking_is_the_byte_loop_over_any_pieces() {
    let plain: Vec<u8> = (0..=255).collect();
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let expected: Vec<u8> = (0..256).map(|at| plain[at] ^ key[at % 4]).collect();
    for cut in 0..plain.len() {
        let mut bytes = plain.clone();
        let (left, right) = bytes.split_at_mut(cut);
        mask(right, mask(left, key));
        assert_eq!(bytes, expected, "cut at {cut}");
    }
}

#[test]
fn payload_is_passed_on_in_its_pieces() {
    let mut decoder = Decoder::new(true, false);
    assert_eq!(
        all(&mut decoder, hex("028537fa213d5f9f")).unwrap(),
        [
            Item::Begin {
                text: false,
                compressed: false
            },
            Item::Data(BytesMut::from("he"))
        ]
    );
    assert_eq!(
        all(&mut decoder, hex("4d5158")).unwrap(),
        [Item::Data(BytesMut::from("llo"))]
    );
    assert_eq!(decoder.unfinished().unwrap(), "inside a fragmented message");
    assert_eq!(all(&mut decoder, hex("808037fa213d")).unwrap(), [Item::End]);
    assert_eq!(decoder.unfinished(), None);
}

#[test]
fn payload_is_unmasked_where_it_lies() {
    let mut wire = hex("828537fa213d5f9f4d5158");
    let address = wire[6..].as_ptr();
    let mut decoder = Decoder::new(true, false);
    decoder.next(&mut wire).unwrap();
    let Some(Item::Data(piece)) = decoder.next(&mut wire).unwrap() else {
        panic!("no data");
    };
    assert_eq!((piece.as_ptr(), &piece[..]), (address, &b"hello"[..]));
}

#[test]
fn an_announced_length_reserves_nothing() {
    let mut decoder = Decoder::new(true, false);
    let items = all(&mut decoder, hex("82ff000001000000000037fa213d5f")).unwrap();
    let [_, Item::Data(piece)] = &items[..] else {
        panic!("{items:?}");
    };
    assert!(piece.capacity() < 64);
    assert!(decoder.control.is_none());
    assert_eq!(
        decoder.unfinished().unwrap(),
        format!("inside a frame, {} payload bytes missing", (1u64 << 40) - 1)
    );
}

#[test]
fn control_frames_are_whole_however_they_were_cut() {
    let wire = hex("898537fa213d7f9f4d51588a008800");
    for size in 1..=wire.len() {
        let mut decoder = Decoder::new(true, false);
        let mut items = Vec::new();
        // Ours are not masked: only the first is the client's.
        for piece in wire[..11].chunks(size) {
            items.extend(all(&mut decoder, piece.into()).unwrap());
        }
        let mut decoder = Decoder::new(false, false);
        for piece in wire[11..].chunks(size) {
            items.extend(all(&mut decoder, piece.into()).unwrap());
        }
        let hello = Item::Ping("Hello".into());
        let (pong, close) = (
            Item::Pong(BytesMut::new()),
            Item::Close(None, String::new()),
        );
        assert_eq!(items, [hello, pong, close], "in pieces of {size}");
    }
    let frame = control(Control::Ping, b"Hello", Some([0x37, 0xfa, 0x21, 0x3d]));
    assert_eq!(frame.as_ref(), &wire[..11]);
}

#[test]
fn control_frames_have_at_most_125_bytes() {
    let frame = |len: u8| [&[0x89, len][..], &vec![7; len.into()]].concat();
    let decoded = |len| all(&mut Decoder::new(false, false), frame(len)[..].into());
    assert_eq!(
        decoded(125).unwrap(),
        [Item::Ping(BytesMut::from(&[7; 125][..]))]
    );
    assert_eq!(decoded(126).unwrap_err().text, "len > 125 for control");
    assert_eq!(decoded(127).unwrap_err().text, "len > 125 for control");
    assert_eq!(control(Control::Ping, &[7; 200], None).as_ref(), frame(125));
}

/// Whoever waits for an answer to two bytes gets one.
#[test]
fn a_header_is_judged_by_its_first_two_bytes() {
    let mut decoder = Decoder::new(true, false);
    assert!(all(&mut decoder, hex("82")).unwrap().is_empty());
    assert_eq!(
        decoder.unfinished().unwrap(),
        "inside a frame header, 1 bytes of it"
    );
    assert_eq!(all(&mut decoder, hex("05")).unwrap_err().text, "bad MASK");
    for (wire, text) in [
        ("9280", "RSV3 set"),
        ("a280", "RSV2 set"),
        ("c280", "RSV1 set"),
        ("f280", "RSV1 set, RSV2 set, RSV3 set"),
        ("0980", "FIN not set on control"),
        ("8380", "bad opcode 3"),
        ("8b80", "bad opcode 11"),
        ("8080", "continuation after FIN"),
    ] {
        let violation = all(&mut Decoder::new(true, false), hex(wire)).unwrap_err();
        assert_eq!(violation.text, text, "{wire}");
    }
    let begun = all(&mut Decoder::new(false, false), hex("02008200"));
    assert_eq!(begun.unwrap_err().text, "data before FIN");
}

#[test]
fn a_client_refuses_masked_frames() {
    let violation = all(&mut Decoder::new(false, false), hex("828037fa213d")).unwrap_err();
    assert_eq!(violation.text, "bad MASK");
    assert!(all(&mut Decoder::new(false, false), hex("8200")).is_ok());
}

#[test]
fn rsv1_marks_the_first_frame_of_a_message_only() {
    let of = |wire| all(&mut Decoder::new(false, true), hex(wire));
    assert_eq!(of("41008000").unwrap().len(), 2);
    for wire in ["c900", "ca00", "c800", "0100c000"] {
        assert_eq!(of(wire).unwrap_err().text, "RSV1 set", "{wire}");
    }
}

#[test]
fn close_codes_and_reasons_are_checked() {
    for code in [1000, 1003, 1007, 1013, 1014, 3000, 4999] {
        let wire = control(Control::Close, &close_payload(code, "x"), None);
        assert_eq!(
            all(&mut Decoder::new(false, false), wire.as_ref().into()).unwrap(),
            [Item::Close(Some(code), "x".into())]
        );
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        let wire = control(Control::Close, &close_payload(code, ""), None);
        let violation = all(&mut Decoder::new(false, false), wire.as_ref().into()).unwrap_err();
        assert_eq!(violation.text, format!("bad close code {code}"));
    }
    let violation = all(&mut Decoder::new(false, false), hex("880103")).unwrap_err();
    assert_eq!(violation.text, "close code of 1 byte");
    let violation = all(&mut Decoder::new(false, false), hex("880303e8ff")).unwrap_err();
    assert_eq!(violation.text, "invalid utf8 payload in close frame");
}

#[test]
fn lengths_are_minimal_on_the_way_out() {
    for (len, expected) in [
        (0, "8200"),
        (5, "8205"),
        (126, "827e007e"),
        (65535, "827effff"),
        (65536, "827f0000000000010000"),
    ] {
        let frame = DataFrame {
            first: true,
            last: true,
            text: false,
            compressed: false,
            len,
        };
        assert_eq!(frame.head(None).as_ref(), &hex(expected)[..]);
    }
    let frame = DataFrame {
        first: true,
        last: false,
        text: false,
        compressed: true,
        len: 4096,
    };
    assert_eq!(
        frame.head(Some([1, 2, 3, 4])).as_ref(),
        &hex("42fe100001020304")[..]
    );
    let frame = DataFrame {
        first: false,
        last: true,
        text: false,
        compressed: true,
        len: 1,
    };
    assert_eq!(
        frame.head(Some([1, 2, 3, 4])).as_ref(),
        &hex("808101020304")[..]
    );
    let ping = control(Control::Ping, &[], Some([1, 2, 3, 4]));
    assert_eq!(ping.as_ref(), &hex("898001020304")[..]);
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let payload = close_payload(1011, &"ä".repeat(100));
    assert_eq!(payload.len(), 2 + 122);
    assert!(str::from_utf8(&payload[2..]).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_in_any_cuts_mean_the_same(
        wire in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x82), Just(0x80), Just(0)], 0..200),
        cuts in proptest::collection::vec(1usize..20, 0..200),
        rsv1: bool,
        masked: bool,
    ) {
        let joined = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let mut decoder = Decoder::new(masked, rsv1);
            let mut items: Vec<Item> = Vec::new();
            for piece in pieces {
                let mut chunk = BytesMut::from(piece);
                loop {
                    match decoder.next(&mut chunk) {
                        Err(violation) => return (items, Some(violation)),
                        Ok(None) => break,
                        Ok(Some(Item::Data(more))) => match items.last_mut() {
                            Some(Item::Data(data)) => data.extend_from_slice(&more),
                            _ => items.push(Item::Data(more)),
                        },
                        Ok(Some(item)) => items.push(item),
                    }
                }
            }
            (items, None)
        };
        let whole = joined(&mut std::iter::once(&wire[..]));
        let mut rest = &wire[..];
        let mut pieces = Vec::new();
        for cut in cuts {
            let (piece, more) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = more;
        }
        pieces.push(rest);
        prop_assert_eq!(whole, joined(&mut pieces.into_iter()));
    }
}
