//! A relay in front of a server that can be made to fail: a path of the network, in one process.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

/// Connections through it, each in one of these states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pass,
    /// What is sent arrives nowhere, and nobody is told.
    Swallow,
}

struct Path {
    ends: [TcpStream; 2],
    state: Arc<Mutex<State>>,
    /// Directions that have not ended.
    open: Arc<AtomicUsize>,
}

/// Passes connections on to a server, until told otherwise.
pub struct Valve {
    pub addr: SocketAddr,
    to: Arc<Mutex<SocketAddr>>,
    paths: Arc<Mutex<Vec<Path>>>,
}

impl Valve {
    pub fn new(to: SocketAddr) -> Self {
        Self::that(to, false)
    }

    /// Does with ends what nginx does with those of an upgraded connection: that of either direction ends both.
    pub fn web_server(to: SocketAddr) -> Self {
        Self::that(to, true)
    }

    fn that(to: SocketAddr, ends_both: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on the loopback");
        let addr = listener.local_addr().expect("an address");
        let valve = Self {
            addr,
            to: Arc::new(Mutex::new(to)),
            paths: Arc::default(),
        };
        let (to, paths) = (valve.to.clone(), valve.paths.clone());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(*to.lock().expect("to")) else {
                    continue;
                };
                open(client, server, ends_both, &paths);
            }
        });
        valve
    }

    /// New connections go there.
    pub fn redirect(&self, to: SocketAddr) {
        *self.to.lock().expect("to") = to;
    }

    /// What is sent on the connections of now vanishes. New ones pass.
    pub fn swallow(&self) {
        for path in self.paths.lock().expect("paths").iter() {
            *path.state.lock().expect("state") = State::Swallow;
        }
    }

    /// Ends the connections of now, in order towards both sides and in the middle of whatever they carry.
    pub fn end(&self) {
        for path in self.paths.lock().expect("paths").drain(..) {
            for end in &path.ends {
                let _ = end.shutdown(Shutdown::Both);
            }
        }
    }

    /// Ends the connections of now, with a reset for the client.
    pub fn reset(&self) {
        for path in self.paths.lock().expect("paths").drain(..) {
            *path.state.lock().expect("state") = State::Swallow;
            let _ = set_socket_linger(&path.ends[0], Some(Duration::ZERO));
            for end in &path.ends {
                // Its thread drops it.
                let _ = end.shutdown(Shutdown::Read);
            }
        }
    }
}

fn open(client: TcpStream, server: TcpStream, ends_both: bool, paths: &Mutex<Vec<Path>>) {
    let ends = [&client, &server].map(TcpStream::try_clone);
    let [Ok(near), Ok(far)] = ends else {
        return;
    };
    let path = Path {
        ends: [near, far],
        state: Arc::new(Mutex::new(State::Pass)),
        open: Arc::new(AtomicUsize::new(2)),
    };
    let (state, open) = (path.state.clone(), path.open.clone());
    {
        // Before anything passes: who is to fail is known.
        let mut paths = paths.lock().expect("paths");
        paths.retain(|path| path.open.load(Ordering::SeqCst) > 0);
        paths.push(path);
    }
    for (from, to) in [(&client, &server), (&server, &client)] {
        let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else {
            return;
        };
        let _ = to.set_nodelay(true);
        let (state, open) = (state.clone(), open.clone());
        thread::spawn(move || {
            pass(&from, &to, &state);
            if ends_both {
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
            }
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, state: &Mutex<State>) {
    let mut piece = [0; 16 * 1024];
    loop {
        let n = from.read(&mut piece).unwrap_or(0);
        // Held while it writes: what was not passed on before a change is not passed on after it.
        let state = state.lock().expect("state");
        match *state {
            State::Pass if n == 0 => return drop(to.shutdown(Shutdown::Write)),
            State::Swallow if n == 0 => return,
            State::Pass if to.write_all(&piece[..n]).is_err() => return,
            State::Pass | State::Swallow => {}
        }
    }
}
