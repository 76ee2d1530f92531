//! Sockets that accept: of TCP, or a socket file.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::connect::{NAMELESS, Stream};
use super::crew::Member;

/// A listening socket. Clones share it, and the last one to go takes the socket file with it.
#[derive(Debug)]
pub struct Acceptor {
    socket: Socket,
    file: Option<Arc<SocketFile>>,
    /// The thread that has it, if others accept here as well.
    member: Option<Member>,
}

impl Acceptor {
    /// A socket that listens.
    pub fn new(socket: Socket) -> Self {
        Self {
            socket,
            file: None,
            member: None,
        }
    }

    /// Takes a socket file, without listening yet. One that a dead process has left is replaced.
    pub fn at_file(path: &Path) -> io::Result<Self> {
        let addr = SockAddr::unix(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        match socket.bind(&addr) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left_over(path) => {
                fs::remove_file(path)?;
                socket.bind(&addr)?;
            }
            result => result?,
        }
        let file = Some(Arc::new(SocketFile(path.to_owned())));
        Ok(Self {
            socket,
            file,
            member: None,
        })
    }

    /// Also changes the backlog of a socket that listens.
    pub fn listen(&self, backlog: i32) -> io::Result<()> {
        self.socket.listen(backlog)
    }

    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            socket: self.socket.try_clone()?,
            file: self.file.clone(),
            member: self.member.clone(),
        })
    }

    /// It is that of a thread that shares it with others.
    pub(super) fn shared(mut self, member: &Member) -> Self {
        self.member = Some(member.clone());
        self
    }

    /// Whether a thread that has `load` sockets leaves what comes here to others, for
    /// [`HAND_OVER`](super::HAND_OVER) at most.
    pub fn is_for_others(&self, load: usize) -> bool {
        self.member
            .as_ref()
            .is_some_and(|member| member.is_for_others(load))
    }

    pub fn set_nonblocking(&self) -> io::Result<()> {
        self.socket.set_nonblocking(true)
    }

    pub fn accept(&self) -> io::Result<Stream> {
        let (socket, _) = self.socket.accept()?;
        Stream::accepted(socket)
    }

    /// That of a socket file has neither host nor port.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.socket.local_addr()?.as_socket().unwrap_or(NAMELESS))
    }

    pub fn file(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.0.as_path())
    }

    pub fn socket(&self) -> SockRef<'_> {
        SockRef::from(&self.socket)
    }
}

impl AsFd for Acceptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A socket that nobody listens on any more.
fn is_left_over(path: &Path) -> bool {
    let refused = UnixStream::connect(path);
    refused.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_file_lasts_as_long_as_its_listener() {
        let path = std::env::temp_dir().join(format!("ginnel-{}.sock", std::process::id()));
        let first = Acceptor::at_file(&path).unwrap();
        first.listen(1).unwrap();
        let busy = Acceptor::at_file(&path).unwrap_err();
        assert_eq!(busy.kind(), io::ErrorKind::AddrInUse);
        let clone = first.try_clone().unwrap();
        drop(first);
        assert!(UnixStream::connect(&path).is_ok());
        drop(clone);
        assert!(!path.exists());
        // A process that was killed leaves the file.
        let mut left = Acceptor::at_file(&path).unwrap();
        std::mem::forget(left.file.take());
        drop(left);
        assert!(path.exists());
        Acceptor::at_file(&path).unwrap();
    }
}
