//! UTF-8 that comes in pieces (RFC 6455, 8.1), refused at the first byte that cannot be right.

/// Checks one text, piece by piece. Keeps at most the three bytes of a character that was cut.
#[derive(Debug, Default)]
pub struct Utf8 {
    held: [u8; 4],
    len: u8,
}

/// The text is not UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub struct Invalid;

impl Utf8 {
    /// The next piece.
    pub fn feed(&mut self, mut piece: &[u8]) -> Result<(), Invalid> {
        while self.len > 0 {
            let Some((byte, rest)) = piece.split_first() else {
                return Ok(());
            };
            piece = rest;
            self.held[usize::from(self.len)] = *byte;
            self.len += 1;
            match str::from_utf8(&self.held[..usize::from(self.len)]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(Invalid),
            }
        }
        let Err(error) = str::from_utf8(piece) else {
            return Ok(());
        };
        if error.error_len().is_some() {
            return Err(Invalid);
        }
        let rest = &piece[error.valid_up_to()..];
        self.held[..rest.len()].copy_from_slice(rest);
        self.len = rest.len() as u8;
        Ok(())
    }

    /// The text ends here, and another begins.
    pub fn end(&mut self) -> Result<(), Invalid> {
        match std::mem::take(&mut self.len) {
            0 => Ok(()),
            _ => Err(Invalid),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_byte_that_cannot_be_right_is_refused_at_once() {
        for (start, byte) in [
            // Too long forms, surrogates, past U+10FFFF, a lead in place of a continuation.
            (&b"\xe0"[..], 0x80),
            (b"\xed", 0xa0),
            (b"\xf0", 0x80),
            (b"\xf4", 0x90),
            (b"\xf0\x9f\x98", b'a'),
            (b"a", 0xc0),
            (b"a", 0xf5),
            (b"a", 0x80),
        ] {
            let mut text = Utf8::default();
            text.feed(start).unwrap();
            assert_eq!(text.feed(&[byte]), Err(Invalid), "{start:x?} {byte:x}");
        }
    }

    #[test]
    fn a_character_that_is_cut_off_is_no_end() {
        let mut text = Utf8::default();
        text.feed("é".as_bytes()).unwrap();
        assert_eq!(text.end(), Ok(()));
        text.feed(&"é".as_bytes()[..1]).unwrap();
        assert_eq!(text.end(), Err(Invalid));
    }

    proptest! {
        #[test]
        fn any_pieces_are_judged_as_the_whole(
            bytes in prop_oneof![
                any::<String>().prop_map(String::into_bytes),
                proptest::collection::vec(prop_oneof![0x70u8..0xff, Just(0xe2), Just(0x82)], 0..8),
            ],
            size in 1usize..5,
        ) {
            let mut text = Utf8::default();
            let fed = bytes.chunks(size).try_for_each(|piece| text.feed(piece));
            let judged = fed.and_then(|()| text.end());
            prop_assert_eq!(judged.is_ok(), str::from_utf8(&bytes).is_ok());
        }
    }
}
