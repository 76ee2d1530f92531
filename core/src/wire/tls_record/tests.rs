//! Records against the ciphers themselves, used as the RFCs say.

use rustls::crypto::cipher::{AeadKey, Iv};

use super::open::FORGED;
use super::*;
use crate::buffer::{Rope, Seg};
use crate::crypto::aead::{Aad, Nonce};

const KEY: [u8; 32] = *b"one key for both ciphers, 32 B..";
const IV: [u8; 12] = *b"nonce, 12 B.";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Cipher {
    Aes,
    Chacha,
}

const ALL: [(Version, Cipher); 4] = [
    (Version::Tls12, Cipher::Aes),
    (Version::Tls12, Cipher::Chacha),
    (Version::Tls13, Cipher::Aes),
    (Version::Tls13, Cipher::Chacha),
];

fn secrets(cipher: Cipher, sequence: u64) -> (u64, ConnectionTrafficSecrets) {
    let (key, iv) = (AeadKey::from(KEY), Iv::new(IV));
    let secrets = match cipher {
        Cipher::Aes => ConnectionTrafficSecrets::Aes256Gcm { key, iv },
        Cipher::Chacha => ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv },
    };
    (sequence, secrets)
}

fn sealer((version, cipher): (Version, Cipher), sequence: u64) -> Sealer {
    Sealer::new(version, secrets(cipher, sequence)).unwrap()
}

fn opener((version, cipher): (Version, Cipher), sequence: u64) -> Opener {
    Opener::new(version, secrets(cipher, sequence)).unwrap()
}

/// By the letter of RFC 8446, sections 5.2 and 5.3, and RFC 5246, section 6.2.3.3. `content` has its type, and
/// padding, behind it in TLS 1.3.
fn sealed(
    (version, cipher): (Version, Cipher),
    sequence: u64,
    kind: u8,
    content: &[u8],
) -> Vec<u8> {
    let algorithm = match cipher {
        Cipher::Aes => &aead::AES_256_GCM,
        Cipher::Chacha => &aead::CHACHA20_POLY1305,
    };
    let key = LessSafeKey::new(UnboundKey::new(algorithm, &KEY).unwrap());
    let count = (u128::from(sequence)).to_be_bytes();
    let nonce: [u8; 12] = std::array::from_fn(|at| IV[at] ^ count[4 + at]);
    let carried = match (version, cipher) {
        (Version::Tls12, Cipher::Aes) => &nonce[4..],
        _ => &[],
    };
    let len = (carried.len() + content.len() + 16) as u16;
    let header = [&[kind, 3, 3][..], &len.to_be_bytes()].concat();
    let additional = match version {
        Version::Tls13 => header.clone(),
        Version::Tls12 => {
            let len = content.len() as u16;
            let fields = [&sequence.to_be_bytes()[..], &[kind, 3, 3]];
            [&fields.concat()[..], &len.to_be_bytes()].concat()
        }
    };
    let mut body = content.to_vec();
    let (aad, once) = (Aad::from(additional), Nonce::assume_unique_for_key(nonce));
    key.seal_in_place_append_tag(once, aad, &mut body).unwrap();
    [&header, carried, &body].concat()
}

/// The record of this content.
fn record(by: (Version, Cipher), sequence: u64, kind: ContentType, content: &[u8]) -> Vec<u8> {
    match by.0 {
        Version::Tls12 => sealed(by, sequence, kind as u8, content),
        Version::Tls13 => sealed(by, sequence, 23, &[content, &[kind as u8]].concat()),
    }
}

fn bytes(n: usize) -> Vec<u8> {
    (0..n).map(|at| (at % 251) as u8).collect()
}

