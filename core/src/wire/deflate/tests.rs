use proptest::prelude::*;

use super::*;

impl Pool {
    fn deflate_one<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>) -> BytesMut {
        let mut deflater = self.deflater(BITS);
        let packed = self.deflate(&mut deflater, parts, true);
        self.recycle_deflater(deflater);
        packed
    }
}

fn inflate(pool: &mut Pool, pieces: &[&[u8]]) -> Result<Vec<u8>, Fail> {
    let mut inflater = pool.inflater();
    let mut out = Vec::new();
    for piece in pieces {
        inflater.feed(BytesMut::from(*piece));
        while let Some(piece) = pool.inflate(&mut inflater)? {
            assert!(piece.len() <= STEP);
            out.extend_from_slice(&piece);
        }
    }
    inflater.complete();
    while let Some(piece) = pool.inflate(&mut inflater)? {
        out.extend_from_slice(&piece);
    }
    pool.recycle(inflater);
    Ok(out)
}

#[test]
fn examples_of_rfc_7692_are_read() {
    let pool = &mut Pool::default();
    for message in [
        // 7.2.3.1, 7.2.3.3 (stored), 7.2.3.4 (final block), 7.2.3.5 (two blocks), and a final block that
        // was not completed with an empty one
        &b"\xf2\x48\xcd\xc9\xc9\x07\x00"[..],
        b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
        b"\xf3\x48\xcd\xc9\xc9\x07\x00",
        b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
    ] {
        assert_eq!(inflate(pool, &[message]).unwrap(), b"Hello", "{message:x?}");
    }
    assert_eq!(inflate(pool, &[b"\x00"]).unwrap(), b"");
}

#[test]
fn messages_share_no_context() {
    let pool = &mut Pool::default();
    let text = b"the same words again and again, the same words".as_slice();
    let first = pool.deflate_one([text].into_iter());
    let second = pool.deflate_one([text].into_iter());
    assert_eq!(first, second);
    assert!(first.len() < text.len());
    assert!(!first.ends_with(&TAIL));
}

#[test]
fn an_empty_message_is_one_byte() {
    assert_eq!(
        &Pool::default().deflate_one(std::iter::empty())[..],
        b"\x00"
    );
}

/// RFC 7692, 7.2.3.2: the second message refers to the first.
#[test]
fn a_window_is_shared_by_messages() {
    let pool = &mut Pool::default();
    let mut inflater = pool.inflater();
    for message in [
        &b"\xf2\x48\xcd\xc9\xc9\x07\x00"[..],
        b"\xf2\x00\x11\x00\x00",
        // A final block empties the window, whether or not it is completed.
        b"\xf3\x48\xcd\xc9\xc9\x07\x00",
        b"\xf2\x48\xcd\xc9\xc9\x07\x00",
        b"\xf2\x00\x11\x00\x00",
        // An empty one, and what is behind it.
        b"\x03\x00\xf2\x48\xcd\xc9\xc9\x07\x00",
    ] {
        inflater.renew();
        inflater.feed(BytesMut::from(message));
        inflater.complete();
        let mut out = Vec::new();
        while let Some(piece) = pool.inflate(&mut inflater).unwrap() {
            out.extend_from_slice(&piece);
        }
        assert_eq!(out, b"Hello", "{message:x?}");
    }
    let fresh = pool.inflater();
    assert!(inflate(pool, &[b"\xf2\x00\x11\x00\x00"]).is_err());
    pool.recycle(fresh);
}

#[test]
fn a_kept_window_makes_the_next_message_smaller() {
    let pool = &mut Pool::default();
    let (mut deflater, mut inflater) = (pool.deflater(BITS), pool.inflater());
    let text = noise(1000);
    for (at, text) in [&text[..], &text, b"", b"", &text].into_iter().enumerate() {
        let packed = pool.deflate(&mut deflater, [text].into_iter(), true);
        assert_eq!(packed.len() < 100, at > 0);
        inflater.renew();
        inflater.feed(packed);
        inflater.complete();
        let mut out = Vec::new();
        while let Some(piece) = pool.inflate(&mut inflater).unwrap() {
            out.extend_from_slice(&piece);
        }
        assert_eq!(out, text);
    }
}

#[test]
fn parts_of_a_message_are_compressed_as_they_come() {
    let pool = &mut Pool::default();
    let mut deflater = pool.deflater(BITS);
    let text = noise(300_000);
    let mut wire = Vec::new();
    for part in text.chunks(50_000) {
        wire.push(pool.deflate(&mut deflater, [part].into_iter(), false));
    }
    assert!(wire.iter().all(|packed| packed.len() < 120_000));
    wire.push(pool.deflate(&mut deflater, std::iter::empty(), true));
    let pieces: Vec<_> = wire.iter().map(|piece| &piece[..]).collect();
    assert!(inflate(pool, &pieces).unwrap() == text);
}

