//! TLS as both ends configure it: who shows which certificate, who trusts it, and what they agree on.

use ginnel_tests::certificate::{Authority, Pem, self_signed};
use ginnel_tests::check::{self, KIB, Targets, Way};
use ginnel_tests::{Proc, Program, Proxy, Speak, on_both_runtimes};

const CHANNELS: [&str; 3] = ["tls", "wss", "mwss"];

/// A service with this TLS section.
fn server(ginnel: &Program, channel: &str, tls: &str, files: &[(&str, &str)]) -> Proc {
    let file = format!(
        "services: [{{name: service-0, addr: '127.0.0.1:0', handler: {{type: http}}, listener: {{type: {channel}, tls: {{{tls}}}}}}}]\n"
    );
    let files = [&[("gost.yml", file.as_str())], files].concat();
    let server = ginnel.spawn(&["-C", "gost.yml"], &files);
    server.wait_for_services(1);
    server
}

/// A client of it with that one.
fn client(
    ginnel: &Program,
    channel: &str,
    server: &Proc,
    tls: &str,
    files: &[(&str, &str)],
) -> (Way, Proc) {
    let addr = server.addr();
    let file = format!(
        "\
services: [{{name: service-0, addr: '127.0.0.1:0', handler: {{type: socks5, chain: c}}, listener: {{type: tcp}}}}]
chains: [{{name: c, hops: [{{name: h, nodes: [{{name: n, addr: '{addr}', connector: {{type: http}}, dialer: {{type: {channel}, tls: {{{tls}}}}}}}]}}]}}]
"
    );
    let files = [&[("gost.yml", file.as_str())], files].concat();
    let client = ginnel.spawn(&["-C", "gost.yml"], &files);
    client.wait_for_services(1);
    let proxy = Proxy::new(Speak::Socks5, client.addr());
    (Way::proxy(format!("{channel} {{{tls}}}"), proxy), client)
}

/// The files of a server.
fn own(pem: &Pem) -> [(&str, &str); 2] {
    [("cert.pem", &pem.cert), ("key.pem", &pem.key)]
}

const OWN: &str = "certFile: cert.pem, keyFile: key.pem";

