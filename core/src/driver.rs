//! What both drivers need and neither should write: listeners by thread, commands to the threads, questions
//! to the kernel.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use crate::error::{Cause, Fail};
use crate::plan::Plan;

mod accept;
mod connect;
mod crew;
mod pipes;
mod reach;
mod reserve;
mod resolver;
mod serve;
mod stream;
mod udp;

pub use accept::Acceptor;
pub use connect::{Stream, set_keepalive, tcp_socket};
pub use crew::{HAND_OVER, Member};
pub use pipes::Pipes;
pub use reach::reach;
pub use reserve::Reserve;
pub use resolver::{Answer, Resolver};
pub use serve::{ACCEPT_PAUSE, GOODBYE, RECEIVES, Served, Serving, Turn, changes};
pub use stream::{Buffers, Input, read, reset, write};
pub use udp::{Bound, Port, SPACE, bind};

/// What a service listens with.
#[derive(Debug)]
pub enum Listener {
    Stream(Acceptor),
    Udp(UdpSocket),
    /// Nothing here: the engine has a port opened elsewhere
    /// ([`handle_serve`](crate::engine::Engine::handle_serve)).
    Reverse,
}

impl Listener {
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Stream(listener) => Self::Stream(listener.try_clone()?),
            Self::Udp(socket) => Self::Udp(socket.try_clone()?),
            Self::Reverse => Self::Reverse,
        })
    }

    /// For people: `127.0.0.1:80/tcp`, or the path of a socket file.
    pub fn place(&self) -> io::Result<String> {
        Ok(match self {
            Self::Udp(socket) => format!("{}/udp", socket.local_addr()?),
            Self::Stream(listener) => match listener.file() {
                Some(path) => path.display().to_string(),
                None => format!("{}/tcp", listener.local_addr()?),
            },
            Self::Reverse => String::new(),
        })
    }

    /// `None` if it is elsewhere.
    pub fn local_addr(&self) -> io::Result<Option<SocketAddr>> {
        Ok(match self {
            Self::Stream(listener) => Some(listener.local_addr()?),
            Self::Udp(socket) => Some(socket.local_addr()?),
            Self::Reverse => None,
        })
    }
}

/// A listener with its service's index.
pub type Listening = (usize, Listener);

/// Calls `serve` on one thread for each of `controls`, with the listeners that it has, until all have ended.
/// `listeners[i]` is that of service `i`.
pub fn run(
    plan: &Plan,
    listeners: Vec<Listener>,
    controls: Vec<Control>,
    serve: impl Fn(Vec<Listening>, Control) -> io::Result<()> + Sync,
) -> io::Result<()> {
    let mut shares = Vec::new();
    for (index, control) in controls.into_iter().enumerate() {
        let mine = deal(plan, &listeners, index, &control.crew)?;
        shares.push((mine, control));
    }
    drop(listeners);
    thread::scope(|scope| {
        let serve = &serve;
        let mut running = Vec::new();
        for (mine, control) in shares {
            running.push(scope.spawn(move || serve(mine, control)));
        }
        running.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a thread of the proxy panicked")))
        })
    })
}

/// The listeners that thread `index` serves: all of them, but for services that belong to one thread. Of threads that
/// share a listener, those accept that are idle and do not serve more than others.
fn deal(
    plan: &Plan,
    listeners: &[Listener],
    index: usize,
    crew: &[Member],
) -> io::Result<Vec<Listening>> {
    let mut mine = Vec::new();
    for (service, listener) in listeners.iter().enumerate() {
        if serves(plan, service, index, crew.len()) {
            mine.push((service, dealt(plan, service, listener, index, crew)?));
        }
    }
    Ok(mine)
}

fn dealt(
    plan: &Plan,
    service: usize,
    listener: &Listener,
    index: usize,
    crew: &[Member],
) -> io::Result<Listener> {
    let listener = listener.try_clone()?;
    Ok(match listener {
        Listener::Stream(acceptor) if plan.pinned(service, crew.len()).is_none() => {
            Listener::Stream(acceptor.shared(&crew[index]))
        }
        _ => listener,
    })
}

fn serves(plan: &Plan, service: usize, index: usize, threads: usize) -> bool {
    let pinned = plan.pinned(service, threads);
    pinned.is_none_or(|pinned| pinned == index)
}

