//! HTTP/1.1 message heads (RFC 9112, 2 to 6): strict reading, plain writing.
//!
//! A head that two implementations could understand differently is refused, not repaired: bare CR
//! or LF, folded lines, blanks around a field name (RFC 9112, 2.2, 5.1, 5.2).

use std::fmt::Write as _;

use crate::error::{Cause, Fail};

/// Bounds of one head.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Bytes, the empty line included.
    pub bytes: usize,
    pub fields: usize,
}

/// Finds the end of a head in a growing buffer, looking at each byte once.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadSearch {
    searched: usize,
}

impl HeadSearch {
    /// The length of the head with its empty line, once it is complete. `buf` is the buffer from the
    /// head's first byte on and only grows between calls.
    pub fn find(&mut self, buf: &[u8], limits: HeadLimits) -> Result<Option<usize>, Fail> {
        let from = self.searched.saturating_sub(3);
        let end = memchr::memmem::find(&buf[from..], b"\r\n\r\n").map(|at| from + at + 4);
        self.searched = buf.len();
        let len = end.unwrap_or(buf.len());
        // The first fault is told, however the head was cut: one within the limit before the limit.
        let within = buf.get(from..len.min(limits.bytes)).unwrap_or_default();
        if memchr::memmem::find(within, b"\n\n").is_some() {
            // Its sender takes that for the end, and waits for an answer.
            let text = "head with bare line feeds, expected CR LF at the ends of lines";
            return Err(Fail::protocol(format!("HTTP {} {text}", whose(buf))));
        }
        if len > limits.bytes {
            return Err(Fail::new(
                Cause::Limit,
                format!("HTTP {} head over {} bytes", whose(buf), limits.bytes),
            ));
        }
        if end.is_some() {
            self.searched = 0;
        }
        Ok(end)
    }
}

/// Which side is to blame for the head that `buf` begins with.
fn whose(buf: &[u8]) -> &'static str {
    match buf.starts_with(b"HTTP/") {
        true => "response",
        false => "request",
    }
}

/// Header fields in their order. Names keep their spelling and are compared without case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, Vec<u8>)>);

impl Fields {
    /// The value of the first field of this name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// Whether a comma list of this name holds `token`, without case (RFC 9110, 5.6.1).
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name).any(|value| {
            value
                .split(|byte| *byte == b',')
                .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
        })
    }

    pub fn remove(&mut self, name: &str) {
        self.0
            .retain(|(field, _)| !field.eq_ignore_ascii_case(name));
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// As sent: origin form, absolute form, authority or `*`.
    pub target: String,
    /// 0 or 1, of HTTP/1.x.
    pub minor: u8,
    pub fields: Fields,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub reason: String,
    pub minor: u8,
    pub fields: Fields,
}

impl Request {
    /// `head` ends with the empty line, as [`HeadSearch::find`] delimits it.
    pub fn parse(head: &[u8], limits: HeadLimits) -> Result<Self, Fail> {
        let room = room(check_lines(head)?, limits);
        let mut slots = Vec::with_capacity(room);
        let slots = &mut slots.spare_capacity_mut()[..room];
        let mut request = httparse::Request::new(&mut []);
        let parsed = request.parse_with_uninit_headers(head, slots);
        whole(parsed, head.len(), "request", limits)?;
        Ok(Self {
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            minor: request.version.unwrap_or(1),
            fields: fields(request.headers),
        })
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            format!("{} {} HTTP/1.{}\r\n", self.method, self.target, self.minor).as_bytes(),
        );
        write_fields(&self.fields, out);
    }
}

impl Response {
    pub fn parse(head: &[u8], limits: HeadLimits) -> Result<Self, Fail> {
        let room = room(check_lines(head)?, limits);
        let mut slots = Vec::with_capacity(room);
        let slots = &mut slots.spare_capacity_mut()[..room];
        let mut response = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut response,
            head,
            slots,
        );
        whole(parsed, head.len(), "response", limits)?;
        Ok(Self {
            status: response.code.unwrap_or_default(),
            reason: response.reason.unwrap_or_default().to_owned(),
            minor: response.version.unwrap_or(1),
            fields: fields(response.headers),
        })
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        let mut line = String::new();
        let _ = write!(
            line,
            "HTTP/1.{} {:03} {}\r\n",
            self.minor, self.status, self.reason
        );
        out.extend_from_slice(line.as_bytes());
        write_fields(&self.fields, out);
    }
}

/// The standard phrase of a status that we send.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        508 => "Loop Detected",
        _ => "Status",
    }
}

