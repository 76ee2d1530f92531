//! The client of a name server: one question and its answer, over a stream.

use bytes::{Buf, BytesMut};

use crate::error::{Cause, Fail};
use crate::limits::Limits;
use crate::plan::DnsChannel;
use crate::wire::dns::{self, Answer, Question};
use crate::wire::http1::{HeadLimits, HeadSearch, Response};
use crate::wire::http1_body::Framing;
use crate::wire::http1_chunked::{Chunked, Piece};

const MAX_MESSAGE: usize = 65535;
const MAX_TRAILERS: usize = 1024;

/// A question on its way.
#[derive(Debug)]
pub struct Dns {
    question: Question,
    search: HeadSearch,
    body: Option<Body>,
}

#[derive(Debug)]
enum Body {
    Length(usize),
    /// What has come of it, without the chunks' sizes.
    Chunked(Chunked, Vec<u8>),
}

impl Dns {
    /// Its `id` is a random number: nobody else is to guess it.
    pub fn new(question: Question) -> Self {
        Self {
            question,
            search: HeadSearch::default(),
            body: None,
        }
    }

    /// What is to be sent. Errors are those of [`Question::write`].
    pub fn ask(&self, channel: &DnsChannel) -> Result<BytesMut, Fail> {
        let mut message = Vec::new();
        self.question.write(&mut message)?;
        let (host, path) = match channel {
            DnsChannel::Udp => return Ok(BytesMut::from(&message[..])),
            DnsChannel::Tcp | DnsChannel::Tls(_) => {
                return Ok(BytesMut::from(&dns::frame(&message)?[..]));
            }
            DnsChannel::Https { host, path, .. } => (host, path),
        };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/dns-message\r\n\
             Content-Type: application/dns-message\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            message.len()
        );
        let mut out = BytesMut::from(head.as_bytes());
        out.extend_from_slice(&message);
        Ok(out)
    }

    /// A whole message. Errors are those of [`Question::read`].
    pub fn read(&self, message: &[u8]) -> Result<Answer, Fail> {
        self.question.read(message)
    }

    /// Takes what came by a stream. `None`: more is needed. Errors are those of [`Question::read`] and of HTTP.
    pub fn answer(
        &mut self,
        channel: &DnsChannel,
        limits: &Limits,
        rx: &mut BytesMut,
    ) -> Result<Option<Answer>, Fail> {
        if let DnsChannel::Https { .. } = channel {
            return self.response(limits, rx);
        }
        match dns::parse_frame(rx)? {
            Some((message, _)) => self.question.read(message).map(Some),
            None => Ok(None),
        }
    }

    fn response(&mut self, limits: &Limits, rx: &mut BytesMut) -> Result<Option<Answer>, Fail> {
        if self.body.is_none() {
            let limits = HeadLimits {
                bytes: limits.head,
                fields: limits.fields,
            };
            let Some(len) = self.search.find(rx, limits)? else {
                return Ok(None);
            };
            let response = Response::parse(&rx.split_to(len), limits)?;
            self.body = Some(body(&response)?);
        }
        let message = match &mut self.body {
            Some(Body::Length(len)) => match rx.get(..*len) {
                Some(message) => message,
                None => return Ok(None),
            },
            Some(Body::Chunked(chunked, message)) => loop {
                match chunked.next(rx)? {
                    None => return Ok(None),
                    Some(Piece::Framing(n)) => rx.advance(n),
                    Some(Piece::Data(n)) => {
                        message.extend_from_slice(&rx.split_to(n));
                        fits(message.len())?;
                    }
                    Some(Piece::End(_)) => break &message[..],
                }
            },
            None => return Ok(None),
        };
        self.question.read(message).map(Some)
    }
}

