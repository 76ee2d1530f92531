//! Opening records: deprotection (RFC 8446, section 5.2; RFC 5246, section 6.2.3.3), and what is wrong with a record
//! that cannot be opened.

use std::ops::Range;

use rustls::ConnectionTrafficSecrets;

use super::{
    BAD_RECORD_MAC, CONTENT_MAX, ContentType, DECODE_ERROR, HEADER, Keys, RECORD_OVERFLOW, TAG,
    UNEXPECTED_MESSAGE, Version, Violation, additional_12,
};
use crate::crypto::aead::{Aad, Nonce};

/// Of a ciphertext of TLS 1.3 (RFC 8446, section 5.2).
const EXPANSION_MAX_13: usize = 256;

/// Opens what the peer sends.
pub struct Opener(Keys);

impl Opener {
    pub fn new(version: Version, secrets: (u64, ConnectionTrafficSecrets)) -> Option<Self> {
        Keys::new(version, secrets).map(Self)
    }

    /// Opens a whole record, header included. The content lies in the returned range of it.
    pub fn open(&mut self, record: &mut [u8]) -> Result<(ContentType, Range<usize>), Violation> {
        match self.0.version {
            Version::Tls13 => self.open_13(record),
            Version::Tls12 => self.open_12(record),
        }
    }

    fn open_13(&mut self, record: &mut [u8]) -> Result<(ContentType, Range<usize>), Violation> {
        let (header, sealed) = split(record)?;
        if header[0] != ContentType::ApplicationData as u8 {
            let text = "a record that is not encrypted";
            return Err(Violation::new(UNEXPECTED_MESSAGE, text));
        }
        if sealed.len() > CONTENT_MAX + EXPANSION_MAX_13 {
            let text = "a record of more than 16640 bytes";
            return Err(Violation::new(RECORD_OVERFLOW, text));
        }
        let nonce = Nonce::assume_unique_for_key(self.0.nonce());
        let inner = self.0.key.open_in_place(nonce, Aad::from(header), sealed);
        let inner = inner.map_err(|_| FORGED)?;
        let Some(end) = inner.iter().rposition(|byte| *byte != 0) else {
            let text = "a record of nothing but padding";
            return Err(Violation::new(UNEXPECTED_MESSAGE, text));
        };
        content(inner[end], HEADER..HEADER + end)
    }

    fn open_12(&mut self, record: &mut [u8]) -> Result<(ContentType, Range<usize>), Violation> {
        let (header, fragment) = split(record)?;
        // Our additional data has the version as a constant.
        if header[1..3] != [3, 3] {
            return Err(FORGED);
        }
        let explicit = self.0.explicit();
        let Some(len) = fragment.len().checked_sub(explicit + TAG) else {
            return Err(FORGED);
        };
        let aad = additional_12(self.0.sequence, header[0], len);
        let mut nonce = self.0.nonce();
        let (given, sealed) = fragment.split_at_mut(explicit);
        if explicit > 0 {
            nonce[4..].copy_from_slice(given);
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = self.0.key.open_in_place(nonce, Aad::from(aad), sealed);
        opened.map_err(|_| FORGED)?;
        let start = HEADER + explicit;
        content(header[0], start..start + len)
    }
}

pub(super) const FORGED: Violation = Violation::new(
    BAD_RECORD_MAC,
    "a record that was not sealed with this connection's keys, or was changed on its way",
);

fn split(record: &mut [u8]) -> Result<([u8; HEADER], &mut [u8]), Violation> {
    let Some((header, rest)) = record.split_first_chunk_mut::<HEADER>() else {
        return Err(Violation::new(DECODE_ERROR, "a record without a header"));
    };
    Ok((*header, rest))
}

fn content(byte: u8, range: Range<usize>) -> Result<(ContentType, Range<usize>), Violation> {
    let Some(kind) = ContentType::parse(byte) else {
        let text = "a record of no known content type";
        return Err(Violation::new(UNEXPECTED_MESSAGE, text));
    };
    if range.len() > CONTENT_MAX {
        let text = "a record with more than 16384 bytes of content";
        return Err(Violation::new(RECORD_OVERFLOW, text));
    }
    Ok((kind, range))
}
