//! Which certificate a client is shown: by the name that it asks for.

use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Live;

#[derive(Debug)]
pub(super) struct Choice {
    /// For those who ask for no name, or for one that nobody has.
    pub(super) key: Arc<Live>,
    pub(super) others: Vec<Other>,
    /// `rejectUnknownSNI`: a client must ask for a name of one of the certificates or of `names`; any name
    /// will do if there is only one certificate and no list.
    pub(super) reject: bool,
    pub(super) names: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Other {
    pub(super) key: Arc<Live>,
    /// In place of those in the certificate.
    pub(super) names: Vec<String>,
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name())
    }
}

impl Choice {
    fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let Some(name) = name else {
            return (!self.reject).then(|| self.key.current());
        };
        // Its own certificate is no worse than that of another, if both have the name.
        let own = self.key.current();
        let has_own = || is_for(&own, name);
        for other in &self.others {
            let key = other.key.current();
            let has = match other.names.as_slice() {
                [] => !has_own() && is_for(&key, name),
                names => names.iter().any(|one| covers(one, name)),
            };
            if has {
                return Some(key);
            }
        }
        let listed = || self.names.iter().any(|one| covers(one, name));
        let any = self.names.is_empty() && self.others.is_empty();
        let known = any || listed() || (!self.others.is_empty() && has_own());
        (!self.reject || known).then_some(own)
    }
}

/// `*.example.com` covers one label.
fn covers(pattern: &str, name: &str) -> bool {
    let rest = name.split_once('.').map(|(_, rest)| rest);
    match pattern.strip_prefix("*.") {
        Some(domain) => rest.is_some_and(|rest| rest.eq_ignore_ascii_case(domain)),
        None => pattern.eq_ignore_ascii_case(name),
    }
}

fn is_for(key: &CertifiedKey, name: &str) -> bool {
    let verified = || {
        let certificate = ParsedCertificate::try_from(key.cert.first()?).ok()?;
        let name = ServerName::try_from(name).ok()?;
        verify_server_name(&certificate, &name).ok()
    };
    verified().is_some()
}
