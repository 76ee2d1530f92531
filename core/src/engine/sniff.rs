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
use crate::wire::http1_follow::Follower;

const FORBIDDEN: &[u8] =
    b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Responses whose statuses decide on the target that sends them.
pub(super) struct Watch {
    /// Of the service's targets.
    pub(super) target: usize,
    follower: Follower,
    /// It has failed: the connection ends when no response is under way, and whoever had it comes again.
    failed: bool,
}

impl Watch {
    pub(super) fn new(target: usize) -> Self {
        Self {
            target,
            follower: Follower::default(),
            failed: false,
        }
    }

    /// Bytes of the client, and of the target, that are not understood yet.
    pub(super) fn held(&self) -> [usize; 2] {
        self.follower.held()
    }
}

impl Engine {
    /// More of the client's bytes have come.
    pub(super) fn sniff(&mut self, id: SessionId) {
        let limits = self.head_limits();
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

    /// Bytes of a client whose target is judged by its answers.
    pub(super) fn watch_request(&mut self, id: SessionId, data: &[u8]) {
        let limits = self.head_limits();
        if let Some(session) = self.sessions.get_mut(id)
            && let Some(watch) = &mut session.watch
        {
            watch.follower.request(data, limits);
            let client = session.client;
            self.touch(client);
        }
    }

    /// Bytes of such a target.
    pub(super) fn watch_response(&mut self, id: SessionId, data: &[u8]) {
        let plan = self.plan.clone();
        let limits = self.head_limits();
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let Some(watch) = &mut session.watch else {
            return;
        };
        let statuses = watch.follower.response(data, limits);
        let (service, index) = (session.service, watch.target);
        let (no, upstream) = (session.no, session.upstream);
        let forward = plan.services[service].forward.as_ref();
        let Some(target) = forward.and_then(|forward| forward.nodes.get(index)) else {
            return;
        };
        let pool = self.hub.targets(service);
        for status in statuses {
            if !target.rules.is_failure(status) {
                pool.succeeded(index);
                continue;
            }
            watch.failed = true;
            pool.failed(index, self.now);
            self.events.push_back(Event::DialFailed {
                no: Some(no),
                place: target.addr.to_string(),
                fail: Fail::new(Cause::Denied, format!("answered {status} (failCodes)")),
            });
        }
        if watch.follower.is_lost() {
            session.watch = None;
        }
        if let Some(upstream) = upstream {
            self.touch(upstream);
        }
    }

    /// Whether the target has failed, and its last answer is complete.
    pub(super) fn is_given_up(&self, id: SessionId) -> bool {
        let session = self.sessions.get(id);
        let watch = session.and_then(|session| session.watch.as_deref());
        watch.is_some_and(|watch| watch.failed && watch.follower.is_idle())
    }

    fn head_limits(&self) -> HeadLimits {
        let limits = &self.plan.limits;
        HeadLimits {
            bytes: limits.head,
            fields: limits.fields,
        }
    }
}
