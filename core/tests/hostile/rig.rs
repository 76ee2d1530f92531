//! One engine with a service of each kind, clients made of bytes, and targets that are told nothing.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ginnel_core::addr::Target;
use ginnel_core::bytes::BytesMut;
use ginnel_core::engine::{Action, ConnMeta, Engine, SocketId};
use ginnel_core::error::Eof;
use ginnel_core::event::Event;
use ginnel_core::limits::Limits;
use ginnel_core::plan::{
    Channel, Endpoint, Forward, ForwardNode, Handler, HandlerKind, Listener, Mux, Plan, Selector,
    Service, WsServer,
};
use ginnel_core::time::Time;

pub const HTTP: usize = 0;
pub const AUTO: usize = 1;
pub const WS: usize = 2;
/// Version 1, as gost has it.
pub const MWS: usize = 3;
pub const SERVICES: [usize; 4] = [HTTP, AUTO, WS, MWS];

pub struct Rig {
    pub engine: Engine,
    pub now: Time,
    pub events: Vec<Event>,
    /// Sockets to targets, in the order of their dials.
    pub targets: Vec<SocketId>,
    pub closed: Vec<SocketId>,
    /// Those of them that got an RST.
    pub resets: Vec<SocketId>,
}

impl Rig {
    pub fn new(memory: Option<usize>) -> Self {
        let limits = Limits {
            memory,
            ..Limits::default()
        };
        let services = vec![
            service(Channel::Tcp, HandlerKind::Http),
            service(Channel::Tcp, HandlerKind::Auto),
            service(Channel::Ws, HandlerKind::Forward),
            service(Channel::Mws, HandlerKind::Forward),
        ];
        let plan = Plan {
            services,
            limits,
            ..Plan::default()
        };
        Self {
            engine: Engine::new(Arc::new(plan), [7; 32]),
            now: Time::ZERO,
            events: Vec::new(),
            targets: Vec::new(),
            closed: Vec::new(),
            resets: Vec::new(),
        }
    }

    pub fn connect(&mut self, service: usize) -> SocketId {
        let meta = ConnMeta {
            remote: SocketAddr::from(([10, 0, 0, 5], 5000)),
            local: own(service),
        };
        let id = self.engine.handle_accept(service, meta, self.now);
        self.act();
        id
    }

    /// A client that has upgraded.
    pub fn upgraded(&mut self, service: usize) -> SocketId {
        let id = self.connect(service);
        self.say(
            id,
            b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        );
        let answer = self.hear(id);
        assert!(answer.starts_with(b"HTTP/1.1 101 "), "not upgraded");
        id
    }

    /// Bytes of a client, as far as the engine wants to read them; returns how many it took.
    pub fn say(&mut self, id: SocketId, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() && self.engine.knows(id) {
            let n = self.engine.interest(id).read.min(bytes.len() - taken);
            if n == 0 {
                break;
            }
            let piece = BytesMut::from(&bytes[taken..taken + n]);
            self.engine.handle_input(id, piece, self.now);
            taken += n;
            self.act();
        }
        taken
    }

    /// What a socket is sent, all of it.
    pub fn hear(&mut self, id: SocketId) -> Vec<u8> {
        let mut heard = Vec::new();
        loop {
            let mut slices = [IoSlice::new(&[]); 16];
            let used = self.engine.transmit(id, &mut slices);
            let piece: Vec<u8> = slices[..used].iter().flat_map(|one| one.to_vec()).collect();
            if piece.is_empty() {
                return heard;
            }
            self.engine.handle_sent(id, piece.len(), self.now);
            heard.extend(piece);
            self.act();
        }
    }

