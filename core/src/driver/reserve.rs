//! Descriptors: who gets the last ones.

use std::io;
use std::os::unix::net::UnixStream;

use super::{Acceptor, Stream, is_exhausted};

/// Keeps one descriptor back from accepting, so that a client that was accepted can still be connected to its
/// target. Without it nobody is accepted: who waits in the queue of a listener holds no descriptor of ours.
pub struct Reserve {
    /// To be duplicated.
    source: UnixStream,
    spare: Option<UnixStream>,
}

impl Reserve {
    pub fn new() -> io::Result<Self> {
        let (source, spare) = UnixStream::pair()?;
        Ok(Self {
            source,
            spare: Some(spare),
        })
    }

    /// Accepts, if that leaves a descriptor. If not ([`is_exhausted`]), try again when one has become free, or a little
    /// later: others have descriptors as well.
    pub fn accept(&mut self, listener: &Acceptor) -> io::Result<Stream> {
        if self.spare.is_none() {
            self.spare = Some(self.source.try_clone()?);
        }
        listener.accept()
    }

    /// Gives the spare one to a dial that failed for want of a descriptor: true if it should be tried again.
    pub fn lend(&mut self, error: &io::Error) -> bool {
        is_exhausted(error) && self.spare.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket, Type};

    use super::*;

    #[test]
    fn one_dial_gets_the_reserve_and_the_next_accept_restores_it() {
        let mut reserve = Reserve::new().unwrap();
        assert!(!reserve.lend(&io::Error::from_raw_os_error(111)));
        let exhausted = io::Error::from_raw_os_error(24);
        assert!(reserve.lend(&exhausted));
        assert!(!reserve.lend(&exhausted));
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let accepted = reserve.accept(&Acceptor::new(socket));
        assert!(
            !is_exhausted(&accepted.err().unwrap()),
            "it does not listen"
        );
        assert!(reserve.lend(&exhausted));
    }
}
