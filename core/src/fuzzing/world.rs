//! An engine with sockets made of buffers, driven as the drivers do, and everything they rely on checked.

mod driver;

use std::collections::{HashSet, VecDeque};
use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;

use crate::engine::{Census, ConnMeta, Engine, QueryId, SocketId};
use crate::error::{Cause, Eof, Fail};
use crate::event::ConnectionNo;
use crate::plan::Plan;
use crate::time::Time;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Connecting,
    Open,
    Closed { reset: bool },
}

pub(super) struct Socket {
    pub(super) id: SocketId,
    pub(super) state: State,
    /// Connected to by the engine, not accepted.
    pub(super) dialed: Option<SocketAddr>,
    /// Sent by the peer and not yet read.
    incoming: VecDeque<u8>,
    fin: bool,
    /// The engine was told an end.
    told: bool,
    /// Spliced for this socket and not yet written.
    piped: VecDeque<u8>,
    /// The start of what the engine wrote.
    pub(super) heard: Vec<u8>,
    /// The engine shut down writing.
    pub(super) shut: bool,
}

pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) now: Time,
    pub(super) sockets: Vec<Socket>,
    pub(super) queries: VecDeque<(QueryId, u16)>,
    /// Output leaves at once.
    pub(super) flushing: bool,
    /// Connects and look-ups succeed at once.
    pub(super) answering: bool,
    /// All output is kept, not only its start.
    pub(super) recording: bool,
    open: HashSet<ConnectionNo>,
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            engine: Engine::new(Arc::new(plan), [5; 32]),
            now: Time::ZERO,
            sockets: Vec::new(),
            queries: VecDeque::new(),
            flushing: false,
            answering: false,
            recording: false,
            open: HashSet::new(),
        }
    }

    pub(super) fn accept(&mut self, service: usize) -> usize {
        let meta = meta(self.sockets.len());
        let before = self.wants();
        let id = self.engine.handle_accept(service, meta, self.now);
        self.add(id, State::Open, None);
        self.act(Some(id), &before);
        self.pump();
        self.sockets.len() - 1
    }

    /// The peer of a socket says something; the engine reads it when it wants to.
    pub(super) fn feed(&mut self, at: usize, bytes: &[u8]) {
        let socket = &mut self.sockets[at];
        if socket.state == State::Open && !socket.fin && !socket.told {
            socket.incoming.extend(bytes);
        }
        self.pump();
    }

    pub(super) fn end(&mut self, at: usize, how: Eof) {
        let socket = &mut self.sockets[at];
        if socket.state != State::Open {
            return;
        }
        let id = socket.id;
        match how {
            Eof::Fin => socket.fin = true,
            Eof::Reset => {
                socket.incoming.clear();
                socket.told = true;
                let now = self.now;
                // A write finds out first where the sockets take what is written.
                if self.flushing {
                    self.call(Some(id), |engine| engine.handle_broken(id, now));
                }
                self.call(Some(id), |engine| engine.handle_eof(id, Eof::Reset, now));
            }
        }
        self.pump();
    }

    pub(super) fn connected(&mut self, at: usize, result: Result<(), Cause>) {
        if self.sockets[at].state != State::Connecting {
            return;
        }
        let id = self.sockets[at].id;
        let now = self.now;
        let result = match result {
            Ok(()) => {
                self.sockets[at].state = State::Open;
                Ok(meta(at))
            }
            Err(cause) => {
                self.sockets[at].state = State::Closed { reset: true };
                Err(Fail::new(cause, "the fuzzer says so"))
            }
        };
        let failed = result.is_err();
        let before = self.wants();
        self.engine.handle_connected(id, result, now);
        assert!(
            !failed || !self.engine.knows(id),
            "{id:?} outlives its failure"
        );
        self.act(Some(id), &before);
        self.pump();
    }

    pub(super) fn resolved(&mut self, result: Result<Vec<IpAddr>, Cause>) {
        let Some((query, port)) = self.queries.pop_front() else {
            return;
        };
        let now = self.now;
        let at = |ip| SocketAddr::new(ip, port);
        let result = result.map(|ips| ips.into_iter().map(at).collect());
        let result = result.map_err(|cause| Fail::new(cause, "the fuzzer says so"));
        self.call(None, |engine| engine.handle_resolved(query, result, now));
        self.pump();
    }

    pub(super) fn stop(&mut self) {
        let now = self.now;
        self.call(None, |engine| engine.handle_stop(now));
        self.pump();
    }

    /// Time passes up to `now`, with every deadline on the way.
    pub(super) fn pass(&mut self, by: Duration) {
        let until = self.now + by;
        for _ in 0..10_000 {
            if !self.tick(until) {
                self.now = self.now.max(until);
                return;
            }
        }
        panic!("deadlines do not end");
    }

    /// Takes the next deadline, unless it comes later than `until`.
    pub(super) fn tick(&mut self, until: Time) -> bool {
        let Some(at) = self.engine.poll_timeout().filter(|at| *at <= until) else {
            return false;
        };
        self.now = self.now.max(at);
        let now = self.now;
        self.call(None, |engine| engine.handle_timeout(now));
        let next = self.engine.poll_timeout();
        assert!(
            next.is_none_or(|next| next > now),
            "a deadline stays in the past"
        );
        self.pump();
        true
    }

    /// Ids that mean nothing any more reach nothing.
    pub(super) fn stale(&mut self, at: usize, op: u8) {
        let socket = &self.sockets[at];
        if !matches!(socket.state, State::Closed { .. }) {
            return;
        }
        let (id, now) = (socket.id, self.now);
        assert!(!self.engine.knows(id));
        assert_eq!(self.engine.interest(id).read, 0);
        assert_eq!(self.engine.transmit(id, &mut [IoSlice::new(&[]); 2]), 0);
        let census = self.engine.census();
        assert_eq!((self.engine.splice(id), self.engine.outside(id)), (None, 0));
        self.call(None, |engine| match op % 7 {
            0 => engine.handle_input(id, BytesMut::from(&b"late"[..]), now),
            1 => engine.handle_eof(id, Eof::Fin, now),
            2 => engine.handle_eof(id, Eof::Reset, now),
            3 => engine.handle_sent(id, 1, now),
            4 => engine.handle_spliced(id, 1, now),
            5 => engine.handle_broken(id, now),
            _ => engine.handle_connected(id, Ok(meta(0)), now),
        });
        assert_eq!(self.engine.census(), census, "a stale id changed something");
    }

    /// After the end of everything nothing is left, whoever still waits for what.
    pub(super) fn finish(mut self) {
        self.stop();
        for _ in 0..10_000 {
            if !self.tick(Time::MAX) {
                break;
            }
        }
        assert_eq!(
            self.engine.census(),
            Census::default(),
            "something is left over"
        );
        assert_eq!(self.engine.poll_timeout(), None);
        assert!(
            self.open.is_empty(),
            "connections without an end: {:?}",
            self.open
        );
        for socket in &self.sockets {
            assert!(
                matches!(socket.state, State::Closed { .. }),
                "{:?} is left open",
                socket.id
            );
        }
    }
}

fn meta(number: usize) -> ConnMeta {
    ConnMeta {
        remote: SocketAddr::from(([10, 1, 0, (number % 250) as u8], 40_000)),
        local: SocketAddr::from(([10, 0, 0, 1], 1080)),
    }
}
