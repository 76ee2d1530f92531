//! Forwarding services that look at their clients' first bytes before they choose a target.

use bytes::{Bytes, BytesMut};

use super::session::{Stage, rope};
use super::{Engine, SessionId};
use crate::error::{Cause, Fail};
use crate::event::Event;
use crate::handler::Goal;
use crate::route::access::bypassed;
use crate::route::sniff::{self, Seen};
use crate::wire::http1::HeadLimits;

const FORBIDDEN: &[u8] =
    b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// A response whose status decides on the target that sent it.
pub(super) struct Watch {
    /// Of the service's targets.
    pub(super) target: usize,
    begun: Vec<u8>,
}

impl Watch {
    pub(super) fn new(target: usize) -> Self {
        Self {
            target,
            begun: Vec::new(),
        }
    }
}

impl Engine {
    /// More of the client's bytes have come.
    pub(super) fn sniff(&mut self, id: SessionId) {
        let limits = &self.plan.limits;
        let limits = HeadLimits {
            bytes: limits.head,
            fields: limits.fields,
        };
        let most = self.early();
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        match sniff::detect(&session.rx, limits) {
            Some(seen) => self.sniffed(id, seen),
            None if session.rx.len() >= most => self.sniffed(id, Seen::Unknown),
            None => {}
        }
    }

    /// It is known, or will never be.
    pub(super) fn sniffed(&mut self, id: SessionId, seen: Seen) {
        let plan = self.plan.clone();
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.deadline = None;
        session.stage = Stage::Dialing(None);
        let is_http = matches!(seen, Seen::Http { .. });
        let asked = seen.target();
        session.seen = Some(Box::new(seen));
        let client = session.client;
        let bypasses = &plan.services[session.service].policy.bypasses;
        self.session_timer(id);
        if let Some(target) = asked
            && bypassed(bypasses.iter().map(AsRef::as_ref), &target)
        {
            if is_http {
                self.send(
                    client,
                    &mut rope(BytesMut::from(Bytes::from_static(FORBIDDEN))),
                );
            }
            let text = format!("{target} is refused (bypass)");
            return self.end_session(id, Some(Fail::new(Cause::Denied, text)));
        }
        self.dial_goal(id, Goal::Forward);
    }

    /// Bytes of a target, of which the first tell its status.
    pub(super) fn watch(&mut self, id: SessionId, data: &[u8]) {
        let plan = self.plan.clone();
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let Some(watch) = &mut session.watch else {
            return;
        };
        watch.begun.extend(data.iter().take(12));
        let Some(status) = sniff::status(&watch.begun) else {
            return;
        };
        let (service, index) = (session.service, watch.target);
        session.watch = None;
        let no = session.no;
        let forward = plan.services[service].forward.as_ref();
        let Some(target) = forward.and_then(|forward| forward.nodes.get(index)) else {
            return;
        };
        let pool = self.hub.targets(service);
        match status.filter(|status| target.rules.is_failure(*status)) {
            None => pool.succeeded(index),
            Some(status) => {
                pool.failed(index, self.now);
                self.events.push_back(Event::DialFailed {
                    no: Some(no),
                    place: target.addr.to_string(),
                    fail: Fail::new(Cause::Denied, format!("answered {status} (failCodes)")),
                });
            }
        }
    }
}
