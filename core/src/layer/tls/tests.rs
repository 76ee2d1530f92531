//! Our records against rustls' own, in both roles, both versions, with every cipher and any cuts.

mod rig;

use std::io::{Cursor, Write};
use std::sync::Arc;

use proptest::prelude::*;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};

use self::rig::*;
use super::*;
use crate::crypto::library;

#[test]
fn bytes_pass_both_ways_with_every_cipher() {
    for suite in library::ALL_CIPHER_SUITES {
        let (server, client) = configs(*suite);
        for ours_serves in [true, false] {
            if suite.tls13().is_none() && format!("{suite:?}").contains("RSA") {
                continue; // The certificate's key is of elliptic curves.
            }
            let (mut ours, mut peer) = pair(&server, &client, ours_serves);
            shake(&mut ours, &mut peer, &[]);
            for len in [1, 100, 4095, 4096, 16384, 16385, 70_000, 300_000] {
                let (seg, bytes) = message(b"header of 14 b", len);
                ours.send(&[seg]);
                let wire = ours.take();
                assert_eq!(peer_in(&mut peer, &wire).unwrap(), bytes, "{suite:?} {len}");
                peer.set_buffer_limit(None);
                peer.writer().write_all(&bytes).unwrap();
                ours.plain.clear();
                ours.recv(&peer_out(&mut peer), &[]).unwrap();
                assert!(ours.plain == bytes, "{suite:?} {len}");
            }
        }
    }
}

#[test]
fn keys_are_updated_when_either_side_wants() {
    let (server, client) = configs(library::cipher_suite::TLS13_AES_128_GCM_SHA256);
    for ours_serves in [true, false] {
        let (mut ours, mut peer) = pair(&server, &client, ours_serves);
        shake(&mut ours, &mut peer, &[]);
        for round in 0..3 {
            peer.refresh_traffic_keys().unwrap();
            peer.writer().write_all(b"under a new key").unwrap();
            ours.recv(&peer_out(&mut peer), &[1, 2, 3]).unwrap();
            // Ours was asked to update as well, and says so before it goes on.
            let State::Established(established) = &mut ours.tls.state else {
                panic!("not established");
            };
            established.renew(&mut ours.down).unwrap();
            let (seg, bytes) = message(b"", 20_000 + round);
            ours.send(&[seg]);
            let wire = ours.take();
            assert_eq!(peer_in(&mut peer, &wire).unwrap(), bytes);
        }
        assert_eq!(ours.plain, b"under a new key".repeat(3));
    }
}

#[test]
fn a_session_is_resumed_by_a_ticket_that_came_after_the_handshake() {
    let (server, client) = configs(library::cipher_suite::TLS13_AES_256_GCM_SHA384);
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let (mut ours, mut peer) = pair(&server, &client, false);
        shake(&mut ours, &mut peer, &[1, 5, 300]);
        kinds.push(peer.handshake_kind());
    }
    use rustls::HandshakeKind::{Full, Resumed};
    assert_eq!(kinds, [Some(Full), Some(Resumed)]);
}

#[test]
fn an_end_is_told_apart_from_a_cut() {
    let (server, client) = configs(library::cipher_suite::TLS13_AES_128_GCM_SHA256);
    let (mut ours, mut peer) = pair(&server, &client, true);
    shake(&mut ours, &mut peer, &[]);
    let cut = ours.call(|tls, cx, io| tls.lower_end(cx, Eof::Fin, io));
    assert!(cut.unwrap_err().text.contains("close_notify"));

    peer.writer().write_all(b"last").unwrap();
    peer.send_close_notify();
    let mut wire = peer_out(&mut peer);
    wire.extend_from_slice(b"whatever comes behind it");
    ours.recv(&wire, &[]).unwrap();
    assert_eq!((ours.plain.as_slice(), ours.ended), (&b"last"[..], 1));
    // Our direction goes on.
    let (seg, bytes) = message(b"", 5000);
    ours.send(&[seg]);
    let Ours {
        world, tls, down, ..
    } = &mut ours;
    assert!(tls.finish(&mut world.cx(), down), "the transport may end");
    let wire = ours.take();
    assert_eq!(peer_in(&mut peer, &wire).unwrap(), bytes);
    assert!(peer.process_new_packets().unwrap().peer_has_closed());
    ours.call(|tls, cx, io| tls.lower_end(cx, Eof::Fin, io))
        .unwrap();
}

#[test]
fn a_changed_record_ends_the_connection_with_an_alert() {
    for (suite, ours_serves) in [
        (library::cipher_suite::TLS13_AES_128_GCM_SHA256, true),
        (library::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256, false),
        (
            library::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            true,
        ),
    ] {
        let (server, client) = configs(suite);
        let (mut ours, mut peer) = pair(&server, &client, ours_serves);
        shake(&mut ours, &mut peer, &[]);
        peer.writer().write_all(b"payload").unwrap();
        let mut wire = peer_out(&mut peer);
        let last = wire.len() - 1;
        wire[last] ^= 1;
        let fail = ours.recv(&wire, &[]).unwrap_err();
        assert!(fail.text.contains("changed on its way"), "{fail}");
        assert_eq!(ours.plain, b"");
        let alert = ours.take();
        let error = peer_in(&mut peer, &alert).unwrap_err();
        assert_eq!(
            error,
            rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac)
        );
    }
}

