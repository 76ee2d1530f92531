//! The library of ciphers, chosen when the program is built: aws-lc (the default), or ring, which is slower and
//! makes a smaller program. Nothing else in the workspace names either.

#[cfg(all(feature = "aws-lc-rs", feature = "ring"))]
compile_error!(
    "features `aws-lc-rs` and `ring` exclude each other: with `ring`, --no-default-features is needed"
);
#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!("one of the features `aws-lc-rs` (the default) and `ring` is needed");

/// rustls' provider of handshakes on it.
#[cfg(feature = "aws-lc-rs")]
pub use rustls::crypto::aws_lc_rs as library;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
pub use rustls::crypto::ring as library;

#[cfg(feature = "aws-lc-rs")]
pub(crate) use aws_lc_rs::aead;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
pub(crate) use ring::aead;

/// The cipher refused.
pub(crate) struct Refused;

/// Seals `body`, where it lies, and `last` behind it; `last` and the tag go to `tail`, which is as long as both.
#[cfg(feature = "aws-lc-rs")]
pub(crate) fn seal_scattered<A: AsRef<[u8]>>(
    key: &aead::LessSafeKey,
    nonce: aead::Nonce,
    aad: aead::Aad<A>,
    body: &mut [u8],
    last: &[u8],
    tail: &mut [u8],
) -> Result<(), Refused> {
    key.seal_in_place_scatter(nonce, aad, body, last, tail)
        .map_err(|_| Refused)
}

/// ring seals only what is in one piece: `body` is copied there and back.
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
pub(crate) fn seal_scattered<A: AsRef<[u8]>>(
    key: &aead::LessSafeKey,
    nonce: aead::Nonce,
    aad: aead::Aad<A>,
    body: &mut [u8],
    last: &[u8],
    tail: &mut [u8],
) -> Result<(), Refused> {
    let (sealed_last, tag_room) = tail.split_at_mut(last.len());
    let tag = if last.is_empty() {
        key.seal_in_place_separate_tag(nonce, aad, body)
    } else {
        let mut whole = Vec::with_capacity(body.len() + last.len());
        whole.extend_from_slice(body);
        whole.extend_from_slice(last);
        let tag = key.seal_in_place_separate_tag(nonce, aad, &mut whole);
        let (sealed, behind) = whole.split_at(body.len());
        body.copy_from_slice(sealed);
        sealed_last.copy_from_slice(behind);
        tag
    };
    tag_room.copy_from_slice(tag.map_err(|_| Refused)?.as_ref());
    Ok(())
}
