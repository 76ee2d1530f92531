//! What the thread is told, and what it serves.

use std::io;
use std::time::Duration;

use ginnel_core::driver::{self, Command, GOODBYE, Listener, Serve, Serving};
use ginnel_core::engine::Door;

use crate::shard::Shard;

impl Shard {
    pub(crate) fn obey(&mut self) {
        while let Some(command) = self.control.take() {
            match command {
                Command::Stop => self.begin_stop(),
                Command::Drain { timeout, left } => {
                    self.draining = true;
                    self.close_listeners();
                    let count = self.tell(|engine, now| engine.handle_drain(now + timeout, now));
                    let _ = left.send(count);
                }
                Command::Reload { .. } if self.draining || self.stopping.is_some() => {}
                Command::Reload { plan, serve, done } => {
                    self.tell(|engine, now| engine.handle_reload(plan, now));
                    for error in self.serve_others(serve) {
                        let _ = done.send(error);
                    }
                }
            }
        }
    }

    /// What is not in the list any more is closed first: a listener may be that of another service now.
    fn serve_others(&mut self, serve: Vec<Serve>) -> Vec<io::Error> {
        let (leaving, new) = driver::changes(&mut self.serving, serve);
        for (service, serving) in leaving {
            self.unserve(service, serving);
        }
        let listen = |(service, listener)| self.listen(service, listener).err();
        new.into_iter().filter_map(listen).collect()
    }

    pub(crate) fn listen(&mut self, service: usize, listener: Listener) -> io::Result<()> {
        let serving = match listener {
            Listener::Stream(listener) => {
                listener.set_nonblocking()?;
                self.open_door(Door::Service(service), listener)?;
                Serving::Tcp
            }
            Listener::Udp(socket) => Serving::Udp(self.serve_port(service, socket)?),
            Listener::Reverse => {
                self.tell(|engine, now| engine.handle_serve(service, now));
                Serving::Reverse
            }
        };
        self.serving.insert(service, serving);
        Ok(())
    }

    fn unserve(&mut self, service: usize, serving: Serving) {
        match serving {
            Serving::Tcp => self.close_door(Door::Service(service)),
            Serving::Udp(id) => self.unserve_port(id),
            Serving::Reverse => self.tell(|engine, now| engine.handle_unserve(service, now)),
        }
    }

    /// The ports of the engine stay, and udp listeners: by these, clients that are known are answered.
    fn close_listeners(&mut self) {
        for service in std::mem::take(&mut self.serving).into_keys() {
            self.close_door(Door::Service(service));
        }
    }

    pub(crate) fn begin_stop(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        let at_once = self.draining && !self.drained;
        let goodbye = if at_once { Duration::ZERO } else { GOODBYE };
        self.stopping = Some(self.now() + goodbye);
        self.close_listeners();
        self.tell(|engine, now| engine.handle_stop(now));
    }
}
