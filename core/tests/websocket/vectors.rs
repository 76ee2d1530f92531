//! What the real gost answers, byte for byte: a listener whose application echoes what it reads.

use proptest::prelude::*;

use super::*;

/// Name, what is sent (`|` where the peer waits for the answer), what is received, whether the
/// connection is over.
const PLAIN: &[(&str, &str, &str, bool)] = &[
    ("W01", "828537fa213d5f9f4d5158", "820568656c6c6f", false),
    ("W02", "818537fa213d5f9f4d5158", "820568656c6c6f", false),
    ("W03", "818237fa213dc804", "8202fffe", false),
    (
        "W04",
        "028337fa213d5f9f4d|898237fa213d5f93|808237fa213d5b95",
        "820368656c8a02686982026c6f",
        false,
    ),
    ("W05", "898037fa213d", "8a00", false),
    ("W06", "898237fa213d5f93", "8a026869", false),
    ("W07", "8a8037fa213d828137fa213d4f", "820178", false),
    ("W08", "828037fa213d828137fa213d4f", "820178", false),
    ("W09", "82fe000537fa213d5f9f4d5158", "820568656c6c6f", false),
    (
        "W10",
        "82ff000000000000000537fa213d5f9f4d5158",
        "820568656c6c6f",
        false,
    ),
    ("W11", "820568656c6c6f", "880a03ea626164204d41534b", true),
    ("W12", "888237fa213d3412", "880203e8", true),
    ("W13", "888537fa213d3412434452", "880203e8", true),
    ("W14", "888037fa213d", "8800", true),
    // gost answers `8800`; RFC 6455, 5.5.1 has no code of one byte.
    (
        "W15",
        "888137fa213d34",
        "881603ea636c6f736520636f6465206f6620312062797465",
        true,
    ),
    ("W16", "888237fa213d385a", "88020fa0", true),
    (
        "W17",
        "888237fa213d3417",
        "881503ea62616420636c6f736520636f64652031303035",
        true,
    ),
    (
        "W18",
        "c28537fa213d5f9f4d5158",
        "880a03ea5253563120736574",
        true,
    ),
    (
        "W19",
        "a28537fa213d5f9f4d5158",
        "880a03ea5253563220736574",
        true,
    ),
    (
        "W20",
        "838537fa213d5f9f4d5158",
        "880e03ea626164206f70636f64652033",
        true,
    ),
    (
        "W21",
        "808537fa213d5f9f4d5158",
        "881803ea636f6e74696e756174696f6e2061667465722046494e",
        true,
    ),
    (
        "W22",
        "028337fa213d5f9f4d|828237fa213d5b95",
        "820368656c881103ea64617461206265666f72652046494e",
        true,
    ),
    (
        "W23",
        "098237fa213d5f93",
        "881803ea46494e206e6f7420736574206f6e20636f6e74726f6c",
        true,
    ),
    ("W24", "82ff800000000000000537fa213d5f9f4d5158", "", true),
    (
        "W25",
        "7b0568656c6c6f",
        "883703ea52535631207365742c2052535632207365742c2052535633207365742c20626164206f70636f64652031312c20626164204d41534b",
        true,
    ),
];

/// Mask key zero; the answers are Go's deflate, to which any other is equivalent.
const COMPRESSED: &[(&str, &str, &str, bool)] = &[
    (
        "Z03",
        "c28700000000f248cdc9c90700",
        "c20b000500faff48656c6c6f00",
        false,
    ),
    (
        "Z04",
        "428300000000f248cd|808400000000c9c90700",
        "c20b000500faff48656c6c6f00",
        false,
    ),
    (
        "Z05",
        "82850000000068656c6c6f",
        "c20b000500faff68656c6c6f00",
        false,
    ),
    ("Z06", "c2810000000000", "", false),
];

