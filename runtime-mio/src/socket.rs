//! One socket: its readiness, and the system calls on it.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use ginnel_core::buffer::Receive;
use ginnel_core::bytes::BytesMut;
use ginnel_core::engine::{ConnMeta, Engine, SocketId};
use ginnel_core::time::Time;
use mio::net::TcpStream;
use socket2::SockRef;

/// Slices of one vectored write.
const SLICES: usize = 64;

pub(crate) struct Socket {
    pub(crate) stream: TcpStream,
    pub(crate) readable: bool,
    /// The end of input is behind what can be read: no event will announce it again.
    pub(crate) end_behind: bool,
    pub(crate) writable: bool,
    pub(crate) connecting: bool,
    /// In the list of sockets with work left.
    pub(crate) listed: bool,
    fin_sent: bool,
}

pub(crate) enum Input {
    Data(BytesMut),
    Blocked,
    Fin,
    Failed,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, connecting: bool) -> Self {
        // Best effort: without it small messages wait for acknowledgements.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            readable: false,
            end_behind: false,
            writable: !connecting,
            connecting,
            listed: false,
            fin_sent: false,
        }
    }

    pub(crate) fn meta(&self) -> io::Result<ConnMeta> {
        Ok(ConnMeta::new(
            self.stream.peer_addr()?,
            self.stream.local_addr()?,
        ))
    }

    /// Writes until refused or done; shuts down writing when the engine wants it.
    pub(crate) fn flush(&mut self, id: SocketId, engine: &mut Engine, now: Time) -> io::Result<()> {
        while self.writable {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let used = engine.transmit(id, &mut slices);
            if used == 0 {
                break;
            }
            let offered: usize = slices[..used].iter().map(|slice| slice.len()).sum();
            match self.stream.write_vectored(&slices[..used]) {
                Ok(n) => {
                    self.writable = n == offered;
                    engine.handle_sent(id, n, now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.writable = false;
                    engine.handle_sent(id, 0, now);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if engine.interest(id).fin && !self.fin_sent {
            self.fin_sent = true;
            self.stream.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }

    /// One read of at most `max` bytes. A read that comes back short has emptied the socket.
    pub(crate) fn read(&mut self, receive: &mut Receive, max: usize) -> Input {
        match self.stream.read(receive.space(max)) {
            Ok(0) => Input::Fin,
            Ok(n) => {
                let (data, full) = receive.take(n, max);
                self.readable = full || self.end_behind;
                Input::Data(data)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Input::Blocked
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Input::Blocked,
            Err(_) => Input::Failed,
        }
    }

    /// The close that follows is an RST.
    pub(crate) fn reset(&self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}
