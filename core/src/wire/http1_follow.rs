//! An HTTP/1.1 connection that passes by, one exchange after the other: which statuses its responses have, and when
//! none is under way.
//!
//! Nothing is changed and nothing refused. What cannot be followed (another protocol behind an upgrade or CONNECT,
//! faulty framing, heads over the limits) is followed no further.

use super::http1::{HeadLimits, HeadSearch, Request, Response};
use super::http1_body::Framing;
use super::http1_chunked::{Chunked, Piece};
use crate::error::Fail;

#[derive(Debug, Default)]
pub struct Follower {
    requests: Walk,
    responses: Walk,
    /// The method decides on the framing of the response.
    asked: Option<Asked>,
    lost: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Head,
    Connect,
    Other,
}

impl Follower {
    /// Bytes of the client. How many of them belong to the request that is under way, or begins: what is behind it
    /// is for later, when its response is complete.
    pub fn request(&mut self, bytes: &[u8], limits: HeadLimits) -> usize {
        if self.lost {
            return bytes.len();
        }
        match self.follow_request(bytes, limits) {
            Ok(taken) => taken,
            Err(_) => {
                self.lose();
                bytes.len()
            }
        }
    }

    /// Bytes of the server. The statuses of final responses that begin in them.
    pub fn response(&mut self, bytes: &[u8], limits: HeadLimits) -> Vec<u16> {
        let mut statuses = Vec::new();
        if !self.lost && self.follow_responses(bytes, limits, &mut statuses).is_err() {
            self.lose();
        }
        statuses
    }

    /// No exchange is under way.
    pub fn is_idle(&self) -> bool {
        !self.lost
            && self.asked.is_none()
            && self.requests.is_between()
            && self.responses.is_between()
    }

    /// It is followed no further.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// Bytes of lines that are not complete: of requests, of responses.
    pub fn held(&self) -> [usize; 2] {
        [self.requests.held.len(), self.responses.held.len()]
    }

    fn follow_request(&mut self, bytes: &[u8], limits: HeadLimits) -> Result<usize, Fail> {
        if self.asked.is_some() && self.requests.is_between() {
            return Ok(0);
        }
        self.requests.held.extend_from_slice(bytes);
        while let Some(part) = self.requests.next(limits)? {
            let Part::Head(head) = part else {
                let behind = std::mem::take(&mut self.requests.held);
                return Ok(bytes.len() - behind.len());
            };
            let request = Request::parse(&head, limits)?;
            self.requests.begin(Framing::of_request(&request)?, limits);
            self.asked = Some(match request.method.as_str() {
                "HEAD" => Asked::Head,
                "CONNECT" => Asked::Connect,
                _ => Asked::Other,
            });
        }
        Ok(bytes.len())
    }

    fn follow_responses(
        &mut self,
        bytes: &[u8],
        limits: HeadLimits,
        statuses: &mut Vec<u16>,
    ) -> Result<(), Fail> {
        self.responses.held.extend_from_slice(bytes);
        while let Some(part) = self.responses.next(limits)? {
            let Part::Head(head) = part else {
                self.asked = None;
                continue;
            };
            let response = Response::parse(&head, limits)?;
            let status = response.status;
            if matches!(status, 100 | 102..=199) {
                continue;
            }
            statuses.push(status);
            let Some(asked) = self.asked else {
                return Err(Fail::protocol("a response that nobody asked for"));
            };
            if status == 101 || (asked == Asked::Connect && status < 300) {
                return Err(Fail::protocol("another protocol begins"));
            }
            let framing = Framing::of_response(&response, asked == Asked::Head)?;
            self.responses.begin(framing, limits);
        }
        Ok(())
    }

    fn lose(&mut self) {
        *self = Self {
            lost: true,
            ..Self::default()
        };
    }
}

/// One direction.
#[derive(Debug, Default)]
struct Walk {
    held: Vec<u8>,
    search: HeadSearch,
    body: Option<Body>,
}

#[derive(Debug)]
enum Body {
    Length(u64),
    Chunked(Chunked),
    UntilEnd,
}

enum Part {
    Head(Vec<u8>),
    /// The end of a message.
    End,
}

impl Walk {
    fn is_between(&self) -> bool {
        self.body.is_none() && self.held.is_empty()
    }

    fn begin(&mut self, framing: Framing, limits: HeadLimits) {
        self.body = Some(match framing {
            Framing::None => Body::Length(0),
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked(Chunked::new(limits.bytes)),
            Framing::UntilEnd => Body::UntilEnd,
        });
    }

