//! What the engines ask for, and how connections come and go.

use std::net::SocketAddr;

use ginnel_core::engine::{Action, ConnMeta, Door, PortId, SocketId};
use ginnel_core::error::{Cause, Fail};
use ginnel_core::plan::Endpoint;

use super::{Connection, Listener, Owner, Pipe, World};
use crate::plans;
use crate::weather::{Answer, Cargo};

impl World {
    /// A port for connections: it must be free.
    pub fn bind_listener(&mut self, e: usize, id: PortId, addr: SocketAddr) {
        let result = match self.listeners.contains_key(&addr) {
            true => Err(Fail::new(Cause::Local, "address in use")),
            false => {
                self.listeners.insert(addr, Listener::Port(e, id));
                Ok(addr)
            }
        };
        self.engines[e].handle_bound(id, result, self.now);
    }

    pub fn connect(&mut self, from: Owner, addr: SocketAddr) -> Option<usize> {
        let listener = self.listeners.get(&addr)?;
        let c = self.connections.len();
        let to = match listener {
            Listener::Engine(e, service) => Owner::Backlog(*e, Door::Service(*service)),
            Listener::Port(e, port) => Owner::Backlog(*e, Door::Port(*port)),
            Listener::Program(make) => {
                let program = make(&mut self.random);
                self.programs.push(program);
                self.program_ends.push(None);
                Owner::Program(self.programs.len() - 1)
            }
        };
        self.live.push(c);
        self.connections.push(Connection {
            pipes: [Pipe::default(), Pipe::default()],
            owners: [from, to],
            reset: false,
            tunnel: matches!((from, to), (Owner::Engine(..), Owner::Backlog(..))),
            hole: self.swallows.contains(&addr),
            stopped: false,
            reset_news: [false; 2],
            asleep: [false; 2],
            spoiled: [0; 2],
            from: addr,
        });
        for (end, owner) in [from, to].into_iter().enumerate() {
            if let Owner::Program(p) = owner {
                self.program_ends[p] = Some((c, end));
            }
        }
        self.accept(c);
        Some(c)
    }

    /// Takes a connection out of the backlog, if its engine has room.
    pub(super) fn accept(&mut self, c: usize) -> bool {
        let Owner::Backlog(e, door) = self.connections[c].owners[1] else {
            return false;
        };
        if self.sleeps(e) {
            return false;
        }
        if !self.engines[e].accepting() {
            self.waited += 1;
            return false;
        }
        let mut meta = meta(self.connections[c].from, c);
        if let Owner::Engine(from, _) = self.connections[c].owners[0] {
            meta.remote.set_ip([10, 0, 0, 1 + from as u8].into());
        }
        let id = self.engines[e].handle_door(door, meta, self.now);
        self.sockets.insert((e, id), (c, 1));
        self.connections[c].owners[1] = Owner::Engine(e, id);
        self.act(e);
        true
    }

    /// Takes the engine's actions, and checks it afterwards.
    pub fn act(&mut self, e: usize) {
        while let Some(action) = self.engines[e].poll_action() {
            match action {
                Action::Connect {
                    id,
                    to: Endpoint::Ip(addr),
                    ..
                } => {
                    let addr = match addr == plans::zoned(80) {
                        true => plans::target(),
                        false => addr,
                    };
                    self.answer(e, Answer::Connected(id, addr));
                }
                Action::Connect { id, to, .. } => {
                    let there = e + 1 == self.engines.len() && to.to_string() == plans::FILE;
                    assert!(there, "{to} from engine {e}");
                    self.answer(e, Answer::Connected(id, plans::target()));
                }
                Action::Resolve { query, host, port } => {
                    self.answer(e, Answer::Resolved(query, host, port))
                }
                Action::Probe { id, within, .. } => self.answer(e, Answer::Reach(id, within)),
                Action::Wake(id) => {
                    if let Some((c, end)) = self.sockets.get(&(e, id)) {
                        self.connections[*c].asleep[*end] = false;
                    }
                }
                Action::WakePort(_) => {}
                Action::Bind { id, ask } => self.bind(e, id, ask),
                Action::Unbind(id) => {
                    self.net.unbind(e, id);
                    let port = |listener: &mut Listener| matches!(listener, Listener::Port(of, port) if (*of, *port) == (e, id));
                    self.listeners.retain(|_, listener| !port(listener));
                }
                Action::Close { id, reset } => self.close(e, id, reset),
                Action::Drained => self.drained += 1,
            }
        }
        while let Some(event) = self.engines[e].poll_event() {
            self.events.push(event);
        }
        self.engines[e].check();
    }

    fn close(&mut self, e: usize, id: SocketId, reset: bool) {
        self.forget_answers(e, id);
        self.piped.remove(&(e, id));
        let Some((c, end)) = self.sockets.remove(&(e, id)) else {
            return;
        };
        let connection = &mut self.connections[c];
        connection.owners[end] = Owner::Nobody;
        if connection.reset {
            return;
        }
        // A close with unread input is an RST on a real socket too.
        if reset || !connection.pipes[end].bytes.is_empty() {
            self.reset(c, end);
        } else {
            self.send(c, 1 - end, Cargo::Fin);
        }
    }
}

pub fn meta(addr: SocketAddr, c: usize) -> ConnMeta {
    ConnMeta {
        remote: SocketAddr::from(([10, 1, (c / 250) as u8, (c % 250) as u8], 40_000)),
        local: addr,
    }
}
