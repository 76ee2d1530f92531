use std::sync::Arc;

use bytes::BytesMut;
use ginnel_core::addr::{Carries, Target};
use ginnel_core::error::Cause;
use ginnel_core::handler::Goal;
use ginnel_core::plan::{self, HandlerKind, TlsClient, Users};
use ginnel_core::{connector, handler};
use rustls::pki_types::ServerName;
use rustls::server::ResolvesServerCertUsingSni;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

pub(crate) fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}

pub(crate) fn target(text: &str) -> Target {
    Target::parse(text).unwrap()
}

pub(crate) fn dial(text: &str) -> handler::Step {
    handler::Step::Dial(Goal::Target(target(text)))
}

pub(crate) fn users() -> Option<Users> {
    Some(Users(vec![
        ("user".to_owned(), "pass".to_owned()),
        ("open".to_owned(), String::new()),
    ]))
}

/// Only its presence counts here: nothing is encrypted.
pub(crate) fn server_tls() -> Arc<ServerConfig> {
    let names = Arc::new(ResolvesServerCertUsingSni::new());
    Arc::new(
        ServerConfig::builder()
            .with_no_client_auth()
            .with_cert_resolver(names),
    )
}

pub(crate) fn client_tls() -> TlsClient {
    let config = ClientConfig::builder()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    TlsClient {
        config: Arc::new(config),
        name: ServerName::try_from("node.test").unwrap(),
    }
}

pub(crate) struct Service {
    pub(crate) plan: plan::Handler,
    pub(crate) encrypted: bool,
    pub(crate) forwards: bool,
}

impl Service {
    pub(crate) fn new(kind: HandlerKind) -> Self {
        Self {
            plan: plan::Handler::new(kind),
            encrypted: false,
            forwards: false,
        }
    }

    pub(crate) fn cx(&self) -> handler::Cx<'_> {
        handler::Cx {
            now: ginnel_core::time::Time::ZERO,
            plan: &self.plan,
            remote: "192.0.2.99:40000".parse().unwrap(),
            encrypted: self.encrypted,
            forwards: self.forwards,
            bound: None,
        }
    }

    /// What came of `wire`, which must not depend on how it is cut.
    #[track_caller]
    pub(crate) fn serve(&self, wire: &[u8]) -> Outcome<handler::Step> {
        same_for_all_cuts(wire, |pieces| self.serve_pieces(pieces))
    }

    pub(crate) fn serve_pieces(&self, pieces: &[&[u8]]) -> Outcome<handler::Step> {
        use handler::{Handler, Negotiate, Step};
        let mut handler = Handler::new(self.plan.kind).unwrap();
        run(pieces, |rx, out| match handler.step(&self.cx(), rx, out) {
            Ok(Step::More) => Turn::More,
            Ok(Step::Tls) => Turn::On(Step::Tls),
            Ok(step) => Turn::End(step),
            Err(fail) => Turn::Fail(fail.cause),
        })
    }
}

pub(crate) struct Node {
    pub(crate) plan: plan::Connector,
    pub(crate) encrypted: bool,
    pub(crate) target: Target,
    pub(crate) carries: Carries,
}

impl Node {
    pub(crate) fn new(kind: plan::ConnectorKind, to: &str) -> Self {
        Self {
            plan: plan::Connector::new(kind),
            encrypted: false,
            target: target(to),
            carries: Carries::Bytes,
        }
    }

    pub(crate) fn with_auth(mut self, user: &str, password: &str) -> Self {
        self.plan.auth = Some((user.to_owned(), password.to_owned()));
        self
    }

    pub(crate) fn cx(&self) -> connector::Cx<'_> {
        connector::Cx {
            plan: &self.plan,
            target: &self.target,
            carries: self.carries,
            encrypted: self.encrypted,
        }
    }

    /// What came of the node's answers, which must not depend on how they are cut.
    #[track_caller]
    pub(crate) fn ask(&self, wire: &[u8]) -> Outcome<connector::Step> {
        same_for_all_cuts(wire, |pieces| self.ask_pieces(pieces))
    }

    pub(crate) fn ask_pieces(&self, pieces: &[&[u8]]) -> Outcome<connector::Step> {
        use connector::{Connector, Negotiate, Step};
        let mut connector = Connector::new(self.plan.kind).unwrap();
        run(pieces, |rx, out| {
            match connector.step(&self.cx(), rx, out) {
                Ok(Step::More) => Turn::More,
                Ok(Step::Tls) => Turn::On(Step::Tls),
                Ok(step) => Turn::End(step),
                Err(fail) => Turn::Fail(fail.cause),
            }
        })
    }

    /// The text of the failure that `wire` leads to.
    pub(crate) fn complaint(&self, wire: &[u8]) -> String {
        use connector::{Connector, Negotiate};
        let mut connector = Connector::new(self.plan.kind).unwrap();
        let mut out = BytesMut::new();
        connector
            .step(&self.cx(), &mut BytesMut::new(), &mut out)
            .unwrap();
        connector
            .step(&self.cx(), &mut BytesMut::from(wire), &mut out)
            .unwrap_err()
            .text
    }
}

/// All that a peer and the engine see of a negotiation.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome<S> {
    pub(crate) steps: Vec<S>,
    pub(crate) out: Vec<u8>,
    /// What belongs to the tunnel; empty after a failure.
    pub(crate) rest: Vec<u8>,
    pub(crate) fail: Option<Cause>,
}

impl<S> Outcome<S> {
    pub(crate) fn done(steps: Vec<S>, out: &str, rest: &[u8]) -> Self {
        Self {
            steps,
            out: hex(out),
            rest: rest.to_vec(),
            fail: None,
        }
    }

    pub(crate) fn failed(steps: Vec<S>, out: &str, cause: Cause) -> Self {
        Self {
            steps,
            out: hex(out),
            rest: Vec::new(),
            fail: Some(cause),
        }
    }
}

enum Turn<S> {
    More,
    On(S),
    End(S),
    Fail(Cause),
}

/// Steps once on nothing, then on every piece until the negotiation is over.
fn run<S>(
    pieces: &[&[u8]],
    mut step: impl FnMut(&mut BytesMut, &mut BytesMut) -> Turn<S>,
) -> Outcome<S> {
    let (mut rx, mut out) = (BytesMut::new(), BytesMut::new());
    let (mut steps, mut fail, mut over) = (Vec::new(), None, false);
    for piece in std::iter::once(&&b""[..]).chain(pieces) {
        rx.extend_from_slice(piece);
        while !over {
            let before = rx.clone();
            match step(&mut rx, &mut out) {
                Turn::More => {
                    assert!(before.ends_with(&rx), "input was changed");
                    break;
                }
                Turn::On(step) => steps.push(step),
                Turn::End(step) => {
                    steps.push(step);
                    over = true;
                }
                Turn::Fail(cause) => {
                    fail = Some(cause);
                    over = true;
                }
            }
        }
    }
    Outcome {
        steps,
        out: out.to_vec(),
        rest: if fail.is_some() {
            Vec::new()
        } else {
            rx.to_vec()
        },
        fail,
    }
}

#[track_caller]
fn same_for_all_cuts<S: PartialEq + std::fmt::Debug>(
    wire: &[u8],
    run: impl Fn(&[&[u8]]) -> Outcome<S>,
) -> Outcome<S> {
    let whole = run(&[wire]);
    let bytes: Vec<&[u8]> = wire.chunks(1).collect();
    assert_eq!(run(&bytes), whole, "byte by byte");
    for at in 1..wire.len() {
        assert_eq!(run(&[&wire[..at], &wire[at..]]), whole, "cut at {at}");
    }
    whole
}
