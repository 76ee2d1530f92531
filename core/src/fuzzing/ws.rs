//! Websocket: any bytes mean the same in any pieces, before the upgrade and after it; what one end sends
//! is what the other reads.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;

use super::messages::messages;
use super::script::{Cuts, Script, WHOLE};
use super::templates::special;
use crate::buffer::Rope;
use crate::entropy::Entropy;
use crate::error::{Cause, Eof, Fail};
use crate::layer::ws::Ws;
use crate::layer::{Cx, Info, Io, Layer, Up};
use crate::limits::Limits;
use crate::plan::{WsClient, WsServer};
use crate::time::Time;
use crate::wire::deflate::Pool;
use crate::wire::websocket::{Decoder, Item, Violation};

/// A message may inflate a thousandfold; so much is enough to compare.
const ENOUGH: usize = 4 * 1024 * 1024;

pub fn ws(data: &[u8]) {
    let mut script = Script::new(data);
    let (flags, cuts) = (script.option(), Cuts::new(script.option()));
    let bytes = script.rest();
    let options = Options {
        server: flags & 1 == 0,
        compression: flags & 2 != 0,
        mux: flags & 4 != 0,
        max_frame: (flags & 8 != 0).then_some(7),
        upgraded: flags & 16 == 0,
        ends: flags & 32 != 0,
    };
    decode(bytes, options, cuts);
    let (whole, cut) = (run(bytes, options, WHOLE), run(bytes, options, cuts));
    compare(&whole, &cut);
    between(bytes, options, cuts);
    messages(bytes, flags, cuts);
}

#[derive(Clone, Copy)]
struct Options {
    server: bool,
    compression: bool,
    mux: bool,
    max_frame: Option<usize>,
    /// The bytes come behind a handshake.
    upgraded: bool,
    /// That handshake agreed on how directions end, and not on compression.
    ends: bool,
}

fn decode(bytes: &[u8], options: Options, mut cuts: Cuts) {
    let items = |cuts: &mut Cuts| -> (Vec<Item>, Option<Violation>, Option<String>) {
        let mut decoder = Decoder::new(options.server, options.compression);
        let (mut items, mut violation) = (Vec::new(), None);
        cuts.feed(bytes, |piece| {
            let mut chunk = BytesMut::from(piece);
            loop {
                match decoder.next(&mut chunk) {
                    Ok(Some(item)) => join(&mut items, item),
                    Ok(None) => break assert!(chunk.is_empty()),
                    Err(found) => break violation = Some(found),
                }
            }
            violation.is_none()
        });
        let unfinished = match violation {
            Some(_) => None,
            None => decoder.unfinished(),
        };
        (items, violation, unfinished)
    };
    assert_eq!(items(&mut cuts), items(&mut WHOLE.clone()));
}

fn join(items: &mut Vec<Item>, item: Item) {
    match (items.last_mut(), item) {
        (Some(Item::Data(data)), Item::Data(more)) => data.extend_from_slice(&more),
        (_, item) => items.push(item),
    }
}

/// One end, and what it has said upwards.
struct End {
    ws: Ws,
    now: Time,
    entropy: Entropy,
    limits: Limits,
    pool: Pool,
    down: Rope,
    ready: Option<Info>,
    data: Vec<u8>,
    end: Option<bool>,
    failed: Option<Cause>,
}

impl End {
    fn new(options: Options) -> Self {
        let ws = match options.server {
            true => Ws::server(
                Arc::new(WsServer {
                    compression: options.compression,
                    max_frame: options.max_frame,
                    ..WsServer::new("/ws")
                }),
                options.mux,
            ),
            false => Ws::client(
                Arc::new(WsClient {
                    compression: options.compression,
                    max_frame: options.max_frame,
                    ..WsClient::new("h", "/ws")
                }),
                options.mux,
            ),
        };
        let mut end = Self {
            ws,
            now: Time::ZERO,
            entropy: Entropy::new([7; 32]),
            limits: Limits::default(),
            pool: Pool::default(),
            down: Rope::default(),
            ready: None,
            data: Vec::new(),
            end: None,
            failed: None,
        };
        end.call(|ws, cx, io| ws.start(cx, io));
        end
    }

    fn call(&mut self, call: impl FnOnce(&mut Ws, &mut Cx, &mut Io) -> Result<(), Fail>) {
        if self.failed.is_some() {
            return;
        }
        let mut up = Vec::new();
        let mut cx = Cx {
            now: self.now,
            entropy: &mut self.entropy,
            limits: &self.limits,
            deflate: &mut self.pool,
            room: usize::MAX,
        };
        let mut io = Io {
            up: &mut up,
            down: &mut self.down,
        };
        let result = call(&mut self.ws, &mut cx, &mut io);
        self.failed = result.err().map(|fail| fail.cause);
        assert_eq!(self.down.len(), self.down.recount());
        for news in up {
            assert_eq!(self.end, None, "{news:?} behind the end");
            match news {
                Up::Ready(info) => assert_eq!(self.ready.replace(info), None, "ready twice"),
                Up::Data(piece) => {
                    assert!(self.ready.is_some() && !piece.is_empty());
                    self.data.extend_from_slice(&piece);
                }
                Up::Refused(_) => assert!(self.ready.is_none(), "refused behind an upgrade"),
                Up::End { both } => self.end = Some(both),
            }
        }
    }

