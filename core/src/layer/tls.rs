//! TLS 1.2 and 1.3. The handshake is rustls'; once it is over, records are sealed and opened where they lie
//! (`wire::tls_record`), and nothing is held but two keys and the schedule of the next ones.

mod established;
mod handshake;
mod text;

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use rustls::ServerConfig;

use super::{Cx, Info, Io, Layer, Up};
use crate::buffer::Rope;
use crate::error::{Cause, Eof, Fail};
use crate::plan::TlsClient;
use crate::wire::tls_record::{HEADER, Violation, record_len};

use established::{Established, Opened};
use handshake::Handshake;

pub use text::certificate_text;

pub struct Tls {
    state: State,
    /// The beginning of a record.
    rest: BytesMut,
    /// The peer's close_notify has come.
    ended: bool,
}

enum State {
    Handshake(Handshake),
    Established(Box<Established>),
    /// A violation was told; nothing more is read or said.
    Failed,
}

impl Tls {
    pub fn client(plan: &TlsClient) -> Result<Self, Fail> {
        Handshake::client(plan).map(Self::new)
    }

    pub fn server(config: Arc<ServerConfig>) -> Result<Self, Fail> {
        Handshake::server(config).map(Self::new)
    }

    fn new(handshake: Handshake) -> Self {
        Self {
            state: State::Handshake(handshake),
            rest: BytesMut::new(),
            ended: false,
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.state, State::Established(_))
    }

    /// Takes one record in the handshake. Afterwards the state may be another.
    fn shake(&mut self, record: BytesMut, io: &mut Io) -> Result<(), Fail> {
        let State::Handshake(handshake) = &mut self.state else {
            return Ok(());
        };
        let result = handshake.recv(record, io.down);
        if matches!(result, Ok(false)) {
            return Ok(());
        }
        let State::Handshake(handshake) = std::mem::replace(&mut self.state, State::Failed) else {
            return Ok(());
        };
        result?;
        self.state = State::Established(Box::new(handshake.establish()?));
        io.up.push(Up::Ready(Info::default()));
        Ok(())
    }

    /// Opens the whole records in front of `wire`; their content is moved together, so that it rises as one piece.
    /// What is left begins with an unfinished record.
    fn open(&mut self, wire: &mut BytesMut, io: &mut Io) -> Result<(), Fail> {
        let State::Established(established) = &mut self.state else {
            return Ok(());
        };
        let (mut read, mut filled) = (0, 0);
        let mut result = Ok(());
        while !self.ended {
            let len = match record_len(&wire[read..]) {
                Ok(Some(len)) if read + len <= wire.len() => len,
                Ok(_) => break,
                Err(violation) => {
                    result = Err(violation);
                    break;
                }
            };
            match established.open(&mut wire[read..read + len], io.down) {
                Ok(Opened::Data(range)) => {
                    let n = range.len();
                    wire.copy_within(read + range.start..read + range.end, filled);
                    filled += n;
                }
                Ok(Opened::Closed) => self.ended = true,
                Ok(Opened::Nothing) => {}
                Err(violation) => {
                    result = Err(violation);
                    break;
                }
            }
            read += len;
        }
        let mut content = wire.split_to(read);
        if filled > 0 {
            content.truncate(filled);
            io.up.push(Up::Data(content));
        }
        if self.ended {
            wire.clear();
            io.up.push(Up::End { both: false });
        }
        result.map_err(|violation| self.fail(violation, io.down))
    }

    fn fail(&mut self, violation: Violation, down: &mut Rope) -> Fail {
        let state = std::mem::replace(&mut self.state, State::Failed);
        if let State::Established(mut established) = state
            && let Some(alert) = violation.alert
        {
            established.alert(alert, down);
        }
        Fail::new(Cause::Tls, format!("TLS: {}", violation.text))
    }
}

impl Layer for Tls {
    fn start(&mut self, _cx: &mut Cx, io: &mut Io) -> Result<(), Fail> {
        self.shake(BytesMut::new(), io)
    }

    fn recv(&mut self, _cx: &mut Cx, mut wire: BytesMut, io: &mut Io) -> Result<(), Fail> {
        if !self.rest.is_empty() {
            if !complete(&mut self.rest, &mut wire) {
                return Ok(());
            }
            let mut record = std::mem::take(&mut self.rest);
            match self.state {
                State::Handshake(_) => self.shake(record, io)?,
                _ => self.open(&mut record, io)?,
            }
        }
        while matches!(self.state, State::Handshake(_)) && !wire.is_empty() {
            // What is no record is rustls' to refuse.
            let len = record_len(&wire).unwrap_or(Some(wire.len()));
            match len {
                Some(len) if len <= wire.len() => self.shake(wire.split_to(len), io)?,
                _ => break,
            }
        }
        self.open(&mut wire, io)?;
        if !wire.is_empty() && !self.ended {
            // Not a piece of the receive buffer, which it would keep.
            self.rest.extend_from_slice(&wire);
        }
        Ok(())
    }

    fn lower_end(&mut self, _cx: &mut Cx, how: Eof, _io: &mut Io) -> Result<(), Fail> {
        if self.ended && how == Eof::Fin {
            return Ok(());
        }
        let text = match (how, self.is_ready()) {
            (_, false) => "connection ended during the TLS handshake",
            (Eof::Fin, true) => "connection ended without TLS close_notify",
            (Eof::Reset, true) => "connection reset",
        };
        Err(Fail::new(Cause::Reset, text))
    }

    fn send(&mut self, _cx: &mut Cx, data: &mut Rope, down: &mut Rope) -> Result<(), Fail> {
        let State::Established(established) = &mut self.state else {
            data.clear();
            return Ok(());
        };
        let result = established.send(data, down);
        result.map_err(|violation| self.fail(violation, down))
    }

    /// Only close_notify: a TCP FIN behind it would make some proxies drop the other direction.
    fn finish(&mut self, _cx: &mut Cx, down: &mut Rope) -> bool {
        if let State::Established(established) = &mut self.state {
            established.close(down);
        }
        self.ended
    }

    /// No close_notify: the peer must be able to tell a cut from an end.
    fn abort(&mut self, _cx: &mut Cx, _why: &Fail, _down: &mut Rope) {}

    fn held(&self) -> usize {
        self.rest.len()
    }
}

/// Moves the rest of the record that begins in `rest` there. False: it is not all there yet.
fn complete(rest: &mut BytesMut, wire: &mut BytesMut) -> bool {
    loop {
        let (want, known) = match record_len(rest) {
            Ok(Some(len)) => (len, true),
            Ok(None) => (HEADER, false),
            // For whoever takes it to refuse.
            Err(_) => return true,
        };
        let missing = (want - rest.len()).min(wire.len());
        if missing == 0 {
            return known && rest.len() == want;
        }
        rest.extend_from_slice(&wire[..missing]);
        wire.advance(missing);
    }
}

#[cfg(test)]
mod tests;
