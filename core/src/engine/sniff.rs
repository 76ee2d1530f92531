//! Forwarding services that look at their clients' first bytes before they choose a target, and at each request of
//! a connection whose first one is HTTP.

use bytes::{Bytes, BytesMut};

use super::link::Top;
use super::session::{Session, Stage, rope};
use super::{Engine, SessionId};
use crate::buffer::stash;
use crate::error::{Cause, Fail};
use crate::event::Event;
use crate::handler::Goal;
use crate::route::access::bypassed;
use crate::route::sniff::{self, Seen};
use crate::wire::http1::HeadLimits;
use crate::wire::http1_follow::Follower;

const FORBIDDEN: &[u8] =
    b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// A connection of HTTP: a request for another host goes its own way, and responses decide on their target.
pub(super) struct Watch {
    /// Of the service's targets.
    pub(super) target: usize,
    follower: Follower,
    /// A request that is not known yet.
    begun: BytesMut,
    /// It has failed: the connection ends when no response is under way, and whoever had it comes again.
    failed: bool,
}

impl Watch {
    pub(super) fn new(target: usize) -> Self {
        Self {
            target,
            follower: Follower::default(),
            begun: BytesMut::new(),
            failed: false,
        }
    }

    /// Bytes of the client, and of the target, that are not understood yet.
    pub(super) fn held(&self) -> [usize; 2] {
        let [requests, responses] = self.follower.held();
        [requests + self.begun.len(), responses]
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

    /// Bytes of a client that are looked at. What is to be sent to the target now: not a request of which it is not
    /// known yet whom it is for, nor one behind another that is not answered yet.
    pub(super) fn watch_request(&mut self, id: SessionId, data: BytesMut) -> Option<BytesMut> {
        let watch = self.sessions.get_mut(id)?.watch.as_mut()?;
        stash(&mut watch.begun, data);
        self.next_request(id)
    }

    /// The same with what waits.
    pub(super) fn next_request(&mut self, id: SessionId) -> Option<BytesMut> {
        let (limits, most) = (self.head_limits(), self.early());
        let session = self.sessions.get_mut(id)?;
        let client = session.client;
        let watch = session.watch.as_mut()?;
        if watch.begun.is_empty() {
            return None;
        }
        if watch.follower.is_idle() {
            let seen = sniff::detect(&watch.begun, limits);
            if seen.is_none() && watch.begun.len() < most {
                self.touch(client);
                return None;
            }
            let asked = seen.as_ref().and_then(Seen::target);
            let before = session.seen.as_ref().and_then(|seen| seen.target());
            if let (Some(seen), Some(asked), Some(before)) = (seen, asked, before)
                && !asked.is_same(&before)
            {
                let data = std::mem::take(&mut watch.begun);
                self.turn(id, data, seen);
                return None;
            }
        }
        let taken = watch.follower.request(&watch.begun, limits);
        let data = watch.begun.split_to(taken);
        if watch.follower.is_lost() {
            session.watch = None;
        }
        self.touch(client);
        Some(data).filter(|data| !data.is_empty())
    }

    /// Whether one request waits for the response to another.
    pub(super) fn has_waiting_request(&self, id: SessionId) -> bool {
        let watch = self
            .sessions
            .get(id)
            .and_then(|session| session.watch.as_deref());
        watch.is_some_and(|watch| !watch.begun.is_empty() && !watch.follower.is_idle())
    }

    /// Whether a client is to send no more for now.
    pub(super) fn is_watch_full(&self, session: &Session) -> bool {
        let watch = session.watch.as_deref();
        watch.is_some_and(|watch| watch.begun.len() >= self.early())
    }

    /// A client ended behind a request that never became complete.
    pub(super) fn take_begun(&mut self, id: SessionId) -> Option<BytesMut> {
        let watch = self.sessions.get_mut(id)?.watch.as_mut()?;
        Some(std::mem::take(&mut watch.begun)).filter(|begun| !begun.is_empty())
    }

    /// The next request is for another host: it goes on as if it had come on a connection of its own.
    fn turn(&mut self, id: SessionId, data: BytesMut, seen: Seen) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.watch = None;
        session.rx.clear();
        session.rx.stash(data);
        session.upstream_rx.clear();
        session.lazy = false;
        session.connected = false;
        let client = session.client;
        if let Some(link) = session.upstream.take() {
            self.links[link].top = Top::Closing;
            self.close(link);
        }
        self.pause(client, false);
        self.touch(client);
        self.sniffed(id, seen);
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