    fn recv(&mut self, bytes: &[u8]) {
        self.call(|ws, cx, io| ws.recv(cx, BytesMut::from(bytes), io));
        self.settle();
    }

    /// Inflation goes in turns; nothing else is due within a second.
    fn settle(&mut self) {
        let soon = self.now + Duration::from_secs(1);
        while let Some(at) = self.ws.next_timeout().filter(|at| *at < soon) {
            assert!(at > self.now, "a deadline stays in the past");
            if self.data.len() > ENOUGH || self.failed.is_some() {
                return;
            }
            self.now = at;
            self.call(|ws, cx, io| ws.timeout(cx, io));
        }
    }

    fn sent(&mut self) -> Vec<u8> {
        let sent = self.down.to_vec();
        self.down.clear();
        sent
    }
}

/// What an end made of the bytes.
struct Outcome {
    ready: Option<Info>,
    data: Vec<u8>,
    end: Option<bool>,
    failed: Option<Cause>,
    sent: Vec<u8>,
    compression: bool,
    server: bool,
}

fn run(bytes: &[u8], options: Options, mut cuts: Cuts) -> Outcome {
    let mut end = End::new(options);
    if options.upgraded {
        let request = end.sent();
        let number = match (options.ends, options.compression) {
            (true, _) => 1,
            (false, true) => 2,
            (false, false) => 0,
        };
        let number = if options.server { number } else { number + 3 };
        end.recv(&special(number, &[&request], true));
        assert!(end.ready.is_some(), "our own upgrade is refused");
        end.sent();
    }
    cuts.feed(bytes, |piece| {
        end.recv(piece);
        end.failed.is_none() && end.end != Some(true) && end.data.len() <= ENOUGH
    });
    // A ping flood in one piece is answered once.
    if end.data.len() <= ENOUGH && end.end != Some(true) {
        end.call(|ws, cx, io| ws.lower_end(cx, Eof::Fin, io));
        end.settle();
    }
    Outcome {
        sent: end.sent(),
        ready: end.ready,
        data: end.data,
        end: end.end,
        failed: end.failed,
        compression: options.compression,
        server: options.server,
    }
}

fn compare(whole: &Outcome, cut: &Outcome) {
    if whole.data.len() > ENOUGH || cut.data.len() > ENOUGH {
        return;
    }
    assert_eq!(whole.ready, cut.ready);
    assert_eq!(whole.end, cut.end);
    assert_eq!(whole.failed, cut.failed);
    // What inflates in front of a fault is passed on as far as the pieces allowed.
    let n = match whole.compression && whole.failed.is_some() {
        true => whole.data.len().min(cut.data.len()),
        false => whole.data.len().max(cut.data.len()),
    };
    assert_eq!(whole.data.get(..n), cut.data.get(..n));
    assert_eq!(spoken(whole), spoken(cut));
}

/// Answers to requests as they are, then frames without pongs: of a run of pings only the last counts.
fn spoken(outcome: &Outcome) -> (Vec<u8>, Vec<Item>) {
    let sent = &outcome.sent;
    let head = match memchr::memmem::rfind(sent, b"HTTP/1.1 101") {
        Some(at) => {
            memchr::memmem::find(&sent[at..], b"\r\n\r\n").map_or(sent.len(), |n| at + n + 4)
        }
        None if outcome.ready.is_some() => 0,
        None => sent.len(),
    };
    let mut chunk = BytesMut::from(&sent[head..]);
    let mut decoder = Decoder::new(!outcome.server, true);
    let mut items = Vec::new();
    while let Some(item) = decoder
        .next(&mut chunk)
        .unwrap_or_else(|violation| panic!("we break the protocol: {}", violation.text))
    {
        match item {
            Item::Pong(_) => {}
            // The words of the library depend on its steps.
            Item::Close(Some(1007), _) => items.push(Item::Close(Some(1007), String::new())),
            item => items.push(item),
        }
    }
    assert_eq!(decoder.unfinished(), None);
    (sent[..head].to_vec(), items)
}

/// Two ends: the bytes are sent from one to the other, in the pieces of `cuts` on the way.
fn between(bytes: &[u8], options: Options, mut cuts: Cuts) {
    let other = Options {
        server: !options.server,
        ..options
    };
    let (mut from, mut to) = (End::new(options), End::new(other));
    for _ in 0..2 {
        to.recv(&from.sent());
        from.recv(&to.sent());
    }
    let (server, client) = match options.server {
        true => (&from, &to),
        false => (&to, &from),
    };
    // The server is the first proxy of this client, which is none.
    let expected = client.ready.clone().map(|info| Info { hops: 1, ..info });
    assert!(server.ready.is_some() && server.ready == expected);
    assert_eq!(client.ready.as_ref().map(|info| info.hops), Some(0));
    cuts.feed(bytes, |piece| {
        let mut data = Rope::default();
        data.push(BytesMut::from(piece).into());
        from.call(|ws, cx, io| ws.send(cx, &mut data, io.down));
        assert!(data.is_empty());
        true
    });
    let wire = from.sent();
    cuts.feed(&wire, |piece| {
        to.recv(piece);
        true
    });
    assert_eq!(to.failed, None);
    assert_eq!(to.data, bytes);
}
