//! PEM files: certificates, keys, roots. Errors name the file and what is wrong with it.

use std::fs;
use std::sync::Arc;

use ginnel_core::crypto::library;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, RootCertStore};
use time::OffsetDateTime;

use crate::config::model::Tls;
use crate::report::plain;

pub(super) fn chain_and_key(
    tls: &Tls,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    if tls.cert_file.is_empty() || tls.key_file.is_empty() {
        return Err("certFile and keyFile belong together: one of them is missing".to_owned());
    }
    let chain = certificates("certFile", &tls.cert_file)?;
    let path = &tls.key_file;
    let pem = read("keyFile", path)?;
    let key = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| format!("keyFile {path}: no unencrypted PEM private key in it"))?;
    Ok((chain, key))
}

pub(super) fn certified_key(tls: &Tls, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let (chain, key) = chain_and_key(tls)?;
    let (cert, key_file) = (&tls.cert_file, &tls.key_file);
    let signing = provider
        .key_provider
        .load_private_key(key)
        .map_err(|error| format!("keyFile {key_file}: {error}"))?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(certified)
        }
        Err(rustls::Error::InconsistentKeys(_)) => Err(format!(
            "keyFile {key_file} is not the key of certFile {cert}"
        )),
        Err(error) => Err(format!("certFile {cert}: {error}")),
    }
}

/// What is wrong with the dates of the certificate that is shown to others.
pub(super) fn dates(tls: &Tls, now: UnixTime) -> Option<String> {
    let path = &tls.cert_file;
    let chain = certificates("certFile", path).ok()?;
    let first = chain.first()?;
    // As its own root: dates are looked at before everything that may be wrong with that.
    let mut roots = RootCertStore::empty();
    roots.add(first.clone()).ok()?;
    let provider = Arc::new(library::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .ok()?;
    let name = ServerName::try_from("localhost").ok()?;
    let Err(rustls::Error::InvalidCertificate(error)) =
        verifier.verify_server_cert(first, &[], &name, &[], now)
    else {
        return None;
    };
    let day = |time: UnixTime| {
        let date = i64::try_from(time.as_secs())
            .ok()
            .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
        date.map_or_else(String::new, |date| format!(" on {}", date.date()))
    };
    match error {
        CertificateError::ExpiredContext { not_after, .. } => Some(format!(
            "certFile {path}: the certificate expired{}",
            day(not_after)
        )),
        CertificateError::Expired => Some(format!("certFile {path}: the certificate has expired")),
        CertificateError::NotValidYetContext { not_before, .. } => Some(format!(
            "certFile {path}: the certificate is valid only from{} on",
            day(not_before).trim_start_matches(" on")
        )),
        CertificateError::NotValidYet => {
            Some(format!("certFile {path}: the certificate is not valid yet"))
        }
        _ => None,
    }
}

pub(super) fn roots(path: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("caFile", path)? {
        roots
            .add(certificate)
            .map_err(|error| format!("caFile {path}: {error}"))?;
    }
    Ok(roots)
}

pub(super) fn certificates(what: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = read(what, path)?;
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let list = list.map_err(|error| format!("{what} {path}: broken PEM ({error})"))?;
    if list.is_empty() {
        return Err(format!("{what} {path}: no PEM certificate in it"));
    }
    Ok(list)
}

fn read(what: &str, path: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{what} {path}: {}", plain(&error)))
}