fn write_fields(fields: &Fields, out: &mut Vec<u8>) {
    for (name, value) in &fields.0 {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

fn fields(parsed: &[httparse::Header]) -> Fields {
    Fields(
        parsed
            .iter()
            .map(|header| (header.name.to_owned(), header.value.trim_ascii().to_vec()))
            .collect(),
    )
}

/// For the fields of a head with so many lines, of which the first and the last are none.
fn room(lines: usize, limits: HeadLimits) -> usize {
    lines.saturating_sub(2).min(limits.fields)
}

/// Every line ends with CR LF and none begins with a blank: httparse alone is more lenient. Returns how many there
/// are.
fn check_lines(head: &[u8]) -> Result<usize, Fail> {
    let mut lines = 0;
    for at in memchr::memchr2_iter(b'\r', b'\n', head) {
        let paired = match head[at] {
            b'\r' => head.get(at + 1) == Some(&b'\n'),
            _ => at > 0 && head[at - 1] == b'\r',
        };
        if !paired {
            return Err(Fail::protocol("HTTP head with a bare CR or LF"));
        }
        if head[at] == b'\n' {
            lines += 1;
            if matches!(head.get(at + 1), Some(b' ' | b'\t')) {
                return Err(Fail::protocol("HTTP head with a folded line"));
            }
        }
    }
    Ok(lines)
}

fn whole(
    parsed: httparse::Result<usize>,
    len: usize,
    what: &str,
    limits: HeadLimits,
) -> Result<(), Fail> {
    match parsed {
        Ok(httparse::Status::Complete(n)) if n == len => Ok(()),
        Ok(_) => Err(Fail::protocol(format!("HTTP {what} head ends too early"))),
        Err(httparse::Error::TooManyHeaders) => Err(Fail::new(
            Cause::Limit,
            format!("HTTP {what} head with more than {} fields", limits.fields),
        )),
        Err(error) => Err(Fail::protocol(format!("no HTTP/1 {what}: {error}"))),
    }
}

/// `tchar` (RFC 9110, 5.6.2).
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits {
        bytes: 200,
        fields: 4,
    };

    #[test]
    fn a_head_is_found_byte_by_byte() {
        let text = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
        let mut search = HeadSearch::default();
        let end = (1..=text.len()).find_map(|n| search.find(&text[..n], LIMITS).unwrap());
        assert_eq!(end, Some(text.len() - 4));
    }

    #[test]
    fn the_side_that_sent_a_head_without_end_is_named() {
        for (text, side) in [
            ("GET / HTTP/1.1\r\n", "request"),
            ("HTTP/1.1 200 OK\r\n", "response"),
        ] {
            let text = text.to_owned() + &"X: y\r\n".repeat(40);
            let fail = HeadSearch::default()
                .find(text.as_bytes(), LIMITS)
                .unwrap_err();
            assert!(fail.text.contains(side), "{fail}");
        }
    }

    #[test]
    fn what_is_read_is_written_again() {
        let text = b"GET /a?b HTTP/1.0\r\nHost: x\r\nX-A: \xff b\r\n\r\n";
        let request = Request::parse(text, LIMITS).unwrap();
        assert_eq!(request.fields.get("x-a"), Some(&b"\xff b"[..]));
        let mut out = Vec::new();
        request.write(&mut out);
        assert_eq!(out, text);
    }

    #[test]
    fn ambiguous_heads_are_refused() {
        for text in [
            &b"GET / HTTP/1.1\nHost: a\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            b"GET / HTTP/2.0\r\n\r\n",
            b"GET  / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\nA: b\r\n\r\n",
            b"\nGET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\r\n\r\n",
        ] {
            assert!(Request::parse(text, LIMITS).is_err(), "{text:?}");
        }
        let folded = b"HTTP/1.1 200 OK\r\nA: b\r\n\tc\r\n\r\n";
        let fail = Response::parse(folded, LIMITS).unwrap_err();
        assert_eq!(fail.text, "HTTP head with a folded line");
    }

    #[test]
    fn responses_are_written_with_a_reason() {
        let mut response = Response {
            status: 404,
            reason: reason(404).into(),
            minor: 1,
            fields: Fields(vec![
                ("Server".into(), b"x".to_vec()),
                ("server".into(), b"y".to_vec()),
                ("Age".into(), b"5".to_vec()),
            ]),
        };
        response.fields.remove("SERVER");
        let mut out = Vec::new();
        response.write(&mut out);
        assert_eq!(out, b"HTTP/1.1 404 Not Found\r\nAge: 5\r\n\r\n");
        assert_eq!(Response::parse(&out, LIMITS), Ok(response));
        for status in [
            100, 101, 200, 400, 403, 405, 407, 408, 426, 431, 500, 501, 502, 503, 504, 505, 508,
        ] {
            assert_ne!(reason(status), reason(999), "{status}");
        }
        assert_eq!(reason(407), "Proxy Authentication Required");
    }

    #[test]
    fn limits_are_named() {
        for (head, end) in [(vec![b'a'; 200], None), (b"\r\n\r\n".to_vec(), Some(200))] {
            let mut text = vec![b'a'; 200 - head.len()];
            text.extend(head);
            assert_eq!(HeadSearch::default().find(&text, LIMITS), Ok(end));
            text.insert(0, b'a');
            let fail = HeadSearch::default().find(&text, LIMITS).unwrap_err();
            assert_eq!(fail.cause, Cause::Limit);
        }
        let text = b"GET / HTTP/1.1\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\n\r\n";
        assert_eq!(
            Request::parse(text, LIMITS).unwrap_err().cause,
            Cause::Limit
        );
    }

    #[test]
    fn tokens_are_found_in_lists() {
        let fields = Fields(vec![
            ("Connection".into(), b"keep-alive, Upgrade".to_vec()),
            ("connection".into(), b"x".to_vec()),
        ]);
        assert!(fields.has_token("connection", "upgrade"));
        assert!(fields.has_token("CONNECTION", "X"));
        assert!(!fields.has_token("connection", "keep"));
    }
}
