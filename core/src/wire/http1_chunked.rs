//! The chunked coding (RFC 9112, 7.1): where the pieces of a body are, and where it ends behind its trailers.
//!
//! As for the framing, what two implementations could understand differently is refused, not repaired (RFC 9112, 11.2).

use crate::error::{Cause, Fail};
use crate::wire::http1::is_token;

/// A chunk-size line: 16 hex digits, extensions (RFC 9112, 7.1.1) and the line end.
const SIZE_DIGITS: usize = 16;
const SIZE_EXTENSION: usize = 256;
const SIZE_LINE: usize = SIZE_DIGITS + SIZE_EXTENSION + 2;

/// Walks over a chunked body without changing it. Holds no bytes: an incomplete line stays with the
/// caller, at most `SIZE_LINE` bytes or the limit for trailers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunked {
    at: At,
    /// How far the line at hand was searched for its end.
    searched: usize,
    /// Bytes that all trailer lines may still have.
    trailers: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size,
    Data(u64),
    DataEnd,
    Trailer,
    Done,
}

/// The next part of a chunked body, as a length from the front of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A size line, the line end behind data, or a trailer line.
    Framing(usize),
    Data(usize),
    /// The empty line behind the last chunk and its trailers: the body ends behind it.
    End(usize),
}

impl Chunked {
    /// `trailers`: bytes of the whole trailer section, line ends included.
    pub fn new(trailers: usize) -> Self {
        Self {
            at: At::Size,
            searched: 0,
            trailers,
        }
    }

    /// `buf` begins where the last piece ended. `None`: more bytes are needed.
    pub fn next(&mut self, buf: &[u8]) -> Result<Option<Piece>, Fail> {
        match self.at {
            At::Size => self.size(buf),
            At::Data(left) => Ok(self.data(left, buf)),
            At::DataEnd => self.data_end(buf),
            At::Trailer => self.trailer(buf),
            At::Done => Ok(None),
        }
    }

    fn size(&mut self, buf: &[u8]) -> Result<Option<Piece>, Fail> {
        let Some(len) = self.line(buf, SIZE_LINE, "chunk-size line")? else {
            return Ok(None);
        };
        self.at = match chunk_size(&buf[..len - 2])? {
            0 => At::Trailer,
            size => At::Data(size),
        };
        Ok(Some(Piece::Framing(len)))
    }

    fn data(&mut self, left: u64, buf: &[u8]) -> Option<Piece> {
        if buf.is_empty() {
            return None;
        }
        let taken = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
        let left = left - taken as u64;
        self.at = if left == 0 {
            At::DataEnd
        } else {
            At::Data(left)
        };
        Some(Piece::Data(taken))
    }

    fn data_end(&mut self, buf: &[u8]) -> Result<Option<Piece>, Fail> {
        match buf {
            [] | [b'\r'] => Ok(None),
            [b'\r', b'\n', ..] => {
                self.at = At::Size;
                Ok(Some(Piece::Framing(2)))
            }
            _ => Err(Fail::protocol("no line end behind the data of a chunk")),
        }
    }

    fn trailer(&mut self, buf: &[u8]) -> Result<Option<Piece>, Fail> {
        let Some(len) = self.line(buf, self.trailers, "trailer section")? else {
            return Ok(None);
        };
        self.trailers -= len;
        if len == 2 {
            self.at = At::Done;
            return Ok(Some(Piece::End(len)));
        }
        check_trailer(&buf[..len - 2])?;
        Ok(Some(Piece::Framing(len)))
    }

    /// The length of the line at the front with its CR LF.
    fn line(&mut self, buf: &[u8], limit: usize, what: &str) -> Result<Option<usize>, Fail> {
        let from = self.searched.min(buf.len());
        let end = memchr::memchr(b'\n', &buf[from..]).map(|at| from + at + 1);
        if end.unwrap_or(buf.len()) > limit {
            return Err(Fail::new(
                Cause::Limit,
                format!("{what} over {limit} bytes"),
            ));
        }
        let Some(len) = end else {
            self.searched = buf.len();
            return Ok(None);
        };
        self.searched = 0;
        if len < 2 || buf[len - 2] != b'\r' {
            return Err(Fail::protocol(format!("{what} with a bare LF")));
        }
        Ok(Some(len))
    }
}

/// Reads `line` (without its end): hex digits, then blanks (old servers pad with them) or extensions.
fn chunk_size(line: &[u8]) -> Result<u64, Fail> {
    let bad = || Fail::protocol("chunk size is not a number of 1 to 16 hex digits");
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    if digits == 0 || digits > SIZE_DIGITS {
        return Err(bad());
    }
    let rest = line[digits..].trim_ascii_start();
    if !rest.is_empty() && rest[0] != b';' {
        return Err(bad());
    }
    if line.len() - digits > SIZE_EXTENSION {
        return Err(Fail::new(
            Cause::Limit,
            format!("chunk extension over {SIZE_EXTENSION} bytes"),
        ));
    }
    if !line.iter().all(|byte| is_text(*byte)) {
        return Err(Fail::protocol("chunk extension with a control character"));
    }
    let text = std::str::from_utf8(&line[..digits]).map_err(|_| bad())?;
    u64::from_str_radix(text, 16).map_err(|_| bad())
}

