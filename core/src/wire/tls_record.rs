//! TLS records of an established connection, sealed and opened where their bytes lie: TLS 1.3 (RFC 8446,
//! section 5) and the AEAD suites of TLS 1.2 (RFC 5246, section 6.2.3.3; RFC 5288; RFC 7905).
//!
//! ```text
//! 1.3   23 3 3 length(2)   sealed: content, its type (1), zeros             tag (16)
//! 1.2   type 3 3 length(2)  [explicit nonce (8), AES only]  sealed: content  tag (16)
//! ```
//!
//! Handshakes and key schedules are rustls'; the ciphers are those of [`crypto`](crate::crypto).

use std::borrow::Cow;
use std::ops::{Deref, DerefMut, Range};

use bytes::{BufMut, BytesMut};
use rustls::ConnectionTrafficSecrets;

use crate::buffer::{Rope, Seg};
use crate::crypto::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use crate::crypto::seal_scattered;

pub const HEADER: usize = 5;
/// Content of one record (RFC 8446, section 5.1).
pub const CONTENT_MAX: usize = 1 << 14;

const TAG: usize = 16;
const EXPLICIT: usize = 8;
/// Of a ciphertext: RFC 5246, section 6.2.3 (TLS 1.3 allows less, RFC 8446, section 5.2).
const EXPANSION_MAX: usize = 2048;
const EXPANSION_MAX_13: usize = 256;

/// Pieces below this share one record and are copied into it; a larger one is sealed where it lies.
const COPY: usize = 4096;

/// Records under one AES-GCM key: half of what RFC 8446, section 5.5, allows.
const GCM_RECORDS: u64 = 1 << 23;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Tls12,
    Tls13,
}

/// RFC 8446, section 5.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    ChangeCipherSpec = 20,
    Alert = 21,
    Handshake = 22,
    ApplicationData = 23,
}

impl ContentType {
    fn parse(byte: u8) -> Option<Self> {
        Some(match byte {
            20 => Self::ChangeCipherSpec,
            21 => Self::Alert,
            22 => Self::Handshake,
            23 => Self::ApplicationData,
            _ => return None,
        })
    }
}

/// What the peer did wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The number of the alert that tells it so (RFC 8446, section 6); `None` when it was the peer who gave up.
    pub alert: Option<u8>,
    pub text: Cow<'static, str>,
}

pub const UNEXPECTED_MESSAGE: u8 = 10;
pub const BAD_RECORD_MAC: u8 = 20;
pub const RECORD_OVERFLOW: u8 = 22;
pub const ILLEGAL_PARAMETER: u8 = 47;
pub const DECODE_ERROR: u8 = 50;
pub const INTERNAL_ERROR: u8 = 80;

impl Violation {
    pub const fn new(alert: u8, text: &'static str) -> Self {
        Self {
            alert: Some(alert),
            text: Cow::Borrowed(text),
        }
    }
}

/// The record that `bytes` begin with, in bytes with its header. `None` until the header is there.
pub fn record_len(bytes: &[u8]) -> Result<Option<usize>, Violation> {
    let Some(&[content, major, _, high, low]) = bytes.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    if ContentType::parse(content).is_none() || major != 3 {
        return Err(Violation::new(DECODE_ERROR, "this is no TLS record"));
    }
    let len = usize::from(u16::from_be_bytes([high, low]));
    if len > CONTENT_MAX + EXPANSION_MAX {
        let text = "a record of more than 18432 bytes";
        return Err(Violation::new(RECORD_OVERFLOW, text));
    }
    Ok(Some(HEADER + len))
}

/// One direction: its key, and how many records it has served.
struct Keys {
    key: LessSafeKey,
    iv: [u8; aead::NONCE_LEN],
    sequence: u64,
    version: Version,
}

impl Keys {
    /// `None` for a cipher that is none of the AEADs of either version.
    fn new(version: Version, (sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Option<Self> {
        let (algorithm, key, iv) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&aead::AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&aead::AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
                (&aead::CHACHA20_POLY1305, key, iv)
            }
            _ => return None,
        };
        Some(Self {
            key: LessSafeKey::new(UnboundKey::new(algorithm, key.as_ref()).ok()?),
            iv: iv.as_ref().try_into().ok()?,
            sequence,
            version,
        })
    }

