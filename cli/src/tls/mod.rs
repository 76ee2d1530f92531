//! TLS configurations from `tls` sections: what may be wrong with the files is found here, at start.

mod certificate;
mod choice;
mod files;
mod live;
mod verify;

use std::sync::Arc;

use ginnel_core::crypto::library;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CipherSuite, ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::config::model::{Tls, TlsOptions};

pub use live::{Certificates, Live};

/// Makes configurations; keeps the default certificate, so that all services show the same one.
pub struct Maker {
    default: Tls,
    certificate: Option<Arc<Live>>,
    certificates: Arc<Certificates>,
    /// Those that the configurations show.
    shown: Vec<Arc<Live>>,
    /// What was made before: equal sections share a configuration and its sessions.
    servers: Vec<(Tls, Arc<ServerConfig>)>,
    clients: Vec<(Tls, Arc<ClientConfig>)>,
}

impl Maker {
    /// `default` is the top-level `tls` section.
    pub fn new(default: Tls) -> Self {
        Self::sharing(default, Arc::default())
    }

    /// With the certificates of earlier configurations, where they have the same files.
    pub fn sharing(default: Tls, certificates: Arc<Certificates>) -> Self {
        Self {
            default,
            certificate: None,
            certificates,
            shown: Vec::new(),
            servers: Vec::new(),
            clients: Vec::new(),
        }
    }

    /// For an accepting side. Without files in `tls`, the default certificate is used.
    pub fn server(&mut self, tls: Option<&Tls>) -> Result<Arc<ServerConfig>, String> {
        let tls = tls.cloned().unwrap_or_default();
        if let Some((_, config)) = self.servers.iter().find(|(known, _)| *known == tls) {
            return Ok(config.clone());
        }
        let config = self.make_server(&tls)?;
        self.servers.push((tls, config.clone()));
        Ok(config)
    }

    /// The certificates of all servers made here.
    pub fn shown(self) -> Vec<Arc<Live>> {
        self.shown
    }

    /// For a dialing side: with `secure` chain and name are verified; with `caFile` alone the
    /// chain; otherwise nothing but that the peer holds the key it shows.
    pub fn client(&mut self, tls: &Tls) -> Result<Arc<ClientConfig>, String> {
        // The name is given with each connection.
        let tls = Tls {
            server_name: String::new(),
            ..tls.clone()
        };
        if let Some((_, config)) = self.clients.iter().find(|(known, _)| *known == tls) {
            return Ok(config.clone());
        }
        let config = self.make_client(&tls)?;
        self.clients.push((tls, config.clone()));
        Ok(config)
    }

    fn make_server(&mut self, tls: &Tls) -> Result<Arc<ServerConfig>, String> {
        let own = !tls.cert_file.is_empty() || !tls.key_file.is_empty();
        if !own && !tls.ca_file.is_empty() {
            return Err(
                "caFile without certFile and keyFile: clients would not be verified".to_owned(),
            );
        }
        let (key, ca) = match own {
            true => (self.certificates.files(tls)?, tls.ca_file.clone()),
            false => (self.default_certificate()?, self.default.ca_file.clone()),
        };
        let options = tls.options.as_ref().or(self.default.options.as_ref());
        let options = options.cloned().unwrap_or_default();
        let provider = Arc::new(provider(&options)?);
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions(&options)?)
            .map_err(|error| error.to_string())?;
        let builder = match ca.as_str() {
            "" => builder.with_no_client_auth(),
            path => builder.with_client_cert_verifier(
                verify::TrustedClient::new(
                    files::certificates("caFile", path)?,
                    files::roots(path)?,
                    provider,
                )
                .map_err(|error| format!("caFile {path}: {error}"))?,
            ),
        };
        self.show(&key);
        let mut others = Vec::new();
        for (index, other) in tls.certificates.iter().enumerate() {
            let section = Tls {
                cert_file: other.cert_file.clone(),
                key_file: other.key_file.clone(),
                ..Tls::default()
            };
            let key = self.certificates.files(&section);
            let key = key.map_err(|error| format!("certificates[{index}]: {error}"))?;
            self.show(&key);
            let names = other.server_names.clone();
            others.push(choice::Other { key, names });
        }
        let mut config = builder.with_cert_resolver(Arc::new(choice::Choice {
            key,
            others,
            reject: tls.reject_unknown_sni || self.default.reject_unknown_sni,
            names: match tls.server_names.as_slice() {
                [] => self.default.server_names.clone(),
                names => names.to_vec(),
            },
        }));
        config.alpn_protocols = alpn(&options);
        config.enable_secret_extraction = true;
        // Like Go: who comes again brings one, and gets the next. A second one costs both ends, and mostly is never used.
        config.send_tls13_tickets = 1;
        config.ticketer = library::Ticketer::new().map_err(|error| error.to_string())?;
        Ok(Arc::new(config))
    }

    fn show(&mut self, key: &Arc<Live>) {
        if !self.shown.iter().any(|one| Arc::ptr_eq(one, key)) {
            self.shown.push(key.clone());
        }
    }

    fn make_client(&self, tls: &Tls) -> Result<Arc<ClientConfig>, String> {
        let options = tls.options.clone().unwrap_or_default();
        let provider = Arc::new(provider(&options)?);
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions(&options)?)
            .map_err(|error| error.to_string())?;
        let builder = match (tls.secure, tls.ca_file.as_str()) {
            (false, "") => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verify::Anything::new(&provider))),
            (names, path) => {
                let (trusted, roots) = match path {
                    "" => system_roots()?,
                    path => (files::certificates("caFile", path)?, files::roots(path)?),
                };
                let verifier = verify::Trusted::new(trusted, roots, names, provider)?;
                builder
                    .dangerous()
                    .with_custom_certificate_verifier(verifier)
            }
        };
        let mut config = match tls.cert_file.is_empty() && tls.key_file.is_empty() {
            true => builder.with_no_client_auth(),
            false => {
                // Whether they belong together is checked there.
                files::certified_key(tls, &self::provider(&TlsOptions::default())?)?;
                let (chain, key) = files::chain_and_key(tls)?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| format!("{}: {error}", tls.cert_file))?
            }
        };
        config.alpn_protocols = alpn(&options);
        config.enable_secret_extraction = true;
        Ok(Arc::new(config))
    }

    /// The top-level files, else `cert.pem` and `key.pem` here, else one made for this process.
    fn default_certificate(&mut self) -> Result<Arc<Live>, String> {
        if let Some(key) = &self.certificate {
            return Ok(key.clone());
        }
        let here = Tls {
            cert_file: "cert.pem".to_owned(),
            key_file: "key.pem".to_owned(),
            ..Tls::default()
        };
        let files_here = [&here.cert_file, &here.key_file];
        let key = if !self.default.cert_file.is_empty() || !self.default.key_file.is_empty() {
            self.certificates.files(&self.default)?
        } else if !self.default.ca_file.is_empty() {
            return Err(
                "tls.caFile without certFile and keyFile: clients would not be verified".to_owned(),
            );
        } else if files_here
            .iter()
            .all(|path| std::path::Path::new(path).is_file())
        {
            self.certificates.files(&here)?
        } else {
            self.certificates.made(&self.default)?
        };
        self.certificate = Some(key.clone());
        Ok(key)
    }
}

