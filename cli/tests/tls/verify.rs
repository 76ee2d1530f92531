//! Who is trusted: servers by their clients, clients by their server, and in which words they are not.

use ginnel_core::layer::tls::certificate_text;

use super::*;

#[test]
fn the_four_levels_of_verification() {
    let (ours, other) = (Files::new("levels"), Files::new("levels-other"));
    let server = maker().server(Some(&ours.pair())).unwrap();
    let client = |secure, ca: &str| {
        maker()
            .client(&Tls {
                secure,
                ca_file: ca.to_owned(),
                ..Tls::default()
            })
            .unwrap()
    };
    let (good, bad) = (ours.path("ca.pem"), other.path("ca.pem"));
    assert!(connect(&server, &client(false, ""), "b.example").is_ok());
    assert!(connect(&server, &client(false, &good), "b.example").is_ok());
    assert!(connect(&server, &client(false, &bad), "a.example").is_err());
    assert!(connect(&server, &client(true, &good), "a.example").is_ok());
    assert!(connect(&server, &client(true, &good), "b.example").is_err());
    assert!(connect(&server, &client(true, &bad), "a.example").is_err());
    match maker().client(&Tls {
        secure: true,
        ..Tls::default()
    }) {
        Ok(client) => assert!(connect(&server, &client, "a.example").is_err()),
        // A machine without trusted certificates says so at start.
        Err(error) => assert!(error.contains("use caFile"), "{error}"),
    }
}

#[test]
fn a_self_signed_certificate_is_trusted_where_it_is_the_ca_file() {
    let files = Files::new("self-signed");
    let server = maker()
        .server(Some(&self_signed(&files, 2020, 4000)))
        .unwrap();
    let client = |secure, files: &Files| {
        let tls = Tls {
            secure,
            ca_file: files.path("cert.pem"),
            ..Tls::default()
        };
        maker().client(&tls).unwrap()
    };
    assert!(connect(&server, &client(true, &files), "a.example").is_ok());
    assert!(connect(&server, &client(true, &files), "b.example").is_err());
    assert!(connect(&server, &client(false, &files), "b.example").is_ok());
    let other = Files::new("self-signed-other");
    self_signed(&other, 2020, 4000);
    assert!(connect(&server, &client(true, &other), "a.example").is_err());
    assert!(connect(&server, &client(false, &other), "a.example").is_err());
    for (from, to) in [(2020, 2021), (3000, 4000)] {
        let files = Files::new("self-signed-dates");
        let server = maker()
            .server(Some(&self_signed(&files, from, to)))
            .unwrap();
        for secure in [true, false] {
            let result = connect(&server, &client(secure, &files), "a.example");
            assert!(result.is_err(), "{from} to {to}");
        }
    }
}

#[test]
fn certificate_errors_are_in_words() {
    let (files, other) = (Files::new("words"), Files::new("words-other"));
    let fails = |server: &Tls, ca: &str, name: &str| {
        let client = Tls {
            secure: true,
            ca_file: ca.to_owned(),
            ..Tls::default()
        };
        let server = maker().server(Some(server)).unwrap();
        let client = maker().client(&client).unwrap();
        match connect(&server, &client, name).map(|_| ()) {
            Err(Error::InvalidCertificate(fault)) => certificate_text(&fault),
            other => panic!("{other:?}"),
        }
    };
    let (ca, strange) = (files.path("ca.pem"), other.path("ca.pem"));
    assert_eq!(
        fails(&files.pair(), &ca, "b.example"),
        "is for other names (a.example), expected b.example: set serverName"
    );
    assert_eq!(
        fails(&files.pair(), &strange, "a.example"),
        "is signed by nobody we trust: give its CA, or the certificate itself, with caFile"
    );
    let old = Files::new("words-old");
    let tls = self_signed(&old, 2020, 2021);
    let text = fails(&tls, &old.path("cert.pem"), "a.example");
    assert!(
        text.starts_with("expired ") && text.ends_with(" days ago"),
        "{text}"
    );
    let tls = self_signed(&old, 2020, 4000);
    assert_eq!(
        fails(&tls, &ca, "a.example"),
        "is that of a CA (CA:TRUE), and not itself trusted: give it as caFile"
    );
}

#[test]
fn client_certificates_are_required_with_a_ca() {
    let (ours, other) = (Files::new("clients"), Files::new("clients-other"));
    let tls = Tls {
        ca_file: ours.path("ca.pem"),
        ..ours.pair()
    };
    let server = maker().server(Some(&tls)).unwrap();
    let connect_with =
        |tls: Tls| connect(&server, &maker().client(&tls).unwrap(), "a.example").map(|_| ());
    assert!(connect_with(ours.pair()).is_ok());
    assert!(connect_with(other.pair()).is_err());
    assert!(connect_with(Tls::default()).is_err());
}

#[test]
fn unknown_names_are_refused_when_asked() {
    let tls = Tls {
        reject_unknown_sni: true,
        server_names: vec!["A.example".to_owned()],
        ..Tls::default()
    };
    let server = maker().server(Some(&tls)).unwrap();
    let client = maker().client(&Tls::default()).unwrap();
    assert!(connect(&server, &client, "a.example").is_ok());
    assert!(connect(&server, &client, "b.example").is_err());
    // An address is not sent as a name.
    assert!(connect(&server, &client, "127.0.0.1").is_err());
}