fn check_trailer(line: &[u8]) -> Result<(), Fail> {
    let Some(colon) = memchr::memchr(b':', line) else {
        return Err(Fail::protocol("trailer line without a colon"));
    };
    let (name, value) = line.split_at(colon);
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        return Err(Fail::protocol("trailer with a name that is no token"));
    }
    if !value.iter().all(|byte| is_text(*byte)) {
        return Err(Fail::protocol("trailer with a control character"));
    }
    // Receivers that merge trailers into the head must not get another framing (RFC 9110, 6.5.1).
    let framing = ["content-length", "transfer-encoding", "host"];
    if framing
        .iter()
        .any(|field| name.eq_ignore_ascii_case(field.as_bytes()))
    {
        return Err(Fail::protocol("trailer with a framing or routing field"));
    }
    Ok(())
}

/// What a field value may hold: anything but control characters, and the tab.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAILERS: usize = 100;

    /// The data and the length of the whole body; `None` if it is incomplete.
    fn decode(wire: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Fail> {
        let mut chunked = Chunked::new(TRAILERS);
        let (mut data, mut at) = (Vec::new(), 0);
        loop {
            match chunked.next(&wire[at..])? {
                None => return Ok(None),
                Some(Piece::Framing(n)) => at += n,
                Some(Piece::Data(n)) => {
                    data.extend_from_slice(&wire[at..at + n]);
                    at += n;
                }
                Some(Piece::End(n)) => return Ok(Some((data, at + n))),
            }
        }
    }

    #[test]
    fn a_chunked_body_ends_behind_its_trailers() {
        let wire = b"5\r\nhello\r\n00A ;n=\"v\"\r\n0123456789\r\n0\r\nA: b\r\nC:\r\n\r\nrest";
        let (data, len) = decode(wire).unwrap().unwrap();
        assert_eq!(data, b"hello0123456789");
        assert_eq!(&wire[len..], b"rest");
        for cut in 0..len {
            assert_eq!(decode(&wire[..cut]).unwrap(), None, "cut at {cut}");
        }
    }

    #[test]
    fn doubtful_chunks_are_refused() {
        for wire in [
            &b"5\nhello\r\n0\r\n\r\n"[..],
            b"\r\n",
            b";x\r\n",
            b" 5\r\n",
            b"-5\r\n",
            b"+5\r\n",
            b"0x5\r\n",
            b"5 5\r\n",
            b"5\r;x\r\n",
            b"5;a\x00b\r\n",
            b"5;a\rb\r\n",
            b"11112222333344445\r\n",
            b"00000000000000005\r\n",
            b"5\r\nhelloX",
            b"5\r\nhello\n",
            b"5\r\nhello\rX",
            b"0\r\n\n",
            b"0\r\nA\r\n",
            b"0\r\nA : b\r\n",
            b"0\r\n folded: b\r\n",
            b"0\r\nA: b\rc\r\n",
            b"0\r\nContent-Length: 5\r\n",
            b"0\r\ntransfer-encoding: chunked\r\n",
        ] {
            let fail = decode(wire).unwrap_err();
            assert_eq!(fail.cause, Cause::Protocol, "{}", wire.escape_ascii());
        }
    }

    #[test]
    fn lines_are_bounded_before_they_end() {
        let longest = [&b"000000000000000f;"[..], &[b'x'; 255], b"\r\n"].concat();
        let mut chunked = Chunked::new(TRAILERS);
        assert_eq!(chunked.next(&longest), Ok(Some(Piece::Framing(274))));
        let mut unfinished = [&b"5;"[..], &[b'x'; 272]].concat();
        assert_eq!(decode(&unfinished), Ok(None));
        unfinished.push(b'x');
        assert_eq!(decode(&unfinished).unwrap_err().cause, Cause::Limit);
        let endless = [b"5;".to_vec(), vec![b'x'; SIZE_LINE]].concat();
        assert_eq!(decode(&endless).unwrap_err().cause, Cause::Limit);
        let zeros = vec![b'0'; SIZE_LINE + 1];
        assert_eq!(decode(&zeros).unwrap_err().cause, Cause::Limit);
        let extension = [&b"5;"[..], &[b'x'; SIZE_EXTENSION], b"\r\n"].concat();
        assert_eq!(decode(&extension).unwrap_err().cause, Cause::Limit);
        let extension = [&b"05;"[..], &[b'x'; SIZE_EXTENSION], b"\r\n"].concat();
        assert_eq!(decode(&extension).unwrap_err().cause, Cause::Limit);
        // Two lines of 49 bytes and the empty one are as much as there may be.
        let line = format!("A: {}\r\n", "b".repeat(44));
        let most = format!("0\r\n{line}{line}\r\n");
        assert_eq!(decode(most.as_bytes()), Ok(Some((vec![], 103))));
        let over = format!("0\r\n{line}b{line}\r\n");
        assert_eq!(decode(over.as_bytes()).unwrap_err().cause, Cause::Limit);
        let trailer = [b"0\r\n".to_vec(), vec![b'x'; TRAILERS + 1]].concat();
        assert_eq!(decode(&trailer).unwrap_err().cause, Cause::Limit);
        let trailers = [b"0\r\n".to_vec(), b"A: b\r\n".repeat(TRAILERS / 6 + 1)].concat();
        assert_eq!(decode(&trailers).unwrap_err().cause, Cause::Limit);
    }
}
