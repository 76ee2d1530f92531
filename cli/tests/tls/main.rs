//! TLS configurations against each other, in memory, and what is said about unusable files.

mod names;
mod verify;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use ginnel::config::model::{Tls, TlsOptions};
use ginnel::duration::Span;
use ginnel::tls::Maker;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, Error, HandshakeKind, ProtocolVersion,
    ServerConfig, ServerConnection,
};

/// Both ends after the handshake and one exchange each way.
struct Pair {
    client: ClientConnection,
    server: ServerConnection,
}

fn connect(
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
    name: &str,
) -> Result<Pair, Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut pair = Pair {
        client: ClientConnection::new(client.clone(), name)?,
        server: ServerConnection::new(server.clone())?,
    };
    for _ in 0..6 {
        let mut wire = Vec::new();
        while pair.client.wants_write() {
            pair.client.write_tls(&mut wire).unwrap();
        }
        feed(&mut pair.server, &wire)?;
        wire.clear();
        while pair.server.wants_write() {
            pair.server.write_tls(&mut wire).unwrap();
        }
        feed(&mut pair.client, &wire)?;
    }
    assert!(!pair.client.is_handshaking() && !pair.server.is_handshaking());
    Ok(pair)
}

fn feed<D>(to: &mut rustls::ConnectionCommon<D>, mut wire: &[u8]) -> Result<(), Error> {
    while !wire.is_empty() {
        to.read_tls(&mut wire).unwrap();
        to.process_new_packets()?;
    }
    Ok(())
}

/// A CA and a certificate for `a.example` signed by it, as files in a folder of the test's own.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).unwrap();
        let files = Self(folder);
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        files.write("ca.pem", &params.self_signed(&key).unwrap().pem());
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        files.write("cert.pem", &params.signed_by(&key, &issuer).unwrap().pem());
        files.write("key.pem", &key.serialize_pem());
        files
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn pair(&self) -> Tls {
        Tls {
            cert_file: self.path("cert.pem"),
            key_file: self.path("key.pem"),
            ..Tls::default()
        }
    }
}

/// What `openssl req -x509` makes: it says CA:TRUE, and is shown by the server itself.
fn self_signed(files: &Files, from: i32, to: i32) -> Tls {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    files.write("cert.pem", &params.self_signed(&key).unwrap().pem());
    files.write("key.pem", &key.serialize_pem());
    files.pair()
}

fn maker() -> Maker {
    Maker::new(Tls::default())
}

#[test]
fn unusable_files_are_named_with_the_reason() {
    let (files, other) = (Files::new("unusable"), Files::new("unusable-other"));
    files.write("text.pem", "nothing here\n");
    let good = files.pair();
    let with = |cert: &str, key: &str| Tls {
        cert_file: cert.to_owned(),
        key_file: key.to_owned(),
        ..Tls::default()
    };
    let (text, gone) = (files.path("text.pem"), files.path("gone.pem"));
    for (tls, part) in [
        (with(&gone, &good.key_file), "gone.pem: No such file"),
        (with(&good.cert_file, &gone), "gone.pem: No such file"),
        (with(&text, &good.key_file), "text.pem: no PEM certificate"),
        (
            with(&good.cert_file, &text),
            "text.pem: no unencrypted PEM private key",
        ),
        (
            with(&good.cert_file, &other.path("key.pem")),
            "is not the key of certFile",
        ),
        (with(&good.cert_file, ""), "belong together"),
        (
            Tls {
                ca_file: text.clone(),
                ..good.clone()
            },
            "caFile",
        ),
        (
            Tls {
                ca_file: gone.clone(),
                ..Tls::default()
            },
            "would not be verified",
        ),
    ] {
        let error = maker().server(Some(&tls)).map(|_| ()).unwrap_err();
        assert!(error.contains(part), "{part:?} not in {error:?}");
    }
    let error = maker()
        .client(&Tls {
            ca_file: gone,
            ..Tls::default()
        })
        .map(|_| ())
        .unwrap_err();
    assert!(error.contains("gone.pem"), "{error}");
    let error = maker()
        .client(&with(&good.cert_file, &other.path("key.pem")))
        .map(|_| ())
        .unwrap_err();
    assert!(error.contains("is not the key"), "{error}");
}

