//! Our layer on one side, rustls alone on the other.

use std::io::{Cursor, Read};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection,
    SupportedCipherSuite,
};

use crate::buffer::Seg;
use crate::crypto::library;
use crate::entropy::Entropy;
use crate::layer::tls::*;
use crate::limits::Limits;
use crate::time::Time;
use crate::wire::deflate::Pool;

pub(super) struct World {
    pub(super) entropy: Entropy,
    pub(super) limits: Limits,
    pub(super) deflate: Pool,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            entropy: Entropy::new([7; 32]),
            limits: Limits::default(),
            deflate: Pool::default(),
        }
    }

    pub(super) fn cx(&mut self) -> Cx<'_> {
        Cx {
            now: Time::ZERO,
            entropy: &mut self.entropy,
            limits: &self.limits,
            deflate: &mut self.deflate,
            room: usize::MAX,
        }
    }
}

/// Our layer with what it said so far.
pub(super) struct Ours {
    pub(super) world: World,
    pub(super) tls: Tls,
    pub(super) down: Rope,
    pub(super) plain: Vec<u8>,
    pub(super) ready: usize,
    pub(super) ended: usize,
}

impl Ours {
    pub(super) fn new(tls: Tls) -> Self {
        let mut ours = Self {
            world: World::new(),
            tls,
            down: Rope::default(),
            plain: Vec::new(),
            ready: 0,
            ended: 0,
        };
        ours.call(|tls, cx, io| tls.start(cx, io)).unwrap();
        ours
    }

    pub(super) fn call(
        &mut self,
        f: impl FnOnce(&mut Tls, &mut Cx, &mut Io) -> Result<(), Fail>,
    ) -> Result<(), Fail> {
        let mut up = Vec::new();
        let mut io = Io {
            up: &mut up,
            down: &mut self.down,
        };
        let result = f(&mut self.tls, &mut self.world.cx(), &mut io);
        for news in up {
            match news {
                Up::Ready(_) => self.ready += 1,
                Up::Data(data) => {
                    assert!(self.ready == 1 && self.ended == 0 && !data.is_empty());
                    self.plain.extend_from_slice(&data);
                }
                Up::End { .. } => self.ended += 1,
                Up::Refused(_) => panic!("TLS refuses by failing"),
            }
        }
        result
    }

    pub(super) fn recv(&mut self, wire: &[u8], cuts: &[usize]) -> Result<(), Fail> {
        let mut wire = wire;
        for cut in cuts {
            let (piece, rest) = wire.split_at((*cut).min(wire.len()));
            if !piece.is_empty() {
                self.call(|tls, cx, io| tls.recv(cx, BytesMut::from(piece), io))?;
            }
            wire = rest;
        }
        match wire.is_empty() {
            true => Ok(()),
            false => self.call(|tls, cx, io| tls.recv(cx, BytesMut::from(wire), io)),
        }
    }

    pub(super) fn send(&mut self, pieces: &[Seg]) {
        let mut data = Rope::default();
        for seg in pieces {
            let mut copy = Seg::new(BytesMut::from(&seg.body[..]));
            copy.push_front(seg.head());
            data.push(copy);
        }
        let Self {
            world, tls, down, ..
        } = self;
        tls.send(&mut world.cx(), &mut data, down).unwrap();
        assert!(data.is_empty());
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        let wire = self.down.to_vec();
        self.down.clear();
        wire
    }
}

pub(super) fn provider(suite: SupportedCipherSuite) -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![suite],
        ..library::default_provider()
    })
}

pub(super) fn configs(suite: SupportedCipherSuite) -> (Arc<ServerConfig>, TlsClient) {
    let made = rcgen::generate_simple_self_signed(["node.test".to_owned()]).unwrap();
    let certificate = CertificateDer::from(made.cert.der().to_vec());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut server = ServerConfig::builder_with_provider(provider(suite))
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    server.enable_secret_extraction = true;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut client = ClientConfig::builder_with_provider(provider(suite))
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.enable_secret_extraction = true;
    let client = TlsClient {
        config: Arc::new(client),
        name: ServerName::try_from("node.test").unwrap(),
    };
    (Arc::new(server), client)
}

/// Ours in one role and rustls in the other.
pub(super) fn pair(
    server: &Arc<ServerConfig>,
    client: &TlsClient,
    ours_serves: bool,
) -> (Ours, Connection) {
    let (tls, peer): (Tls, Connection) = match ours_serves {
        true => {
            let peer = ClientConnection::new(client.config.clone(), client.name.clone()).unwrap();
            (Tls::server(server.clone()).unwrap(), peer.into())
        }
        false => {
            let peer = ServerConnection::new(server.clone()).unwrap();
            (Tls::client(client).unwrap(), peer.into())
        }
    };
    (Ours::new(tls), peer)
}

pub(super) fn peer_out(peer: &mut Connection) -> Vec<u8> {
    let mut wire = Vec::new();
    while peer.wants_write() {
        peer.write_tls(&mut wire).unwrap();
    }
    wire
}

/// What the peer makes of our bytes.
pub(super) fn peer_in(peer: &mut Connection, wire: &[u8]) -> Result<Vec<u8>, rustls::Error> {
    let mut plain = Vec::new();
    let mut wire = Cursor::new(wire);
    while (wire.position() as usize) < wire.get_ref().len() {
        peer.read_tls(&mut wire).unwrap();
        peer.process_new_packets()?;
        let mut some = vec![0; 1 << 20];
        while let Ok(n @ 1..) = peer.reader().read(&mut some) {
            plain.extend_from_slice(&some[..n]);
        }
    }
    Ok(plain)
}

pub(super) fn shake(ours: &mut Ours, peer: &mut Connection, cuts: &[usize]) {
    for _ in 0..6 {
        let wire = ours.take();
        assert_eq!(peer_in(peer, &wire).unwrap(), b"");
        let wire = peer_out(peer);
        ours.recv(&wire, cuts).unwrap();
    }
    assert!(ours.ready == 1 && !peer.is_handshaking());
}

pub(super) fn pattern(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + seed + (i >> 8)) as u8).collect()
}

/// A message with a header in front, as the layers above make them.
pub(super) fn message(header: &[u8], len: usize) -> (Seg, Vec<u8>) {
    let body = pattern(len, header.len());
    let mut seg = Seg::new(BytesMut::from(&body[..]));
    seg.push_front(header);
    (seg, [header, &body].concat())
}
