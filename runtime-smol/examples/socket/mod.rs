//! A websocket connection on a socket of async-io: the driver of `ginnel_core::message`.

use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use async_io::{Async, Timer};
use ginnel_core::buffer::Receive;
use ginnel_core::message::{Connection, Event, Shared};
use smol::future;

/// What waits to be written before the next event is asked for.
const HIGH: usize = 256 * 1024;

/// How long the peer may take to read our last words and to close.
const LINGER: Duration = Duration::from_secs(5);

/// What the connections of the one thread share.
pub type Thread = Rc<RefCell<(Shared, Receive)>>;

pub fn thread() -> io::Result<Thread> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(Rc::new(RefCell::new((
        Shared::new(seed),
        Receive::default(),
    ))))
}

pub struct Socket {
    io: Async<TcpStream>,
    thread: Thread,
    connection: Connection,
}

impl Socket {
    pub fn new(io: Async<TcpStream>, connection: Connection, thread: &Thread) -> io::Result<Self> {
        io.get_ref().set_nodelay(true)?;
        Ok(Self {
            io,
            thread: Rc::clone(thread),
            connection,
        })
    }

    /// The next thing the peer does; behind `Closed` and `Failed` comes nothing.
    pub async fn event(&mut self) -> io::Result<Event> {
        loop {
            if self.connection.queued() > HIGH {
                self.flush().await?;
            }
            let event = self.tell(Connection::poll_event);
            if let Some(event) = event {
                return Ok(event);
            }
            self.flush().await?;
            self.read().await?;
        }
    }

    /// Does something to the connection; what it sends goes out with the next event, or at the end.
    pub fn tell<T>(&mut self, what: impl FnOnce(&mut Connection, &mut Shared) -> T) -> T {
        what(&mut self.connection, &mut self.thread.borrow_mut().0)
    }

    /// Sends back every message as it comes, until the connection ends.
    pub async fn echo(&mut self) -> io::Result<()> {
        loop {
            match self.event().await? {
                Event::Open => {}
                Event::Begin(kind) => self.tell(|to, _| to.begin(kind)),
                Event::Data(piece) => self.tell(|to, shared| to.write(&piece, shared)),
                Event::End => self.tell(|to, shared| to.end(shared)),
                Event::Closed(..) => {
                    self.finish().await;
                    return Ok(());
                }
                Event::Failed(fail) => {
                    self.finish().await;
                    return Err(io::Error::other(fail.text));
                }
            }
        }
    }

    /// Writes the last words and waits for the peer's end: what is closed with unread input is reset, and a
    /// reset may overtake the close frame. Whether all that succeeds changes nothing any more.
    pub async fn finish(&mut self) {
        let patience = async {
            Timer::after(LINGER).await;
            Ok(())
        };
        let goodbye = async {
            self.flush().await?;
            if !self.connection.is_client() {
                self.io.get_ref().shutdown(Shutdown::Write)?;
            }
            while self.read().await? > 0 {}
            Ok::<_, io::Error>(())
        };
        let _ = future::or(goodbye, patience).await;
    }

    async fn flush(&mut self) -> io::Result<()> {
        while self.connection.queued() > 0 {
            let mut slices = [IoSlice::new(&[]); 64];
            let used = self.connection.transmit(&mut slices);
            let n = self
                .io
                .write_with(|mut io| io.write_vectored(&slices[..used]))
                .await?;
            self.connection.handle_sent(n);
        }
        Ok(())
    }

    async fn read(&mut self) -> io::Result<usize> {
        self.io.readable().await?;
        let receive = &mut self.thread.borrow_mut().1;
        let n = match self.io.get_ref().read(receive.space(usize::MAX)) {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(1),
            Err(error) => return Err(error),
        };
        match n {
            0 => self.connection.handle_eof(),
            n => self.connection.handle_input(receive.take(n, usize::MAX).0),
        }
        Ok(n)
    }
}