    /// At most `most` bytes of what a socket is sent: its system takes no more. It is asked again only then.
    pub fn take(&mut self, id: SocketId, most: usize) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 64];
        let used = self.engine.transmit(id, &mut slices);
        let all = slices[..used].iter().flat_map(|one| one.iter().copied());
        let taken: Vec<u8> = all.take(most).collect();
        self.engine.handle_sent(id, taken.len(), self.now);
        self.act();
        taken
    }

    pub fn wait(&mut self, by: Duration) {
        let until = self.now + by;
        while let Some(at) = self.engine.poll_timeout().filter(|at| *at <= until) {
            self.now = at;
            self.engine.handle_timeout(at);
            self.act();
        }
        self.now = until;
    }

    pub fn finish(&mut self, id: SocketId) {
        self.engine.handle_eof(id, Eof::Fin, self.now);
        self.act();
    }

    pub fn reset(&mut self, id: SocketId) {
        self.engine.handle_eof(id, Eof::Reset, self.now);
        self.act();
    }

    /// Everybody leaves: nothing may be left.
    pub fn end(mut self) {
        self.engine.handle_stop(self.now);
        self.act();
        self.wait(Duration::from_secs(120));
        assert_eq!(self.engine.census(), Default::default());
    }

    fn act(&mut self) {
        while let Some(action) = self.engine.poll_action() {
            match action {
                Action::Connect {
                    id,
                    to: Endpoint::Ip(addr),
                    ..
                } => {
                    self.targets.push(id);
                    let meta = ConnMeta {
                        remote: addr,
                        local: SocketAddr::from(([10, 0, 0, 1], 40_000)),
                    };
                    self.engine.handle_connected(id, Ok(meta), self.now);
                }
                Action::Connect { to, .. } => panic!("no plan here has socket files, got {to}"),
                Action::Resolve { query, port, .. } => {
                    let found = Ok(vec![([10, 0, 0, 9], port).into()]);
                    self.engine.handle_resolved(query, found, self.now);
                }
                Action::Wake(_) | Action::Probe { .. } | Action::Drained => {}
                Action::Bind { .. } | Action::WakePort(_) | Action::Unbind(_) => {}
                Action::Close { id, reset } => {
                    self.closed.push(id);
                    self.resets.extend(reset.then_some(id));
                }
            }
        }
        self.events
            .extend(std::iter::from_fn(|| self.engine.poll_event()));
        self.engine.check();
    }
}

/// Where a service listens.
pub fn own(service: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 8000 + service as u16))
}

fn service(channel: Channel, kind: HandlerKind) -> Service {
    let ws = WsServer {
        compression: true,
        ..WsServer::new("/ws")
    };
    let target = ForwardNode {
        name: "target-0".to_owned(),
        addr: Target::parse("10.0.0.9:80").unwrap(),
        weight: 1,
        backup: false,
        overrides: Default::default(),
        rules: Default::default(),
    };
    Service {
        name: channel.to_string(),
        listener: Listener {
            channel,
            caps: None,
            reverse: None,
            edge: Default::default(),
            handshake_timeout: Duration::from_secs(10),
            tls: None,
            ws: channel.has_ws().then(|| Arc::new(ws)),
            mux: channel.has_mux().then(|| Mux {
                keepalive: None,
                ..Mux::default()
            }),
        },
        handler: Arc::new(Handler::new(kind)),
        chain: None,
        forward: (kind == HandlerKind::Forward).then(|| Forward {
            nodes: vec![target],
            selector: Selector::default(),
        }),
        retries: 0,
        socket: Arc::default(),
        policy: Default::default(),
    }
}

/// A masked websocket frame of a client, with the key zero.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut wire = vec![first];
    match payload.len() {
        n @ 0..126 => wire.push(0x80 | n as u8),
        n @ 126..65536 => {
            wire.push(0xfe);
            wire.extend((n as u16).to_be_bytes());
        }
        n => {
            wire.push(0xff);
            wire.extend((n as u64).to_be_bytes());
        }
    }
    wire.extend([0; 4]);
    wire.extend(payload);
    wire
}

/// A smux frame of version 1.
pub fn smux(command: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut wire = vec![1, command];
    wire.extend((payload.len() as u16).to_le_bytes());
    wire.extend(stream.to_le_bytes());
    wire.extend(payload);
    wire
}
