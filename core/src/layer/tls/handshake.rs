//! The handshake, through rustls' unbuffered interface: records in, records out, and at the end the keys.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus};
use rustls::{ProtocolVersion, ServerConfig};

use super::established::{Established, Schedule};
use super::text::error_text;
use crate::buffer::{Rope, Seg, stash};
use crate::error::{Cause, Fail};
use crate::plan::TlsClient;
use crate::wire::tls_record::Version;

/// Types of records (RFC 8446 5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;

pub(super) struct Handshake {
    side: Side,
    /// Messages that go on in the next record.
    pending: BytesMut,
}

enum Side {
    Client(Box<UnbufferedClientConnection>),
    Server(Box<UnbufferedServerConnection>),
}

enum Step {
    Again,
    More,
    Closed,
}

impl Handshake {
    pub(super) fn client(plan: &TlsClient) -> Result<Self, Fail> {
        let connection = UnbufferedClientConnection::new(plan.config.clone(), plan.name.clone())
            .map_err(|error| Fail::new(Cause::Tls, format!("TLS client: {error}")))?;
        Ok(Self::new(Side::Client(Box::new(connection))))
    }

    pub(super) fn server(config: Arc<ServerConfig>) -> Result<Self, Fail> {
        let connection = UnbufferedServerConnection::new(config)
            .map_err(|error| Fail::new(Cause::Tls, format!("TLS server: {error}")))?;
        Ok(Self::new(Side::Server(Box::new(connection))))
    }

    fn new(side: Side) -> Self {
        Self {
            side,
            pending: BytesMut::new(),
        }
    }

    /// Takes one record (or nothing, to begin); never more, since what follows the last one is not rustls' any more.
    /// True: the handshake is over.
    pub(super) fn recv(&mut self, record: BytesMut, down: &mut Rope) -> Result<bool, Fail> {
        stash(&mut self.pending, record);
        loop {
            match self.step(down) {
                Ok(Step::Again) => {}
                Ok(Step::More) => break,
                Err(error) => {
                    self.say_alert(down);
                    return Err(Fail::new(Cause::Tls, error_text(&error, false)));
                }
                Ok(Step::Closed) => {
                    let text = "TLS: the peer closed during the handshake";
                    return Err(Fail::new(Cause::Tls, text));
                }
            }
        }
        if self.pending.is_empty() {
            self.pending = BytesMut::new();
        }
        Ok(match &self.side {
            Side::Client(connection) => !connection.is_handshaking(),
            Side::Server(connection) => !connection.is_handshaking(),
        })
    }

    /// rustls has queued it, maybe behind a change of the cipher or the message that leads to it: in TLS 1.3 a
    /// server that has no protocol in common finds out when its hello is made. Nothing more is asked of it: it
    /// would look at the wrong bytes again, and have a second alert for them.
    fn say_alert(&mut self, down: &mut Rope) {
        loop {
            let mut said = Rope::default();
            let again = matches!(self.step(&mut said), Ok(Step::Again));
            let kind = said.to_vec().first().copied();
            down.append(&mut said);
            if !again || !matches!(kind, Some(CHANGE_CIPHER_SPEC | HANDSHAKE)) {
                return;
            }
        }
    }

    /// Always with what is pending: rustls knows where in it the messages are that are still to come.
    fn step(&mut self, down: &mut Rope) -> Result<Step, rustls::Error> {
        let pending = &mut self.pending;
        let (discard, step) = match &mut self.side {
            Side::Client(connection) => step(connection.process_tls_records(pending), down),
            Side::Server(connection) => step(connection.process_tls_records(pending), down),
        };
        pending.advance(discard);
        step
    }

    /// Takes the keys out of rustls.
    pub(super) fn establish(self) -> Result<Established, Fail> {
        let fault = |error| Fail::new(Cause::Tls, format!("TLS: {error}"));
        if !self.pending.is_empty() {
            let text = "TLS: bytes between the handshake and the first record";
            return Err(Fail::new(Cause::Tls, text));
        }
        let (secrets, schedule) = match self.side {
            Side::Client(connection) => {
                let (secrets, kernel) = connection
                    .dangerous_into_kernel_connection()
                    .map_err(fault)?;
                (secrets, Schedule::Client(Box::new(kernel)))
            }
            Side::Server(connection) => {
                let (secrets, kernel) = connection
                    .dangerous_into_kernel_connection()
                    .map_err(fault)?;
                (secrets, Schedule::Server(Box::new(kernel)))
            }
        };
        let version = match schedule.version() {
            ProtocolVersion::TLSv1_3 => Version::Tls13,
            _ => Version::Tls12,
        };
        Established::new(version, secrets, schedule)
            .ok_or_else(|| Fail::new(Cause::Tls, "TLS: an unknown cipher was agreed"))
    }
}

fn step<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    down: &mut Rope,
) -> (usize, Result<Step, rustls::Error>) {
    let step = status.state.map(|state| match state {
        ConnectionState::EncodeTlsData(mut data) => {
            encode(&mut data, down);
            Step::Again
        }
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            Step::Again
        }
        ConnectionState::PeerClosed | ConnectionState::Closed => Step::Closed,
        _ => Step::More,
    });
    (status.discard, step)
}

fn encode<Data>(data: &mut EncodeTlsData<'_, Data>, down: &mut Rope) {
    // The first attempt tells the size.
    let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) else {
        return;
    };
    let mut record = BytesMut::zeroed(size.required_size);
    if let Ok(n) = data.encode(&mut record) {
        record.truncate(n);
        down.push(Seg::owned(record));
    }
}
