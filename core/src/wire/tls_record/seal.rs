//! Sealing records: protection (RFC 8446, section 5.2; RFC 5246, section 6.2.3.3), of small pieces together and of
//! large ones where they lie.

use std::ops::{Deref, DerefMut};

use bytes::{BufMut, BytesMut};
use rustls::ConnectionTrafficSecrets;

use super::{
    CONTENT_MAX, ContentType, EXPLICIT, HEADER, INTERNAL_ERROR, Keys, TAG, Version, Violation,
    additional_12,
};
use crate::buffer::{Rope, Seg};
use crate::crypto::aead::{self, Aad, Nonce};
use crate::crypto::seal_scattered;

/// Pieces below this share one record and are copied into it; a larger one is sealed where it lies.
const COPY: usize = 4096;

/// Records under one AES-GCM key: half of what RFC 8446, section 5.5, allows.
const GCM_RECORDS: u64 = 1 << 23;

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
        if !tail.is_empty() {
            down.push(Seg::header(&tail));
        }
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