on_both_runtimes! {
    fn both_ends_show_certificates(ginnel: &Program) {
        let targets = Targets::new();
        let (servers, clients, others) = (Authority::new("servers"), Authority::new("clients"), Authority::new("others"));
        let (node, right, wrong) = (servers.server("node.example"), clients.client("alice"), others.client("mallory"));
        for channel in CHANNELS {
            let [cert, key] = own(&node);
            let server = server(ginnel, channel, &format!("{OWN}, caFile: ca.pem"), &[cert, key, ("ca.pem", &clients.pem)]);
            let trust = "secure: true, caFile: ca.pem, serverName: node.example";
            let ca = ("ca.pem", servers.pem.as_str());
            let with = |pem: &Pem| {
                let [cert, key] = own(pem);
                let (way, client) = client(ginnel, channel, &server, &format!("{trust}, {OWN}"), &[cert, key, ca]);
                (way, client)
            };
            let (way, _client) = with(&right);
            check::both_ways(&way, &targets.work, 20 * KIB, 20 * KIB);
            let (way, _client) = with(&wrong);
            check::no_way(&way, &targets.work);
            let (way, client) = client(ginnel, channel, &server, trust, &[ca]);
            check::no_way(&way, &targets.work);
            server.wait_for_line(&["the client shows no certificate, and caFile demands one"]);
            client.wait_for_line(&["set certFile and keyFile"]);
            // It does not matter to one who is not asked.
            let open = self::server(ginnel, channel, OWN, &own(&node));
            let [cert, key] = own(&wrong);
            let (way, _client) = self::client(ginnel, channel, &open, &format!("{trust}, {OWN}"), &[cert, key, ca]);
            check::both_ways(&way, &targets.work, KIB, KIB);
        }
    }

    fn a_self_signed_certificate_is_trusted_where_it_is_the_root(ginnel: &Program) {
        let targets = Targets::new();
        let (pem, other) = (self_signed("node.example"), self_signed("node.example"));
        for channel in CHANNELS {
            let server = server(ginnel, channel, OWN, &own(&pem));
            for (tls, root, trusted) in [
                ("secure: true, caFile: ca.pem, serverName: node.example", &pem, true),
                ("caFile: ca.pem", &pem, true),
                ("secure: true, caFile: ca.pem, serverName: other.example", &pem, false),
                ("secure: true, caFile: ca.pem, serverName: node.example", &other, false),
                ("caFile: ca.pem", &other, false),
            ] {
                let (way, client) = client(ginnel, channel, &server, tls, &[("ca.pem", &root.cert)]);
                if trusted {
                    check::both_ways(&way, &targets.work, KIB, KIB);
                } else {
                    check::no_way(&way, &targets.work);
                    client.wait_for_line(&["the peer's certificate "]);
                }
            }
        }
    }

    fn versions_and_suites_are_limited(ginnel: &Program) {
        let targets = Targets::new();
        let suites = |name: &str| format!("options: {{maxVersion: VersionTLS12, cipherSuites: [{name}]}}");
        let (aes, chacha) = (
            suites("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
            suites("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
        );
        let (old, new) = ("options: {maxVersion: versiontls12}", "options: {minVersion: VersionTLS13}");
        let pem = Authority::new("ca").server("node.example");
        for channel in CHANNELS {
            for (of_server, of_client, agree) in [
                (old, old, true),
                (new, new, true),
                (old, new, false),
                (new, old, false),
                (&aes, "", true),
                ("", &chacha, true),
                (&aes, &aes, true),
                (&aes, &chacha, false),
            ] {
                let server = server(ginnel, channel, &format!("{OWN}, {of_server}"), &own(&pem));
                let (way, client) = client(ginnel, channel, &server, of_client, &[]);
                if agree {
                    check::both_ways(&way, &targets.work, KIB, KIB);
                } else {
                    check::no_way(&way, &targets.work);
                    client.wait_for_line(&["TLS: the peer answered with alert "]);
                }
            }
        }
    }

    /// As in gost, a name that means nothing does not hinder; but it is said.
    fn unknown_suites_are_warned_of(ginnel: &Program) {
        let targets = Targets::new();
        let server = server(ginnel, "wss", "options: {cipherSuites: [TLS_RSA_WITH_RC4_128_SHA, NO_SUCH]}", &[]);
        for name in ["TLS_RSA_WITH_RC4_128_SHA", "NO_SUCH"] {
            server.wait_for_line(&["\"level\":\"warn\"", "cipherSuites", name]);
        }
        let (way, client) = client(ginnel, "wss", &server, "options: {cipherSuites: [NO_SUCH], minVersion: VersionTLS10}", &[]);
        check::both_ways(&way, &targets.work, KIB, KIB);
        client.wait_for_line(&["\"level\":\"warn\"", "NO_SUCH"]);
        client.wait_for_line(&["\"level\":\"warn\"", "TLS 1.2 is the lowest version here"]);
    }

    fn protocols_are_agreed_on_or_refused(ginnel: &Program) {
        let targets = Targets::new();
        for channel in CHANNELS {
            for version in ["VersionTLS12", "VersionTLS13"] {
                let alpn = |list: &str| format!("options: {{maxVersion: {version}, alpn: [{list}]}}");
                let server = server(ginnel, channel, &alpn("h2, http/1.1"), &[]);
                for list in ["http/1.1", "x, h2", ""] {
                    let (way, _client) = client(ginnel, channel, &server, &alpn(list), &[]);
                    check::both_ways(&way, &targets.work, KIB, KIB);
                }
                let (way, client) = client(ginnel, channel, &server, &alpn("x"), &[]);
                check::no_way(&way, &targets.work);
                client.wait_for_line(&["alert NoApplicationProtocol"]);
            }
        }
    }

    fn who_asks_for_an_unknown_name_is_refused(ginnel: &Program) {
        let targets = Targets::new();
        let pem = Authority::new("ca").server("node.example");
        for channel in CHANNELS {
            for names in ["", ", serverNames: [node.example, other.example]"] {
                let tls = format!("{OWN}, rejectUnknownSNI: true{names}");
                let server = server(ginnel, channel, &tls, &own(&pem));
                for (name, known) in [
                    ("node.example", true),
                    ("NODE.example", true),
                    ("other.example", true),
                    // Any name is known where none is listed.
                    ("strange.example", names.is_empty()),
                    ("", false),
                ] {
                    let tls = format!("serverName: '{name}'");
                    let (way, _client) = client(ginnel, channel, &server, &tls, &[]);
                    if known {
                        check::both_ways(&way, &targets.work, KIB, KIB);
                    } else {
                        check::no_way(&way, &targets.work);
                    }
                }
            }
        }
    }

    fn the_certificate_is_the_one_for_the_name(ginnel: &Program) {
        let targets = Targets::new();
        let (first, second) = (Authority::new("first"), Authority::new("second"));
        let (a, b) = (first.server("a.example"), second.server("*.b.example"));
        for channel in CHANNELS {
            let tls = format!("{OWN}, certificates: [{{certFile: b.pem, keyFile: b-key.pem}}]");
            let [cert, key] = own(&a);
            let files = [cert, key, ("b.pem", &b.cert), ("b-key.pem", &b.key)];
            let server = server(ginnel, channel, &tls, &files);
            for (name, ca, trusted) in [
                ("a.example", &first, true),
                ("x.b.example", &second, true),
                ("x.b.example", &first, false),
                // The first is for all who are in none.
                ("b.example", &first, false),
            ] {
                let tls = format!("secure: true, caFile: ca.pem, serverName: {name}");
                let (way, _client) = client(ginnel, channel, &server, &tls, &[("ca.pem", &ca.pem)]);
                if trusted {
                    check::both_ways(&way, &targets.work, KIB, KIB);
                } else {
                    check::no_way(&way, &targets.work);
                }
            }
        }
    }

    /// Otherwise nobody would be verified, and nobody would notice.
    fn an_authority_that_cannot_be_read_is_fatal(ginnel: &Program) {
        let pem = Authority::new("ca").server("node.example");
        let [cert, key] = own(&pem);
        for (args, text) in [
            (["-L", "http+wss://127.0.0.1:0?certFile=cert.pem&keyFile=key.pem&caFile=gone.pem"], "gone.pem: No such file"),
            (["-L", "http+tls://127.0.0.1:0?certFile=cert.pem&keyFile=key.pem&caFile=key.pem"], "no PEM certificate"),
            (["-L", "http+mwss://127.0.0.1:0?caFile=cert.pem"], "caFile without certFile and keyFile"),
            (["-F", "http+wss://127.0.0.1:1?caFile=gone.pem"], "gone.pem: No such file"),
            (["-F", "http+wss://127.0.0.1:1?secure=true&caFile=key.pem"], "no PEM certificate"),
        ] {
            let args = [&["-L", "http://127.0.0.1:0"], &args[..]].concat();
            let (status, lines) = ginnel.spawn(&args, &[cert, key]).wait();
            assert_eq!(status.code(), Some(1), "{args:?}");
            assert!(lines.iter().any(|line| line.contains(text)), "{text}: {lines:#?}");
        }
        let file = "tls: {certFile: cert.pem, keyFile: key.pem, caFile: gone.pem}\nservices: [{name: s, addr: '127.0.0.1:0', listener: {type: wss}}]\n";
        let (status, lines) = ginnel.spawn(&["-C", "gost.yml"], &[cert, key, ("gost.yml", file)]).wait();
        assert_eq!(status.code(), Some(1), "{lines:#?}");
    }
}