    /// `None`: more bytes are needed.
    fn next(&mut self, limits: HeadLimits) -> Result<Option<Part>, Fail> {
        let ended = match &mut self.body {
            None => {
                let Some(len) = self.search.find(&self.held, limits)? else {
                    return Ok(None);
                };
                let rest = self.held.split_off(len);
                return Ok(Some(Part::Head(std::mem::replace(&mut self.held, rest))));
            }
            Some(Body::Length(left)) => {
                let n = usize::try_from(*left).map_or(self.held.len(), |n| n.min(self.held.len()));
                self.held.drain(..n);
                *left -= n as u64;
                *left == 0
            }
            Some(Body::Chunked(chunked)) => {
                let (mut at, mut ended) = (0, false);
                while !ended && let Some(piece) = chunked.next(&self.held[at..])? {
                    let (Piece::Framing(n) | Piece::Data(n) | Piece::End(n)) = piece;
                    ended = matches!(piece, Piece::End(_));
                    at += n;
                }
                self.held.drain(..at);
                ended
            }
            Some(Body::UntilEnd) => {
                self.held.clear();
                false
            }
        };
        if !ended {
            return Ok(None);
        }
        self.body = None;
        Ok(Some(Part::End))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits {
        bytes: 300,
        fields: 20,
    };

    /// The statuses, whether it is idle at the end, and whether it is lost: the same for all cuts.
    fn follow(turns: &[(&str, &str)]) -> (Vec<u16>, bool, bool) {
        let run = |size: usize| {
            let mut follower = Follower::default();
            let mut statuses = Vec::new();
            for (request, response) in turns {
                for piece in request.as_bytes().chunks(size) {
                    assert_eq!(follower.request(piece, LIMITS), piece.len());
                }
                for piece in response.as_bytes().chunks(size) {
                    statuses.extend(follower.response(piece, LIMITS));
                }
            }
            (statuses, follower.is_idle(), follower.is_lost())
        };
        let whole = run(usize::MAX);
        for size in 1..40 {
            assert_eq!(run(size), whole, "in pieces of {size}");
        }
        whole
    }

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    #[test]
    fn every_final_response_has_its_status() {
        let short = "HTTP/1.1 429 X\r\nContent-Length: 3\r\n\r\nHTT";
        let chunked = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nHTTP/\r\n0\r\nT: x\r\n\r\n";
        let interim =
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nLink: a\r\n\r\nHTTP/1.1 204 X\r\n\r\n";
        let post = "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /";
        let head = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
        let to_head = "HTTP/1.1 404 X\r\nContent-Length: 300\r\n\r\n";
        let turns = [
            (GET, short),
            (post, chunked),
            (head, to_head),
            (GET, interim),
            (GET, short),
        ];
        let statuses = vec![429, 200, 404, 204, 429];
        assert_eq!(follow(&turns), (statuses, true, false));
    }

    #[test]
    fn it_is_idle_between_whole_exchanges_only() {
        let one = "HTTP/1.1 200 X\r\nContent-Length: 3\r\n\r\nab";
        assert_eq!(follow(&[(GET, one)]), (vec![200], false, false));
        assert_eq!(follow(&[(GET, one), ("", "c")]), (vec![200], true, false));
        assert_eq!(follow(&[(&GET[..20], "")]), (vec![], false, false));
        let until_end = "HTTP/1.1 500 X\r\n\r\nHTTP/1.1 200 X\r\n\r\n";
        assert_eq!(follow(&[(GET, until_end)]), (vec![500], false, false));
    }

    /// The next request is for later, wherever the bytes are cut.
    #[test]
    fn what_is_behind_a_request_is_not_taken() {
        let post = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\n\r\n";
        for first in [GET, post] {
            let both = [first, GET].concat();
            for cut in 0..both.len() {
                let mut follower = Follower::default();
                let (a, b) = both.as_bytes().split_at(cut);
                let taken = follower.request(a, LIMITS);
                assert_eq!(taken, cut.min(first.len()));
                let more = follower.request(b, LIMITS);
                assert_eq!(taken + more, first.len().max(taken), "cut at {cut}");
                assert_eq!(follower.response(b"HTTP/1.1 204 X\r\n\r\n", LIMITS), [204]);
                assert!(follower.is_idle());
                assert_eq!(follower.request(GET.as_bytes(), LIMITS), GET.len());
            }
        }
    }

    #[test]
    fn what_cannot_be_followed_is_let_go() {
        let upgrade = "HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\nHTTP/1.1 429 X\r\n\r\n";
        assert_eq!(follow(&[(GET, upgrade)]), (vec![101], false, true));
        let connect = "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n";
        let opened = "HTTP/1.1 200 X\r\n\r\nHTTP/1.1 429 X\r\n\r\n";
        assert_eq!(follow(&[(connect, opened)]), (vec![200], false, true));
        let refused = "HTTP/1.1 300 X\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(follow(&[(connect, refused)]), (vec![300], true, false));
        for (request, response) in [
            ("nothing of the kind\r\n\r\n", ""),
            (GET, "SSH-2.0-x\r\n\r\n"),
            ("", "HTTP/1.1 200\r\n\r\n"),
        ] {
            let (_, idle, lost) = follow(&[(request, response)]);
            assert!(lost && !idle, "{request:?} {response:?}");
        }
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(400));
        assert_eq!(follow(&[(&long, "")]), (vec![], false, true));
    }

    #[test]
    fn it_holds_no_more_than_a_head() {
        let mut follower = Follower::default();
        follower.request(b"PUT / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n", LIMITS);
        follower.request(&[b'a'; 50_000], LIMITS);
        assert_eq!(follower.held(), [0, 0]);
        follower.response(b"HTTP/1.1 2", LIMITS);
        assert_eq!(follower.held(), [0, 10]);
        let mut follower = Follower::default();
        follower.request(b"GET /", LIMITS);
        assert_eq!(follower.held(), [5, 0]);
    }
}
