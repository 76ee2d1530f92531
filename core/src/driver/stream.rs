//! The system calls on a socket for bytes, and what they mean to the engine.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use bytes::BytesMut;
use rustix::buffer::spare_capacity;
use socket2::SockRef;

use super::Stream;
use super::pipes::{Filled, Pipes};
use crate::buffer::Receive;
use crate::engine::{Engine, SocketId};
use crate::error::Eof;
use crate::time::Time;

/// Slices of one vectored write.
const SLICES: usize = 64;

/// What the sockets of a thread share.
#[derive(Debug, Default)]
pub struct Buffers {
    receive: Receive,
    pub pipes: Pipes,
}

/// Writes until the system takes no more, which is true then, or nothing is left.
pub fn write(
    mut stream: &Stream,
    id: SocketId,
    engine: &mut Engine,
    pipes: &mut Pipes,
    now: Time,
) -> io::Result<bool> {
    loop {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let used = engine.transmit(id, &mut slices);
        let (offered, result) = match used {
            0 => match engine.outside(id) {
                0 => return Ok(false),
                // A part of it does not mean that the socket is full.
                outside => (0, pipes.drain(stream, id, outside)),
            },
            _ => {
                let offered: usize = slices[..used].iter().map(|slice| slice.len()).sum();
                let result = match pipes.has(id) {
                    // One packet with what is in the pipe.
                    true => stream.write_more(&slices[..used]),
                    false => stream.write_vectored(&slices[..used]),
                };
                (offered, result)
            }
        };
        match result {
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
    /// So many bytes are in the pipe of another socket. More may be there.
    Spliced(usize),
    /// Nothing is there.
    Blocked,
    /// Nothing now, perhaps.
    Interrupted,
    Fin,
    Failed,
}

impl Input {
    /// Tells the engine.
    pub fn tell(self, engine: &mut Engine, id: SocketId, now: Time) {
        match self {
            Self::Data { bytes, .. } => engine.handle_input(id, bytes, now),
            Self::Spliced(n) => engine.handle_spliced(id, n, now),
            Self::Blocked | Self::Interrupted => {}
            Self::Fin => engine.handle_eof(id, Eof::Fin, now),
            Self::Failed => engine.handle_eof(id, Eof::Reset, now),
        }
    }
}

/// One read of at most `max` bytes, or, if nobody needs to see them, of as many as the engine offers into the
/// pipe of another socket. It is to be told the engine at once.
pub fn read(
    mut stream: &Stream,
    id: SocketId,
    engine: &Engine,
    buffers: &mut Buffers,
    max: usize,
) -> Input {
    if let Some(splice) = engine.splice(id) {
        match buffers.pipes.fill(stream, splice.to, splice.max) {
            Filled::Some(n) => return Input::Spliced(n),
            Filled::Interrupted => return Input::Interrupted,
            Filled::Failed => return Input::Failed,
            // Urgent data of TCP ends a splice in front of it, and every one after that, as if nothing followed:
            // only a read goes on behind it.
            Filled::Blocked | Filled::Fin | Filled::NoPipe => {}
        }
    }
    let receive = &mut buffers.receive;
    let read = match receive.room(max) {
        Some(mut room) => match rustix::io::read(stream, spare_capacity(&mut room)) {
            Ok(_) => Ok(receive.take_room(room, max)),
            Err(errno) => Err(errno.into()),
        },
        None => match stream.read(receive.space(max)) {
            Ok(n) => Ok(receive.take(n, max)),
            Err(error) => Err(error),
        },
    };
    match read {
        Ok((bytes, _)) if bytes.is_empty() => Input::Fin,
        Ok((bytes, full)) => Input::Data { bytes, full },
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Input::Blocked,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Input::Interrupted,
        Err(_) => Input::Failed,
    }
}

/// The close that follows is an RST.
pub fn reset(stream: &impl AsFd) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