fn body(response: &Response) -> Result<Body, Fail> {
    if response.status != 200 {
        let text = format!(
            "name server: expected HTTP status 200, got {}",
            response.status
        );
        return Err(Fail::new(Cause::HostUnreachable, text));
    }
    match Framing::of_response(response, false)? {
        Framing::Length(len) => {
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            fits(len)?;
            Ok(Body::Length(len))
        }
        Framing::Chunked => Ok(Body::Chunked(Chunked::new(MAX_TRAILERS), Vec::new())),
        Framing::None | Framing::UntilEnd => Err(Fail::protocol(
            "name server: expected an HTTP response with a Content-Length",
        )),
    }
}

fn fits(len: usize) -> Result<(), Fail> {
    match len <= MAX_MESSAGE {
        true => Ok(()),
        false => Err(Fail::new(
            Cause::Limit,
            "name server: an answer over 65535 bytes",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::plan::TlsClient;
    use crate::wire::dns::Family;

    fn https() -> DnsChannel {
        let roots = rustls::RootCertStore::empty();
        let provider = Arc::new(crate::crypto::library::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        DnsChannel::Https {
            tls: TlsClient {
                config: Arc::new(config),
                name: "dns.example".try_into().unwrap(),
            },
            host: "dns.example".to_owned(),
            path: "/dns-query".to_owned(),
        }
    }

    fn dns() -> Dns {
        Dns::new(Question {
            id: 7,
            name: "a.example".to_owned(),
            family: Family::V4,
            subnet: None,
        })
    }

    /// The question sent back with one address.
    fn message() -> Vec<u8> {
        let mut message = Vec::new();
        dns().question.write(&mut message).unwrap();
        message[2] |= 0x80;
        message[7] = 1;
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 1]);
        message
    }

    fn whole_and_in_bytes(channel: &DnsChannel, wire: &[u8]) -> Result<Option<Answer>, Fail> {
        let limits = Limits::default();
        let whole = dns().answer(channel, &limits, &mut BytesMut::from(wire));
        let (mut dns, mut rx) = (dns(), BytesMut::new());
        let mut last = Ok(None);
        for byte in wire {
            rx.extend_from_slice(&[*byte]);
            last = dns.answer(channel, &limits, &mut rx);
            if !matches!(last, Ok(None)) {
                break;
            }
        }
        assert_eq!(whole, last);
        whole
    }

    #[test]
    fn answers_are_read_in_any_cuts() {
        let framed = dns::frame(&message()).unwrap();
        let answer = whole_and_in_bytes(&DnsChannel::Tcp, &framed)
            .unwrap()
            .unwrap();
        assert_eq!((answer.addrs.len(), answer.ttl), (1, 60));

        let message = message();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\n";
        let length = format!("{head}Content-Length: {}\r\n\r\n", message.len());
        let plain = [length.as_bytes(), &message].concat();
        let (a, b) = message.split_at(10);
        let chunks = format!("{head}Transfer-Encoding: chunked\r\n\r\na\r\n");
        let second = format!("\r\n{:x}\r\n", b.len());
        let chunked = [chunks.as_bytes(), a, second.as_bytes(), b, b"\r\n0\r\n\r\n"].concat();
        for wire in [plain, chunked] {
            assert_eq!(
                whole_and_in_bytes(&https(), &wire).unwrap(),
                Some(answer.clone())
            );
        }
    }

    #[test]
    fn other_responses_are_refused() {
        for (wire, cause) in [
            (
                "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
                Cause::HostUnreachable,
            ),
            ("HTTP/1.1 200 OK\r\n\r\n", Cause::Protocol),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n",
                Cause::Limit,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                Cause::Protocol,
            ),
            ("SSH-2.0-x\r\n\r\n", Cause::Protocol),
        ] {
            assert_eq!(
                whole_and_in_bytes(&https(), wire.as_bytes())
                    .unwrap_err()
                    .cause,
                cause,
                "{wire}"
            );
        }
    }

    #[test]
    fn a_question_over_https_is_a_post() {
        let wire = dns().ask(&https()).unwrap();
        let text = String::from_utf8_lossy(&wire);
        assert!(
            text.starts_with("POST /dns-query HTTP/1.1\r\nHost: dns.example\r\n"),
            "{text}"
        );
        assert!(text.contains("\r\nContent-Length: 27\r\n"), "{text}");
    }
}
