//! Pipes, through which bytes go from one socket to another without coming into the process (Linux).
//!
//! A pipe belongs to the socket that is written to, only while there is something in it. Then it is kept for the
//! next one: it costs two descriptors and no memory worth mentioning. As many as may be out at once bound
//! what stalled readers hold; without one, bytes are read.

use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;

use super::Stream;
use crate::engine::SocketId;

/// Pipes of a thread that are in use at once.
const MOST: usize = 32;

/// Pipes kept while there is nothing in them.
const KEPT: usize = 2;

/// Bytes that a pipe is asked to hold: what a system lets anybody have.
#[cfg(target_os = "linux")]
const SIZE: usize = 1024 * 1024;

/// The pipes of a thread.
#[derive(Debug, Default)]
pub struct Pipes {
    /// Those with something in them, by the socket that is to have it.
    used: Vec<(SocketId, Pipe)>,
    idle: Vec<Pipe>,
    /// The system has said that it knows no such thing.
    off: bool,
}

#[derive(Debug)]
struct Pipe {
    #[cfg(target_os = "linux")]
    out: OwnedFd,
    #[cfg(target_os = "linux")]
    into: OwnedFd,
    held: usize,
}

/// What came into a pipe.
pub(super) enum Filled {
    Some(usize),
    Blocked,
    Interrupted,
    Fin,
    Failed,
    /// There is no pipe for it.
    NoPipe,
}

impl Pipes {
    /// Whether something is in the pipe of a socket.
    pub(super) fn has(&self, to: SocketId) -> bool {
        self.used.iter().any(|(id, _)| *id == to)
    }

    /// The socket is closed. What was still to be written to it goes with its pipe.
    pub fn forget(&mut self, to: SocketId) {
        self.used.retain(|(id, _)| *id != to);
    }

    /// Takes up to `max` bytes off a socket for another one, for which nothing waits.
    pub(super) fn fill(&mut self, from: &Stream, to: SocketId, max: usize) -> Filled {
        if self.off || self.used.len() >= MOST || self.has(to) {
            return Filled::NoPipe;
        }
        let Some(mut pipe) = self.idle.pop().or_else(|| Pipe::new().ok()) else {
            return Filled::NoPipe;
        };
        let filled = match pipe.fill(from, max) {
            Ok(0) => Filled::Fin,
            Ok(n) => {
                self.used.push((to, pipe));
                return Filled::Some(n);
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => Filled::Blocked,
                io::ErrorKind::Interrupted => Filled::Interrupted,
                // Of the call, or of this kind of socket.
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => {
                    self.off = true;
                    return Filled::NoPipe;
                }
                _ => Filled::Failed,
            },
        };
        self.keep(pipe);
        filled
    }

    /// Writes up to `max` bytes that are in the pipe of a socket. Returns how many.
    pub(super) fn drain(&mut self, stream: &Stream, to: SocketId, max: usize) -> io::Result<usize> {
        let Some(at) = self.used.iter().position(|(id, _)| *id == to) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let pipe = &mut self.used[at].1;
        let n = pipe.drain(stream, max)?;
        if n == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        pipe.held -= n;
        if pipe.held == 0 {
            let (_, pipe) = self.used.swap_remove(at);
            self.keep(pipe);
        }
        Ok(n)
    }

    fn keep(&mut self, pipe: Pipe) {
        if self.idle.len() < KEPT {
            self.idle.push(pipe);
        }
    }
}

#[cfg(target_os = "linux")]
impl Pipe {
    fn new() -> io::Result<Self> {
        use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
        let (out, into) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        // Who has many already gets small ones; these do as well.
        let _ = fcntl_setpipe_size(&into, SIZE);
        Ok(Self { out, into, held: 0 })
    }

    fn fill(&mut self, from: &Stream, max: usize) -> io::Result<usize> {
        use rustix::pipe::{SpliceFlags, splice};
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        self.held = splice(from, None, &self.into, None, max, flags)?;
        Ok(self.held)
    }

    fn drain(&self, to: &Stream, max: usize) -> io::Result<usize> {
        use rustix::pipe::{SpliceFlags, splice};
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        Ok(splice(&self.out, None, to, None, max, flags)?)
    }
}

#[cfg(not(target_os = "linux"))]
impl Pipe {
    fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn fill(&mut self, _from: &Stream, _max: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn drain(&self, _to: &Stream, _max: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use slotmap::KeyData;

    use super::*;

    fn pair() -> (Stream, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        (Stream::accepted(near.into()).unwrap(), far)
    }

    fn id(n: u64) -> SocketId {
        KeyData::from_ffi(n).into()
    }

    #[test]
    fn bytes_go_through_a_pipe_which_is_kept_for_the_next_ones() {
        let (from, mut writer) = pair();
        let (to, mut reader) = pair();
        let mut pipes = Pipes::default();
        for _ in 0..3 {
            assert!(matches!(pipes.fill(&from, id(1), 100), Filled::Blocked));
            writer.write_all(b"hello and more").unwrap();
            assert!(matches!(pipes.fill(&from, id(1), 5), Filled::Some(5)));
            assert!(pipes.has(id(1)));
            assert_eq!(pipes.drain(&to, id(1), 3).unwrap(), 3);
            assert!(pipes.has(id(1)));
            assert_eq!(pipes.drain(&to, id(1), 2).unwrap(), 2);
            assert!(!pipes.has(id(1)));
            assert!(matches!(pipes.fill(&from, id(1), 100), Filled::Some(9)));
            assert_eq!(pipes.drain(&to, id(1), 9).unwrap(), 9);
            let mut all = [0; 14];
            reader.read_exact(&mut all).unwrap();
            assert_eq!(&all, b"hello and more");
            assert_eq!((pipes.used.len(), pipes.idle.len()), (0, 1));
        }
        drop(writer);
        assert!(matches!(pipes.fill(&from, id(1), 100), Filled::Fin));
    }

    #[test]
    fn sockets_that_do_not_take_what_they_have_hold_a_bounded_number_of_pipes() {
        let (from, mut writer) = pair();
        writer.write_all(&[7; MOST + 1]).unwrap();
        let mut pipes = Pipes::default();
        for n in 0..MOST {
            assert!(matches!(
                pipes.fill(&from, id(n as u64), 1),
                Filled::Some(1)
            ));
        }
        assert!(matches!(pipes.fill(&from, id(1000), 1), Filled::NoPipe));
        for n in 0..MOST {
            pipes.forget(id(n as u64));
        }
        assert_eq!((pipes.used.len(), pipes.idle.len()), (0, 0));
        assert!(matches!(pipes.fill(&from, id(1000), 1), Filled::Some(1)));
    }
}
