//! What a test does to the world, and what it asks of it.

use std::net::SocketAddr;
use std::time::Duration;

use ginnel_core::event::Event;
use ginnel_core::plan::Plan;

use super::{Connection, Listener, World};
use crate::program::Program;

impl World {
    /// At that step all engines get these plans.
    pub fn reload_at(&mut self, step: u64, plans: Vec<Plan>) {
        self.reload = Some((step, plans));
    }

    /// At that step nobody is accepted by this engine any more, and what is open may go on for `patience`.
    pub fn drain_at(&mut self, step: u64, engine: usize, patience: Duration) {
        self.drain = Some((step, engine, patience));
    }

    pub fn is_draining(&self) -> bool {
        self.drain.is_none()
    }

    pub fn is_reloaded(&self) -> bool {
        self.reload.is_none()
    }

    /// Cuts every connection between two engines.
    pub fn cut_tunnels(&mut self) {
        for c in 0..self.connections.len() {
            if self.connections[c].is_between() && !self.connections[c].reset {
                self.resets += 1;
                self.connections[c].reset = true;
                self.connections[c].reset_news = [true; 2];
            }
        }
    }

    /// What is sent between two engines arrives nowhere from now on, and nobody is told.
    pub fn swallow_tunnels(&mut self) {
        for connection in &mut self.connections {
            connection.hole |= connection.is_between();
        }
    }

    /// Somebody on the way acknowledges what is sent between two engines, and does so however it is lost.
    pub fn relay_tunnels(&mut self) {
        self.relayed = true;
    }

    /// Nobody reads what is between two engines, or everybody again. Their systems acknowledge it.
    pub fn stop_tunnels(&mut self, stopped: bool) {
        for connection in &mut self.connections {
            connection.stopped = stopped && connection.is_between();
        }
    }

    pub fn unlisten(&mut self, addr: SocketAddr) -> Listener {
        self.listeners.remove(&addr).expect("a listener")
    }

    /// Connections between engines that are in use at both ends.
    pub fn tunnels_open(&self) -> usize {
        let open = |c: &&Connection| c.is_between() && !c.reset && !c.hole;
        self.connections.iter().filter(open).count()
    }

    /// Targets that were spoken to.
    pub fn echoed(&self) -> usize {
        let echo = |program: &&Program| program.echo && program.received > 0;
        self.programs.iter().filter(echo).count()
    }

    /// Whether somebody listens there.
    pub fn is_bound(&self, addr: SocketAddr) -> bool {
        self.listeners.contains_key(&addr)
    }

    pub fn clients_done(&self) -> usize {
        let done = |program: &&Program| program.client && program.done();
        self.programs.iter().filter(done).count()
    }

    pub fn stop(&mut self) {
        for e in 0..self.engines.len() {
            self.engines[e].handle_stop(self.now);
            self.act(e);
        }
    }

    /// Every client has got all it wanted, and the end.
    pub fn all_done(&self, setting: &dyn std::fmt::Debug) {
        for program in self.programs.iter().filter(|program| program.client) {
            let place = || format!("{setting:?}: {program:?} {:#?}", self.events);
            assert_eq!(program.failed, None, "{}", place());
            assert!(program.done(), "{}", place());
        }
    }

    /// Where the clients of all engines connected to, as these know it.
    pub fn opened_at(&self) -> impl Iterator<Item = SocketAddr> {
        self.events.iter().filter_map(|event| match event {
            Event::Opened { local, .. } => Some(*local),
            _ => None,
        })
    }

    /// Connections between engines that are alive.
    pub fn tunnels(&self) -> usize {
        self.connections.iter().filter(|c| c.is_between()).count()
    }

    /// How often a far port was opened.
    pub fn ports_opened(&self) -> usize {
        let opened = |event: &&Event| matches!(event, Event::PortOpened { .. });
        self.events.iter().filter(opened).count()
    }

    /// How often who had a port was replaced by who asked for it anew.
    pub fn replaced(&self) -> usize {
        let anew = |event: &&Event| matches!(event, Event::Closed { fail: Some(fail), .. } if fail.text.contains("anew"));
        self.events.iter().filter(anew).count()
    }

    /// A far end said no to who asked for a port.
    pub fn port_refused(&self) -> Option<&Event> {
        let refused = |event: &&Event| matches!(event, Event::PortLost { fail, .. } if fail.text.contains("answered"));
        self.events.iter().find(refused)
    }
}
