//! How sessions end: by one of their ends, by a failure of one of their links, or whole.

use super::Stage;
use crate::engine::link::{Base, Link};
use crate::engine::{Engine, Key, LinkId, SessionId};
use crate::error::{Cause, Fail};
use crate::event::Event;
use crate::route::sniff::Seen;

impl Engine {
    /// Ends a session and both its links; in order where `fail` is absent or was answered.
    pub(in crate::engine) fn end_session(&mut self, id: SessionId, fail: Option<Fail>) {
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
    pub(in crate::engine) fn session_failed(&mut self, id: SessionId, _client: LinkId, fail: Fail) {
        self.end_session(id, Some(fail));
    }

    pub(in crate::engine) fn upstream_failed(&mut self, id: SessionId, fail: Fail) {
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
    pub(in crate::engine) fn client_end(&mut self, id: SessionId, both: bool) {
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

    pub(in crate::engine) fn upstream_end(&mut self, id: SessionId, both: bool) {
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

    /// Whether an end on this link would make the peer drop the other direction.
    pub(in crate::engine) fn ends_whole_stream(&self, link: &Link) -> bool {
        match link.base {
            Base::Stream { mux, .. } if link.layers.is_empty() => {
                self.muxes.get(mux).is_some_and(|mux| !mux.half_close)
            }
            _ => false,
        }
    }
}
