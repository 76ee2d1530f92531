//! Sessions: one client of a service, from its first byte to the end of its tunnel. Here are their stages, and what
//! the client says at each.

mod end;
mod negotiate;
mod timer;

use bytes::BytesMut;

use super::bind::client::Awaiting;
use super::ends::Ends;
use super::link::Base;
use super::sniff::Watch;
use super::splice::Inflow;
use super::udp::Association;
use super::unread::Unread;
use super::{DialId, Engine, LinkId, SessionId};
use crate::buffer::{Rope, Seg};
use crate::event::{ConnectionNo, Event};
use crate::handler::{Goal, Handler, Receiver, auto, http};
use crate::plan::HandlerKind;
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
