//! Listeners, and whom they let in.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use ginnel_core::driver::{self, ACCEPT_PAUSE, Acceptor, HAND_OVER, Stream};
use ginnel_core::engine::Door;
use ginnel_core::error::Eof;
use ginnel_core::event::Event;
use mio::unix::SourceFd;
use mio::{Interest, Token};

use crate::port;
use crate::shard::{LISTENERS, Shard};

/// Accepts before the sockets have their turn.
const ACCEPTS: usize = 64;

impl Shard {
    /// Those that the engine has no room for wait in the system's queue.
    pub(crate) fn accept(&mut self) {
        if self.accept_again.is_some_and(|at| at > self.now()) || !self.engine.accepting() {
            return;
        }
        let waited = self.accept_again.take().is_some();
        for door in std::mem::take(&mut self.accepting) {
            for round in 0.. {
                let Some(listener) = self.listeners.get(&door) else {
                    break;
                };
                if round == ACCEPTS || !self.engine.accepting() {
                    self.accepting.push(door);
                    break;
                }
                let takes = waited && round == 0;
                if !takes && listener.is_for_others(self.sockets.len()) {
                    self.accepting.push(door);
                    self.accept_again = Some(self.now() + HAND_OVER);
                    break;
                }
                match self.reserve.accept(listener) {
                    Ok(stream) => self.accepted(door, stream),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if driver::is_exhausted(&error) => {
                        self.accepting.push(door);
                        self.accept_again = Some(self.now() + ACCEPT_PAUSE);
                        (self.sink)(Event::Exhausted);
                        break;
                    }
                    // The connection was gone before it was accepted.
                    Err(_) => {}
                }
            }
        }
    }

    fn accepted(&mut self, door: Door, stream: Stream) {
        let Ok(meta) = stream.meta() else {
            return;
        };
        let now = self.now();
        let id = self.engine.handle_door(door, meta, now);
        if self.add(id, stream, false).is_err() {
            self.engine.handle_eof(id, Eof::Reset, now);
        }
        self.act();
        self.list(id);
    }

    pub(crate) fn open_door(&mut self, door: Door, listener: Acceptor) -> io::Result<()> {
        let token = match door {
            Door::Service(service) => Token(LISTENERS + service),
            Door::Port(id) => port::token(id),
        };
        let (fd, registry) = (listener.as_fd().as_raw_fd(), self.poll.registry());
        registry.register(&mut SourceFd(&fd), token, Interest::READABLE)?;
        self.listeners.insert(door, listener);
        self.accepting.push(door);
        Ok(())
    }

    pub(crate) fn close_door(&mut self, door: Door) {
        if let Some(listener) = self.listeners.remove(&door) {
            // Closing is not enough while others have the same socket.
            let fd = listener.as_fd().as_raw_fd();
            let _ = self.poll.registry().deregister(&mut SourceFd(&fd));
        }
    }
}

/// The listener that a token would be of.
pub(crate) fn door(token: Token) -> Door {
    match port::id(token) {
        Some(id) => Door::Port(id),
        None => Door::Service(token.0.wrapping_sub(LISTENERS)),
    }
}