#[test]
fn the_generated_certificate_is_one_and_plain() {
    let mut maker = maker();
    let (first, second) = (maker.server(None).unwrap(), maker.server(None).unwrap());
    let client = maker.client(&Tls::default()).unwrap();
    let shown = |server| {
        let pair = connect(server, &client, "any.example").unwrap();
        pair.client.peer_certificates().unwrap()[0].to_vec()
    };
    let der = shown(&first);
    assert_eq!(der, shown(&second));
    for word in ["rcgen", "ginnel", "gost"] {
        let found = der
            .to_ascii_lowercase()
            .windows(word.len())
            .any(|part| part == word.as_bytes());
        assert!(!found, "{word} is in the certificate");
    }
    let named = Tls {
        common_name: "front.example".to_owned(),
        validity: Span::seconds(3600),
        ..Tls::default()
    };
    let server = Maker::new(named).server(None).unwrap();
    let pair = connect(&server, &client, "any.example").unwrap();
    let der = pair.client.peer_certificates().unwrap()[0].to_vec();
    assert!(
        der.windows(13)
            .filter(|part| *part == b"front.example")
            .count()
            >= 2
    );
}

#[test]
fn defaults_are_fast_and_resumable_and_without_alpn() {
    let server = maker().server(None).unwrap();
    let client = maker().client(&Tls::default()).unwrap();
    let first = connect(&server, &client, "a.example").unwrap();
    assert_eq!(
        first.client.protocol_version(),
        Some(ProtocolVersion::TLSv1_3)
    );
    let suite = first.client.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, CipherSuite::TLS13_AES_128_GCM_SHA256);
    assert_eq!(first.client.alpn_protocol(), None);
    assert_eq!(first.client.handshake_kind(), Some(HandshakeKind::Full));
    assert!(server.ticketer.enabled());
    let second = connect(&server, &client, "a.example").unwrap();
    assert_eq!(second.client.handshake_kind(), Some(HandshakeKind::Resumed));
    assert_eq!(second.server.handshake_kind(), Some(HandshakeKind::Resumed));
}

#[test]
fn options_limit_versions_suites_and_protocols() {
    let options = |options: TlsOptions| Tls {
        options: Some(options),
        ..Tls::default()
    };
    let old = options(TlsOptions {
        max_version: "versiontls12".to_owned(),
        cipher_suites: vec!["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384".to_owned()],
        alpn: vec!["http/1.1".to_owned()],
        ..TlsOptions::default()
    });
    let server = maker().server(Some(&old)).unwrap();
    let pair = connect(
        &server,
        &maker().client(&Tls::default()).unwrap(),
        "a.example",
    )
    .unwrap();
    assert_eq!(
        pair.client.protocol_version(),
        Some(ProtocolVersion::TLSv1_2)
    );
    let suite = pair.client.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384);
    let pair = connect(&server, &maker().client(&old).unwrap(), "a.example").unwrap();
    assert_eq!(pair.client.alpn_protocol(), Some(&b"http/1.1"[..]));
    let new = options(TlsOptions {
        min_version: "VersionTLS13".to_owned(),
        ..TlsOptions::default()
    });
    assert!(connect(&server, &maker().client(&new).unwrap(), "a.example").is_err());
    for (low, high) in [
        ("VersionTLS13", "VersionTLS12"),
        ("", "VersionTLS11"),
        ("1.2", ""),
    ] {
        let wrong = TlsOptions {
            min_version: low.to_owned(),
            max_version: high.to_owned(),
            ..TlsOptions::default()
        };
        assert!(
            maker().server(Some(&options(wrong))).is_err(),
            "{low} to {high}"
        );
    }
}
