//! An established connection: records, alerts, and the few messages of TLS 1.3 that come after the handshake.

use std::ops::Range;

use rustls::client::ClientConnectionData;
use rustls::kernel::KernelConnection;
use rustls::server::ServerConnectionData;
use rustls::{
    AlertDescription, ConnectionTrafficSecrets, ExtractedSecrets, HandshakeType, ProtocolVersion,
};

use super::text::alert_text;
use crate::buffer::Rope;
use crate::wire::tls_record::{
    self, ContentType, DECODE_ERROR, ILLEGAL_PARAMETER, Opener, Sealer, UNEXPECTED_MESSAGE,
    Version, Violation,
};

/// Records without content, warnings and key updates in a row: more is a flood.
const IDLE_RECORDS: u8 = 32;
/// A message after the handshake; tickets have a few hundred bytes.
const MESSAGE_MAX: usize = 16 * 1024;

pub(super) struct Established {
    version: Version,
    sealer: Sealer,
    opener: Opener,
    schedule: Schedule,
    /// A message that goes on in the next record.
    message: Vec<u8>,
    idle_records: u8,
    closed: bool,
}

/// What rustls keeps to make the next keys and, at a client, to store tickets.
pub(super) enum Schedule {
    Client(Box<KernelConnection<ClientConnectionData>>),
    Server(Box<KernelConnection<ServerConnectionData>>),
}

pub(super) enum Opened {
    /// Where the content lies in the record.
    Data(Range<usize>),
    /// close_notify.
    Closed,
    Nothing,
}

impl Established {
    /// `None`: the cipher is none that this file's records know.
    pub(super) fn new(
        version: Version,
        secrets: ExtractedSecrets,
        schedule: Schedule,
    ) -> Option<Self> {
        Some(Self {
            version,
            sealer: Sealer::new(version, secrets.tx)?,
            opener: Opener::new(version, secrets.rx)?,
            schedule,
            message: Vec::new(),
            idle_records: 0,
            closed: false,
        })
    }

    /// Opens a whole record in place; `down` takes the answer to a key update.
    pub(super) fn open(&mut self, record: &mut [u8], down: &mut Rope) -> Result<Opened, Violation> {
        let (kind, content) = self.opener.open(record)?;
        if kind != ContentType::Handshake && !self.message.is_empty() {
            let text = "another record in the middle of a handshake message";
            return Err(Violation::new(UNEXPECTED_MESSAGE, text));
        }
        if kind == ContentType::ApplicationData && !content.is_empty() {
            self.idle_records = 0;
            return Ok(Opened::Data(content));
        }
        self.idle_records += 1;
        if self.idle_records > IDLE_RECORDS {
            let text = "more than 32 records in a row without content";
            return Err(Violation::new(UNEXPECTED_MESSAGE, text));
        }
        match kind {
            ContentType::ApplicationData => Ok(Opened::Nothing),
            ContentType::Alert => self.alerted(&record[content]),
            ContentType::Handshake => self.handshake(&record[content], down),
            ContentType::ChangeCipherSpec => {
                let text = "a ChangeCipherSpec after the handshake";
                Err(Violation::new(UNEXPECTED_MESSAGE, text))
            }
        }
    }

    /// RFC 8446, section 6; in TLS 1.2 a warning ends nothing (RFC 5246, section 7.2).
    fn alerted(&mut self, content: &[u8]) -> Result<Opened, Violation> {
        let &[level, number] = content else {
            return Err(Violation::new(
                DECODE_ERROR,
                "an alert that has not 2 bytes",
            ));
        };
        match AlertDescription::from(number) {
            AlertDescription::CloseNotify => Ok(Opened::Closed),
            AlertDescription::UserCanceled => Ok(Opened::Nothing),
            _ if self.version == Version::Tls12 && level == 1 => Ok(Opened::Nothing),
            alert => Err(Violation {
                alert: None,
                text: alert_text(alert).into(),
            }),
        }
    }

    /// Messages may share a record and may be spread over several (RFC 8446, section 5.1).
    fn handshake(&mut self, content: &[u8], down: &mut Rope) -> Result<Opened, Violation> {
        self.message.extend_from_slice(content);
        let mut bytes = std::mem::take(&mut self.message);
        let mut at = 0;
        while let Some(&[kind, high, middle, low]) = bytes[at..].first_chunk::<4>() {
            let len = u32::from_be_bytes([0, high, middle, low]) as usize;
            if len > MESSAGE_MAX {
                let text = "a message of more than 16384 bytes after the handshake";
                return Err(Violation::new(ILLEGAL_PARAMETER, text));
            }
            let Some(body) = bytes.get(at + 4..at + 4 + len) else {
                break;
            };
            at += 4 + len;
            let is_last = at == bytes.len();
            self.handshake_message(HandshakeType::from(kind), body, is_last, down)?;
        }
        bytes.drain(..at);
        if !bytes.is_empty() {
            self.message = bytes;
        }
        Ok(Opened::Nothing)
    }

