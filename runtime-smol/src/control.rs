//! What the thread is told, and what it serves.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use async_io::{Async, Timer};
use ginnel_core::driver::{
    self, Command, Control, GOODBYE, Listener, Listening, Serve, Served, Serving,
};
use ginnel_core::engine::Door;
use smol::future::FutureExt;

use crate::shard::Shard;

/// Until it is told to stop, or has nothing left to finish.
pub(crate) async fn run(shard: Rc<Shard>, own: Vec<Listening>, control: Control) -> io::Result<()> {
    let mut served = Served::new();
    for (service, listener) in own {
        shard.listen(&mut served, service, listener)?;
    }
    let control = Async::new(control)?;
    let mut draining = false;
    'serving: while !shard.drained.get() {
        let drained = async {
            shard.until(|shard| shard.drained.get()).await;
            Ok(())
        };
        control.readable().or(drained).await?;
        while let Some(command) = control.get_ref().take() {
            match command {
                Command::Stop => break 'serving,
                Command::Drain { timeout, left } => {
                    draining = true;
                    // The ports of the engine stay, and udp listeners: by these, clients that are known
                    // are answered.
                    for service in std::mem::take(&mut served).into_keys() {
                        shard.close_door(Door::Service(service));
                    }
                    let count = shard.tell(|engine, now| engine.handle_drain(now + timeout, now));
                    let _ = left.send(count);
                }
                Command::Reload { .. } if draining => {}
                Command::Reload { plan, serve, done } => {
                    shard.tell(|engine, now| engine.handle_reload(plan, now));
                    for error in shard.serve_others(&mut served, serve) {
                        let _ = done.send(error);
                    }
                }
            }
        }
    }
    for (service, serving) in served {
        shard.unserve(service, serving);
    }
    let at_once = draining && !shard.drained.get();
    let goodbye = if at_once { Duration::ZERO } else { GOODBYE };
    shard.tell(|engine, now| engine.handle_stop(now));
    shard
        .until(|shard| shard.sockets.borrow().is_empty())
        .or(async {
            Timer::after(goodbye).await;
        })
        .await;
    // Closed by the end of the process, they would seem to have said all.
    for (id, socket) in &*shard.sockets.borrow() {
        socket.close(!shard.engine.borrow_mut().interest(id).fin);
    }
    Ok(())
}

impl Shard {
    fn listen(self: &Rc<Self>, to: &mut Served, service: usize, what: Listener) -> io::Result<()> {
        let serving = match what {
            Listener::Stream(listener) => {
                self.open_door(Door::Service(service), listener)?;
                Serving::Tcp
            }
            Listener::Udp(socket) => Serving::Udp(self.serve_port(service, socket)?),
            Listener::Reverse => {
                self.tell(|engine, now| engine.handle_serve(service, now));
                Serving::Reverse
            }
        };
        to.insert(service, serving);
        Ok(())
    }

    fn unserve(self: &Rc<Self>, service: usize, serving: Serving) {
        match serving {
            Serving::Tcp => self.close_door(Door::Service(service)),
            Serving::Udp(id) => self.unserve_port(id),
            Serving::Reverse => self.tell(|engine, now| engine.handle_unserve(service, now)),
        }
    }

    /// What is not in the list any more is closed first: a listener may be that of another service now.
    fn serve_others(self: &Rc<Self>, served: &mut Served, serve: Vec<Serve>) -> Vec<io::Error> {
        let (leaving, new) = driver::changes(served, serve);
        for (service, serving) in leaving {
            self.unserve(service, serving);
        }
        let listen = |(service, listener)| self.listen(served, service, listener).err();
        new.into_iter().filter_map(listen).collect()
    }

    pub(crate) fn wake_ending(&self) {
        if let Some(waker) = self.ending.take() {
            waker.wake();
        }
    }

    async fn until(&self, done: impl Fn(&Self) -> bool) {
        poll_fn(|cx| {
            if done(self) {
                return Poll::Ready(());
            }
            self.ending.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await
    }
}
