//! Whether a mux session may take another stream: one that may have died unnoticed is asked first, and one
//! that does not answer gets no more of them. And the end of a session, with what it carried.

use std::sync::Arc;
use std::time::Duration;

use super::drain::going;
use super::link::Top;
use super::mux_session::Side;
use super::{DialId, Engine, Key, LinkId, MuxId};
use crate::error::{Cause, Fail};
use crate::event::Event;
use crate::plan::{Channel, ConnectorKind, Node};
use crate::time::Time;

/// For a sign of life of a session that is wanted for a new stream.
const ANSWER: Duration = Duration::from_secs(5);

/// A session heard this recently is not asked at once, only if it goes on to be silent.
const FRESH: Duration = Duration::from_secs(1);

/// What is being found out about a session.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trust {
    /// A stream was opened: if nothing comes until then, the peer is asked.
    ask_at: Option<Time>,
    /// It was asked: if nothing comes until then, it gets no more streams.
    answer_by: Option<Time>,
    /// Nobody listened to it for long: it is asked, whenever it was heard last.
    pub(super) doubted: bool,
    /// Another one has taken its place; it goes with its last stream.
    pub(super) retired: bool,
}

impl Engine {
    /// Whether the dial must wait for a sign of life before it gets a stream.
    ///
    /// A dial that waits for an answer itself can be repeated on another session. One that ends at once
    /// (relay, forward) is followed by its client's bytes, which cannot be taken back.
    pub(super) fn must_wait(&mut self, dial: DialId, at: usize, mux: MuxId) -> bool {
        let Some(session) = self.muxes.get(mux) else {
            return false;
        };
        let Some(ping) = self.ws(session.link).and_then(|ws| ws.ping()) else {
            return false;
        };
        if !session.smux.readable() {
            return false;
        }
        let silence = match session.trust.doubted {
            true => Duration::MAX,
            false => self.now.since(session.smux.last_heard()),
        };
        let period = session.nop.map_or(ping.period, |nop| nop.min(ping.period));
        let fresh = FRESH.min(period);
        let limit = match self.is_answered(dial, at) {
            true => 2 * period,
            false => fresh,
        };
        if silence > fresh {
            self.ask_session(mux);
        } else if let Some(session) = self.muxes.get_mut(mux) {
            session.trust.ask_at.get_or_insert(self.now + fresh);
            self.mux_timer(mux);
        }
        silence > limit
    }

    /// Whether a node has to say something before the dial, which enters at node `at`, is done.
    fn is_answered(&self, dial: DialId, at: usize) -> bool {
        let Some(dial) = self.dials.get(dial) else {
            return true;
        };
        let nodes = &dial.route.nodes[at..];
        let handshakes = |node: &Arc<Node>| node.dialer.channel != Channel::Tcp;
        let speaks = |node: &Arc<Node>| match node.connector.kind {
            ConnectorKind::Forward => false,
            ConnectorKind::Relay => node.connector.nodelay,
            _ => true,
        };
        let relays = |node: &Arc<Node>| node.connector.kind == ConnectorKind::Relay;
        dial.is_for_mux()
            || nodes.iter().any(speaks)
            || nodes[1..].iter().any(handshakes)
            || nodes[..nodes.len() - 1].iter().any(relays)
    }

    fn ask_session(&mut self, mux: MuxId) {
        let Some(session) = self.muxes.get(mux) else {
            return;
        };
        let link = session.link;
        let Some(ping) = self.ws(link).and_then(|ws| ws.ping()) else {
            return;
        };
        let by = self.now + ANSWER.min(ping.timeout);
        let session = &mut self.muxes[mux];
        session.trust.ask_at = None;
        if session.trust.answer_by.is_some() {
            return;
        }
        session.trust.answer_by = Some(by);
        self.ask(link);
        self.mux_timer(mux);
    }

    /// Anything at all came.
    pub(super) fn mux_heard(&mut self, mux: MuxId) {
        if let Some(session) = self.muxes.get_mut(mux) {
            session.smux.heard(self.now);
            session.trust.doubted = false;
            self.trusted(mux);
        }
    }

    /// The session lives: whoever waited for that gets its stream.
    fn trusted(&mut self, mux: MuxId) {
        let Some(session) = self.muxes.get_mut(mux) else {
            return;
        };
        session.trust.ask_at = None;
        if session.trust.answer_by.take().is_none() {
            return;
        }
        self.mux_timer(mux);
        for dial in self.take_waiting(mux) {
            if self.muxes.contains_key(mux) && self.dials.contains_key(dial) {
                self.open_stream(dial, mux);
            } else {
                self.enter(dial);
            }
        }
    }

    pub(super) fn mux_timer(&mut self, id: MuxId) {
        if let Some(session) = self.muxes.get_mut(id) {
            let trust = [session.trust.ask_at, session.trust.answer_by];
            let smux = [session.smux.next_timeout(), session.smux.next_stall()];
            let at = trust.into_iter().chain(smux).flatten().min();
            self.timers.arm(Key::Mux(id), &mut session.armed, at);
        }
    }

