//! Input that came before anybody could take it.

use std::ops::Deref;

use bytes::BytesMut;

use crate::buffer::{stash, unpin};

/// Bytes of one side of a session. An open tunnel has none, so these are not kept in place.
#[derive(Debug, Default)]
pub(super) struct Unread(Option<Box<BytesMut>>);

impl Unread {
    /// For whoever takes some of them.
    pub(super) fn bytes(&mut self) -> &mut BytesMut {
        self.0.get_or_insert_default()
    }

    pub(super) fn take(&mut self) -> BytesMut {
        self.0.take().map(|bytes| *bytes).unwrap_or_default()
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    pub(super) fn stash(&mut self, data: BytesMut) {
        if !data.is_empty() {
            stash(self.bytes(), data);
        }
    }

    pub(super) fn unpin(&mut self) {
        if let Some(bytes) = &mut self.0 {
            unpin(bytes);
        }
    }
}

impl Deref for Unread {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().map_or(&[], |bytes| bytes)
    }
}
