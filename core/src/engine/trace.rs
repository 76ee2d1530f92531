//! Steps on the way, for those who asked for them.

use super::link::Top;
use super::{DialId, Engine, LinkId, SessionId};
use crate::error::Fail;
use crate::event::{ConnectionNo, Event, Traced};
use crate::layer::AnyLayer;

impl Engine {
    /// `make` is called only when somebody wants to know.
    pub(super) fn trace(&mut self, id: LinkId, make: impl FnOnce() -> Traced) {
        if !self.plan.trace {
            return;
        }
        let Some(link) = self.links.get(id) else {
            return;
        };
        let remote = Some(link.client().remote);
        let no = match link.top {
            Top::Client(session) | Top::Upstream(session) => self.session_no(session),
            Top::Dial(dial) => self.dial_no(dial),
            _ => None,
        };
        let step = make();
        self.events.push_back(Event::Trace { no, remote, step });
    }

    pub(super) fn trace_dial(&mut self, id: DialId, make: impl FnOnce() -> Traced) {
        if self.plan.trace {
            let event = Event::Trace {
                no: self.dial_no(id),
                remote: None,
                step: make(),
            };
            self.events.push_back(event);
        }
    }

    pub(super) fn session_no(&self, id: SessionId) -> Option<ConnectionNo> {
        self.sessions.get(id).map(|session| session.no)
    }

    /// A layer of a link is ready, or there is none left.
    pub(super) fn trace_ready(&mut self, id: LinkId, level: usize) {
        if !self.plan.trace {
            return;
        }
        let layer = self.links.get(id).and_then(|link| link.layers.get(level));
        let name = match layer {
            Some(AnyLayer::Tls(_)) => "TLS",
            Some(AnyLayer::Ws(_)) => "websocket",
            Some(AnyLayer::Proxied(_)) => "PROXY header",
            Some(AnyLayer::UpgradeOrSite(_)) | None => return,
        };
        self.trace(id, || Traced::Ready { layer: name });
    }

    /// An incoming connection does not become a client, or not yet.
    pub(super) fn rejected(&mut self, id: LinkId, top: Top, fail: Fail) {
        if let (Top::Incoming(service), Some(link)) = (top, self.links.get(id)) {
            let remote = link.client().remote;
            self.events.push_back(Event::Rejected {
                service,
                remote,
                fail,
            });
        }
    }
}
