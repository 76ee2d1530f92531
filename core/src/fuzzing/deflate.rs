//! permessage-deflate: what is deflated inflates again, and any bytes inflate alike in any pieces.

use bytes::BytesMut;

use super::script::{Cuts, Script, WHOLE};
use crate::wire::deflate::{Pool, STEP};

/// Enough to see that a bomb goes off in steps.
const ENOUGH: usize = 4 * 1024 * 1024;

pub fn deflate(data: &[u8]) {
    let mut script = Script::new(data);
    let cuts = Cuts::new(script.option());
    let text = script.rest();
    let pool = &mut Pool::default();

    let mut pieces = Vec::new();
    cuts.clone().feed(text, |piece| {
        pieces.push(piece);
        true
    });
    let mut deflater = pool.deflater(15);
    let wire = pool.deflate(&mut deflater, pieces.iter().copied(), true);
    let (inflated, clean) = inflate(pool, &wire, cuts);
    assert!(clean, "our own message is refused");
    assert_eq!(inflated, text);
    takeover(pool, &pieces);

    let (whole, whole_clean) = inflate(pool, text, WHOLE);
    let (cut, cut_clean) = inflate(pool, text, cuts);
    assert_eq!(whole_clean, cut_clean);
    // What comes in front of a fault is passed on as far as the pieces allowed.
    let n = if whole_clean {
        whole.len().max(cut.len())
    } else {
        whole.len().min(cut.len())
    };
    assert_eq!(whole.get(..n), cut.get(..n), "other pieces, other message");
}

/// Each piece is a message, and all share one window, which is as small as any.
fn takeover(pool: &mut Pool, messages: &[&[u8]]) {
    let (mut deflater, mut inflater) = (pool.deflater(8), pool.inflater());
    for message in messages {
        let packed = pool.deflate(&mut deflater, message.chunks(5), true);
        inflater.renew();
        inflater.feed(packed);
        inflater.complete();
        let mut out = Vec::new();
        while let Some(piece) = pool.inflate(&mut inflater).expect("our own message") {
            out.extend_from_slice(&piece);
        }
        assert_eq!(out, *message);
    }
}

/// What comes out, and whether the message was whole.
fn inflate(pool: &mut Pool, wire: &[u8], mut cuts: Cuts) -> (Vec<u8>, bool) {
    let mut inflater = pool.inflater();
    let mut out = Vec::new();
    let mut clean = true;
    let mut drain = |inflater: &mut _, out: &mut Vec<u8>| {
        while out.len() < ENOUGH {
            match pool.inflate(inflater) {
                Ok(Some(piece)) => {
                    assert!((1..=STEP).contains(&piece.len()));
                    out.extend_from_slice(&piece);
                }
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
        true
    };
    cuts.feed(wire, |piece| {
        inflater.feed(BytesMut::from(piece));
        clean = drain(&mut inflater, &mut out);
        clean
    });
    if clean {
        inflater.complete();
        clean = drain(&mut inflater, &mut out);
    }
    out.truncate(ENOUGH);
    pool.recycle(inflater);
    (out, clean)
}
