//! HTTP/1.1 heads and chunked bodies: found at the same place in any pieces, written as they were read.

use super::script::{Cuts, Script, WHOLE};
use crate::error::{Cause, Fail};
use crate::wire::http1::{HeadLimits, HeadSearch, Request, Response};
use crate::wire::http1_body::Framing;
use crate::wire::http1_chunked::{Chunked, Piece};

pub fn http1(data: &[u8]) {
    let mut script = Script::new(data);
    let (flags, cuts) = (script.option(), Cuts::new(script.option()));
    let buf = script.rest();
    let limits = match flags & 1 {
        0 => HeadLimits {
            bytes: 16 * 1024,
            fields: 100,
        },
        _ => HeadLimits {
            bytes: 200,
            fields: 4,
        },
    };
    let body = match head(buf, limits, cuts) {
        Some(end) => {
            request(&buf[..end], limits);
            response(&buf[..end], limits, flags & 2 != 0);
            &buf[end..]
        }
        None => buf,
    };
    chunked(body, cuts);
}

/// The length of the head, if there is a whole one.
fn head(buf: &[u8], limits: HeadLimits, mut cuts: Cuts) -> Option<usize> {
    let whole = HeadSearch::default().find(buf, limits);
    let mut search = HeadSearch::default();
    let mut seen = 0;
    let mut cut = Ok(None);
    cuts.feed(buf, |piece| {
        seen += piece.len();
        cut = search.find(&buf[..seen], limits);
        cut == Ok(None)
    });
    assert_eq!(cut, whole);
    let end = whole.ok()??;
    assert!(buf[..end].ends_with(b"\r\n\r\n") && end <= limits.bytes);
    Some(end)
}

fn request(head: &[u8], limits: HeadLimits) {
    let Ok(request) = Request::parse(head, limits) else {
        return;
    };
    assert!(request.fields.0.len() <= limits.fields);
    let mut out = Vec::new();
    request.write(&mut out);
    let roomy = HeadLimits {
        bytes: out.len(),
        ..limits
    };
    assert_eq!(HeadSearch::default().find(&out, roomy), Ok(Some(out.len())));
    assert_eq!(Request::parse(&out, roomy).as_ref(), Ok(&request));
    if Framing::of_request(&request) == Ok(Framing::Chunked) {
        assert!(request.fields.get("content-length").is_none());
    }
}

fn response(head: &[u8], limits: HeadLimits, to_head: bool) {
    let Ok(response) = Response::parse(head, limits) else {
        return;
    };
    let mut out = Vec::new();
    response.write(&mut out);
    let roomy = HeadLimits {
        bytes: out.len(),
        ..limits
    };
    assert_eq!(Response::parse(&out, roomy).as_ref(), Ok(&response));
    if to_head {
        assert_eq!(Framing::of_response(&response, true), Ok(Framing::None));
    }
    let _ = Framing::of_response(&response, false);
}

/// What a walk over a chunked body saw.
#[derive(Debug, Default, PartialEq, Eq)]
struct Walk {
    data: Vec<u8>,
    framing: Vec<u8>,
    /// Where the body ended.
    end: Option<usize>,
    failed: Option<Cause>,
}

fn chunked(body: &[u8], cuts: Cuts) {
    let whole = walk(body, WHOLE);
    assert_eq!(walk(body, cuts), whole);
    let passed = whole.data.len() + whole.framing.len();
    assert!(whole.end.is_none_or(|end| end == passed));
}

fn walk(body: &[u8], mut cuts: Cuts) -> Walk {
    let mut chunked = Chunked::new(120);
    let mut walk = Walk::default();
    let mut rest = Vec::new();
    cuts.feed(body, |piece| {
        rest.extend_from_slice(piece);
        match pieces(&mut chunked, &mut rest, &mut walk) {
            Ok(()) => walk.end.is_none(),
            Err(fail) => {
                walk.failed = Some(fail.cause);
                false
            }
        }
    });
    walk
}

fn pieces(chunked: &mut Chunked, rest: &mut Vec<u8>, walk: &mut Walk) -> Result<(), Fail> {
    while let Some(piece) = chunked.next(rest)? {
        let (n, to) = match piece {
            Piece::Data(n) => (n, &mut walk.data),
            Piece::Framing(n) | Piece::End(n) => (n, &mut walk.framing),
        };
        assert!(n > 0 && n <= rest.len());
        to.extend(rest.drain(..n));
        if let Piece::End(_) = piece {
            walk.end = Some(walk.data.len() + walk.framing.len());
            assert_eq!(chunked.next(rest), Ok(None));
            return Ok(());
        }
    }
    assert!(rest.len() < 400, "an incomplete line grows");
    Ok(())
}
