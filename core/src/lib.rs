//! Ginnel's protocol engine: the whole proxy as one machine without a clock, chance, sockets or threads.
//!
//! An [`Engine`](engine::Engine) is made from a [`Plan`](plan::Plan) and driven by somebody who has sockets, a
//! clock and a resolver: a *driver*. Bytes, results and time go in, bytes, actions and a deadline come out.
//! Anything that a driver has to know about a protocol is a bug; anything that two drivers would write
//! belongs in this crate (see [`driver`]).
//!
//! # The driver's contract
//!
//! ```text
//!          ┌─────────────────────────────────────────────────────────────────────────────┐
//!          ▼                                                                             │
//!   wait until a socket is ready, a name is resolved or poll_timeout() has come          │
//!          │                                                                             │
//!          ├─ a client came      handle_accept ─────────┐                                │
//!          ├─ it is connected    handle_connected ──────┤                                │
//!          ├─ a name resolved    handle_resolved ───────┤                                │
//!          ├─ the deadline came  handle_timeout ────────┤                                │
//!          ├─ the process ends   handle_drain, then     │                                │
//!          │                     handle_stop ───────────┤                                │
//!          └─ a socket's turn                           │                                │
//!               1. write: transmit, handle_sent  ───────┤   each of these may leave      │
//!                  until refused or empty               │   actions behind: take all     │
//!               2. interest().fin: shut down writing    │   of them before the next      │
//!               3. interest().read > 0: read at most    │   input                        │
//!                  that much; handle_input (or splice,  │                                │
//!                  handle_spliced), or                  │                                │
//!                  handle_eof at its end  ──────────────┤                                │
//!               again from 1, a few times               ▼                                │
//!                                  act: while poll_action() is something                 │
//!                                    Connect  start it ........... handle_connected      │
//!                                    Resolve  start it ........... handle_resolved       │
//!                                    Wake     the socket's turn, now or soon             │
//!                                    Probe    ask the system ... handle_reach            │
//!                                    Close    close the socket, forget the id            │
//!                                    Bind     a socket .................... handle_bound │
//!                                    WakePort send by it; Unbind close it                │
//!                                    Drained  stop                                       │
//!                                  then poll_event() until it is nothing, for the log ───┘
//! ```
//!
//! - **Time** is the driver's: nanoseconds since it started, never going back. `poll_timeout` moves only
//!   with an input, so ask it again after each; when the moment has come, or any time later,
//!   `handle_timeout`. Behind it the deadline lies in the future or there is none. Before it, the sockets that
//!   are ready have their turn: a process that was stopped must not take for silence what it has not read.
//! - **Ids** carry a generation. An input with an id that was closed means nothing and does no harm.
//! - **A new socket** has its turn at once, after `handle_accept` as after a successful `handle_connected`. A
//!   `Wake` that comes before the socket is connected is dropped.
//! - **Writing.** `transmit` shows what waits, without taking it; `handle_sent` says how much of it went. After
//!   a refused write call `handle_sent` with 0: what waits gives back the receive buffers it pins. What was
//!   refused is not produced again; it is the same bytes next time. Until the system calls the socket
//!   writable again, a `Wake` is no reason to try.
//! - **Reading.** Never more than `interest().read` at once and nothing while that is 0: this is how a slow
//!   reader at the far end slows down the near one. It becomes positive again with a `Wake`; an edge-triggered
//!   driver has to remember that the socket still is readable. Pieces are [`BytesMut`](bytes::BytesMut) that
//!   nobody else holds, for they are unmasked in place; [`buffer::Receive`] cuts small ones out of one buffer a
//!   thread.
//! - **Splicing** is for drivers whose system can move bytes between sockets without bringing them into the
//!   process. Before a read, `splice` says whether nobody here needs to see what comes next, and which socket is to
//!   have it: the driver takes up to `max` bytes off the socket and tells `handle_spliced` at once. They wait,
//!   in order, in the output of that other socket: when `transmit` shows nothing of it, `outside` says how many
//!   of them are to be written now, and `handle_sent` tells of these like of all others. What the driver still has
//!   for a socket that is closed is lost with it. Reading instead is always right, and at the end of input
//!   there is no difference.
//! - **Ends.** `handle_eof` with [`Eof::Fin`](error::Eof) leaves the other direction open, with `Reset` (any error
//!   of the socket) it does not. A write that fails for good is no end yet: after `handle_broken` the socket is read on,
//!   for its system may hold the peer's last words. Once nothing is left to write and `interest().fin`, shut down writing, once.
//!   The engine closes every socket itself, by `Close`. `Close { reset: true }` must reach the peer as a reset,
//!   or it takes half a file for a whole one.
//! - **Fairness.** A few reads a turn, then the next socket; a bounded number of accepts between, and none
//!   while the engine is not [`accepting`](engine::Engine::accepting): any input can change that. An accept
//!   that lacks descriptors ([`driver::Reserve`]) waits a little.
//! - **Silence.** A peer that does not answer may merely not read. [`driver::reach`] asks the system whether
//!   anything is there at all; [`Reach::Unknown`](engine::Reach) is always a right answer.
//! - **Datagrams** go by ports: sockets that the engine asks for by `Bind`, and the listeners of udp services,
//!   which get their ids from `handle_listen`. What comes is handed over by `handle_datagram` whenever the socket
//!   is readable, for nobody has to be slowed down; what goes waits in bounded queues: `transmit_datagram` shows
//!   the next one, `handle_datagram_sent` takes it off. An error of the system is no end: `handle_datagram_error`.
//!   [`driver::Port`] does all that.
//! - **Ports** for connections are asked for by `Bind` as well; who comes there is told by `handle_door`.
//! - **Threads.** One engine a thread, nothing shared; [`driver::run`] tells which listeners are whose.
//! - **The end.** Close the listeners of streams, then `handle_drain`; at `Drained`, or at once, `handle_stop`, a moment
//!   for last bytes, and a reset for each socket whose `interest` is not `fin` then: the system would end it in
//!   order. Datagrams of clients that are known come in by the listener until `Unbind`.
//! - **Another plan.** [`driver::control`] brings commands to the threads; after `handle_reload` the listeners
//!   of services that are no longer served are closed, and their connections go on.
//!
//! `ginnel-mio` and `ginnel-smol` are drivers of about 700 lines each; the simulation in `tests/simulation` is
//! a third, whose sockets are queues.
//!
//! # A driver in memory
//!
//! Whoever connects is led to one target. Sockets are two buffers, connecting always succeeds, and time
//! stands still.
//!
//! ```
//! use std::collections::HashMap;
//! use std::io::IoSlice;
//! use std::net::SocketAddr;
//! use std::sync::Arc;
//!
//! use ginnel_core::addr::Target;
//! use ginnel_core::bytes::BytesMut;
//! use ginnel_core::engine::{Action, ConnMeta, Engine, Reach, SocketId};
//! use ginnel_core::error::Eof;
//! use ginnel_core::limits::Limits;
//! use ginnel_core::plan::*;
//! use ginnel_core::time::Time;
//!
//! #[derive(Default)]
//! struct Socket {
//!     written: Vec<u8>,
//!     shut_down: bool,
//! }
//!
//! struct Driver {
//!     engine: Engine,
//!     sockets: HashMap<SocketId, Socket>,
//!     now: Time,
//! }
//!
//! impl Driver {
//!     fn accept(&mut self, service: usize, meta: ConnMeta) -> SocketId {
//!         let id = self.engine.handle_accept(service, meta, self.now);
//!         self.sockets.insert(id, Socket::default());
//!         self.flush(id);
//!         self.act();
//!         id
//!     }
//!
//!     fn read(&mut self, id: SocketId, bytes: &[u8]) {
//!         assert!(bytes.len() <= self.engine.interest(id).read, "not to be read now");
//!         self.engine.handle_input(id, BytesMut::from(bytes), self.now);
//!         self.act();
//!     }
//!
//!     fn end(&mut self, id: SocketId) {
//!         self.engine.handle_eof(id, Eof::Fin, self.now);
//!         self.act();
//!     }
//!
//!     /// Does what the engine asks until it asks nothing more.
//!     fn act(&mut self) {
//!         while let Some(action) = self.engine.poll_action() {
//!             match action {
//!                 Action::Connect { id, to: Endpoint::Ip(addr), .. } => {
//!                     self.sockets.insert(id, Socket::default());
//!                     let meta = ConnMeta { remote: addr, local: "10.0.0.1:50000".parse().unwrap() };
//!                     self.engine.handle_connected(id, Ok(meta), self.now);
//!                     self.flush(id);
//!                 }
//!                 Action::Connect { to, .. } => unreachable!("no socket files here, got {to}"),
//!                 Action::Resolve { query, .. } => {
//!                     let addrs = vec!["10.0.0.9:80".parse().unwrap()];
//!                     self.engine.handle_resolved(query, Ok(addrs), self.now);
//!                 }
//!                 Action::Wake(id) => self.flush(id),
//!                 Action::Probe { id, .. } => {
//!                     self.engine.handle_reach(id, Reach::Unknown, self.now);
//!                 }
//!                 Action::Close { id, .. } => drop(self.sockets.remove(&id)),
//!                 Action::Drained => {}
//!                 // Nothing here is about datagrams.
//!                 Action::Bind { .. } | Action::WakePort(_) | Action::Unbind(_) => {}
//!             }
//!         }
//!         while let Some(event) = self.engine.poll_event() {
//!             println!("{event:?}");
//!         }
//!     }
//!
//!     fn flush(&mut self, id: SocketId) {
//!         let Some(socket) = self.sockets.get_mut(&id) else {
//!             return;
//!         };
//!         loop {
//!             let before = socket.written.len();
//!             let mut slices = [IoSlice::new(&[]); 8];
//!             let used = self.engine.transmit(id, &mut slices);
//!             slices[..used].iter().for_each(|slice| socket.written.extend_from_slice(slice));
//!             if used == 0 {
//!                 break;
//!             }
//!             self.engine.handle_sent(id, socket.written.len() - before, self.now);
//!         }
//!         if self.engine.interest(id).fin {
//!             socket.shut_down = true;
//!         }
//!     }
//! }
//!
//! let target: SocketAddr = "10.0.0.2:22".parse().unwrap();
//! let node = ForwardNode {
//!     name: "target-0".into(),
//!     addr: Target::from(target),
//!     weight: 1,
//!     backup: false,
//!     overrides: Overrides::default(),
//!     rules: Default::default(),
//! };
//! let service = Service {
//!     name: "service-0".into(),
//!     listener: Listener {
//!         channel: Channel::Tcp,
//!         tls: None,
//!         ws: None,
//!         mux: None,
//!         edge: Edge::default(),
//!         handshake_timeout: Limits::default().handshake,
//!         caps: None,
//!         reverse: None,
//!     },
//!     handler: Arc::new(Handler::new(HandlerKind::Forward)),
//!     chain: None,
//!     forward: Some(Forward { nodes: vec![node], selector: Selector::default() }),
//!     retries: 0,
//!     socket: Arc::default(),
//!     policy: ServicePolicy::default(),
//! };
//! let plan = Plan { services: vec![service], ..Plan::default() };
//! let mut driver = Driver {
//!     engine: Engine::new(Arc::new(plan), [0; 32]),
//!     sockets: HashMap::new(),
//!     now: Time::ZERO,
//! };
//!
//! let meta = ConnMeta {
//!     remote: "10.0.0.3:40000".parse().unwrap(),
//!     local: "10.0.0.1:2222".parse().unwrap(),
//! };
//! let client = driver.accept(0, meta);
//! let upstream = *driver.sockets.keys().find(|id| **id != client).expect("a connection to the target");
//!
//! driver.read(client, b"hello");
//! assert_eq!(driver.sockets[&upstream].written, b"hello");
//! driver.read(upstream, b"and welcome");
//! assert_eq!(driver.sockets[&client].written, b"and welcome");
//!
//! driver.end(client);
//! assert!(driver.sockets[&upstream].shut_down, "each direction ends on its own");
//! driver.end(upstream);
//! assert!(driver.sockets.is_empty(), "the engine closed both");
//! ```

#![forbid(unsafe_code)]

pub use bytes;

pub mod addr;
pub mod buffer;
pub mod connector;
pub mod crypto;
pub mod driver;
pub mod engine;
pub mod entropy;
pub mod error;
pub mod event;
pub mod flood;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod handler;
pub mod layer;
pub mod limits;
pub mod message;
pub mod mux;
pub mod plan;
pub mod route;
mod slab;
pub mod time;
pub mod wire;