#[test]
fn records_are_those_of_the_rfcs() {
    for by in ALL {
        let sequence = 0x0102_0304;
        let (mut sealer, mut opener) = (sealer(by, sequence), opener(by, sequence));
        let mut down = Rope::default();
        let mut expected = Vec::new();
        for (n, (kind, content)) in [
            (ContentType::Handshake, &b"finished"[..]),
            (ContentType::ApplicationData, b"hello"),
            (ContentType::ApplicationData, b""),
            (ContentType::ApplicationData, &bytes(CONTENT_MAX)),
            (ContentType::Alert, &[1, 0]),
        ]
        .into_iter()
        .enumerate()
        {
            sealer.seal(kind, content, &mut down).unwrap();
            let mut record = record(by, sequence + n as u64, kind, content);
            expected.extend_from_slice(&record);
            let (opened, range) = opener.open(&mut record).unwrap();
            assert_eq!((opened, &record[range]), (kind, content), "{by:?}");
        }
        assert!(down.to_vec() == expected, "{by:?}");
    }
}

#[test]
fn large_pieces_have_records_of_their_own_and_small_ones_share_one() {
    let small = [4000; 4];
    for (pieces, records) in [
        (&[][..], &[][..]),
        (&[100, 200], &[300]),
        (&[4095, 4095], &[8190]),
        (&[4095, 4096], &[4095, 4096]),
        (&[10, 40_000, 20], &[10, 16_384, 16_384, 7232, 20]),
        (&[16_384, 16_384], &[16_384, 16_384]),
        (&[&small[..], &small[..1]].concat(), &[16_000, 4000]),
    ] {
        for by in ALL {
            let (mut data, mut down) = (Rope::default(), Rope::default());
            for n in pieces {
                data.push(Seg::new(bytes(*n)[..].into()));
            }
            let mut rest = &data.to_vec()[..];
            let mut expected = Vec::new();
            for (n, len) in records.iter().enumerate() {
                let (content, behind) = rest.split_at(*len);
                let kind = ContentType::ApplicationData;
                expected.extend(record(by, n as u64, kind, content));
                rest = behind;
            }
            sealer(by, 0).seal_all(&mut data, &mut down).unwrap();
            assert!(data.is_empty() && rest.is_empty());
            assert!(down.to_vec() == expected, "{pieces:?} {by:?}");
        }
    }
}

/// Of smux and websocket frames, whose payload is large and stays where it lies.
#[test]
fn headers_go_in_front_of_the_payload_that_they_have() {
    for by in ALL {
        let mut seg = Seg::new(bytes(20_000)[..].into());
        seg.push_front(b"header");
        let (mut data, mut down) = (Rope::default(), Rope::default());
        data.push(seg);
        sealer(by, 0).seal_all(&mut data, &mut down).unwrap();
        let (mut wire, mut opener) = (down.to_vec(), opener(by, 0));
        let mut contents = Vec::new();
        while let Some(len) = record_len(&wire).unwrap() {
            let behind = wire.split_off(len);
            let (_, range) = opener.open(&mut wire).unwrap();
            contents.push(wire[range].to_vec());
            wire = behind;
        }
        assert_eq!(contents[0], b"header");
        assert!(contents[1..].concat() == bytes(20_000));
    }
}

#[test]
fn a_record_that_was_changed_in_any_byte_is_forged() {
    for by in ALL {
        let record = record(by, 0, ContentType::ApplicationData, b"hello");
        // By its length a record of TLS 1.2 is cut from the stream, no more.
        let cut = |at: &usize| by.0 == Version::Tls12 && (3..5).contains(at);
        for at in (0..record.len()).filter(|at| !cut(at)) {
            let mut changed = record.clone();
            changed[at] ^= 1;
            let violation = opener(by, 0).open(&mut changed).unwrap_err();
            let expected = match (by.0, at) {
                (Version::Tls13, 0) => UNEXPECTED_MESSAGE,
                _ => BAD_RECORD_MAC,
            };
            assert_eq!(violation.alert, Some(expected), "{by:?} {at}");
        }
        for len in HEADER..record.len() {
            let violation = opener(by, 0).open(&mut record[..len].to_vec()).unwrap_err();
            assert_eq!(violation.alert, Some(BAD_RECORD_MAC), "{by:?} {len}");
        }
        let out_of_turn = opener(by, 1).open(&mut record.clone());
        assert_eq!(out_of_turn.unwrap_err(), FORGED, "{by:?}");
        let headless = opener(by, 0).open(&mut record[..4].to_vec());
        assert_eq!(headless.unwrap_err().alert, Some(DECODE_ERROR));
    }
}

