//! How long a session waits for its client.

use crate::engine::session::Stage;
use crate::engine::{Engine, Key, SessionId};
use crate::error::{Cause, Fail};
use crate::route::sniff::Seen;

impl Engine {
    pub(in crate::engine) fn session_timer(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let at = match &session.stage {
            Stage::Http(proxy) => proxy.next_timeout().or(session.deadline),
            _ => session.deadline,
        };
        self.timers.arm(Key::Session(id), &mut session.armed, at);
    }

    pub(in crate::engine) fn session_timeout(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.armed = None;
        match session.stage {
            Stage::Detect | Stage::Negotiate(_) | Stage::Http(_) if !session.spoke => {
                let text = format!("silent for {} s", self.now.since(session.started).as_secs());
                self.end_session(id, Some(Fail::new(Cause::Closed, text)));
            }
            Stage::Sniff => self.sniffed(id, Seen::Unknown),
            Stage::Awaiting(_) => self.await_timeout(id),
            Stage::Relay => self.relay_timeout(id),
            Stage::Datagrams => self.datagrams_timeout(id),
            Stage::Http(_) => self.http_timeout(id),
            _ => {
                let fail = Fail::new(
                    Cause::TimedOut,
                    "the client's request was not complete in time",
                );
                self.end_session(id, Some(fail));
            }
        }
    }

    /// Nothing is under way: the client has asked for nothing yet, or is between two HTTP requests.
    pub(in crate::engine) fn is_idle(&self, id: SessionId) -> bool {
        let Some(session) = self.sessions.get(id) else {
            return false;
        };
        match &session.stage {
            Stage::Detect | Stage::Sniff | Stage::Negotiate(_) => !session.spoke,
            Stage::Http(proxy) => proxy.is_idle() && session.rx.is_empty(),
            Stage::Awaiting(_) => true,
            Stage::Dialing(_) | Stage::Relay | Stage::Datagrams => false,
        }
    }
}
