//! The way to nodes: sessions, attempts, ports at the far end, and the steps of all that.

use std::fmt::Display;
use std::net::SocketAddr;

use ginnel_core::error::{Cause, Fail};
use ginnel_core::event::Traced;
use ginnel_core::plan::Channel;

use super::{Journal, fields};
use crate::log::Level;
use crate::log::limit::Source;
use crate::log::line::{Field, Named};

impl Journal {
    pub(super) fn port_opened(&self, service: usize, addr: &str, place: &str) {
        let names = self.names(service);
        let mut fields = fields("service", &names);
        fields.push(("node", Field::Text(place)));
        let network = match &names {
            Some(names) if names[1] == Channel::Rudp.name() => "udp",
            _ => "tcp",
        };
        let text = format!("listening on {addr}/{network}");
        self.logger.log(Level::Info, &text, &fields);
    }

    pub(super) fn port_lost(&self, service: usize, fail: &Fail) {
        let names = self.names(service);
        let mut fields = fields("service", &names);
        fields.push(("error", Field::Text(&fail.text)));
        let text = format!("not listening: {fail}; trying again");
        self.logger.log(Level::Warn, &text, &fields);
    }

    pub(super) fn session_up(&self, place: &str, remote: Option<SocketAddr>, again: bool) {
        let mut fields = vec![("kind", Field::Text("session"))];
        fields.extend(remote.map(|remote| ("remote", Field::Addr(remote))));
        let (level, text) = match again {
            true => (Level::Info, format!("session to {place} is up again")),
            false => (Level::Debug, format!("{place}: session up")),
        };
        self.logger.log(level, &text, &fields);
    }

    pub(super) fn session_down(
        &self,
        place: &str,
        streams: usize,
        dialed: bool,
        fail: Option<&Fail>,
    ) {
        let fields = [
            ("kind", Field::Text("session")),
            ("streams", Field::Number(streams as u64)),
        ];
        // To a node, or with a client of a service.
        let way = if dialed { "to" } else { "of" };
        let (level, text) = match fail {
            // We end it, or the peer does while nobody uses it.
            Some(fail)
                if fail.cause == Cause::Local || streams == 0 && fail.cause == Cause::Closed =>
            {
                (Level::Debug, format!("{place}: session down: {fail}"))
            }
            Some(fail) => {
                let text = match fail.cause {
                    Cause::TimedOut => format!("session {way} {place} dead: {fail}"),
                    _ => format!("{place}: session down: {fail}"),
                };
                return self.warn(at_node(place, fail), fail, &text, &fields);
            }
            None => (Level::Debug, format!("{place}: session down")),
        };
        self.logger.log(level, &text, &fields);
    }

    pub(super) fn dial_failed(&self, no: Option<u64>, place: &str, fail: &Fail) {
        let sid = no.map(|no| self.logger.sid(no));
        let fields = of_connection("node", sid.as_deref());
        let text = dial_text(place, fail);
        self.warn(at_node(place, fail), fail, &text, &fields);
    }

    pub(super) fn step(&self, no: Option<u64>, remote: Option<SocketAddr>, step: &Traced) {
        let sid = no.map(|no| self.logger.sid(no));
        let fields = of_connection("step", sid.as_deref());
        let text = match remote {
            Some(remote) => format!("{remote}: {}", step_text(step)),
            None => step_text(step),
        };
        self.logger.log(Level::Trace, &text, &fields);
    }
}

fn of_connection<'a>(kind: &'static str, sid: Option<&'a str>) -> Vec<Named<'a>> {
    let mut fields = vec![("kind", Field::Text(kind))];
    fields.extend(sid.map(|sid| ("sid", Field::Text(sid))));
    fields
}

fn at_node(place: &str, fail: &Fail) -> Source {
    Source {
        place: place.to_owned(),
        peer: None,
        cause: fail.cause,
    }
}

fn step_text(step: &Traced) -> String {
    match step {
        Traced::Resolving { host } => format!("resolving {host}"),
        Traced::Resolved { addrs } => {
            let addrs: Vec<_> = addrs.iter().map(ToString::to_string).collect();
            format!("resolved to {}", addrs.join(", "))
        }
        Traced::Connecting => "connecting".to_owned(),
        Traced::Connected => "connected".to_owned(),
        Traced::Ready { layer } => format!("{layer} handshake is over"),
        Traced::StreamOpened { stream } => format!("stream {stream} opened"),
        Traced::StreamClosed { stream } => format!("stream {stream} closed"),
    }
}

/// The failure's text names the place only if the engine put it there.
fn dial_text(place: &str, fail: &impl Display) -> String {
    let text = fail.to_string();
    if text.starts_with(place) {
        text
    } else {
        format!("{place}: {text}")
    }
}
