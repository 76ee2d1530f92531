//! Mux sessions: what a link brings goes to the streams, what these send goes into frames.

use std::iter::Peekable;
use std::time::Duration;
use std::vec::Drain;

use bytes::BytesMut;

use super::bind::Binding;
use super::hub::{Entry, HubKey};
use super::link::{Base, Top};
use super::trust::Trust;
use super::{Engine, LinkId, MuxId, Work};
use crate::buffer::Rope;
use crate::error::{Cause, Fail};
use crate::event::{Event, Traced};
use crate::layer::proxied::Form;
use crate::layer::{Info, Up};
use crate::mux::{self, Smux};
use crate::plan::Mux;
use crate::time::Time;

pub(super) struct MuxSession {
    pub(super) link: LinkId,
    pub(super) smux: Smux<LinkId>,
    pub(super) side: Side,
    pub(super) trust: Trust,
    /// Period of our NOP frames, and likely of the peer's.
    pub(super) nop: Option<Duration>,
    /// The peer takes a FIN for a half-close.
    pub(super) half_close: bool,
    pumping: bool,
    /// No more frames are made until some have left.
    pub(super) full: bool,
    /// Sources that are read when it is not full any more.
    pub(super) held_back: Vec<LinkId>,
    pub(super) armed: Option<Time>,
}

pub(super) enum Side {
    /// The streams of a client are connections of this service.
    Server(usize),
    Client {
        key: HubKey,
        place: String,
    },
    /// A node opens a stream for each client of this service.
    Reverse {
        service: usize,
        form: Form,
    },
    /// The streams are those who came to a port that the peer has bound here.
    Binder(Box<Binding>),
}

/// No frame of a slow link is smaller than this because of that, if there is more.
const LEAST: usize = 1024;

/// By this part of what may wait below, the last frame may be longer than the room. Otherwise the headers in front
/// would leave a few bytes of each large read, which cost a write of their own here and a wake-up at the peer.
const REST: usize = 64;

impl Engine {
    /// A client's link to a mux service is up.
    pub(super) fn mux_accepted(&mut self, link: LinkId, service: usize, plan: &Mux, info: Info) {
        self.new_mux(link, plan, Side::Server(service), info);
    }

    pub(super) fn new_mux(&mut self, link: LinkId, plan: &Mux, side: Side, info: Info) -> MuxId {
        let client = matches!(side, Side::Client { .. } | Side::Binder(_));
        let again = match &side {
            Side::Client { key, .. } => self.hub.entry(key).is_some_and(Entry::found_again),
            _ => false,
        };
        self.events.push_back(Event::SessionUp {
            place: self.mux_place(&side),
            remote: Some(self.links[link].client().remote),
            again,
        });
        let mut plan = plan.clone();
        let nop = plan.keepalive;
        plan.keepalive = nop.map(|period| self.entropy.shortened(period));
        let streams = plan.max_streams;
        let mut smux = Smux::new(plan, client, streams, self.now).with_signals(info.signals);
        if info.mux_v2 {
            smux.agree();
        }
        let mux = self.muxes.insert(MuxSession {
            link,
            smux,
            side,
            trust: Trust::default(),
            nop,
            half_close: info.half_close,
            pumping: false,
            full: false,
            held_back: Vec::new(),
            armed: None,
        });
        self.count_mux();
        self.touch(link);
        self.links[link].top = Top::Mux(mux);
        self.links[link].deadline = None;
        self.mux_timer(mux);
        if self.is_draining() {
            self.leave_mux(mux);
        }
        mux
    }

    pub(super) fn mux_place(&self, side: &Side) -> String {
        match side {
            Side::Server(service) | Side::Reverse { service, .. } => {
                self.plan.services[*service].name.clone()
            }
            Side::Binder(binding) => self.plan.services[binding.service].name.clone(),
            Side::Client { place, .. } => place.clone(),
        }
    }

    pub(super) fn mux_data(&mut self, id: MuxId, data: BytesMut) {
        self.mux_read(id, data);
        self.mux_settle(id);
    }

    /// Whose session is on top of a link, if nothing else is above `level`.
    pub(super) fn mux_on(&self, id: LinkId, level: usize) -> Option<MuxId> {
        let link = self.links.get(id)?;
        match link.top {
            Top::Mux(mux) if level >= link.layers.len() => Some(mux),
            _ => None,
        }
    }

    /// Takes frames apart. What they say is acted upon in [`mux_settle`](Self::mux_settle), which has to follow: once
    /// for all that was read at a time, so that pieces of a stream go together.
    pub(super) fn mux_read(&mut self, id: MuxId, data: BytesMut) {
        let (share, promise) = (self.memory.share(), self.memory.promise());
        let Some(session) = self.muxes.get_mut(id) else {
            return;
        };
        session.smux.limit_share(share, promise);
        let result = session.smux.recv(data, self.now, &mut self.mux_events);
        if let Err(fail) = result {
            self.mux_settle(id);
            if let Some(session) = self.muxes.get(id) {
                let link = session.link;
                self.link_failed(link, fail);
            }
        }
    }