    fn is_gcm(&self) -> bool {
        *self.key.algorithm() != aead::CHACHA20_POLY1305
    }

    /// Bytes of the nonce that a record of TLS 1.2 carries.
    fn explicit(&self) -> usize {
        match self.version == Version::Tls12 && self.is_gcm() {
            true => EXPLICIT,
            false => 0,
        }
    }

    /// RFC 8446, section 5.3. A sequence number never wraps: the keys are worn long before.
    fn nonce(&mut self) -> [u8; aead::NONCE_LEN] {
        let mut nonce = self.iv;
        for (byte, count) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= count;
        }
        self.sequence += 1;
        nonce
    }
}

/// RFC 5246, section 6.2.3.3: the length is that of the content.
fn additional_12(sequence: u64, content: u8, len: usize) -> [u8; 13] {
    let mut data = [0; 13];
    data[..8].copy_from_slice(&sequence.to_be_bytes());
    data[8..11].copy_from_slice(&[content, 3, 3]);
    data[11..].copy_from_slice(&(len as u16).to_be_bytes());
    data
}

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

const FORGED: Violation = Violation::new(
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

/// Seals what we send.
pub struct Sealer(Keys);

impl Sealer {
    pub fn new(version: Version, secrets: (u64, ConnectionTrafficSecrets)) -> Option<Self> {
        Keys::new(version, secrets).map(Self)
    }

    /// The key has served as many records as it should (RFC 8446, section 5.5).
    pub fn is_worn(&self) -> bool {
        self.0.is_gcm() && self.0.sequence >= GCM_RECORDS
    }

    /// Seals all of `data` as application data. `Err` only if the cipher refuses, which it has no reason to.
    pub fn seal_all(&mut self, data: &mut Rope, down: &mut Rope) -> Result<(), Violation> {
        let kind = ContentType::ApplicationData;
        let mut draft: Option<Draft> = None;
        let mut tail = Tail::default();
        while let Some(mut seg) = data.pop(usize::MAX) {
            let body = match seg.len() < COPY {
                true => BytesMut::new(),
                false => std::mem::take(&mut seg.body),
            };
            let full = |draft: &Draft| draft.content() + seg.len() > CONTENT_MAX;
            if draft.as_ref().is_some_and(full) {
                self.finish(kind, draft.take(), down)?;
            }
            if !seg.is_empty() {
                let more = match body.is_empty() {
                    true => data.len(),
                    false => 0,
                };
                let draft = draft.get_or_insert_with(|| {
                    let room = (seg.len() + more).min(CONTENT_MAX);
                    self.draft(std::mem::take(&mut tail), room)
                });
                draft.record.put_slice(seg.head());
                draft.record.put_slice(&seg.body);
            }
            if !body.is_empty() {
                self.finish(kind, draft.take(), down)?;
                tail = self.seal_body(body, tail, down)?;
            }
        }
        self.finish(kind, draft, down)?;
        down.push(Seg::header(&tail));
        Ok(())
    }

    /// One record by copying; at most [`CONTENT_MAX`] bytes.
    pub fn seal(
        &mut self,
        kind: ContentType,
        content: &[u8],
        down: &mut Rope,
    ) -> Result<(), Violation> {
        let mut draft = self.draft(Tail::default(), content.len());
        draft.record.put_slice(content);
        self.finish(kind, Some(draft), down)
    }

    /// A record to be filled with up to `room` bytes: space for the header is in front, behind the last record's tail.
    fn draft(&self, tail: Tail, room: usize) -> Draft {
        let start = tail.len() + HEADER + self.0.explicit();
        let mut record = BytesMut::with_capacity(start + room + 1 + TAG);
        record.put_slice(&tail);
        record.put_bytes(0, start - tail.len());
        Draft { record, start }
    }

    fn finish(
        &mut self,
        kind: ContentType,
        draft: Option<Draft>,
        down: &mut Rope,
    ) -> Result<(), Violation> {
        let Some(draft) = draft else {
            return Ok(());
        };
        let (head, nonce, aad) = self.head(kind, draft.content());
        let Draft { mut record, start } = draft;
        record[start - head.len()..start].copy_from_slice(&head);
        if self.0.version == Version::Tls13 {
            record.put_u8(kind as u8);
        }
        let inner = &mut record[start..];
        let tag = self.0.key.seal_in_place_separate_tag(nonce, aad, inner);
        record.put_slice(tag.map_err(|_| REFUSED)?.as_ref());
        down.push(Seg::owned(record));
        Ok(())
    }

    /// Seals a large body where it lies: headers and tags go in between, the payload stays. Takes the tail of the last
    /// record, and returns its own.
    fn seal_body(
        &mut self,
        mut body: BytesMut,
        mut tail: Tail,
        down: &mut Rope,
    ) -> Result<Tail, Violation> {
        let kind = ContentType::ApplicationData;
        let inner_type: &[u8] = match self.0.version {
            Version::Tls13 => &[ContentType::ApplicationData as u8],
            Version::Tls12 => &[],
        };
        while !body.is_empty() {
            let mut piece = body.split_to(body.len().min(CONTENT_MAX));
            let (head, nonce, aad) = self.head(kind, piece.len());
            let before = std::mem::replace(&mut tail, Tail::new(inner_type.len() + TAG));
            seal_scattered(&self.0.key, nonce, aad, &mut piece, inner_type, &mut tail)
                .map_err(|_| REFUSED)?;
            let mut seg = Seg::new(piece);
            seg.push_front(&head);
            // One slice for the last record's tail and this one's header, where there is room for both.
            if seg.has_room(before.len()) {
                seg.push_front(&before);
            } else {
                down.push(Seg::header(&before));
            }
            down.push(seg);
        }
        Ok(tail)
    }

    /// Header (with the explicit nonce, if the record carries one), nonce and additional data of the next record.
    fn head(&mut self, kind: ContentType, len: usize) -> (Head, Nonce, Aad<Additional>) {
        let keys = &mut self.0;
        let explicit = keys.explicit();
        let mut head = Head::new(HEADER + explicit);
        let (outer, len, aad) = match keys.version {
            Version::Tls13 => {
                let sealed = len + 1 + TAG;
                let [high, low] = (sealed as u16).to_be_bytes();
                let outer = ContentType::ApplicationData as u8;
                (outer, sealed, Additional::Tls13([outer, 3, 3, high, low]))
            }
            Version::Tls12 => {
                let aad = additional_12(keys.sequence, kind as u8, len);
                (kind as u8, explicit + len + TAG, Additional::Tls12(aad))
            }
        };
        let nonce = keys.nonce();
        let [high, low] = (len as u16).to_be_bytes();
        head[..HEADER].copy_from_slice(&[outer, 3, 3, high, low]);
        head[HEADER..].copy_from_slice(&nonce[aead::NONCE_LEN - explicit..]);
        (head, Nonce::assume_unique_for_key(nonce), Aad::from(aad))
    }
}

const REFUSED: Violation = Violation::new(INTERNAL_ERROR, "the cipher refused a record");

/// A record that is not sealed yet.
struct Draft {
    record: BytesMut,
    /// Where its content begins.
    start: usize,
}

impl Draft {
    fn content(&self) -> usize {
        self.record.len() - self.start
    }
}

/// Header and explicit nonce.
type Head = Inline<{ HEADER + EXPLICIT }>;
/// What follows the content: its type, if that is inside, and the tag.
type Tail = Inline<{ 1 + TAG }>;

/// A few bytes without an allocation.
struct Inline<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Inline<N> {
    fn new(len: usize) -> Self {
        Self { bytes: [0; N], len }
    }
}

impl<const N: usize> Default for Inline<N> {
    fn default() -> Self {
        Self::new(0)
    }
}

impl<const N: usize> Deref for Inline<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl<const N: usize> DerefMut for Inline<N> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }
}

enum Additional {
    Tls13([u8; HEADER]),
    Tls12([u8; 13]),
}

impl AsRef<[u8]> for Additional {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Tls13(data) => data,
            Self::Tls12(data) => data,
        }
    }
}

#[cfg(test)]
mod tests;
