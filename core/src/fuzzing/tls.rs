//! TLS records: what is sealed opens again, and nothing that was changed on its way does; any bytes are
//! refused alike in any pieces.

use bytes::BytesMut;
use rustls::ConnectionTrafficSecrets;
use rustls::crypto::cipher::{AeadKey, Iv};

use super::script::Script;
use crate::buffer::{Rope, Seg};
use crate::wire::tls_record::{CONTENT_MAX, ContentType, Opener, Sealer, Version, record_len};

pub fn tls(data: &[u8]) {
    let mut script = Script::new(data);
    let options = script.option();
    let version = match options & 1 {
        0 => Version::Tls13,
        _ => Version::Tls12,
    };
    let secrets = || {
        let (key, iv) = (AeadKey::from([7; 32]), Iv::from([9; 12]));
        match options & 2 {
            0 => (0, ConnectionTrafficSecrets::Aes256Gcm { key, iv }),
            _ => (0, ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }),
        }
    };
    let mut sealer = Sealer::new(version, secrets()).expect("a key of 32 bytes");
    let mut opener = Opener::new(version, secrets()).expect("a key of 32 bytes");

    let mut sent = Vec::new();
    let mut queue = Rope::default();
    let mut wire = Rope::default();
    // Bodies large and small, with and without headers in front.
    for _ in 0..script.option() % 8 {
        let (head, size) = (script.option(), script.option());
        let bytes = script.bytes(usize::from(size));
        let repeat = match head & 0x80 {
            0 => 1,
            _ => 300,
        };
        let mut seg = Seg::new(BytesMut::from(&bytes.repeat(repeat)[..]));
        seg.push_front(&[head; 24][..usize::from(head % 25)]);
        sent.extend(seg.parts().concat());
        queue.push(seg);
    }
    sealer.seal_all(&mut queue, &mut wire).expect("it seals");
    assert!(queue.is_empty());

    let mut wire = wire.to_vec();
    let changed = wire.len().checked_sub(1).is_some_and(|last| {
        let at = usize::from(script.option()) << 8 | usize::from(script.option());
        let change = script.option();
        wire[at.min(last)] ^= change;
        change != 0
    });
    let mut opened = Vec::new();
    let whole = open(&mut opener, &mut wire, &mut opened);
    assert!(sent.starts_with(&opened), "other content than was sealed");
    if !changed {
        assert!(whole && opened == sent, "our own records are refused");
    } else {
        assert!(opened.len() < sent.len(), "a changed record was opened");
    }

    // Whatever comes in without a key is refused.
    let mut rest = script.rest().to_vec();
    let mut opened = Vec::new();
    open(&mut opener, &mut rest, &mut opened);
    assert!(opened.is_empty(), "a forged record was opened");
}

/// False: a record was refused, or is not whole.
fn open(opener: &mut Opener, wire: &mut [u8], opened: &mut Vec<u8>) -> bool {
    let mut rest = wire;
    while !rest.is_empty() {
        let Ok(Some(len)) = record_len(rest) else {
            return false;
        };
        let Some((record, behind)) = rest.split_at_mut_checked(len) else {
            return false;
        };
        let Ok((kind, content)) = opener.open(record) else {
            return false;
        };
        assert!(kind == ContentType::ApplicationData && content.len() <= CONTENT_MAX);
        opened.extend_from_slice(&record[content]);
        rest = behind;
    }
    true
}
