//! The relay: bytes from one link to the other, each direction with its own end.

use std::time::Duration;

use bytes::BytesMut;

use super::link::Link;
use super::session::{Session, Stage};
use super::{Engine, LinkId, SessionId};
use crate::connector;
use crate::error::{Cause, Fail};
use crate::time::Time;

impl Engine {
    /// The tunnel is open. `rest` came from the target behind the last reply.
    pub(super) fn start_relay(&mut self, id: SessionId, rest: BytesMut) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        if session.udp.is_some() {
            return self.start_datagrams(id, rest);
        }
        session.stage = Stage::Relay;
        session.deadline = None;
        session.active = self.now;
        let early = session.rx.take();
        let kept = session.upstream_rx.take();
        let (client, upstream) = (session.client, session.upstream);
        self.touch(client);
        if let Some(upstream) = upstream {
            self.touch(upstream);
        }
        self.session_timer(id);
        if !early.is_empty() {
            self.relay_from_client(id, early);
        }
        for data in [kept, rest] {
            if !data.is_empty() {
                self.upstream_data(id, data);
            }
        }
        // What was held back while nobody could take it is wanted now.
        self.reread(client);
        if let Some(upstream) = upstream {
            self.reread(upstream);
        }
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        let (client_ended, upstream_ended) = (session.client_ended, session.upstream_ended);
        if client_ended {
            self.relay_end(id, true, false);
        }
        if upstream_ended {
            self.relay_end(id, false, false);
        }
        self.relay_timer(id);
    }

    pub(super) fn relay_from_client(&mut self, id: SessionId, data: BytesMut) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.input += data.len() as u64;
        session.active = self.now;
        let (client, upstream) = (session.client, session.upstream);
        let watched = session.watch.is_some();
        let data = match watched {
            true => self.watch_request(id, data),
            false => Some(data),
        };
        if let (Some(upstream), Some(data)) = (upstream, data) {
            self.pass(client, upstream, data);
        }
    }

    /// Bytes of a target, at any stage.
    pub(super) fn upstream_data(&mut self, id: SessionId, mut data: BytesMut) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        if session.lazy {
            session.upstream_rx.stash(data);
            match connector::relay::response(session.upstream_rx.bytes()) {
                Ok(None) => return,
                Ok(Some(())) => {
                    session.lazy = false;
                    data = session.upstream_rx.take();
                }
                Err(fail) => {
                    if let Some(upstream) = session.upstream {
                        self.link_failed(upstream, fail);
                    }
                    return;
                }
            }
            if data.is_empty() {
                return;
            }
        }
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        match session.stage {
            Stage::Http(_) => {
                let first = session.upstream_rx.is_empty();
                session.upstream_rx.stash(data);
                self.http_upstream(id);
                if first && let Some(session) = self.sessions.get_mut(id) {
                    session.upstream_rx.unpin();
                }
            }
            Stage::Datagrams => self.frames_in(id, 1, data),
            _ => {
                if session.watch.is_some() {
                    self.watch_response(id, &data);
                }
                let Some(session) = self.sessions.get_mut(id) else {
                    return;
                };
                session.output += data.len() as u64;
                session.active = self.now;
                let client = session.client;
                if let Some(upstream) = session.upstream {
                    self.pass(upstream, client, data);
                }
                if self.is_given_up(id) {
                    return self.end_session(id, None);
                }
                if let Some(next) = self.next_request(id)
                    && let Some(upstream) = self.sessions[id].upstream
                {
                    self.pass(client, upstream, next);
                    self.reread(client);
                    let ended = self
                        .sessions
                        .get(id)
                        .is_some_and(|session| session.client_ended);
                    if ended && !self.has_waiting_request(id) {
                        self.relay_end(id, true, false);
                    }
                }
            }
        }
    }

    /// So much payload of one side went to the other one.
    pub(super) fn carried(&mut self, id: SessionId, from: LinkId, len: usize) {
        let session = &mut self.sessions[id];
        match from == session.client {
            true => session.input += len as u64,
            false => session.output += len as u64,
        }
        session.active = self.now;
    }

    fn pass(&mut self, from: LinkId, to: LinkId, data: BytesMut) {
        self.send_piece(to, data);
        self.press_back(from, to);
    }

    /// Pauses a source whose sink is over high water.
    pub(super) fn press_back(&mut self, from: LinkId, to: LinkId) {
        if self
            .links
            .get(to)
            .is_some_and(|link| link.queued() > self.high())
        {
            self.pause(from, true);
        }
    }

    /// One side sends no more; `both`: it does not read any more either.
    pub(super) fn relay_end(&mut self, id: SessionId, from_client: bool, both: bool) {
        if from_client && !both && self.has_waiting_request(id) {
            self.sessions[id].client_ended = true;
            return self.relay_timer(id);
        }
        if from_client
            && let Some(begun) = self.take_begun(id)
            && let Some(session) = self.sessions.get(id)
            && let Some(upstream) = session.upstream
        {
            self.pass(session.client, upstream, begun);
        }
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        if from_client {
            session.client_ended = true;
        } else {
            session.upstream_ended = true;
        }
        if both || (session.client_ended && session.upstream_ended) {
            return self.end_session(id, None);
        }
        let Some(upstream) = session.upstream else {
            return self.end_session(id, None);
        };
        let to = if from_client {
            upstream
        } else {
            session.client
        };
        // A client's end announces that it waits for the answer, which the node would drop: hold it. A target's
        // end is mostly its last word, and what waits for it (a body up to the end) must not wait longer.
        let link = self.links.get(to);
        let hold = from_client && link.is_some_and(|link| self.ends_whole_stream(link));
        if hold {
            self.sessions[id].held = Some(to);
        } else {
            self.finish(to);
        }
        self.relay_timer(id);
    }

    /// A half-closed tunnel, or one with an idle limit, has a deadline that traffic moves: it is
    /// looked up when it fires, not moved with every byte.
    pub(super) fn relay_timer(&mut self, id: SessionId) {
        let Some(limit) = self.relay_limit(id) else {
            return;
        };
        let session = &mut self.sessions[id];
        session.deadline = Some(session.active.max(self.now) + limit);
        self.session_timer(id);
    }

    fn relay_limit(&self, id: SessionId) -> Option<Duration> {
        let session = self.sessions.get(id)?;
        let idle = self.plan.services[session.service].handler.idle_timeout;
        let half = match (session.held, self.is_half(session)) {
            (Some(_), _) => Some(self.plan.limits.fin_hold),
            (None, true) => Some(self.plan.limits.half_close),
            (None, false) => None,
        };
        match (idle, half) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Of a direction that has ended, when something left for the last time, and whether something waits.
    fn owed(&self, session: &Session) -> Option<(Time, bool)> {
        let ended = self.sides(session).filter(|link| link.said_end);
        ended.map(|link| (link.moved, link.queued() > 0)).max()
    }

    /// A direction has ended, in order or not.
    fn is_half(&self, session: &Session) -> bool {
        let broken = self.sides(session).any(|link| link.broken);
        session.client_ended || session.upstream_ended || broken
    }

    /// The client's link, and the upstream one if there is one.
    fn sides<'a>(&'a self, session: &Session) -> impl Iterator<Item = &'a Link> + use<'a> {
        let links = [Some(session.client), session.upstream];
        links
            .into_iter()
            .flatten()
            .filter_map(|id| self.links.get(id))
    }

    pub(super) fn is_relaying(&self, id: SessionId) -> bool {
        let session = self.sessions.get(id);
        session.is_some_and(|session| matches!(session.stage, Stage::Relay))
    }

    pub(super) fn relay_timeout(&mut self, id: SessionId) {
        let (Some(limit), Some(session)) = (self.relay_limit(id), self.sessions.get(id)) else {
            return;
        };
        let mut at = session.active + limit;
        if self.is_half(session)
            && let Some((moved, waits)) = self.owed(session)
        {
            // A reader that is slow is not silent.
            at = at.max(moved + limit);
            if waits && self.now < moved + self.plan.limits.stall {
                at = at.max(self.now + limit);
            }
        }
        let half = self.is_half(session);
        let session = &mut self.sessions[id];
        if at > self.now {
            session.deadline = Some(at);
            return self.session_timer(id);
        }
        if let Some(link) = session.held.take() {
            // Long enough silent: the peer waits for this end.
            session.active = self.now;
            self.finish(link);
            return self.relay_timer(id);
        }
        let text = match half {
            true => format!("half-closed and idle for {} s", limit.as_secs()),
            false => format!("idle for {} s", limit.as_secs()),
        };
        self.end_session(id, Some(Fail::new(Cause::TimedOut, text)));
    }
}
