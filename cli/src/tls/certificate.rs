//! The certificate of a service that was given none: made once a process, kept in memory.

use std::{env, fs};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rcgen::{KeyUsagePurpose, PKCS_ECDSA_P256_SHA256};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use time::{Duration, OffsetDateTime};

use crate::config::model::Tls;

/// Self-signed, P-256, for one host name. `tls` may give name, organization and validity.
pub(super) fn generate(tls: &Tls, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let fail = |error: rcgen::Error| format!("making a certificate: {error}");
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(fail)?;
    let name = match tls.common_name.as_str() {
        "" => host_name(),
        name => name.to_owned(),
    };
    let mut params = CertificateParams::new([name.clone()]).map_err(fail)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    if !tls.organization.is_empty() {
        params
            .distinguished_name
            .push(DnType::OrganizationName, tls.organization.as_str());
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    (params.not_before, params.not_after) = validity(tls, pair.public_key_raw());
    let certificate = params.self_signed(&pair).map_err(fail)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pair.serialize_der()));
    CertifiedKey::from_der(vec![certificate.into()], key, provider)
        .map_err(|error| format!("making a certificate: {error}"))
}

/// A year that began some weeks ago, so that it does not begin when the process did; how long ago
/// is taken from the new key, which is as random as anything here.
fn validity(tls: &Tls, key: &[u8]) -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::now_utc();
    if tls.validity.0 > 0 {
        return (
            now - Duration::hours(1),
            now + Duration::nanoseconds(tls.validity.0),
        );
    }
    let chance = |at: usize| i64::from(key.get(at).copied().unwrap_or_default());
    let age = Duration::days(7 + chance(1) % 60) + Duration::seconds(chance(2) * 251 + chance(3));
    (now - age, now - age + Duration::days(365))
}

fn host_name() -> String {
    let file = |path| fs::read_to_string(path).ok();
    let name = file("/proc/sys/kernel/hostname")
        .or_else(|| file("/etc/hostname"))
        .or_else(|| env::var("HOSTNAME").ok())
        .unwrap_or_default();
    let name = name.trim().to_ascii_lowercase();
    let is_name = !name.is_empty()
        && name.len() <= 63
        && !name.starts_with('-')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    if is_name {
        name
    } else {
        "localhost".to_owned()
    }
}