    pub(super) fn mux_settle(&mut self, id: MuxId) {
        if let Some(session) = self.muxes.get_mut(id) {
            session.smux.pause(!session.smux.readable(), self.now);
        }
        let mut events = std::mem::take(&mut self.mux_events);
        let mut rest = events.drain(..).peekable();
        while let Some(event) = rest.next() {
            self.mux_event(id, event, &mut rest);
        }
        drop(rest);
        self.mux_events = events;
        self.want_pump(id);
    }

    fn mux_event(
        &mut self,
        id: MuxId,
        event: mux::Event,
        rest: &mut Peekable<Drain<'_, mux::Event>>,
    ) {
        let Some(session) = self.muxes.get_mut(id) else {
            return;
        };
        match event {
            mux::Event::Open(stream) => {
                let below = session.link;
                let (service, form) = match session.side {
                    Side::Server(service) => (service, None),
                    Side::Reverse { service, form } => (service, Some(form)),
                    Side::Client { .. } => return,
                    // We are asked for nothing.
                    Side::Binder(_) => return session.smux.reset(stream),
                };
                if !self.accepts_streams() {
                    return self.muxes[id].smux.reset(stream);
                }
                if let Some(form) = form {
                    self.reverse_stream(id, stream, service, form);
                    return;
                }
                let (ends, hops) = (self.links[below].client_ends(), self.links[below].hops);
                let link = self.new_link(
                    Base::Stream {
                        mux: id,
                        id: stream,
                    },
                    ends,
                    Top::Incoming(service),
                );
                self.links[link].encrypted = true;
                self.links[link].hops = hops;
                self.muxes[id].smux.adopt(stream, link);
                self.trace(link, || Traced::StreamOpened { stream });
                self.rise(link, 0, Up::Ready(Info::default()));
            }
            mux::Event::Data(stream, piece) => {
                let owner = session.smux.owner(stream);
                let mut run = std::mem::take(&mut self.mux_run);
                run.push_back(piece);
                while let Some(mux::Event::Data(_, piece)) =
                    rest.next_if(|next| matches!(next, mux::Event::Data(of, _) if *of == stream))
                {
                    run.push_back(piece);
                }
                if let Some(owner) = owner {
                    self.stream_data(owner, &mut run);
                }
                run.clear();
                self.mux_run = run;
            }
            mux::Event::Fin(stream) => {
                if let Some(owner) = session.smux.owner(stream) {
                    self.stream_fin(owner);
                }
            }
            mux::Event::Reset(stream) => {
                if let Some(owner) = session.smux.owner(stream) {
                    self.link_failed(owner, Fail::new(Cause::Reset, "reset by the mux peer"));
                }
            }
            mux::Event::Away => self.mux_away(id),
        }
    }

    pub(super) fn want_pump(&mut self, id: MuxId) {
        if let Some(session) = self.muxes.get_mut(id)
            && !std::mem::replace(&mut session.pumping, true)
        {
            self.work.push_back(Work::Pump(id));
        }
    }

    /// Encodes frames while the link has room for them: not earlier, so that turns stay fair.
    pub(super) fn pump(&mut self, id: MuxId) {
        let Some(below) = self.muxes.get(id).map(|session| session.link) else {
            return;
        };
        let ahead = self.links.get(below).map_or(0, |link| self.ahead(link));
        let low = self.low();
        let session = &mut self.muxes[id];
        session.pumping = false;
        let mut turns = std::mem::take(&mut self.mux_turns);
        let (now, limits) = (self.now, &self.plan.limits);
        let mut batch = Rope::default();
        loop {
            let waiting = self
                .links
                .get(below)
                .map_or(usize::MAX, |link| link.out.len());
            let room = ahead.saturating_sub(waiting.saturating_add(batch.len()));
            if room == 0 {
                break;
            }
            let links = &mut self.links;
            let frame = session.smux.poll(self.now, |owner, max| {
                let Some(link) = links.get_mut(owner) else {
                    return (None, false);
                };
                let seg = if max == 0 {
                    None
                } else {
                    link.out.pop(max.min(room.max(LEAST) + ahead / REST))
                };
                if seg.is_some() {
                    link.progress(limits, now);
                }
                let emptied = link.out.len() <= low;
                match turns.last_mut() {
                    Some((last, before)) if *last == owner => *before |= emptied,
                    _ => turns.push((owner, emptied)),
                }
                (seg, !link.out.is_empty())
            });
            let Some(frame) = frame else {
                break;
            };
            batch.push(frame);
        }
        if !batch.is_empty() {
            self.send(below, &mut batch);
        }
        for &(link, _) in &turns {
            self.touch(link);
            if self
                .links
                .get(link)
                .is_some_and(|link| link.closing.is_some())
            {
                self.link_timer(link);
            }
        }
        for (link, emptied) in turns.drain(..) {
            if emptied {
                self.sent(link);
            }
        }
        self.mux_turns = turns;
        let full = self
            .links
            .get(below)
            .is_some_and(|link| link.queued() >= ahead);
        if let Some(session) = self.muxes.get_mut(id) {
            session.full = full;
            if !full {
                let held_back = std::mem::take(&mut session.held_back);
                self.go_on(id, held_back);
            }
        }
        self.mux_timer(id);
        self.end_if_retired(id);
    }
}
