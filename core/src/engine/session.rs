//! Sessions: one client of a service, from its first byte to the end of its tunnel.

use std::sync::Arc;

use bytes::BytesMut;

use super::bind_client::Awaiting;
use super::ends::Ends;
use super::link::{Base, Link};
use super::sniff::Watch;
use super::splice::Inflow;
use super::udp::Association;
use super::unread::Unread;
use super::{DialId, Engine, Key, LinkId, SessionId};
use crate::buffer::{Rope, Seg};
use crate::error::{Cause, Fail};
use crate::event::{ConnectionNo, Event};
use crate::handler::{self, Goal, Handler, Negotiate, Receiver, Step, auto, http};
use crate::plan::{HandlerKind, Node};
use crate::route::sniff::Seen;
use crate::time::Time;
use crate::wire::datagram::Framing;

pub(super) struct Session {
    pub(super) no: ConnectionNo,
    pub(super) service: usize,
    pub(super) client: LinkId,
    pub(super) upstream: Option<LinkId>,
    pub(super) dial: Option<DialId>,
    pub(super) stage: Stage,
    pub(super) ends: Ends,
    pub(super) started: Time,
    /// What the client named, for the log.
    pub(super) target: Option<Box<str>>,
    pub(super) connected: bool,
    /// The client's bytes that nobody has taken yet.
    pub(super) rx: Unread,
    /// The upstream's: a lazy response of a relay node, or an HTTP response.
    pub(super) upstream_rx: Unread,
    /// The upstream's first bytes are still a response of a relay node.
    pub(super) lazy: bool,
    pub(super) input: u64,
    pub(super) output: u64,
    pub(super) client_ended: bool,
    pub(super) upstream_ended: bool,
    /// An end towards a mux peer that takes it for a full close; held back.
    pub(super) held: Option<LinkId>,
    /// It is about datagrams.
    pub(super) udp: Option<Box<Association>>,
    /// Last payload in either direction.
    pub(super) active: Time,
    /// The client has said something.
    pub(super) spoke: bool,
    /// What the client's first bytes were, where they are looked at.
    pub(super) seen: Option<Box<Seen>>,
    pub(super) watch: Option<Box<Watch>>,
    pub(super) deadline: Option<Time>,
    pub(super) armed: Option<Time>,
}

/// What a session is doing.
///
/// ```text
/// Detect ─► Negotiate ─► Dialing or Awaiting ─► Relay
///    │  (forward starts here) ▲
///    └────► Http ──CONNECT────┴────► Relay or Datagrams
/// ```
pub(super) enum Stage {
    Detect,
    /// A forwarding service looks at the first bytes.
    Sniff,
    Negotiate(Box<Handler>),
    Dialing(Option<Box<Handler>>),
    Awaiting(Box<Awaiting>),
    Http(Box<http::Proxy>),
    Relay,
    Datagrams,
}

impl Session {
    /// What the client named, or nothing.
    pub(super) fn target(&self) -> String {
        self.target.as_deref().unwrap_or_default().to_owned()
    }
}

impl Engine {
    pub(super) fn open_session(&mut self, client: LinkId, service: usize) {
        let ip = self.links[client].client().remote.ip();
        if let Err(fail) = self.keep_rate(service, ip) {
            return self.link_failed(client, fail);
        }
        let kind = self.plan.services[service].handler.kind;
        let id = self.new_session(client, service);
        if self.links[client].base == Base::Port {
            self.sessions[id].stage = Stage::Dialing(None);
            return self.dial_datagrams(id, Framing::Plain, Receiver::Forward);
        }
        if let (HandlerKind::Forward, Some(time)) =
            (kind, self.plan.services[service].handler.sniffing)
        {
            self.sessions[id].stage = Stage::Sniff;
            self.sessions[id].deadline = Some(self.now + time);
            return self.session_timer(id);
        }
        if kind == HandlerKind::Forward {
            self.sessions[id].stage = Stage::Dialing(None);
            return self.dial_goal(id, Goal::Forward);
        }
        if kind != HandlerKind::Auto {
            self.sessions[id].stage = stage(kind);
        }
        // A client that says nothing holds a descriptor, too.
        let until = self.now + self.plan.services[service].handler.read_timeout;
        self.sessions[id].deadline = Some(until);
        self.session_timer(id);
    }