/// Feeds the pieces and echoes. Whether it is over then, and how.
fn echo<'a>(server: &mut End, pieces: impl Iterator<Item = &'a [u8]>) -> Result<bool, Fail> {
    for piece in pieces {
        let result = server.recv(piece);
        let data = std::mem::take(&mut server.data);
        if !data.is_empty() && server.end.is_none() && result.is_ok() {
            server.send(&data);
        }
        result?;
        if server.end.is_some() {
            break;
        }
    }
    Ok(server.end == Some(true))
}

#[test]
fn gost_s_vectors() {
    for (name, sent, received, over) in PLAIN {
        let (_, mut server) = strangers();
        let pieces: Vec<_> = sent.split('|').map(hex).collect();
        let result = echo(&mut server, pieces.iter().map(Vec::as_slice));
        assert_eq!(server.sent(), hex(received), "{name}");
        assert_eq!(result.unwrap_or(true), *over, "{name}");
    }
}

#[test]
fn clean_and_unclean_ends_are_told_apart() {
    for (name, clean) in [
        ("W11", false),
        ("W12", true),
        ("W13", true),
        ("W14", true),
        ("W15", false),
        ("W16", false),
        ("W17", false),
        ("W24", false),
    ] {
        let (_, sent, ..) = PLAIN.iter().find(|vector| vector.0 == name).unwrap();
        let (_, mut server) = strangers();
        assert_eq!(server.recv(&hex(sent)).is_ok(), clean, "{name}");
        assert_eq!(server.end, clean.then_some(true), "{name}");
    }
}

#[test]
fn gost_s_compressed_vectors() {
    for (name, sent, received, _) in COMPRESSED {
        let (_, mut server) = compressing_strangers();
        let wire = hex(&sent.replace('|', ""));
        assert!(!echo(&mut server, [&wire[..]].into_iter()).unwrap());
        let answer = server.sent();
        assert_eq!(
            meaning(&answer, false),
            meaning(&hex(received), false),
            "{name}"
        );
        let rsv1 = answer.iter().take(1).all(|first| *first == 0xc2);
        assert!(rsv1, "{name}");
    }
}

#[test]
fn a_dialer_reads_what_a_listener_compressed() {
    // Z01, Z02
    for (wire, expected) in [("c20b000500faff68656c6c6f00", "hello"), ("c20100", "")] {
        let (mut client, _) = compressing_strangers();
        client.recv(&hex(wire)).unwrap();
        assert_eq!(client.data, expected.as_bytes());
        client.lower_end(Eof::Fin).unwrap();
    }
}

#[test]
fn mux_frames_are_messages() {
    let (mut client, mut server) = strangers();
    for payload in [
        "0100000003000000",
        "010205000300000068656c6c6f",
        "0103000000000000",
        "0101000003000000",
    ] {
        client.send(&hex(payload));
        let wire = client.sent();
        assert_eq!(wire.len(), 2 + 4 + payload.len() / 2);
        assert_eq!(meaning(&wire, true).0, hex(payload));
    }
    server.send(&hex("010205000300000068656c6c6f"));
    assert_eq!(server.sent(), hex("820d010205000300000068656c6c6f"));
}

proptest! {
    #[test]
    fn cuts_change_nothing(
        cuts in proptest::collection::vec(1usize..8, 60),
        vector in 0..PLAIN.len(),
    ) {
        let (name, sent, received, over) = PLAIN[vector];
        let (_, mut server) = strangers();
        let wire = hex(&sent.replace('|', ""));
        let mut rest = &wire[..];
        let pieces = cuts.into_iter().map_while(|cut| {
            let (piece, more) = rest.split_at(cut.min(rest.len()));
            rest = more;
            (!piece.is_empty()).then_some(piece)
        });
        let result = echo(&mut server, pieces);
        let (data, controls) = meaning(&server.sent(), false);
        let expected = meaning(&hex(received), false);
        prop_assert_eq!(controls, expected.1, "{}", name);
        // Nothing is sent behind a goodbye, so what came just before a fault has no echo.
        if over {
            prop_assert!(expected.0.starts_with(&data), "{}", name);
        } else {
            prop_assert_eq!(data, expected.0, "{}", name);
        }
        prop_assert_eq!(result.unwrap_or(true), over, "{}", name);
    }
}
