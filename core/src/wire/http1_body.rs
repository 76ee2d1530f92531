//! HTTP/1.1 message bodies (RFC 9112, 6): how one is framed. Where a chunked one ends: `http1_chunked`.
//!
//! Framing that two implementations could understand differently is refused, not repaired: that is
//! what request smuggling lives on (RFC 9112, 11.2).

use crate::error::{Cause, Fail};
use crate::wire::http1::{Fields, Request, Response};

/// How a receiver finds the end of a body (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    None,
    /// `Content-Length`, in bytes.
    Length(u64),
    Chunked,
    /// Until the connection ends in order.
    UntilEnd,
}

impl Framing {
    /// [`Cause::Unsupported`] for a coding below `chunked`, [`Cause::Protocol`] for everything else.
    pub fn of_request(request: &Request) -> Result<Self, Fail> {
        let coded = request.fields.get("transfer-encoding").is_some();
        let length = content_length(&request.fields)?;
        match (coded, length) {
            (true, _) if request.minor == 0 => {
                Err(Fail::protocol("Transfer-Encoding in an HTTP/1.0 request"))
            }
            (true, Some(_)) => Err(Fail::protocol(
                "request with both Transfer-Encoding and Content-Length",
            )),
            (true, None) => chunked_alone(&request.fields).map(|()| Self::Chunked),
            (false, Some(length)) => Ok(Self::Length(length)),
            (false, None) => Ok(Self::None),
        }
    }

    /// `to_head`: the request was a HEAD. `Transfer-Encoding` overrides `Content-Length`.
    pub fn of_response(response: &Response, to_head: bool) -> Result<Self, Fail> {
        if to_head || matches!(response.status, 100..=199 | 204 | 304) {
            return Ok(Self::None);
        }
        if response.fields.get("transfer-encoding").is_some() {
            return chunked_alone(&response.fields).map(|()| Self::Chunked);
        }
        Ok(content_length(&response.fields)?.map_or(Self::UntilEnd, Self::Length))
    }
}

/// The one value of all `Content-Length` fields; a repeated equal value is one (RFC 9110, 8.6).
pub fn content_length(fields: &Fields) -> Result<Option<u64>, Fail> {
    let mut length = None;
    for item in fields
        .all("content-length")
        .flat_map(|value| value.split(|byte| *byte == b','))
    {
        let value = decimal(item.trim_ascii())
            .ok_or_else(|| Fail::protocol("Content-Length is not a number"))?;
        if length.is_some_and(|earlier| earlier != value) {
            return Err(Fail::protocol("several different Content-Length values"));
        }
        length = Some(value);
    }
    Ok(length)
}

/// Digits only: `str::parse` would take a sign.
fn decimal(text: &[u8]) -> Option<u64> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn chunked_alone(fields: &Fields) -> Result<(), Fail> {
    let codings: Vec<&[u8]> = fields
        .all("transfer-encoding")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .collect();
    let is_chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if !codings.last().is_some_and(is_chunked)
        || codings.iter().filter(|c| is_chunked(c)).count() > 1
    {
        return Err(Fail::protocol(
            "Transfer-Encoding does not end with one chunked",
        ));
    }
    if codings.len() > 1 {
        return Err(Fail::new(
            Cause::Unsupported,
            "Transfer-Encoding other than chunked is not served",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(minor: u8, fields: &[(&str, &str)]) -> Request {
        Request {
            method: "POST".into(),
            target: "/".into(),
            minor,
            fields: self::fields(fields),
        }
    }

    fn response(status: u16, fields: &[(&str, &str)]) -> Response {
        Response {
            status,
            reason: String::new(),
            minor: 1,
            fields: self::fields(fields),
        }
    }

    fn fields(list: &[(&str, &str)]) -> Fields {
        Fields(
            list.iter()
                .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
                .collect(),
        )
    }

    #[test]
    fn a_request_has_one_framing_or_is_refused() {
        use Cause::{Protocol, Unsupported};
        let te = "Transfer-Encoding";
        let cl = "Content-Length";
        for (minor, list, expected) in [
            (1, &[][..], Ok(Framing::None)),
            (1, &[(cl, "5")], Ok(Framing::Length(5))),
            (1, &[(cl, "5"), (cl, "5")], Ok(Framing::Length(5))),
            (1, &[(cl, "5, 5")], Ok(Framing::Length(5))),
            (1, &[(te, "Chunked")], Ok(Framing::Chunked)),
            (1, &[(cl, "5"), (cl, "6")], Err(Protocol)),
            (1, &[(cl, "5,6")], Err(Protocol)),
            (1, &[(cl, "+5")], Err(Protocol)),
            (1, &[(cl, "")], Err(Protocol)),
            (1, &[(cl, "5 5")], Err(Protocol)),
            (1, &[(cl, "0x5")], Err(Protocol)),
            (1, &[(cl, "18446744073709551616")], Err(Protocol)),
            (1, &[(te, "chunked"), (cl, "5")], Err(Protocol)),
            (1, &[(te, "chunked"), (cl, "0")], Err(Protocol)),
            (0, &[(te, "chunked")], Err(Protocol)),
            (1, &[(te, "identity")], Err(Protocol)),
            (1, &[(te, "xchunked")], Err(Protocol)),
            (1, &[(te, "\x0bchunked")], Err(Protocol)),
            (1, &[(te, "")], Err(Protocol)),
            (1, &[(te, "chunked, gzip")], Err(Protocol)),
            (1, &[(te, "chunked"), (te, "identity")], Err(Protocol)),
            (1, &[(te, "chunked, chunked")], Err(Protocol)),
            (1, &[(te, "gzip, chunked")], Err(Unsupported)),
        ] {
            let got = Framing::of_request(&request(minor, list)).map_err(|fail| fail.cause);
            assert_eq!(got, expected, "HTTP/1.{minor} {list:?}");
        }
    }

    #[test]
    fn a_response_is_framed_by_its_status_first() {
        let length = [("Content-Length", "5")];
        let both = [("Content-Length", "5"), ("Transfer-Encoding", "chunked")];
        for (status, to_head, list, expected) in [
            (200, false, &length[..], Framing::Length(5)),
            (200, false, &both, Framing::Chunked),
            (200, false, &[], Framing::UntilEnd),
            (200, true, &both, Framing::None),
            (204, false, &length, Framing::None),
            (304, false, &length, Framing::None),
            (103, false, &[], Framing::None),
        ] {
            let got = Framing::of_response(&response(status, list), to_head).unwrap();
            assert_eq!(got, expected, "{status} {list:?}");
        }
        assert!(Framing::of_response(&response(200, &[("Content-Length", "x")]), false).is_err());
    }
}
