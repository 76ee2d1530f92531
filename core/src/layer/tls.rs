//! TLS 1.2 and 1.3 through rustls' buffered interface, fed from and drained into the engine's buffers.
//!
//! The only file that knows rustls' record interface: when caller-owned records arrive, they take its place.

use std::io::{self, BufRead, IoSlice, Write};

use bytes::BytesMut;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, ClientConnection, Connection, ServerConnection};

use super::{Cx, Info, Io, Layer, Up};
use crate::buffer::{Rope, Seg};
use crate::error::{Cause, Eof, Fail};
use crate::plan::TlsClient;
use crate::time::Time;

/// Slices of output given to rustls at once, so that records are filled across them.
const SLICES: usize = 64;

pub struct Tls {
    connection: Box<Connection>,
    ready: bool,
    ended: bool,
}

impl Tls {
    pub fn client(plan: &TlsClient) -> Result<Self, Fail> {
        let connection = ClientConnection::new(plan.config.clone(), plan.name.clone())
            .map_err(|error| Fail::new(Cause::Tls, format!("TLS client: {error}")))?;
        Ok(Self::new(connection.into()))
    }

    pub fn server(config: std::sync::Arc<rustls::ServerConfig>) -> Result<Self, Fail> {
        let connection = ServerConnection::new(config)
            .map_err(|error| Fail::new(Cause::Tls, format!("TLS server: {error}")))?;
        Ok(Self::new(connection.into()))
    }

    fn new(mut connection: Connection) -> Self {
        // What is written is taken out in the same call: the bound is the engine's high water.
        connection.set_buffer_limit(None);
        Self {
            connection: Box::new(connection),
            ready: false,
            ended: false,
        }
    }

    fn flush(&mut self, down: &mut Rope) {
        while self.connection.wants_write() {
            let mut records = Records(BytesMut::new());
            // Writing into memory cannot fail.
            if !matches!(self.connection.write_tls(&mut records), Ok(n) if n > 0) {
                break;
            }
            down.push(Seg::new(records.0));
        }
    }

    fn fail(&mut self, error: &rustls::Error, down: &mut Rope) -> Fail {
        // rustls has queued the alert.
        self.flush(down);
        let text = match error {
            rustls::Error::InvalidMessage(_) if !self.ready => {
                "the peer does not speak TLS".to_owned()
            }
            rustls::Error::AlertReceived(alert) => alert_text(*alert),
            rustls::Error::InvalidCertificate(fault) => {
                format!("TLS: the peer's certificate {}", certificate_text(fault))
            }
            rustls::Error::NoCertificatesPresented => {
                "TLS: the client shows no certificate, and caFile demands one".to_owned()
            }
            error => format!("TLS: {error}"),
        };
        Fail::new(Cause::Tls, text)
    }

    /// Moves decrypted bytes into the part of `wire` that rustls has already read, so that one buffer
    /// carries both; what does not fit (the rest of a record begun earlier) gets its own.
    fn drain(
        &mut self,
        wire: &mut BytesMut,
        read: &mut usize,
        filled: &mut usize,
        up: &mut Vec<Up>,
    ) {
        let mut reader = self.connection.reader();
        loop {
            // Neither an empty buffer nor an ended peer is an error here.
            let Ok(plain) = reader.fill_buf() else { return };
            let n = plain.len();
            if n == 0 {
                return;
            }
            if *filled + n > *read {
                if *filled > 0 {
                    up.push(Up::Data(wire.split_to(*filled)));
                    *read -= *filled;
                    *filled = 0;
                }
                if n > *read {
                    up.push(Up::Data(BytesMut::from(plain)));
                    reader.consume(n);
                    continue;
                }
            }
            wire[*filled..*filled + n].copy_from_slice(plain);
            *filled += n;
            reader.consume(n);
        }
    }
}

impl Layer for Tls {
    fn start(&mut self, _cx: &mut Cx, io: &mut Io) -> Result<(), Fail> {
        self.flush(io.down);
        Ok(())
    }