    pub(super) fn mux_timeout(&mut self, id: MuxId) {
        let now = self.now;
        let Some(session) = self.muxes.get_mut(id) else {
            return;
        };
        session.armed = None;
        let stalled = session.smux.stalled(now);
        if let Err(fail) = session.smux.timeout(now) {
            let link = session.link;
            return self.link_failed(link, fail);
        }
        for stream in stalled {
            let text = "its reader takes nothing, and other streams of the mux session wait for it";
            self.link_failed(stream, Fail::new(Cause::Limit, text));
        }
        let Some(session) = self.muxes.get_mut(id) else {
            return;
        };
        let listens = session.smux.readable();
        let due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        let (ask_at, answer_by) = (session.trust.ask_at, session.trust.answer_by);
        if !listens && (due(ask_at) || due(answer_by)) {
            // That nothing came says nothing.
            self.trusted(id);
        } else if due(answer_by) {
            self.distrust(id);
        } else if due(ask_at) {
            self.ask_session(id);
        }
        self.want_pump(id);
        self.mux_timer(id);
    }

    /// No answer: dials on it begin again on another session. What else it carries goes on while it can.
    fn distrust(&mut self, mux: MuxId) {
        let waiting = self.take_waiting(mux);
        self.retire(mux);
        let Some(session) = self.muxes.get_mut(mux) else {
            return;
        };
        session.trust.answer_by = None;
        let fail = Fail::silence(self.now.since(session.smux.last_heard()));
        let below = session.link;
        let owners: Vec<LinkId> = session.smux.owners().collect();
        let is_dial = |link: &LinkId| matches!(self.links.get(*link), Some(link) if matches!(link.top, Top::Dial(_)));
        let dials: Vec<LinkId> = owners.into_iter().filter(is_dial).collect();
        if dials.len() == self.muxes[mux].smux.streams() {
            self.link_failed(below, fail.clone());
        } else {
            for link in dials {
                let text = format!("mux session does not answer: {}", fail.text);
                self.link_failed(link, Fail::new(Cause::Reset, text));
            }
        }
        for dial in waiting {
            self.enter(dial);
        }
    }

    /// The link below a session failed: every stream ends with it, the next dial makes a new one.
    pub(super) fn mux_failed(&mut self, id: MuxId, fail: Fail) {
        let waiting = self.take_waiting(id);
        let Some(mut session) = self.muxes.remove(id) else {
            return;
        };
        self.uncount_mux();
        self.timers.arm(Key::Mux(id), &mut session.armed, None);
        let place = self.mux_place(&session.side);
        if let Side::Client { key, .. } = &session.side
            && let Some(entry) = self.hub.entry(key)
        {
            entry.lost = entry.lost || fail.cause != Cause::Local;
            entry.up = entry.up.filter(|up| *up != id);
        }
        match &session.side {
            Side::Reverse { service, .. } => self.port_lost(*service, fail.clone()),
            Side::Binder(binding) => self.binding_ended(binding, fail.clone()),
            Side::Server(_) | Side::Client { .. } => {}
        }
        self.go_on(id, session.held_back);
        let owners: Vec<LinkId> = session.smux.owners().collect();
        self.events.push_back(Event::SessionDown {
            place,
            streams: owners.len(),
            dialed: matches!(session.side, Side::Client { .. }),
            fail: Some(fail.clone()),
        });
        // That the peer is dead is said once, not by each stream.
        let cause = match fail.cause {
            Cause::TimedOut => Cause::Reset,
            cause => cause,
        };
        for owner in owners {
            if self.is_only_read_late(owner) {
                continue;
            }
            // Not `at(place)`: whoever uses the stream names the node.
            let fail = Fail::new(cause, format!("mux session ended: {}", fail.text));
            self.link_failed(owner, fail);
        }
        for dial in waiting {
            self.lost_session(dial, &fail);
        }
    }

    /// A stream that is over in both directions, of which the last bytes wait here for a slow reader: the end of
    /// its session takes nothing from it.
    fn is_only_read_late(&self, id: LinkId) -> bool {
        let Some(link) = self.links.get(id) else {
            return false;
        };
        let fin = link.inbox.as_ref().is_some_and(|inbox| inbox.fin);
        fin && link.said_end && link.queued() == 0 && link.closing.is_none()
    }

    /// The session takes no more streams.
    pub(super) fn retire(&mut self, mux: MuxId) {
        let Some(session) = self.muxes.get_mut(mux) else {
            return;
        };
        session.trust.retired = true;
        if let Side::Client { key, .. } = &session.side
            && let Some(entry) = self.hub.entry(key)
            && entry.up == Some(mux)
        {
            entry.up = None;
        }
        self.want_pump(mux);
    }

    /// Ends a session that was retired, with its last stream.
    pub(super) fn end_if_retired(&mut self, mux: MuxId) {
        if let Some(session) = self.muxes.get(mux)
            && session.trust.retired
            // What ended its streams is sent.
            && session.smux.is_empty()
        {
            let link = session.link;
            let fail = match self.is_draining() {
                true => going(),
                false => Fail::new(Cause::Local, "another session has taken its place"),
            };
            self.link_failed(link, fail);
        }
    }

    /// The dials that wait for this session, unless one for another session is under way.
    pub(super) fn take_waiting(&mut self, mux: MuxId) -> Vec<DialId> {
        let Some(session) = self.muxes.get(mux) else {
            return Vec::new();
        };
        let Side::Client { key, .. } = &session.side else {
            return Vec::new();
        };
        match self.hub.entry(key) {
            Some(entry) if entry.up == Some(mux) && entry.dialing.is_none() => {
                std::mem::take(&mut entry.waiting)
            }
            _ => Vec::new(),
        }
    }
}
