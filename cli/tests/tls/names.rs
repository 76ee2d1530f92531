//! Several certificates of one listener, and those of clients that are their own CA.

use ginnel::config::model::Certificate;

use super::*;

/// A pair of files for these names.
fn pair(files: &Files, names: &[&str]) -> Certificate {
    let key = KeyPair::generate().unwrap();
    let list: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let params = CertificateParams::new(list).unwrap();
    let stem = names[0].replace('*', "all");
    let (cert, secret) = (format!("{stem}.pem"), format!("{stem}.key"));
    files.write(&cert, &params.self_signed(&key).unwrap().pem());
    files.write(&secret, &key.serialize_pem());
    Certificate {
        cert_file: files.path(&cert),
        key_file: files.path(&secret),
        server_names: Vec::new(),
    }
}

/// The file that a client is shown which asks for this name.
fn shown(server: &Arc<ServerConfig>, name: &str, candidates: &[&Certificate]) -> Option<usize> {
    let client = maker().client(&Tls::default()).unwrap();
    let pair = connect(server, &client, name).ok()?;
    let got = pair.client.peer_certificates().unwrap()[0].clone();
    candidates.iter().position(|one| {
        use rustls::pki_types::pem::PemObject;
        let pem = fs::read(&one.cert_file).unwrap();
        rustls::pki_types::CertificateDer::from_pem_slice(&pem).unwrap() == got
    })
}

#[test]
fn the_certificate_is_chosen_by_the_name_that_is_asked_for() {
    let files = Files::new("names");
    let own = pair(&files, &["own.example"]);
    let a = pair(&files, &["a.example", "www.a.example"]);
    let all = pair(&files, &["*.b.example"]);
    let named = Certificate {
        server_names: vec!["c.example".to_owned(), "*.c.example".to_owned()],
        ..pair(&files, &["other"])
    };
    let mut tls = Tls {
        cert_file: own.cert_file.clone(),
        key_file: own.key_file.clone(),
        certificates: vec![a.clone(), all.clone(), named.clone()],
        ..Tls::default()
    };
    let candidates = [&own, &a, &all, &named];
    for reject in [false, true] {
        tls.reject_unknown_sni = reject;
        let server = maker().server(Some(&tls)).unwrap();
        let unknown = (!reject).then_some(0);
        for (name, expected) in [
            ("own.example", Some(0)),
            ("a.example", Some(1)),
            ("WWW.A.EXAMPLE", Some(1)),
            ("x.b.example", Some(2)),
            ("b.example", unknown),
            ("x.y.b.example", unknown),
            ("c.example", Some(3)),
            ("x.c.example", Some(3)),
            ("other", unknown),
            ("127.0.0.1", unknown),
        ] {
            assert_eq!(
                shown(&server, name, &candidates),
                expected,
                "{name} {reject}"
            );
        }
    }
}

#[test]
fn an_unusable_one_of_several_is_named() {
    let files = Files::new("names-unusable");
    let tls = Tls {
        certificates: vec![
            pair(&files, &["a.example"]),
            Certificate {
                cert_file: files.path("absent.pem"),
                key_file: files.path("absent.key"),
                ..Certificate::default()
            },
        ],
        ..Tls::default()
    };
    let error = maker().server(Some(&tls)).unwrap_err();
    assert!(error.starts_with("certificates[1]: certFile "), "{error}");
}

#[test]
fn a_self_signed_client_is_trusted_where_it_is_the_ca_file() {
    let (client, server) = (Files::new("own-ca-client"), Files::new("own-ca-server"));
    for (from, to, expected) in [(2020, 4000, true), (2020, 2021, false), (3000, 4000, false)] {
        let shown = self_signed(&client, from, to);
        let tls = Tls {
            ca_file: client.path("cert.pem"),
            ..server.pair()
        };
        let server = maker().server(Some(&tls)).unwrap();
        let client = maker().client(&shown).unwrap();
        let result = connect(&server, &client, "a.example").map(drop);
        assert_eq!(result.is_ok(), expected, "{from} to {to}: {result:?}");
    }
    let other = Files::new("own-ca-other");
    let stranger = self_signed(&other, 2020, 4000);
    self_signed(&client, 2020, 4000);
    let tls = Tls {
        ca_file: client.path("cert.pem"),
        ..server.pair()
    };
    let server = maker().server(Some(&tls)).unwrap();
    assert!(connect(&server, &maker().client(&stranger).unwrap(), "a.example").is_err());
}