/// What repeats only from outside the window does not shrink; from inside it does.
#[test]
fn nothing_outside_the_window_is_referred_to() {
    for bits in 8..=BITS {
        let size = 1 << bits;
        let pool = &mut Pool::default();
        let mut packed = |period: usize| {
            let text = noise(period).repeat(4);
            let mut deflater = pool.deflater(bits);
            let packed = pool.deflate(&mut deflater, [&text[..]].into_iter(), true);
            packed.len() < text.len() * 3 / 4
        };
        assert!(packed(size * 3 / 8), "{bits} bits are not used");
        for beyond in [1, 2, size / 4, size] {
            assert!(!packed(size + beyond), "{bits} bits, {beyond} too far");
        }
    }
}

fn noise(len: usize) -> Vec<u8> {
    let mut entropy = crate::entropy::Entropy::new([9; 32]);
    (0..len.div_ceil(16))
        .flat_map(|_| entropy.nonce())
        .take(len)
        .collect()
}

#[test]
fn nonsense_is_refused() {
    let pool = &mut Pool::default();
    assert!(inflate(pool, &[b"\xff\xff\xff"]).is_err());
    assert!(inflate(pool, &[b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00abc"]).is_err());
}

#[test]
fn a_bomb_goes_off_in_steps() {
    let pool = &mut Pool::default();
    let zeros = vec![0; 8 * 1024 * 1024];
    let bomb = pool.deflate_one([&zeros[..]].into_iter());
    assert!(bomb.len() < zeros.len() / 80);
    let mut inflater = pool.inflater();
    inflater.feed(bomb);
    let mut total = 0;
    while let Some(piece) = pool.inflate(&mut inflater).unwrap() {
        assert!(piece.len() <= STEP);
        total += piece.len();
    }
    assert_eq!(total, zeros.len());
    assert!(pool.scratch.capacity() <= 2 * STEP);
}

#[test]
fn what_nothing_is_said_about_is_kept_in_full() {
    let Deflate { tx, rx } = Deflate::with_takeover();
    for window in [tx, rx] {
        assert_eq!((window.takeover, window.bits), (true, 15));
    }
    let Deflate { tx, rx } = Deflate::default();
    for window in [tx, rx] {
        assert_eq!((window.takeover, window.bits), (false, 15));
    }
}

#[test]
fn memory_that_is_held_is_counted() {
    let pool = &mut Pool::default();
    assert_eq!(pool.deflater(BITS).held(), (136 + 128) * 1024);
    assert_eq!(pool.deflater(9).held(), (136 + 2) * 1024);
    assert_eq!(pool.deflater(8).held(), (136 + 2) * 1024);
    let mut inflater = pool.inflater();
    assert_eq!(inflater.held(), 44 * 1024);
    inflater.feed(BytesMut::from(&[0; 1000][..]));
    assert_eq!(inflater.held(), 44 * 1024 + 1000);
}

/// One of another window would refer to what the peer does not keep.
#[test]
fn a_compressor_is_lent_again_for_its_own_window() {
    let mut pool = Pool::default();
    let small = pool.deflater(9);
    pool.recycle_deflater(small);
    assert_eq!(pool.deflater(BITS).bits, BITS);
    assert_eq!((pool.deflater(9).bits, pool.deflaters.len()), (9, 0));
    let lent: Vec<_> = (0..10).map(|_| pool.deflater(BITS)).collect();
    for deflater in lent {
        pool.recycle_deflater(deflater);
    }
    assert_eq!(pool.deflaters.len(), SPARE);
}

#[test]
fn a_message_is_complete_until_the_next_begins() {
    let mut inflater = Pool::default().inflater();
    inflater.feed(BytesMut::from(&b"\x00"[..]));
    assert!(!inflater.is_complete());
    inflater.complete();
    assert!(inflater.is_complete());
    inflater.renew();
    assert!(!inflater.is_complete());
}

#[test]
fn the_pool_keeps_a_few() {
    let mut pool = Pool::default();
    let lent: Vec<_> = (0..10).map(|_| pool.inflater()).collect();
    for inflater in lent {
        pool.recycle(inflater);
    }
    assert_eq!(pool.inflaters.len(), SPARE);
}

proptest! {
    #[test]
    fn any_message_survives_in_any_pieces(
        data in proptest::collection::vec(0u8..8, 0..5000),
        noise in proptest::collection::vec(any::<u8>(), 0..5000),
        cut in 0usize..10000,
    ) {
        let pool = &mut Pool::default();
        let wire = pool.deflate_one([&data[..], &noise[..]].into_iter());
        let (left, right) = wire.split_at(cut.min(wire.len()));
        prop_assert_eq!(inflate(pool, &[left, right]).unwrap(), [data, noise].concat());
    }
}