    fn recv(&mut self, _cx: &mut Cx, mut wire: BytesMut, io: &mut Io) -> Result<(), Fail> {
        let mut read = 0;
        let mut filled = 0;
        let mut peer_closed = false;
        while read < wire.len() {
            let n = match self.connection.read_tls(&mut &wire[read..]) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error) => return Err(Fail::new(Cause::Tls, format!("TLS: {error}"))),
            };
            read += n;
            match self.connection.process_new_packets() {
                Ok(state) => peer_closed |= state.peer_has_closed(),
                Err(error) => return Err(self.fail(&error, io.down)),
            }
            if !self.ready && !self.connection.is_handshaking() {
                self.ready = true;
                self.flush(io.down);
                io.up.push(Up::Ready(Info::default()));
            }
            self.drain(&mut wire, &mut read, &mut filled, io.up);
        }
        if filled > 0 {
            wire.truncate(filled);
            io.up.push(Up::Data(wire));
        }
        self.flush(io.down);
        if peer_closed && !self.ended {
            self.ended = true;
            if !self.ready {
                return Err(Fail::new(
                    Cause::Tls,
                    "TLS: the peer closed during the handshake",
                ));
            }
            io.up.push(Up::End { both: false });
        }
        Ok(())
    }

    fn lower_end(&mut self, _cx: &mut Cx, how: Eof, _io: &mut Io) -> Result<(), Fail> {
        if self.ended && how == Eof::Fin {
            return Ok(());
        }
        let text = match (how, self.ready) {
            (_, false) => "connection ended during the TLS handshake",
            (Eof::Fin, true) => "connection ended without TLS close_notify",
            (Eof::Reset, true) => "connection reset",
        };
        Err(Fail::new(Cause::Reset, text))
    }

    fn send(&mut self, _cx: &mut Cx, data: &mut Rope, down: &mut Rope) -> Result<(), Fail> {
        while !data.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let used = data.slices(&mut slices);
            let n = self
                .connection
                .writer()
                .write_vectored(&slices[..used])
                .map_err(|error| Fail::new(Cause::Tls, format!("TLS: {error}")))?;
            data.consume(n);
        }
        self.flush(down);
        Ok(())
    }

    /// Only close_notify: a TCP FIN behind it would make some proxies drop the other direction.
    fn finish(&mut self, _cx: &mut Cx, down: &mut Rope) -> bool {
        self.connection.send_close_notify();
        self.flush(down);
        self.ended
    }

    fn abort(&mut self, _cx: &mut Cx, _why: &Fail, down: &mut Rope) {
        // No close_notify: the peer must be able to tell a cut from an end.
        self.flush(down);
    }

    fn timeout(&mut self, _cx: &mut Cx, _io: &mut Io) -> Result<(), Fail> {
        Ok(())
    }

    fn next_timeout(&self) -> Option<Time> {
        None
    }
}

fn alert_text(alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    match alert {
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA => format!("TLS: the peer refuses our certificate (alert {alert:?})"),
        Alert::CertificateRequired => {
            "TLS: the peer demands a client certificate: set certFile and keyFile".to_owned()
        }
        alert => format!("TLS: the peer answered with alert {alert:?}"),
    }
}

/// What is wrong with a certificate, and what helps; goes on after "the peer's certificate".
pub fn certificate_text(fault: &CertificateError) -> String {
    use CertificateError as Fault;
    let text = match fault {
        Fault::UnknownIssuer => {
            "is signed by nobody we trust: give its CA, or the certificate itself, with caFile"
        }
        Fault::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } | Fault::BadSignature => {
            "is not signed by the key of the CA it names: caFile has another CA of the same name"
        }
        Fault::Expired => "has expired",
        Fault::ExpiredContext { time, not_after } => {
            return format!("expired {} ago", days(not_after, time));
        }
        Fault::NotValidYet => "is not valid yet: is the clock right?",
        Fault::NotValidYetContext { time, not_before } => {
            let days = days(time, not_before);
            return format!("is not valid for another {days}: is the clock right?");
        }
        Fault::NotValidForName => "is for other names: set serverName",
        Fault::NotValidForNameContext {
            expected,
            presented,
        } => {
            let expected = expected.to_str();
            let names: Vec<_> = presented.iter().map(|name| plain_name(name)).collect();
            return match names.is_empty() {
                true => format!("names no host, expected {expected}"),
                false => format!(
                    "is for other names ({}), expected {expected}: set serverName",
                    names.join(", ")
                ),
            };
        }
        Fault::Revoked => "is revoked",
        Fault::InvalidPurpose | Fault::InvalidPurposeContext { .. } => {
            "is not made for this end of a connection (extended key usage)"
        }
        Fault::BadEncoding => "cannot be read",
        other => {
            let name = format!("{other:?}");
            if name.contains("CaUsedAsEndEntity") {
                return "is that of a CA (CA:TRUE), and not itself trusted: give it as caFile"
                    .to_owned();
            }
            let name = name.split([' ', '{']).next().unwrap_or_default();
            return format!("is refused ({name})");
        }
    };
    text.to_owned()
}

fn days(from: &UnixTime, to: &UnixTime) -> String {
    match to.as_secs().saturating_sub(from.as_secs()) / (24 * 60 * 60) {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// `DnsName("a.example")` and `IpAddress(10.0.0.1)` without what is around the name.
fn plain_name(name: &str) -> &str {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner);
    inner.trim_end_matches(')').trim_matches('"')
}

/// Collects records into one buffer.
struct Records(BytesMut);

impl Write for Records {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = slices.iter().map(|slice| slice.len()).sum();
        self.0.reserve(len);
        for slice in slices {
            self.0.extend_from_slice(slice);
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