/// What is wrong with the dates of the section's certificate: it works, but peers will not trust it.
pub fn dates(tls: &Tls) -> Option<String> {
    (!tls.cert_file.is_empty()).then(|| files::dates(tls, UnixTime::now()))?
}

/// Remarks on options that are accepted but mean something else here.
pub fn remarks(options: &TlsOptions) -> Vec<String> {
    let mut remarks = Vec::new();
    if matches!(number(&options.min_version), Some(10 | 11)) {
        remarks.push(format!(
            "minVersion {}: TLS 1.2 is the lowest version here",
            options.min_version
        ));
    }
    for name in &options.cipher_suites {
        let known = library::ALL_CIPHER_SUITES.iter();
        if !known
            .map(|suite| suite_name(suite.suite()))
            .any(|known| known.eq_ignore_ascii_case(name))
        {
            remarks.push(format!("cipherSuites: {name} is not offered"));
        }
    }
    remarks
}

/// AES-128-GCM first: as safe in TLS, and a fifth less work than AES-256.
fn provider(options: &TlsOptions) -> Result<CryptoProvider, String> {
    let mut provider = library::default_provider();
    provider.cipher_suites.sort_by_key(|suite| {
        let fast = suite_name(suite.suite()).contains("AES_128_GCM");
        (suite.tls13().is_none(), !fast)
    });
    if options.cipher_suites.is_empty() {
        return Ok(provider);
    }
    // As in Go, the list is about TLS 1.2 and earlier.
    let chosen = |name: &str| {
        options
            .cipher_suites
            .iter()
            .any(|one| one.eq_ignore_ascii_case(name))
    };
    let mut limited = provider.clone();
    limited
        .cipher_suites
        .retain(|suite| suite.tls13().is_some() || chosen(&suite_name(suite.suite())));
    let some_old = limited
        .cipher_suites
        .iter()
        .any(|suite| suite.tls13().is_none());
    Ok(if some_old { limited } else { provider })
}

fn suite_name(suite: CipherSuite) -> String {
    format!("{suite:?}")
}

fn versions(options: &TlsOptions) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let read = |key: &str, text: &str, default| match text {
        "" => Ok(default),
        _ => number(text).ok_or_else(|| {
            format!("options.{key}: expected VersionTLS12 or VersionTLS13, got {text:?}")
        }),
    };
    let lowest = read("minVersion", &options.min_version, 12)?;
    let highest = read("maxVersion", &options.max_version, 13)?;
    let all = [(12, &rustls::version::TLS12), (13, &rustls::version::TLS13)];
    let chosen: Vec<_> = all
        .into_iter()
        .filter(|(version, _)| (lowest..=highest).contains(version))
        .map(|(_, version)| version)
        .collect();
    match chosen.is_empty() {
        true => Err(
            "options: no TLS version from 1.2 to 1.3 lies between minVersion and maxVersion"
                .to_owned(),
        ),
        false => Ok(chosen),
    }
}

fn number(text: &str) -> Option<u8> {
    match text.to_ascii_lowercase().as_str() {
        "versiontls10" => Some(10),
        "versiontls11" => Some(11),
        "versiontls12" => Some(12),
        "versiontls13" => Some(13),
        _ => None,
    }
}

fn alpn(options: &TlsOptions) -> Vec<Vec<u8>> {
    options
        .alpn
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect()
}

fn system_roots() -> Result<(Vec<CertificateDer<'static>>, RootCertStore), String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs.iter().cloned());
    if roots.is_empty() {
        let why = found
            .errors
            .first()
            .map(|error| format!(" ({error})"))
            .unwrap_or_default();
        return Err(format!(
            "the system has no trusted certificates{why}: use caFile"
        ));
    }
    Ok((found.certs, roots))
}