    pub(super) fn new_session(&mut self, client: LinkId, service: usize) -> SessionId {
        let ends = self.links[client].client_ends();
        let no = self.next_no;
        self.next_no += 1;
        self.events.push_back(Event::Opened {
            no,
            service,
            remote: ends.remote(),
            local: ends.local(),
        });
        let session = Session {
            no,
            service,
            client,
            upstream: None,
            dial: None,
            stage: Stage::Detect,
            ends,
            started: self.now,
            target: None,
            connected: false,
            rx: Unread::default(),
            upstream_rx: Unread::default(),
            lazy: false,
            input: 0,
            output: 0,
            client_ended: false,
            upstream_ended: false,
            held: None,
            udp: None,
            active: self.now,
            spoke: false,
            seen: None,
            watch: None,
            deadline: None,
            armed: None,
        };
        let id = self.sessions.insert(session);
        self.links[client].top = super::Top::Client(id);
        self.touch(client);
        id
    }

    /// Bytes of a client, at any stage.
    pub(super) fn client_data(&mut self, id: SessionId, data: BytesMut) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        if matches!(session.stage, Stage::Relay) {
            return self.relay_from_client(id, data);
        }
        if matches!(session.stage, Stage::Datagrams) {
            return self.frames_in(id, 0, data);
        }
        let first = !std::mem::replace(&mut session.spoke, true);
        session.rx.stash(data);
        if matches!(session.stage, Stage::Sniff) {
            return self.sniff(id);
        }
        if first {
            // Its first byte begins the time for its request; the http handler has times of its own.
            session.deadline =
                Some(self.now + self.plan.services[session.service].handler.read_timeout);
        }
        if let Stage::Detect = session.stage {
            session.stage = stage(auto::detect(session.rx[0]));
        }
        match session.stage {
            Stage::Negotiate(_) => {
                if first {
                    self.session_timer(id);
                }
                self.negotiate(id);
            }
            Stage::Http(_) => {
                session.deadline = None;
                self.http_client(id);
            }
            _ => {}
        }
        if first && let Some(session) = self.sessions.get_mut(id) {
            session.rx.unpin();
        }
    }

    fn negotiate(&mut self, id: SessionId) {
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
                    self.rise(client, level, crate::layer::Up::Data(rest));
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
    pub(super) fn dialed(
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
            self.links[*link].top = super::Top::Upstream(id);
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
    pub(super) fn answer_dialed(
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

    /// Ends a session and both its links; in order where `fail` is absent or was answered.
    pub(super) fn end_session(&mut self, id: SessionId, fail: Option<Fail>) {
        let Some(mut session) = self.sessions.remove(id) else {
            return;
        };
        self.timers.arm(Key::Session(id), &mut session.armed, None);
        if let Some(dial) = session.dial {
            self.cancel_dial(dial);
        }
        let relaying = matches!(session.stage, Stage::Relay | Stage::Datagrams);
        // One end is not told that it broke rules when it was the other.
        let told = fail.as_ref().map(|fail| match fail.cause {
            Cause::Protocol | Cause::Limit => Fail::new(Cause::Closed, ""),
            _ => fail.clone(),
        });
        let mut dropped = 0;
        if let Some(association) = &session.udp {
            dropped = association.dropped;
            for lookup in association.names.queries() {
                self.cancel_dial(lookup);
            }
        }
        for link in [Some(session.client), session.upstream]
            .into_iter()
            .flatten()
        {
            match &told {
                // Before the relay the client was told by a reply.
                Some(fail) if relaying => self.abort(link, fail),
                Some(fail) if fail.cause == Cause::Local => self.go_away(link, fail),
                _ => self.close(link),
            }
        }
        self.events.push_back(Event::Closed {
            no: session.no,
            service: session.service,
            remote: session.ends.remote(),
            local: session.ends.local(),
            target: session.target.map(String::from),
            connected: session.connected,
            duration: self.now.since(session.started),
            input: session.input,
            output: session.output,
            dropped,
            fail,
        });
    }

    /// The client's link failed.
    pub(super) fn session_failed(&mut self, id: SessionId, _client: LinkId, fail: Fail) {
        self.end_session(id, Some(fail));
    }

    pub(super) fn upstream_failed(&mut self, id: SessionId, fail: Fail) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        if let Stage::Http(_) = session.stage {
            session.upstream = None;
            session.upstream_rx.clear();
            return self.http_upstream_end(id, Err(fail));
        }
        self.end_session(id, Some(fail.at("upstream")));
    }

    /// The client sends no more. Before the relay that is kept for later.
    pub(super) fn client_end(&mut self, id: SessionId, both: bool) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.client_ended = true;
        match session.stage {
            Stage::Relay => self.relay_end(id, true, both),
            Stage::Http(_) => self.http_client_end(id),
            Stage::Datagrams | Stage::Awaiting(_) => self.end_session(id, None),
            Stage::Dialing(_) if !both => {}
            Stage::Detect | Stage::Sniff if session.rx.is_empty() => self.end_session(id, None),
            Stage::Sniff => self.sniffed(id, Seen::Unknown),
            _ => {
                let fail = Fail::new(
                    Cause::Closed,
                    "the client left before its request was complete",
                );
                self.end_session(id, Some(fail));
            }
        }
    }

    pub(super) fn upstream_end(&mut self, id: SessionId, both: bool) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.upstream_ended = true;
        match session.stage {
            Stage::Http(_) => self.http_upstream_end(id, Ok(())),
            Stage::Datagrams => self.end_session(id, None),
            _ => self.relay_end(id, false, both),
        }
    }

    pub(super) fn client_accepts(&self, id: SessionId) -> bool {
        let Some(session) = self.sessions.get(id) else {
            return true;
        };
        match session.stage {
            Stage::Relay => !self.is_watch_full(session),
            Stage::Datagrams => true,
            _ => session.rx.len() < self.early(),
        }
    }

    pub(super) fn upstream_accepts(&self, id: SessionId) -> bool {
        self.sessions
            .get(id)
            .is_none_or(|session| session.upstream_rx.len() < self.early())
    }

    /// `link`, whose output fell below low water, may be fed again.
    pub(super) fn resume_source(&mut self, id: SessionId, link: LinkId) {
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        if matches!(session.stage, Stage::Datagrams) {
            let side = usize::from(link != session.client);
            return self.flush_frames(id, side);
        }
        let source = if link == session.client {
            session.upstream
        } else {
            Some(session.client)
        };
        if let Some(source) = source
            && let Some(from) = self.links.get(source)
        {
            if from.paused {
                self.pause(source, false);
            } else if self.is_short() || from.inflow == Inflow::Spliced {
                // It may have waited for this sink to be empty.
                self.reread(source);
            }
        }
        if let Some(session) = self.sessions.get(id)
            && link == session.client
            && let Stage::Http(proxy) = &session.stage
            && proxy.wants_room()
        {
            self.http_client(id);
        }
    }

    /// Whether an end on this link would make the peer drop the other direction.
    pub(super) fn ends_whole_stream(&self, link: &Link) -> bool {
        match link.base {
            Base::Stream { mux, .. } if link.layers.is_empty() => {
                self.muxes.get(mux).is_some_and(|mux| !mux.half_close)
            }
            _ => false,
        }
    }
}

fn stage(kind: HandlerKind) -> Stage {
    match Handler::new(kind) {
        Some(handler) => Stage::Negotiate(Box::new(handler)),
        None => Stage::Http(Box::new(http::Proxy::new())),
    }
}

pub(super) fn rope(out: BytesMut) -> Rope {
    let mut rope = Rope::default();
    rope.push(Seg::new(out));
    rope
}