#[test]
fn content_has_a_known_type_and_at_most_16_kib() {
    for by in ALL {
        let kind = ContentType::ApplicationData;
        let mut long = record(by, 0, kind, &bytes(CONTENT_MAX + 1));
        let violation = opener(by, 0).open(&mut long).unwrap_err();
        assert_eq!(violation.alert, Some(RECORD_OVERFLOW), "{by:?}");
        let mut unknown = match by.0 {
            Version::Tls12 => sealed(by, 0, 24, b"hello"),
            Version::Tls13 => sealed(by, 0, 23, b"hello\x18"),
        };
        let violation = opener(by, 0).open(&mut unknown).unwrap_err();
        assert_eq!(violation.alert, Some(UNEXPECTED_MESSAGE), "{by:?}");
    }
}

#[test]
fn padding_of_tls_1_3_is_taken_off() {
    let by = (Version::Tls13, Cipher::Aes);
    let padded = |len: usize, zeros: usize| {
        let content = [bytes(len), vec![23], vec![0; zeros]].concat();
        let mut record = sealed(by, 0, 23, &content);
        opener(by, 0).open(&mut record).map(|(kind, range)| {
            assert!(record[range.clone()] == bytes(len));
            (kind, range.len())
        })
    };
    // The last byte of content is one that counts.
    assert_eq!(padded(6, 10), Ok((ContentType::ApplicationData, 6)));
    // 256 bytes for type, padding and tag.
    let most = CONTENT_MAX;
    assert_eq!(padded(most, 239), Ok((ContentType::ApplicationData, most)));
    let over = padded(most, 240).unwrap_err();
    assert_eq!(over.alert, Some(RECORD_OVERFLOW));
    let mut nothing = sealed(by, 0, 23, &[0; 20]);
    let violation = opener(by, 0).open(&mut nothing).unwrap_err();
    assert_eq!(violation.alert, Some(UNEXPECTED_MESSAGE));
}

#[test]
fn a_header_tells_the_length_of_its_record() {
    let header = |kind, major, len: u16| {
        let [high, low] = len.to_be_bytes();
        [kind, major, 9, high, low]
    };
    for kind in [20, 21, 22, 23] {
        let record = header(kind, 3, 0x0102);
        assert_eq!(record_len(&record), Ok(Some(5 + 0x0102)));
        assert_eq!(record_len(&record[..4]), Ok(None));
    }
    assert_eq!(record_len(&header(23, 3, 18_432)), Ok(Some(18_437)));
    for (header, alert) in [
        (header(23, 3, 18_433), RECORD_OVERFLOW),
        (header(19, 3, 1), DECODE_ERROR),
        (header(24, 3, 1), DECODE_ERROR),
        (header(22, 2, 1), DECODE_ERROR),
    ] {
        assert_eq!(record_len(&header).unwrap_err().alert, Some(alert));
    }
}

/// RFC 8446, section 5.5.
#[test]
fn a_key_of_aes_is_worn_after_half_of_what_it_may_serve() {
    for (version, cipher) in ALL {
        let worn = |sequence| sealer((version, cipher), sequence).is_worn();
        assert!(!worn((1 << 23) - 1));
        assert_eq!(worn(1 << 23), cipher == Cipher::Aes);
        assert_eq!(worn(u64::MAX), cipher == Cipher::Aes);
    }
}
