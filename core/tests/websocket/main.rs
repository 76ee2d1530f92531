//! The websocket layer as gost sees it, as tungstenite sees it, and against itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use ginnel_core::buffer::{Rope, Seg};
use ginnel_core::entropy::Entropy;
use ginnel_core::error::{Cause, Eof, Fail};
use ginnel_core::layer::ws::Ws;
use ginnel_core::layer::{Cx, Info, Io, Layer, Up};
use ginnel_core::limits::Limits;
use ginnel_core::plan::{Ping, WsClient, WsServer};
use ginnel_core::time::Time;
use ginnel_core::wire::deflate::Pool;
use ginnel_core::wire::websocket::{Decoder, Item};

mod agreed;
mod conformance;
mod endings;
mod heartbeat;
mod messages;
mod oracle;
mod upgrade;
mod vectors;

/// One end with its surroundings, and what it has said upwards.
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
    refused: Vec<String>,
}

impl End {
    fn new(ws: Ws) -> Self {
        Self {
            ws,
            now: Time::ZERO,
            entropy: Entropy::new([7; 32]),
            limits: Limits::default(),
            pool: Pool::default(),
            down: Rope::default(),
            ready: None,
            data: Vec::new(),
            end: None,
            refused: Vec::new(),
        }
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut Ws, &mut Cx, &mut Io) -> T) -> T {
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
        assert_eq!(self.down.len(), self.down.recount());
        for news in up {
            assert_eq!(self.end, None, "{news:?} after the end");
            match news {
                Up::Ready(info) => assert_eq!(self.ready.replace(info), None, "ready twice"),
                Up::Data(piece) => {
                    assert!(self.ready.is_some(), "data before ready");
                    assert!(!piece.is_empty());
                    self.data.extend_from_slice(&piece);
                }
                Up::Refused(fail) => self.refused.push(fail.text),
                Up::End { both } => self.end = Some(both),
            }
        }
        result
    }

    fn start(&mut self) -> Result<(), Fail> {
        self.call(|ws, cx, io| ws.start(cx, io))
    }

    fn recv(&mut self, bytes: &[u8]) -> Result<(), Fail> {
        self.call(|ws, cx, io| ws.recv(cx, BytesMut::from(bytes), io))
    }

    fn send(&mut self, bytes: &[u8]) {
        let mut rope = Rope::default();
        for piece in bytes.chunks(10_000) {
            rope.push(BytesMut::from(piece).into());
        }
        self.send_rope(rope);
    }

    fn send_rope(&mut self, mut rope: Rope) {
        self.call(|ws, cx, io| ws.send(cx, &mut rope, io.down))
            .unwrap();
        assert!(rope.is_empty());
    }

    fn lower_end(&mut self, how: Eof) -> Result<(), Fail> {
        self.call(|ws, cx, io| ws.lower_end(cx, how, io))
    }

    fn finish(&mut self) -> bool {
        self.call(|ws, cx, io| ws.finish(cx, io.down))
    }

    fn abort(&mut self, cause: Cause) {
        self.call(|ws, cx, io| ws.abort(cx, &Fail::new(cause, "secret"), io.down));
    }

    /// Drives to `now` as an engine does: at reported deadlines only.
    fn run_until(&mut self, now: Time) -> Result<(), Fail> {
        while let Some(at) = self.ws.next_timeout().filter(|at| *at <= now) {
            self.now = self.now.max(at);
            self.call(|ws, cx, io| ws.timeout(cx, io))?;
            assert!(self.ws.next_timeout().is_none_or(|next| next > self.now));
        }
        self.now = now;
        Ok(())
    }

    /// What it has put on the wire since the last time.
    fn sent(&mut self) -> Vec<u8> {
        let sent = self.down.to_vec();
        self.down.clear();
        sent
    }
}

fn client_plan() -> WsClient {
    WsClient::new("a", "/ws")
}

fn server_plan() -> WsServer {
    WsServer::new("/ws")
}

/// Both ends, upgraded. `mux`: whether each carries smux.
fn pair_of(client: WsClient, server: WsServer, mux: [bool; 2]) -> (End, End) {
    let mut client = End::new(Ws::client(Arc::new(client), mux[0]));
    let mut server = End::new(Ws::server(Arc::new(server), mux[1]));
    client.start().unwrap();
    server.start().unwrap();
    server.recv(&client.sent()).unwrap();
    client.recv(&server.sent()).unwrap();
    (client, server)
}

fn pair() -> (End, End) {
    pair_of(client_plan(), server_plan(), [false; 2])
}

/// Both ends, each of which has a gost for its peer, or a browser: somebody who offers no message for an end.
fn strangers_of(client: WsClient, server: WsServer) -> (End, End) {
    const OFFER: &str = "X-Websocket-Half-Close: 1\r\n";
    let mut client = End::new(Ws::client(Arc::new(client), false));
    let mut server = End::new(Ws::server(Arc::new(server), false));
    client.start().unwrap();
    server.start().unwrap();
    let request = String::from_utf8(client.sent()).unwrap();
    assert!(request.contains(OFFER), "{request}");
    server.recv(request.replace(OFFER, "").as_bytes()).unwrap();
    let response = server.sent();
    assert!(!String::from_utf8_lossy(&response).contains("Half-Close"));
    client.recv(&response).unwrap();
    (client, server)
}

fn strangers() -> (End, End) {
    strangers_of(client_plan(), server_plan())
}

fn compressing_pair() -> (End, End) {
    let (client, server) = compressing_plans();
    pair_of(client, server, [false; 2])
}

fn compressing_strangers() -> (End, End) {
    let (client, server) = compressing_plans();
    strangers_of(client, server)
}

fn compressing_plans() -> (WsClient, WsServer) {
    let client = WsClient {
        compression: true,
        ..client_plan()
    };
    let server = WsServer {
        compression: true,
        ..server_plan()
    };
    (client, server)
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn at(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

/// What a wire says: payload joined and inflated, control frames in order.
fn meaning(wire: &[u8], masked: bool) -> (Vec<u8>, Vec<Item>) {
    let mut decoder = Decoder::new(masked, true);
    let mut pool = Pool::default();
    let mut inflater = None;
    let mut wire = BytesMut::from(wire);
    let (mut data, mut controls) = (Vec::new(), Vec::new());
    while let Some(item) = decoder.next(&mut wire).unwrap() {
        match item {
            Item::Begin { compressed, .. } => inflater = compressed.then(|| pool.inflater()),
            Item::Data(piece) => match &mut inflater {
                Some(inflater) => inflater.feed(piece),
                None => data.extend_from_slice(&piece),
            },
            Item::End => {
                let Some(mut inflater) = inflater.take() else {
                    continue;
                };
                inflater.complete();
                while let Some(piece) = pool.inflate(&mut inflater).unwrap() {
                    data.extend_from_slice(&piece);
                }
            }
            control => controls.push(control),
        }
    }
    assert_eq!(decoder.unfinished(), None);
    (data, controls)
}

/// Bytes that shrink.
fn text(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

/// Bytes that do not.
fn noise(len: usize) -> Vec<u8> {
    let mut entropy = Entropy::new([9; 32]);
    (0..len.div_ceil(16))
        .flat_map(|_| entropy.nonce())
        .take(len)
        .collect()
}
