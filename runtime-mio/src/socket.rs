//! One socket, and its readiness.

use std::io;

use ginnel_core::driver::{self, Buffers, Input, Pipes, Stream};
use ginnel_core::engine::{Engine, SocketId};
use ginnel_core::time::Time;

pub(crate) struct Socket {
    pub(crate) stream: Stream,
    pub(crate) readable: bool,
    /// The end of input, or urgent data, is behind what can be read: a read that comes back short has not
    /// emptied the socket, and no event will announce the rest.
    pub(crate) more_behind: bool,
    pub(crate) writable: bool,
    pub(crate) connecting: bool,
    /// In the list of sockets with work left.
    pub(crate) listed: bool,
    fin_sent: bool,
}

impl Socket {
    pub(crate) fn new(stream: Stream, connecting: bool) -> Self {
        Self {
            stream,
            readable: false,
            more_behind: false,
            writable: !connecting,
            connecting,
            listed: false,
            fin_sent: false,
        }
    }

    /// Writes until refused or done; shuts down writing when the engine wants it.
    pub(crate) fn flush(
        &mut self,
        id: SocketId,
        engine: &mut Engine,
        pipes: &mut Pipes,
        now: Time,
    ) -> io::Result<()> {
        if self.writable {
            self.writable = !driver::write(&self.stream, id, engine, pipes, now)?;
        }
        if engine.interest(id).fin && !self.fin_sent {
            self.fin_sent = true;
            self.stream.finish()?;
        }
        Ok(())
    }

    /// One read of at most `max` bytes. A read that comes back short has emptied the socket, as a rule.
    pub(crate) fn read(
        &mut self,
        id: SocketId,
        engine: &Engine,
        buffers: &mut Buffers,
        max: usize,
    ) -> Input {
        let input = driver::read(&self.stream, id, engine, buffers, max);
        match input {
            Input::Data { full, .. } => self.readable = full || self.more_behind,
            Input::Interrupted | Input::Spliced(_) => {}
            Input::Blocked | Input::Fin | Input::Failed => self.readable = false,
        }
        input
    }
}
