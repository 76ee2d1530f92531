//! What is agreed on with the client before its tunnel: the handler's exchange with it, and the answer once the way to
//! its target is open or has failed.

use std::sync::Arc;

use bytes::BytesMut;

use super::{Stage, rope};
use crate::engine::{Engine, LinkId, SessionId, Top};
use crate::error::Fail;
use crate::event::Event;
use crate::handler::{self, Negotiate, Step};
use crate::layer::Up;
use crate::plan::Node;

impl Engine {
    pub(super) fn negotiate(&mut self, id: SessionId) {
        let plan = self.plan.clone();
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let client = session.client;
        let service = &plan.services[session.service];
        let Some(link) = self.links.get(client) else {
            return;
        };
        let cx = handler::Cx {
            plan: &service.handler,
            remote: session.ends.remote(),
            now: self.now,
            encrypted: link.encrypted,
            forwards: service.forward.is_some(),
            bound: None,
        };
        let Stage::Negotiate(handler) = &mut session.stage else {
            return;
        };
        let mut out = BytesMut::new();
        let result = handler.step(&cx, session.rx.bytes(), &mut out);
        self.send(client, &mut rope(out));
        match result {
            Ok(Step::More) => {}
            Ok(Step::Tls) => {
                // What the client sent behind its choice is already TLS.
                let rest = self.sessions[id].rx.take();
                let layer = self.service_tls(service.handler.socks_tls.as_ref());
                let level = self.links.get(client).map_or(0, |link| link.layers.len());
                self.push_tls(client, layer);
                if !rest.is_empty() {
                    self.rise(client, level, Up::Data(rest));
                }
            }
            Ok(Step::Dial(goal)) => {
                let session = &mut self.sessions[id];
                let stage = std::mem::replace(&mut session.stage, Stage::Dialing(None));
                if let Stage::Negotiate(handler) = stage {
                    session.stage = Stage::Dialing(Some(handler));
                }
                session.deadline = None;
                self.session_timer(id);
                self.dial_goal(id, goal);
            }
            Err(fail) => self.end_session(id, Some(fail)),
        }
    }

    /// The way is open (its link, what the target already said, and whether a lazy response is still to
    /// come), through these nodes, or it failed for good.
    pub(in crate::engine) fn dialed(
        &mut self,
        id: SessionId,
        result: Result<(LinkId, BytesMut, bool), Fail>,
        route: &[Arc<Node>],
    ) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.dial = None;
        session.active = self.now;
        if let Ok((link, _, lazy)) = &result {
            session.upstream = Some(*link);
            session.connected = true;
            session.upstream_ended = false;
            session.lazy = *lazy;
            self.links[*link].top = Top::Upstream(id);
            self.touch(*link);
            self.touch(self.sessions[id].client);
            let names: Vec<&str> = route.iter().map(|node| node.name.as_str()).collect();
            let session = &self.sessions[id];
            self.events.push_back(Event::Connected {
                no: session.no,
                service: session.service,
                remote: session.ends.remote(),
                target: session.target(),
                route: names.join(" > "),
            });
        }
        match result {
            Ok(opened) if self.sessions[id].udp.is_some() => self.datagrams_dialed(id, opened),
            result => self.answer_dialed(id, result),
        }
    }

    /// Tells the client, and begins the tunnel or ends it all.
    pub(in crate::engine) fn answer_dialed(
        &mut self,
        id: SessionId,
        result: Result<(LinkId, BytesMut, bool), Fail>,
    ) {
        let plan = self.plan.clone();
        let bound = self.datagrams_bound(id);
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        if let Stage::Http(_) = session.stage {
            return self.http_dialed(id, result);
        }
        let client = session.client;
        let service = &plan.services[session.service];
        if let Stage::Dialing(Some(handler)) = &mut session.stage {
            let cx = handler::Cx {
                plan: &service.handler,
                remote: session.ends.remote(),
                now: self.now,
                encrypted: self.links.get(client).is_some_and(|link| link.encrypted),
                forwards: service.forward.is_some(),
                bound,
            };
            let mut out = BytesMut::new();
            handler.dialed(&cx, result.as_ref().map(|_| ()), &mut out);
            self.send(client, &mut rope(out));
        }
        match result {
            Ok((upstream, rest, _)) => {
                if let Some(version) = service.handler.proxy_protocol
                    && self.sessions[id].udp.is_none()
                    && let Some(meta) = self.links.get(client).map(|link| link.client())
                {
                    self.send_header(upstream, version, meta);
                }
                self.start_relay(id, rest);
            }
            Err(fail) => self.end_session(id, Some(fail)),
        }
    }
}