/// What a running thread is told.
pub enum Command {
    Stop,
    /// Accept no more, and stop when all connections are finished or this time is over.
    Drain {
        timeout: Duration,
        /// Takes how many connections are left.
        left: Sender<usize>,
    },
    /// Serve another plan, one for [`Engine::handle_reload`](crate::engine::Engine::handle_reload).
    Reload {
        plan: Arc<Plan>,
        serve: Vec<Serve>,
        /// Takes what failed; dropped when the command is carried out.
        done: Sender<io::Error>,
    },
}

/// A service to be served from now on, by its index. `None` keeps the listener that the thread has; one
/// that is not in the list at all is closed.
pub type Serve = (usize, Option<Listener>);

/// Makes the two ends of the commands to `threads` threads.
pub fn control(threads: usize) -> io::Result<(Controller, Vec<Control>)> {
    let mut shards = Vec::new();
    let mut controls = Vec::new();
    let crew: Arc<[Member]> = Member::crew(threads.max(1)).into();
    for _ in 0..threads.max(1) {
        let (wake, notify) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        notify.set_nonblocking(true)?;
        let (sender, commands) = mpsc::channel();
        shards.push((sender, notify));
        controls.push(Control {
            commands,
            wake,
            crew: crew.clone(),
        });
    }
    Ok((Controller { shards, crew }, controls))
}

/// The end that commands.
pub struct Controller {
    shards: Vec<(Sender<Command>, UnixStream)>,
    crew: Arc<[Member]>,
}

impl Controller {
    pub fn threads(&self) -> usize {
        self.shards.len()
    }

    pub fn stop(&self) {
        for shard in &self.shards {
            tell(shard, Command::Stop);
        }
    }

    /// Waits until no thread accepts any more. Returns how many connections are left, for which the threads
    /// take at most `timeout`.
    pub fn drain(&self, timeout: Duration) -> usize {
        let (left, counts) = mpsc::channel();
        for shard in &self.shards {
            let left = left.clone();
            tell(shard, Command::Drain { timeout, left });
        }
        drop(left);
        counts.iter().sum()
    }

    /// Waits until every thread serves the new plan. An error means that none of them was told; what
    /// single threads could not do is in the list.
    pub fn reload(
        &self,
        plan: &Arc<Plan>,
        serve: &[(usize, Option<&Listener>)],
    ) -> io::Result<Vec<io::Error>> {
        let threads = self.threads();
        let mut shares: Vec<Vec<Serve>> = Vec::new();
        for index in 0..threads {
            let mut mine = Vec::new();
            for (service, listener) in serve {
                if !serves(plan, *service, index, threads) {
                    continue;
                }
                let dealt = |listener| dealt(plan, *service, listener, index, &self.crew);
                mine.push((*service, listener.map(dealt).transpose()?));
            }
            shares.push(mine);
        }
        let (done, failed) = mpsc::channel();
        for (shard, serve) in self.shards.iter().zip(shares) {
            let plan = plan.clone();
            let done = done.clone();
            tell(shard, Command::Reload { plan, serve, done });
        }
        drop(done);
        Ok(failed.iter().collect())
    }
}

fn tell((commands, notify): &(Sender<Command>, UnixStream), command: Command) {
    // A thread that has ended needs no commands, and one with a full socket is awake.
    let _ = commands.send(command);
    let _ = (&*notify).write(&[0]);
}

/// The end of one thread: readable when there are commands.
pub struct Control {
    commands: Receiver<Command>,
    wake: UnixStream,
    crew: Arc<[Member]>,
}

impl Control {
    /// Call it until there is none: then the descriptor will be readable again for the next one.
    pub fn take(&self) -> Option<Command> {
        let mut bytes = [0; 64];
        while matches!((&self.wake).read(&mut bytes), Ok(n) if n > 0) {}
        self.commands.try_recv().ok()
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// Whether accept failed for want of descriptors or memory: it would fail again at once.
pub fn is_exhausted(error: &io::Error) -> bool {
    // EMFILE, ENFILE, ENOBUFS, ENOMEM on Linux and the BSDs.
    matches!(error.raw_os_error(), Some(24 | 23 | 105 | 55 | 12))
}

/// The failure of a system resolver, with the name in it.
fn unresolved(host: &str, error: &io::Error) -> Fail {
    let text = error.to_string();
    let text = text.split(": ").last().unwrap_or_default();
    Fail::new(
        Cause::NameNotFound,
        format!("cannot resolve {host}: {text}"),
    )
}