    fn handshake_message(
        &mut self,
        kind: HandshakeType,
        body: &[u8],
        is_last: bool,
        down: &mut Rope,
    ) -> Result<(), Violation> {
        match (&mut self.schedule, self.version, kind) {
            (Schedule::Client(kernel), Version::Tls13, HandshakeType::NewSessionTicket) => {
                let stored = kernel.handle_new_session_ticket(body);
                stored.map_err(|_| Violation::new(DECODE_ERROR, "a session ticket out of form"))
            }
            (_, Version::Tls13, HandshakeType::KeyUpdate) => self.key_update(body, is_last, down),
            // A client may ignore it (RFC 5246, section 7.4.1.1).
            (Schedule::Client(_), Version::Tls12, HandshakeType::HelloRequest) => Ok(()),
            _ => {
                let text = "a handshake message that has no place after the handshake";
                Err(Violation::new(UNEXPECTED_MESSAGE, text))
            }
        }
    }

    /// RFC 8446, section 4.6.3. Nothing may follow it in its record: that would be under the old key.
    fn key_update(&mut self, body: &[u8], is_last: bool, down: &mut Rope) -> Result<(), Violation> {
        let answer = match (body, is_last) {
            ([0], true) => false,
            ([1], true) => true,
            (_, true) => {
                let text = "a key update that is neither asked for nor an answer";
                return Err(Violation::new(ILLEGAL_PARAMETER, text));
            }
            (_, false) => {
                let text = "a message behind a key update in the same record";
                return Err(Violation::new(UNEXPECTED_MESSAGE, text));
            }
        };
        let secrets = self.schedule.next_receive();
        self.opener = secrets
            .and_then(|secrets| Opener::new(self.version, secrets))
            .ok_or(NO_KEYS)?;
        if answer && !self.closed {
            self.renew(down)?;
        }
        Ok(())
    }

    /// Says that the next records come under a new key, and takes that.
    pub(super) fn renew(&mut self, down: &mut Rope) -> Result<(), Violation> {
        const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];
        self.sealer
            .seal(ContentType::Handshake, &KEY_UPDATE, down)?;
        let secrets = self.schedule.next_send();
        self.sealer = secrets
            .and_then(|secrets| Sealer::new(self.version, secrets))
            .ok_or(NO_KEYS)?;
        Ok(())
    }

    pub(super) fn send(&mut self, data: &mut Rope, down: &mut Rope) -> Result<(), Violation> {
        if self.sealer.is_worn() {
            match self.version {
                Version::Tls13 => self.renew(down)?,
                Version::Tls12 => return Err(WORN),
            }
        }
        self.sealer.seal_all(data, down)
    }

    pub(super) fn close(&mut self, down: &mut Rope) {
        const CLOSE_NOTIFY: u8 = 0;
        if !std::mem::replace(&mut self.closed, true) {
            self.say(1, CLOSE_NOTIFY, down);
        }
    }

    pub(super) fn alert(&mut self, number: u8, down: &mut Rope) {
        if !self.closed {
            self.say(2, number, down);
        }
    }

    #[cfg(test)]
    pub(super) fn empty_record(&mut self, down: &mut Rope) {
        let kind = ContentType::ApplicationData;
        self.sealer.seal(kind, &[], down).unwrap();
    }

    fn say(&mut self, level: u8, number: u8, down: &mut Rope) {
        // The cipher has no reason to refuse two bytes, and there is nobody left to tell.
        let _ = self.sealer.seal(ContentType::Alert, &[level, number], down);
    }
}

const NO_KEYS: Violation = Violation::new(
    tls_record::INTERNAL_ERROR,
    "no keys to go on with after a key update",
);
const WORN: Violation = Violation::new(
    tls_record::INTERNAL_ERROR,
    "this connection has sent as much as one key of TLS 1.2 may (128 GiB): connect again",
);

impl Schedule {
    pub(super) fn version(&self) -> ProtocolVersion {
        match self {
            Self::Client(kernel) => kernel.protocol_version(),
            Self::Server(kernel) => kernel.protocol_version(),
        }
    }

    fn next_receive(&mut self) -> Option<(u64, ConnectionTrafficSecrets)> {
        match self {
            Self::Client(kernel) => kernel.update_rx_secret().ok(),
            Self::Server(kernel) => kernel.update_rx_secret().ok(),
        }
    }

    fn next_send(&mut self) -> Option<(u64, ConnectionTrafficSecrets)> {
        match self {
            Self::Client(kernel) => kernel.update_tx_secret().ok(),
            Self::Server(kernel) => kernel.update_tx_secret().ok(),
        }
    }
}
