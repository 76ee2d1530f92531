//! TLS records of an established connection, sealed and opened where their bytes lie: TLS 1.3 (RFC 8446,
//! section 5) and the AEAD suites of TLS 1.2 (RFC 5246, section 6.2.3.3; RFC 5288; RFC 7905).
//!
//! ```text
//! 1.3   23 3 3 length(2)   sealed: content, its type (1), zeros             tag (16)
//! 1.2   type 3 3 length(2)  [explicit nonce (8), AES only]  sealed: content  tag (16)
//! ```
//!
//! Handshakes and key schedules are rustls'; the ciphers are those of [`crypto`](crate::crypto).

mod open;
mod seal;

use std::borrow::Cow;

use rustls::ConnectionTrafficSecrets;

pub use self::open::Opener;
pub use self::seal::Sealer;
use crate::crypto::aead::{self, LessSafeKey, UnboundKey};

pub const HEADER: usize = 5;
/// Content of one record (RFC 8446, section 5.1).
pub const CONTENT_MAX: usize = 1 << 14;

const TAG: usize = 16;
const EXPLICIT: usize = 8;
/// Of a ciphertext: RFC 5246, section 6.2.3 (TLS 1.3 allows less, RFC 8446, section 5.2).
const EXPANSION_MAX: usize = 2048;

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

#[cfg(test)]
mod tests;
