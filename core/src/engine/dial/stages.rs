//! The stages of a dial from its first socket on: the layers of each node, and what its connector negotiates.

use std::time::Duration;

use bytes::BytesMut;

use crate::addr::Carries;
use crate::buffer::{stash, unpin};
use crate::connector::{self, Connector, Negotiate, Step};
use crate::engine::connect::place_of;
use crate::engine::dial::{ANSWER, Dial, Purpose};
use crate::engine::session::rope;
use crate::engine::sniff::Watch;
use crate::engine::udp::can_carry;
use crate::engine::{DialId, Engine, Key, LinkId};
use crate::error::Fail;
use crate::layer::tls::Tls;
use crate::layer::{Info, Up};
use crate::plan::ConnectorKind;
use crate::route::sniff::Seen;

/// A relay node with `nodelay` may hold its response back for ever: go on without it after this long.
const RESPONSE_GRACE: Duration = Duration::from_millis(500);

impl Engine {
    /// Puts the layers of node `at` on the link, from its present top.
    pub(in crate::engine) fn start_layers(&mut self, id: DialId, link: LinkId, level: usize) {
        let dial = &mut self.dials[id];
        let Some(node) = dial.route.nodes.get(dial.at).cloned() else {
            dial.stage_until = None;
            if let Some(tls) = dial.tls.clone() {
                dial.stage = "TLS handshake";
                return self.push_tls(link, Tls::client(&tls));
            }
            return self.rise(link, level, Up::Ready(Info::default()));
        };
        dial.stage = match (&node.dialer.tls, &node.dialer.ws) {
            (Some(_), Some(_)) => "TLS and websocket handshake",
            (Some(_), None) => "TLS handshake",
            (None, _) => "websocket handshake",
        };
        dial.stage_until = Some(self.now + node.dialer.handshake_timeout);
        self.dial_timer(id);
        self.send_proxy_header(id, link, &node.dialer);
        let hops = self.dial_hops(id);
        if let Err(fail) = self.push_client_layers(link, &node.dialer, hops) {
            return self.link_failed(link, fail);
        }
        self.rise(link, level, Up::Ready(Info::default()));
        self.link_timer(link);
    }

    /// All layers of the link are ready.
    pub(in crate::engine) fn dial_up(&mut self, id: DialId, info: Info) {
        let Some(dial) = self.dials.get_mut(id) else {
            return;
        };
        let Some(link) = dial.link else {
            return;
        };
        if dial.connector.is_some() {
            // TLS inside SOCKS5 is up.
            return self.dial_step(id);
        }
        dial.stage_until = None;
        if let Some(begun) = dial.begun.take() {
            dial.took.push((dial.at, self.now.since(begun)));
        }
        if dial.exchange.as_ref().is_some_and(|one| one.is_there()) {
            // TLS with the name server is up.
            return self.server_reached(id, false);
        }
        if let Purpose::Race(waits, at) = dial.purpose
            && dial.at >= at
        {
            return self.race_won(id, waits, info);
        }
        let Some(node) = dial.route.nodes.get(dial.at).cloned() else {
            return self.dial_open(id, false);
        };
        if let Purpose::Mux(_) = dial.purpose
            && dial.at + 1 == dial.route.nodes.len()
        {
            return self.mux_dialed(id, link, info);
        }
        if dial.at + 1 == dial.route.nodes.len()
            && let Err(fail) = can_carry(dial.carries, node.connector.kind)
        {
            return self.link_failed(link, fail);
        }
        match Connector::new(node.connector.kind) {
            Some(connector) => {
                let dial = &mut self.dials[id];
                dial.connector = Some(connector);
                dial.stage = ANSWER;
                dial.stage_until = Some(self.now + node.connector.timeout);
                let last = dial.at + 1 == dial.route.nodes.len();
                let lazy = last && dial.is_lazy();
                if node.connector.kind == ConnectorKind::Relay && node.connector.nodelay && lazy {
                    dial.stage_until = Some(self.now + node.connector.timeout.min(RESPONSE_GRACE));
                }
                self.dial_timer(id);
                self.dial_step(id);
            }
            None => self.connected_through(id, false),
        }
    }

    pub(in crate::engine) fn dial_data(&mut self, id: DialId, data: BytesMut) {
        let Some(dial) = self.dials.get_mut(id) else {
            return;
        };
        let first = dial.rx.is_empty();
        stash(&mut dial.rx, data);
        match dial.exchange.as_ref().is_some_and(|one| one.is_there()) {
            true => self.server_data(id),
            false => self.dial_step(id),
        }
        if first && let Some(dial) = self.dials.get_mut(id) {
            unpin(&mut dial.rx);
        }
    }

