//! The driver's part: reads, writes and splices for the engine, carries its actions out, and checks that nothing it
//! wants goes without a wake.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};

use bytes::BytesMut;

use super::{Socket, State, World};
use crate::engine::{Action, Ask, Engine, PortId, Reach, SocketId, Splice};
use crate::error::Eof;
use crate::event::Event;
use crate::plan::Endpoint;

/// What is kept of an engine's output on one socket, for the peer to answer to.
const HEARD: usize = 4096;

/// What the engine wants of a socket: whatever is added needs a wake.
#[derive(Clone, Copy, Default)]
pub(super) struct Wants {
    write: bool,
    read: bool,
    fin: bool,
}

impl World {
    /// Up to `n` bytes of a socket's output leave. Whether there were any.
    pub(in crate::fuzzing) fn flush(&mut self, at: usize, n: usize) -> bool {
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

    /// What can happen at once does: reads, and what the options say.
    pub(in crate::fuzzing) fn pump(&mut self) {
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

    pub(super) fn read(&mut self, at: usize) -> bool {
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

    pub(super) fn add(&mut self, id: SocketId, state: State, dialed: Option<SocketAddr>) {
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
    pub(super) fn call(&mut self, about: Option<SocketId>, tell: impl FnOnce(&mut Engine)) {
        let before = self.wants();
        tell(&mut self.engine);
        self.act(about, &before);
    }

    pub(super) fn wants(&mut self) -> HashMap<SocketId, Wants> {
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
    pub(super) fn act(&mut self, about: Option<SocketId>, before: &HashMap<SocketId, Wants>) {
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
                Action::Resolve { query, host, port } => {
                    assert!(!host.is_empty() && !host.contains(char::is_whitespace));
                    self.queries.push_back((query, port));
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

    pub(super) fn closed(&mut self, id: SocketId, reset: bool) {
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