#[test]
fn what_has_no_place_in_a_record_is_refused() {
    let (server, client) = configs(library::cipher_suite::TLS13_AES_128_GCM_SHA256);
    for (record, text) in [
        (&b"\x17\x03\x03\x48\x01"[..], "more than 18432 bytes"),
        (b"\x18\x03\x03\x00\x10", "no TLS record"),
        (b"GET / HTTP/1.1\r\n\r\n", "no TLS record"),
        (b"\x14\x03\x03\x00\x01\x01", "not encrypted"),
        (b"\x17\x03\x03\x00\x00", "not sealed"),
    ] {
        let (mut ours, mut peer) = pair(&server, &client, true);
        shake(&mut ours, &mut peer, &[]);
        for cuts in [&[][..], &[1, 1, 1, 1, 1, 1]] {
            let (mut ours, mut peer) = pair(&server, &client, true);
            shake(&mut ours, &mut peer, &[]);
            let fail = ours.recv(record, cuts).unwrap_err();
            assert!(fail.text.contains(text), "{fail}");
        }
    }
}

#[test]
fn a_peer_that_speaks_no_tls_is_told_so() {
    let (server, _) = configs(library::cipher_suite::TLS13_AES_128_GCM_SHA256);
    for cuts in [&[][..], &[1, 1, 1, 1, 1, 1, 1]] {
        let mut ours = Ours::new(Tls::server(server.clone()).unwrap());
        let fail = ours.recv(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", cuts);
        assert_eq!(fail.unwrap_err().text, "the peer does not speak TLS");
        assert_eq!(ours.take()[0], 21, "an alert");
    }
}

#[test]
fn a_flood_of_empty_records_is_ended() {
    let (server, client) = configs(library::cipher_suite::TLS13_AES_128_GCM_SHA256);
    let mut ours = pair(&server, &client, true).0;
    let mut flood = Ours::new(Tls::client(&client).unwrap());
    for _ in 0..4 {
        let wire = flood.take();
        ours.recv(&wire, &[]).unwrap();
        let wire = ours.take();
        flood.recv(&wire, &[]).unwrap();
    }
    let State::Established(established) = &mut flood.tls.state else {
        panic!("not established");
    };
    for _ in 0..33 {
        established.empty_record(&mut flood.down);
    }
    let wire = flood.take();
    let fail = ours.recv(&wire, &[]).unwrap_err();
    assert!(fail.text.contains("more than 32 records"), "{fail}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The same bytes in any cuts are the same bytes.
    #[test]
    fn cuts_change_nothing(
        cuts in prop::collection::vec(1usize..5000, 0..60),
        sizes in prop::collection::vec(1usize..60_000, 1..6),
        ours_serves: bool,
        tls13: bool,
    ) {
        let suite = match tls13 {
            true => library::cipher_suite::TLS13_AES_128_GCM_SHA256,
            false => library::cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        };
        let (server, client) = configs(suite);
        let (mut ours, mut peer) = pair(&server, &client, ours_serves);
        peer.set_buffer_limit(None);
        shake(&mut ours, &mut peer, &cuts);
        let mut wire = Vec::new();
        let mut expected = Vec::new();
        let mut segs = Vec::new();
        for (i, size) in sizes.iter().enumerate() {
            let (seg, bytes) = message(&[i as u8; 6], *size);
            peer.writer().write_all(&bytes).unwrap();
            wire.extend(peer_out(&mut peer));
            expected.extend(bytes);
            segs.push(seg);
        }
        ours.recv(&wire, &cuts).unwrap();
        prop_assert!(ours.plain == expected);
        ours.send(&segs);
        let sent = ours.take();
        prop_assert!(peer_in(&mut peer, &sent).unwrap() == expected);
    }
}

#[test]
fn a_certificate_for_another_name_is_refused_with_an_alert() {
    for suite in library::ALL_CIPHER_SUITES {
        if format!("{suite:?}").contains("RSA") {
            continue;
        }
        let (server, client) = configs(*suite);
        let other = TlsClient {
            name: ServerName::try_from("other.test").unwrap(),
            ..client
        };
        let (mut ours, mut peer) = pair(&server, &other, false);
        let mut failed = None;
        // Its messages come together: those behind the certificate are not read any more.
        for _ in 0..4 {
            let hello = ours.take();
            let mut wire = Cursor::new(&hello[..]);
            while peer.read_tls(&mut wire).unwrap() > 0 {
                let _ = peer.process_new_packets();
            }
            let mut flight = Vec::new();
            while peer.wants_write() {
                peer.write_tls(&mut flight).unwrap();
            }
            failed = ours.recv(&flight, &[]).err();
            if failed.is_some() {
                break;
            }
        }
        assert_eq!(failed.expect("a failure").cause, Cause::Tls, "{suite:?}");
        // In TLS 1.3 it is encrypted, behind the record for the sake of middleboxes.
        let alert = ours.take();
        let alert = alert.strip_prefix(&[20, 3, 3, 0, 1, 1]).unwrap_or(&alert);
        assert!(
            matches!(alert.first(), Some(21 | 23)),
            "{suite:?}: {alert:?}"
        );
    }
}

/// RFC 7301, 3.2; in TLS 1.3 it comes encrypted, behind the server's hello.
#[test]
fn a_client_without_a_common_protocol_is_told_so() {
    for suite in library::ALL_CIPHER_SUITES {
        if format!("{suite:?}").contains("RSA") {
            continue;
        }
        let (server, client) = configs(*suite);
        let mut server = ServerConfig::clone(&server);
        server.alpn_protocols = vec![b"h2".to_vec()];
        let mut config = ClientConfig::clone(&client.config);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let client = TlsClient {
            config: Arc::new(config),
            ..client
        };
        let (mut ours, mut peer) = pair(&Arc::new(server), &client, true);
        let hello = peer_out(&mut peer);
        assert_eq!(ours.recv(&hello, &[]).unwrap_err().cause, Cause::Tls);
        let alert = rustls::AlertDescription::NoApplicationProtocol;
        let told = peer_in(&mut peer, &ours.take());
        assert_eq!(told, Err(rustls::Error::AlertReceived(alert)), "{suite:?}");
    }
}