    fn dial_step(&mut self, id: DialId) {
        let Some(dial) = self.dials.get_mut(id) else {
            return;
        };
        let (Some(link), Some(mut connector)) = (dial.link, dial.connector.take()) else {
            return;
        };
        let node = dial.route.nodes[dial.at].clone();
        let next = place_of(dial, dial.at + 1);
        let mut rx = std::mem::take(&mut dial.rx);
        let carries = match next {
            Some(_) => Carries::Bytes,
            None => dial.carries,
        };
        let target = next.unwrap_or_else(|| dial.target.clone());
        let cx = connector::Cx {
            plan: &node.connector,
            target: &target,
            carries,
            encrypted: self.links.get(link).is_some_and(|link| link.encrypted),
        };
        let mut out = BytesMut::new();
        let result = connector.step(&cx, &mut rx, &mut out);
        let dial = &mut self.dials[id];
        dial.rx = rx;
        match result {
            Ok(Step::More) => {
                dial.connector = Some(connector);
                self.send(link, &mut rope(out));
            }
            Ok(Step::Tls) => {
                dial.connector = Some(connector);
                let rest = std::mem::take(&mut dial.rx);
                self.send(link, &mut rope(out));
                let tls = match &node.connector.socks_tls {
                    Some(plan) => Tls::client(plan),
                    None => Err(Fail::protocol(
                        "SOCKS5 node chose TLS, which was not offered",
                    )),
                };
                let level = self.links.get(link).map_or(0, |link| link.layers.len());
                self.push_tls(link, tls);
                if !rest.is_empty() {
                    self.rise(link, level, Up::Data(rest));
                }
            }
            Ok(Step::Done) => {
                self.send(link, &mut rope(out));
                self.connected_through(id, false);
            }
            Ok(Step::Bound(bound)) => {
                self.send(link, &mut rope(out));
                self.port_opened(id, bound);
            }
            Ok(Step::Datagrams(way)) => {
                self.send(link, &mut rope(out));
                if let Some(dial) = self.dials.get(id)
                    && let Purpose::Session(session) = dial.purpose
                    && let Some(association) = &mut self.sessions[session].udp
                {
                    association.way = Some(way);
                }
                self.connected_through(id, false);
            }
            Ok(Step::Lazy) => {
                self.send(link, &mut rope(out));
                // Another hop's handshake would meet the response: wait for it there.
                let dial = &self.dials[id];
                let last = dial.at + 1 >= dial.route.nodes.len();
                if last && !dial.exchange.as_ref().is_some_and(|one| one.is_tls()) {
                    self.connected_through(id, true);
                } else {
                    self.dials[id].connector = Some(connector);
                    self.await_response(id);
                }
            }
            Err(fail) => {
                self.send(link, &mut rope(out));
                self.link_failed(link, fail);
            }
        }
    }

    /// A relay node in the middle of a chain: its response has to be out of the way first.
    fn await_response(&mut self, id: DialId) {
        let dial = &mut self.dials[id];
        match connector::relay::response(&mut dial.rx) {
            Ok(None) => {}
            Ok(Some(())) => {
                dial.connector = None;
                self.connected_through(id, false);
            }
            Err(fail) => {
                if let Some(link) = dial.link {
                    self.link_failed(link, fail);
                }
            }
        }
    }

    /// The node at `at` has connected us onwards.
    pub(in crate::engine) fn connected_through(&mut self, id: DialId, lazy: bool) {
        let dial = &mut self.dials[id];
        dial.connector = None;
        dial.stage_until = None;
        let Some(link) = dial.link else {
            return;
        };
        if dial.at + 1 >= dial.route.nodes.len() {
            return self.dial_open(id, lazy);
        }
        dial.at += 1;
        dial.begun = Some(self.now);
        let rest = std::mem::take(&mut dial.rx);
        let level = self.links.get(link).map_or(0, |link| link.layers.len());
        self.start_layers(id, link, level);
        if !rest.is_empty() {
            self.rise(link, level, Up::Data(rest));
        }
    }

    fn dial_open(&mut self, id: DialId, lazy: bool) {
        if let Purpose::NameServer(_) = self.dials[id].purpose {
            return self.server_reached(id, lazy);
        }
        let Some(mut dial) = self.dials.remove(id) else {
            return;
        };
        self.timers.arm(Key::Dial(id), &mut dial.armed, None);
        self.note_success(&dial.route, &dial.took);
        if let Some(Some(target)) = dial.forward
            && dial.carries == Carries::Bytes
        {
            if let (true, Some((_, took))) = (dial.route.nodes.is_empty(), dial.took.first()) {
                let pool = self.hub.targets(dial.service);
                pool.took(target, *took, self.now);
            }
            self.target_reached(&dial, target);
        }
        if let Some(member) = dial.route.member {
            self.hub.group(dial.service).succeeded(member);
        }
        if let (Purpose::Session(session), Some(link)) = (dial.purpose, dial.link) {
            if let Some(association) = &mut self.sessions[session].udp {
                association.aim(dial.target, dial.forward.flatten());
                if let Some(node) = dial.route.nodes.first() {
                    association.options = node.dialer.socket.clone();
                }
            }
            self.dialed(session, Ok((link, dial.rx, lazy)), &dial.route.nodes);
        }
    }

    /// Whether that is a success may be told by the target's answer only.
    fn target_reached(&mut self, dial: &Dial, target: usize) {
        let forward = self.plan.services[dial.service].forward.as_ref();
        let node = forward.and_then(|forward| forward.nodes.get(target));
        let judged = node.is_some_and(|node| !node.rules.fail_codes.is_empty());
        if let Purpose::Session(session) = dial.purpose
            && let Some(session) = self.sessions.get_mut(session)
            && matches!(session.seen.as_deref(), Some(Seen::Http { .. }))
        {
            session.watch = Some(Box::new(Watch::new(target)));
            if judged {
                return;
            }
        }
        self.hub.targets(dial.service).succeeded(target);
    }
}
