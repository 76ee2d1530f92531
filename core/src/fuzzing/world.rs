//! An engine with sockets made of buffers, driven as the drivers do, and everything they rely on checked.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;

use crate::engine::{
    Action, Ask, Census, ConnMeta, Engine, PortId, QueryId, Reach, SocketId, Splice,
};
use crate::error::{Cause, Eof, Fail};
use crate::event::{ConnectionNo, Event};
use crate::plan::{Endpoint, Plan};
use crate::time::Time;

/// What is kept of an engine's output on one socket, for the peer to answer to.
const HEARD: usize = 4096;

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

/// What the engine wants of a socket: whatever is added needs a wake.
#[derive(Clone, Copy, Default)]
struct Wants {
    write: bool,
    read: bool,
    fin: bool,
}

pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) now: Time,
    pub(super) sockets: Vec<Socket>,
    pub(super) queries: VecDeque<QueryId>,
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
        let Some(query) = self.queries.pop_front() else {
            return;
        };
        let now = self.now;
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

    /// Up to `n` bytes of a socket's output leave. Whether there were any.
    pub(super) fn flush(&mut self, at: usize, n: usize) -> bool {
        let socket = &mut self.sockets[at];
        if socket.state != State::Open || socket.told && socket.incoming.is_empty() && !socket.fin {
            return false;
        }
        let id = socket.id;
        let mut slices = [IoSlice::new(&[]); 4];
        let used = self.engine.transmit(id, &mut slices);
        let mut left = n;
        for slice in &slices[..used] {
            assert!(!slice.is_empty(), "an empty slice to write");
            assert!(!socket.shut, "output behind the end");
            let piece = &slice[..slice.len().min(left)];
            left -= piece.len();
            let room = match self.recording {
                true => usize::MAX,
                false => HEARD.saturating_sub(socket.heard.len()),
            };
            socket
                .heard
                .extend_from_slice(&piece[..piece.len().min(room)]);
        }
        if used == 0 {
            let outside = self.engine.outside(id).min(left);
            assert!(
                outside <= socket.piped.len(),
                "more to write than was spliced"
            );
            left -= outside;
            let room = match self.recording {
                true => usize::MAX,
                false => HEARD.saturating_sub(socket.heard.len()),
            };
            let piece = socket.piped.drain(..outside);
            socket.heard.extend(piece.take(room));
        }
        let sent = n - left;
        if used == 0 && self.engine.interest(id).fin {
            socket.shut = true;
        }
        if sent == 0 {
            return false;
        }
        let now = self.now;
        self.call(Some(id), |engine| engine.handle_sent(id, sent, now));
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

    /// What can happen at once does: reads, and what the options say.
    pub(super) fn pump(&mut self) {
        for _ in 0..100_000 {
            let mut moved = false;
            for at in 0..self.sockets.len() {
                moved |= self.read(at);
                if self.flushing {
                    moved |= self.flush(at, usize::MAX);
                }
                if self.answering && self.sockets[at].state == State::Connecting {
                    self.connected(at, Ok(()));
                    moved = true;
                }
            }
            if self.answering && !self.queries.is_empty() {
                self.resolved(Ok(vec![IpAddr::from([10, 0, 0, 9])]));
                moved = true;
            }
            if !moved {
                return;
            }
        }
        panic!("the engine does not come to rest");
    }

    fn read(&mut self, at: usize) -> bool {
        let socket = &mut self.sockets[at];
        if socket.state != State::Open || socket.told {
            return false;
        }
        let id = socket.id;
        let max = self.engine.interest(id).read;
        if max == 0 {
            return false;
        }
        let now = self.now;
        if socket.incoming.is_empty() {
            if socket.fin {
                socket.told = true;
                self.call(Some(id), |engine| engine.handle_eof(id, Eof::Fin, now));
            }
            return self.sockets[at].told;
        }
        let n = socket.incoming.len().min(max);
        if let Some(Splice { to, max }) = self.engine.splice(id) {
            let n = n.min(max);
            let piece: Vec<u8> = socket.incoming.drain(..n).collect();
            let sink = self.sockets.iter_mut().find(|socket| socket.id == to);
            let sink = sink.expect("a socket to splice to");
            assert!(sink.piped.is_empty(), "something waits in the pipe");
            sink.piped.extend(piece);
            self.call(Some(id), |engine| engine.handle_spliced(id, n, now));
            return true;
        }
        let chunk: Vec<u8> = socket.incoming.drain(..n).collect();
        self.call(Some(id), |engine| {
            engine.handle_input(id, BytesMut::from(&chunk[..]), now);
        });
        true
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

    fn add(&mut self, id: SocketId, state: State, dialed: Option<SocketAddr>) {
        assert!(
            self.sockets.iter().all(|socket| socket.id != id),
            "{id:?} is used twice"
        );
        self.sockets.push(Socket {
            id,
            state,
            dialed,
            incoming: VecDeque::new(),
            fin: false,
            told: false,
            piped: VecDeque::new(),
            heard: Vec::new(),
            shut: false,
        });
    }

    /// Tells the engine something. `about`: the driver looks at this socket again by itself.
    fn call(&mut self, about: Option<SocketId>, tell: impl FnOnce(&mut Engine)) {
        let before = self.wants();
        tell(&mut self.engine);
        self.act(about, &before);
    }

    fn wants(&mut self) -> HashMap<SocketId, Wants> {
        let open = self
            .sockets
            .iter()
            .filter(|socket| socket.state == State::Open);
        let open: Vec<SocketId> = open.map(|socket| socket.id).collect();
        open.into_iter().map(|id| (id, self.wants_of(id))).collect()
    }

    fn wants_of(&mut self, id: SocketId) -> Wants {
        let interest = self.engine.interest(id);
        Wants {
            write: self.engine.transmit(id, &mut [IoSlice::new(&[])]) > 0
                || self.engine.outside(id) > 0,
            read: interest.read > 0,
            fin: interest.fin,
        }
    }

    /// Takes the engine's actions, and checks that they are all that a driver needs.
    fn act(&mut self, about: Option<SocketId>, before: &HashMap<SocketId, Wants>) {
        let mut woken: HashSet<SocketId> = about.into_iter().collect();
        while let Some(action) = self.engine.poll_action() {
            match action {
                Action::Connect { id, to, .. } => {
                    let addr = match to {
                        Endpoint::Ip(addr) => Some(addr),
                        Endpoint::File(_) => None,
                    };
                    self.add(id, State::Connecting, addr);
                }
                Action::Resolve { query, host, .. } => {
                    assert!(!host.is_empty() && !host.contains(char::is_whitespace));
                    self.queries.push_back(query);
                }
                Action::Probe { id, .. } => {
                    self.engine.handle_reach(id, Reach::Unknown, self.now);
                }
                Action::Wake(id) => drop(woken.insert(id)),
                Action::Bind { id, ask } => self.bind(id, ask),
                Action::WakePort(id) => self.send_datagrams(id),
                Action::Unbind(_) => {}
                Action::Close { id, reset } => self.closed(id, reset),
                Action::Drained => {}
            }
        }
        while let Some(event) = self.engine.poll_event() {
            match event {
                Event::Opened { no, .. } => assert!(self.open.insert(no), "{no} opens twice"),
                Event::Closed { no, .. } => assert!(self.open.remove(&no), "{no} closes twice"),
                _ => {}
            }
        }
        self.engine.check();
        for (id, before) in before {
            let now = self.wants_of(*id);
            let more = (now.write && !before.write)
                || (now.read && !before.read)
                || (now.fin && !before.fin);
            assert!(
                !more || woken.contains(id),
                "{id:?} wants more and nobody is told"
            );
        }
    }

    /// A socket whose peers send back what they get.
    fn bind(&mut self, id: PortId, ask: Ask) {
        let (Ask::Datagrams { local, .. } | Ask::Connections { local }) = ask;
        self.engine.handle_bound(id, Ok(local), self.now);
        let Ask::Datagrams { peer, .. } = ask else {
            return;
        };
        let peer = peer.unwrap_or(SocketAddr::from(([10, 0, 0, 9], 53)));
        self.engine.handle_datagram(id, peer, b"early", self.now);
        self.send_datagrams(id);
    }

    fn send_datagrams(&mut self, id: PortId) {
        let peer = SocketAddr::from(([10, 0, 0, 9], 53));
        while let Some(datagram) = self.engine.transmit_datagram(id) {
            let (data, from) = (datagram.data.to_vec(), datagram.to.unwrap_or(peer));
            self.engine.handle_datagram_sent(id, Ok(()), self.now);
            self.engine.handle_datagram(id, from, &data, self.now);
        }
    }

    fn closed(&mut self, id: SocketId, reset: bool) {
        assert!(!self.engine.knows(id), "{id:?} is closed and known");
        let Some(socket) = self.sockets.iter_mut().find(|socket| socket.id == id) else {
            panic!("{id:?} is closed and never was");
        };
        match socket.state {
            // A failed connect: the driver has no socket any more.
            State::Closed { .. } if socket.dialed.is_some() => {}
            State::Closed { .. } => panic!("{id:?} is closed twice"),
            State::Connecting | State::Open => socket.state = State::Closed { reset },
        }
    }
}

fn meta(number: usize) -> ConnMeta {
    ConnMeta {
        remote: SocketAddr::from(([10, 1, 0, (number % 250) as u8], 40_000)),
        local: SocketAddr::from(([10, 0, 0, 1], 1080)),
    }
}
