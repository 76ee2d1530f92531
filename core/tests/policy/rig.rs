//! An engine with a scripted network and a fake clock.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ginnel_core::addr::Target;
use ginnel_core::engine::{Action, ConnMeta, Engine, SocketId};
use ginnel_core::error::{Cause, Fail};
use ginnel_core::limits::Limits;
use ginnel_core::plan::*;
use ginnel_core::time::Time;

pub(crate) const CLIENT: &str = "10.0.0.3:40000";

/// A service that forwards to these targets.
pub(crate) fn service(targets: &[&str], policy: ServicePolicy) -> Plan {
    let node = |target: &&str| ForwardNode {
        name: (*target).to_owned(),
        addr: Target::parse(target).unwrap(),
        weight: 1,
        backup: false,
        overrides: Overrides::default(),
        rules: Default::default(),
    };
    let service = Service {
        name: "service-0".to_owned(),
        listener: Listener {
            channel: Channel::Tcp,
            tls: None,
            ws: None,
            mux: None,
            edge: Edge::default(),
            handshake_timeout: Limits::default().handshake,
            caps: None,
            reverse: None,
        },
        handler: Arc::new(Handler::new(HandlerKind::Forward)),
        chain: None,
        forward: Some(Forward {
            nodes: targets.iter().map(node).collect(),
            selector: Selector {
                strategy: Strategy::Fifo,
                ..Selector::default()
            },
        }),
        retries: 0,
        socket: Arc::default(),
        policy,
    };
    Plan {
        services: vec![service],
        ..Plan::default()
    }
}

pub(crate) struct Rig {
    pub(crate) engine: Engine,
    pub(crate) now: Time,
}

impl Rig {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            engine: Engine::new(Arc::new(plan), [1; 32]),
            now: Time::ZERO,
        }
    }

    pub(crate) fn accept(&mut self) -> SocketId {
        let meta = meta(CLIENT);
        self.engine.handle_accept(0, meta, self.now)
    }

    /// All that the engine wants done, without the wakes.
    pub(crate) fn actions(&mut self) -> Vec<Action> {
        self.engine.check();
        let all = std::iter::from_fn(|| self.engine.poll_action());
        all.filter(|action| !matches!(action, Action::Wake(_)))
            .collect()
    }

    /// The one connection that it wants, and to where.
    pub(crate) fn connect(&mut self) -> (SocketId, String) {
        match self.actions().as_slice() {
            [Action::Connect { id, to, .. }] => (*id, to.to_string()),
            other => panic!("expected one connect, got {other:?}"),
        }
    }

    pub(crate) fn connected(&mut self, id: SocketId, addr: &str) {
        self.engine.handle_connected(id, Ok(meta(addr)), self.now);
    }

    pub(crate) fn refused(&mut self, id: SocketId) {
        let fail = Fail::new(Cause::Refused, "connection refused");
        self.engine.handle_connected(id, Err(fail), self.now);
    }

    /// Lets time pass up to the next deadline, and returns how much.
    pub(crate) fn wait(&mut self) -> Duration {
        let at = self.engine.poll_timeout().expect("a deadline");
        let passed = at.since(self.now);
        self.now = at;
        self.engine.handle_timeout(at);
        passed
    }

    /// Time goes by, and no deadline is missed. What is asked for meanwhile is not answered.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.engine.poll_timeout().filter(|at| *at <= until) {
            self.now = at;
            self.engine.handle_timeout(at);
        }
        self.now = until;
        self.actions();
    }

    pub(crate) fn resolved(&mut self, addrs: &[&str]) {
        let actions = self.actions();
        let [Action::Resolve { query, port, .. }] = actions.as_slice() else {
            panic!("expected a question, got {actions:?}");
        };
        let at = |addr: &&str| SocketAddr::new(addr.parse().unwrap(), *port);
        let addrs = addrs.iter().map(at).collect();
        self.engine.handle_resolved(*query, Ok(addrs), self.now);
    }
}

pub(crate) fn meta(addr: &str) -> ConnMeta {
    let remote: SocketAddr = addr.parse().unwrap();
    ConnMeta {
        remote,
        local: "10.0.0.1:2222".parse().unwrap(),
    }
}
