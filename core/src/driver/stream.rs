//! The system calls on a socket for bytes, and what they mean to the engine.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use bytes::BytesMut;
use socket2::SockRef;

use crate::buffer::Receive;
use crate::engine::{Engine, SocketId};
use crate::time::Time;

/// Slices of one vectored write.
const SLICES: usize = 64;

/// Writes until the system takes no more, which is true then, or nothing is left.
pub fn write(
    mut stream: impl Write,
    id: SocketId,
    engine: &mut Engine,
    now: Time,
) -> io::Result<bool> {
    loop {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let used = engine.transmit(id, &mut slices);
        if used == 0 {
            return Ok(false);
        }
        let offered: usize = slices[..used].iter().map(|slice| slice.len()).sum();
        match stream.write_vectored(&slices[..used]) {
            Ok(n) => {
                engine.handle_sent(id, n, now);
                if n < offered {
                    return Ok(true);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                engine.handle_sent(id, 0, now);
                return Ok(true);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What one read brought.
pub enum Input {
    Data {
        bytes: BytesMut,
        /// As much as there was room for: more may be there.
        full: bool,
    },
    /// Nothing is there.
    Blocked,
    /// Nothing now, perhaps.
    Interrupted,
    Fin,
    Failed,
}

/// One read of at most `max` bytes.
pub fn read(mut stream: impl Read, receive: &mut Receive, max: usize) -> Input {
    match stream.read(receive.space(max)) {
        Ok(0) => Input::Fin,
        Ok(n) => {
            let (bytes, full) = receive.take(n, max);
            Input::Data { bytes, full }
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Input::Blocked,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Input::Interrupted,
        Err(_) => Input::Failed,
    }
}

/// The close that follows is an RST.
pub fn reset(stream: &impl AsFd) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
