//! Names that are asked of name servers of our own, not of the system.
//!
//! Whoever asks for the same name waits for one lookup. It asks one server after the other, over a dial each,
//! which is the way to the server and the exchange with it; what is found is remembered for as long as it is good.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::dial::{Dial, Purpose};
use super::link::Top;
use super::session::rope;
use super::{DialId, Engine, LinkId, LookupId, SessionId};
use crate::addr::{Carries, Host};
use bytes::BytesMut;

use crate::connector::{self, dns::Dns};
use crate::error::{Cause, Fail};
use crate::event::Traced;
use crate::layer::tls::Tls;
use crate::plan::{DnsChannel, NameServer, Resolver};
use crate::time::Time;
use crate::wire::dns::{Answer, Question};

/// Names that are remembered at most.
const REMEMBERED: usize = 4096;
/// Before a question that may be lost is sent again; twice that before it is sent a third time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A resolver, and what is asked of it.
type Name = (String, String);

#[derive(Default)]
pub(super) struct Names {
    known: HashMap<Name, Known>,
    asked: HashMap<Name, LookupId>,
}

struct Known {
    addrs: Vec<IpAddr>,
    until: Time,
}

pub(super) struct Lookup {
    resolver: Arc<Resolver>,
    host: String,
    service: usize,
    server: usize,
    /// The preferred family has no address: it is the other one's turn.
    second: bool,
    /// The answer does not fit into a datagram.
    stream: bool,
    dial: DialId,
    pub(super) waiting: Vec<DialId>,
    /// It goes on without anybody who waits.
    alone: bool,
}

/// What a dial waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) lookup: LookupId,
    /// The node of its route, else the target.
    node: Option<usize>,
}

/// What a dial to a name server has to do once it is there.
pub(super) struct Exchange {
    dns: Dns,
    server: NameServer,
    stage: Stage,
    /// The question, where it may get lost, and how long to wait before it is sent again.
    datagram: BytesMut,
    pause: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Dialing,
    Tls,
    /// `lazy`: the response of a relay node comes in front of the answer.
    Asked {
        lazy: bool,
    },
}

impl Exchange {
    /// The server is reached, or what is above it.
    pub(super) fn is_there(&self) -> bool {
        self.stage != Stage::Dialing
    }

    pub(super) fn is_tls(&self) -> bool {
        self.server.tls().is_some()
    }

    pub(super) fn chain(&self) -> Option<usize> {
        self.server.chain
    }
}

impl Lookup {
    fn name(&self) -> Name {
        name_of(&self.resolver, &self.host)
    }
}

fn name_of(resolver: &Resolver, host: &str) -> Name {
    (resolver.name.clone(), host.to_ascii_lowercase())
}

impl Names {
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    fn remember(&mut self, name: Name, known: Known, now: Time) {
        if self.known.len() >= REMEMBERED {
            self.known.retain(|_, known| known.until > now);
        }
        if self.known.len() >= REMEMBERED {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.until);
            let oldest = oldest.map(|(name, _)| name.clone());
            oldest.map(|name| self.known.remove(&name));
        }
        self.known.insert(name, known);
    }
}

impl Engine {
    /// True if the dial has to wait for its target's addresses, or has failed.
    pub(super) fn asks_for_target(&mut self, id: DialId) -> bool {
        let dial = &self.dials[id];
        let (Purpose::Session(_) | Purpose::Lookup(_)) = dial.purpose else {
            return false;
        };
        let plan = self.plan.clone();
        let Some(resolver) = &plan.services[dial.service].policy.resolver else {
            return false;
        };
        let Host::Name(host) = &dial.target.host else {
            return false;
        };
        // An empty name is the local machine, or what the far end chooses.
        if host.is_empty() {
            return false;
        }
        let host = host.clone();
        match self.look_up(id, resolver, host, None) {
            Some(addrs) => self.take_target(id, addrs),
            None => return true,
        }
        false
    }

    /// The address that the service's resolver has found already, for a datagram.
    pub(super) fn remembered(&mut self, id: SessionId, host: &str) -> Option<Vec<IpAddr>> {
        let service = self.sessions.get(id)?.service;
        let plan = self.plan.clone();
        let resolver = plan.services[service].policy.resolver.as_ref()?;
        self.known(resolver, host, service)
    }

    /// True if the dial has to wait for a node's address, or has failed. `from`: nodes in front of it are not
    /// connected to.
    pub(super) fn asks_for_nodes(&mut self, id: DialId, from: usize) -> bool {
        for at in from..self.dials[id].route.nodes.len() {
            let dial = &self.dials[id];
            let node = dial.route.nodes[at].clone();
            let (Some(resolver), Host::Name(host)) = (&node.policy.resolver, &node.addr.host)
            else {
                continue;
            };
            let known = dial.places.iter().any(|(known, _)| *known == at);
            if known || host.is_empty() || super::connect::mapped(&node).is_some() {
                continue;
            }
            match self.look_up(id, resolver, host.clone(), Some(at)) {
                Some(addrs) => self.dials[id].places.push((at, addrs)),
                None => return true,
            }
        }
        false
    }

    fn take_target(&mut self, id: DialId, addrs: Vec<IpAddr>) {
        let dial = &mut self.dials[id];
        if let Some(ip) = addrs.first() {
            dial.target.host = Host::Ip(*ip);
        }
        dial.known = addrs;
    }

    /// Addresses that are known, or the dial waits for a lookup.
    fn look_up(
        &mut self,
        id: DialId,
        resolver: &Arc<Resolver>,
        host: String,
        node: Option<usize>,
    ) -> Option<Vec<IpAddr>> {
        let name = name_of(resolver, &host);
        if let Some(addrs) = self.known(resolver, &host, self.dials[id].service) {
            return Some(addrs);
        }
        let dial = &mut self.dials[id];
        dial.stage = "resolving the name";
        dial.stage_until = None;
        dial.at = node.unwrap_or(dial.route.nodes.len());
        let service = dial.service;
        self.trace_dial(id, || Traced::Resolving { host: host.clone() });
        self.dial_timer(id);
        let asked = self.names.asked.get(&name).copied();
        let lookup = asked.unwrap_or_else(|| self.new_lookup(resolver, &host, service));
        self.dials[id].asked = Some(Asked { lookup, node });
        self.lookups[lookup].waiting.push(id);
        if asked.is_none() {
            self.ask_server(lookup);
        }
        None
    }

    /// What is remembered, also if it is no longer good where that may be used.
    fn known(
        &mut self,
        resolver: &Arc<Resolver>,
        host: &str,
        service: usize,
    ) -> Option<Vec<IpAddr>> {
        let known = self.names.known.get(&name_of(resolver, host))?;
        let addrs = known.addrs.clone();
        if known.until > self.now {
            return Some(addrs);
        }
        let stale = resolver.servers.iter().any(|server| server.stale);
        if !stale || self.now.since(known.until) >= LONGEST {
            return None;
        }
        self.ask_anew(resolver, host, service);
        Some(addrs)
    }

    fn new_lookup(&mut self, resolver: &Arc<Resolver>, host: &str, service: usize) -> LookupId {
        let lookup = Lookup {
            resolver: resolver.clone(),
            host: host.to_owned(),
            service,
            server: 0,
            second: false,
            stream: false,
            dial: DialId::default(),
            waiting: Vec::new(),
            alone: false,
        };
        let name = lookup.name();
        let id = self.lookups.insert(lookup);
        self.names.asked.insert(name, id);
        id
    }

    /// For those who come later.
    fn ask_anew(&mut self, resolver: &Arc<Resolver>, host: &str, service: usize) {
        let is_asked = self.names.asked.contains_key(&name_of(resolver, host));
        if !is_asked && !self.is_draining() {
            let lookup = self.new_lookup(resolver, host, service);
            self.lookups[lookup].alone = true;
            self.ask_server(lookup);
        }
    }

    /// Starts on the server whose turn it is.
    fn ask_server(&mut self, id: LookupId) {
        let lookup = &self.lookups[id];
        let Some(mut server) = lookup.resolver.servers.get(lookup.server).cloned() else {
            let text = format!("{}: no name server knows it", lookup.host);
            return self.looked_up(id, Err(Fail::new(Cause::NameNotFound, text)));
        };
        let family = match lookup.second {
            true => server.prefer.other(),
            false => server.prefer,
        };
        let id_of_question = self.entropy.below(1 << 16);
        let dns = Dns::new(Question {
            id: u16::try_from(id_of_question).unwrap_or_default(),
            name: lookup.host.clone(),
            family,
            subnet: server.subnet,
        });
        // Through a chain, or for long answers, over a stream, which every server has to serve (RFC 7766 5).
        if server.chain.is_some() || lookup.stream {
            server.speak = server.speak.of_stream();
        }
        let carries = match server.speak {
            DnsChannel::Udp => Carries::Datagrams,
            _ => Carries::Bytes,
        };
        let until = self.now + server.timeout;
        let (service, chain) = (lookup.service, server.chain);
        let dial = Dial::new(Purpose::NameServer(id), service, server.addr.clone(), until);
        let exchange = Exchange {
            dns,
            server,
            stage: Stage::Dialing,
            datagram: BytesMut::new(),
            pause: FIRST_PAUSE,
        };
        let dial = self.dials.insert(Dial {
            exchange: Some(Box::new(exchange)),
            carries,
            ..dial
        });
        self.lookups[id].dial = dial;
        match chain {
            Some(_) => self.attempt(dial),
            None => self.enter(dial),
        }
    }

    /// The way to a name server is open.
    pub(super) fn server_reached(&mut self, id: DialId, lazy: bool) {
        let dial = &mut self.dials[id];
        let (Some(link), Some(exchange)) = (dial.link, &mut dial.exchange) else {
            return;
        };
        dial.stage = "waiting for the name server";
        if let Some(tls) = exchange
            .server
            .tls()
            .filter(|_| exchange.stage == Stage::Dialing)
        {
            let layer = Tls::client(tls);
            exchange.stage = Stage::Tls;
            return self.push_tls(link, layer);
        }
        exchange.stage = Stage::Asked { lazy };
        let wire = match exchange.dns.ask(&exchange.server.speak) {
            Ok(wire) => wire,
            Err(fail) => return self.link_failed(link, fail),
        };
        if let DnsChannel::Udp = exchange.server.speak {
            exchange.datagram = wire;
            return self.send_question(id, FIRST_PAUSE);
        }
        self.send(link, &mut rope(wire));
        self.server_data(id);
    }

    fn send_question(&mut self, id: DialId, pause: Duration) {
        let dial = &mut self.dials[id];
        let Some(exchange) = &mut dial.exchange else {
            return;
        };
        exchange.pause = pause;
        dial.stage_until = Some(self.now + pause);
        if let Some(link) = dial.link
            && let Some(port) = self.links[link].port
        {
            self.port_idle(port, link);
            self.port_ready(port, link);
        }
        self.dial_timer(id);
    }

    /// A datagram may be lost: the question is sent again. False if that is not what the dial waits for.
    pub(super) fn ask_again(&mut self, id: DialId) -> bool {
        let Some(dial) = self.dials.get(id) else {
            return false;
        };
        let pause = match &dial.exchange {
            Some(exchange) if !exchange.datagram.is_empty() && dial.until > self.now => {
                exchange.pause * 2
            }
            _ => return false,
        };
        self.send_question(id, pause);
        true
    }

    /// What waits to be sent to a name server by this link's port.
    pub(super) fn question_of(&self, link: LinkId) -> Option<&[u8]> {
        let Top::Dial(dial) = self.links.get(link)?.top else {
            return None;
        };
        let exchange = self.dials.get(dial)?.exchange.as_ref()?;
        (!exchange.datagram.is_empty()).then_some(&exchange.datagram[..])
    }

    /// A datagram of a name server. Whatever is no answer to the question may be somebody else's.
    pub(super) fn server_datagram(&mut self, link: LinkId, data: &[u8]) {
        let Some(Top::Dial(id)) = self.links.get(link).map(|link| link.top) else {
            return;
        };
        let exchange = self
            .dials
            .get_mut(id)
            .and_then(|dial| dial.exchange.as_mut());
        let Some(exchange) = exchange else {
            return;
        };
        match exchange.dns.read(data) {
            Ok(answer) => self.answered(id, answer),
            Err(fail) if fail.cause == Cause::Protocol => {}
            Err(fail) => self.link_failed(link, fail),
        }
    }

    /// Bytes from a name server.
    pub(super) fn server_data(&mut self, id: DialId) {
        let Some(dial) = self.dials.get_mut(id) else {
            return;
        };
        let (Some(link), Some(exchange)) = (dial.link, &mut dial.exchange) else {
            return;
        };
        let Stage::Asked { lazy } = &mut exchange.stage else {
            return;
        };
        if *lazy {
            match connector::relay::response(&mut dial.rx) {
                Ok(Some(())) => *lazy = false,
                Ok(None) => return,
                Err(fail) => return self.link_failed(link, fail),
            }
        }
        let speak = &exchange.server.speak;
        match exchange.dns.answer(speak, &self.plan.limits, &mut dial.rx) {
            Ok(None) => {}
            Ok(Some(answer)) => self.answered(id, answer),
            Err(fail) => self.link_failed(link, fail),
        }
    }

    fn answered(&mut self, id: DialId, answer: Answer) {
        let Purpose::NameServer(lookup) = self.dials[id].purpose else {
            return;
        };
        let dial = &self.dials[id];
        let (route, took) = (dial.route.clone(), dial.took.clone());
        self.note_success(&route, &took);
        self.cancel_dial(id);
        let Some(asked) = self.lookups.get_mut(lookup) else {
            return;
        };
        let Some(server) = asked.resolver.servers.get(asked.server) else {
            return;
        };
        if answer.truncated && !asked.stream {
            asked.stream = true;
            return self.ask_server(lookup);
        }
        asked.stream = false;
        if !answer.addrs.is_empty() {
            let good = Duration::from_secs(answer.ttl.into());
            let good = server.ttl.unwrap_or(good).min(LONGEST);
            let known = Known {
                addrs: answer.addrs.clone(),
                until: self.now + good,
            };
            self.names.remember(asked.name(), known, self.now);
            return self.looked_up(lookup, Ok(answer.addrs));
        }
        match asked.second || server.only {
            true => (asked.server, asked.second) = (asked.server + 1, false),
            false => asked.second = true,
        }
        self.ask_server(lookup);
    }

    /// A server cannot tell: the next one is asked.
    pub(super) fn lookup_failed(&mut self, id: LookupId, fail: Fail) {
        let Some(lookup) = self.lookups.get_mut(id) else {
            return;
        };
        let last = lookup.server + 1 >= lookup.resolver.servers.len();
        if last || fail.cause == Cause::Local {
            let fail = Fail::new(fail.cause, format!("{}: {fail}", lookup.host));
            return self.looked_up(id, Err(fail));
        }
        (lookup.server, lookup.second, lookup.stream) = (lookup.server + 1, false, false);
        self.ask_server(id);
    }

    /// The end of a lookup: those who wait go on.
    fn looked_up(&mut self, id: LookupId, result: Result<Vec<IpAddr>, Fail>) {
        let Some(lookup) = self.lookups.remove(id) else {
            return;
        };
        self.names.asked.remove(&lookup.name());
        for waiting in lookup.waiting {
            let Some(dial) = self.dials.get_mut(waiting) else {
                continue;
            };
            let Some(asked) = dial.asked.take() else {
                continue;
            };
            if let (Ok(_), Purpose::Lookup(_)) = (&result, &dial.purpose) {
                self.dial_resolved(waiting, result.clone());
                continue;
            }
            match (&result, asked.node) {
                (Ok(addrs), node) => {
                    self.trace_dial(waiting, || Traced::Resolved {
                        addrs: addrs.clone(),
                    });
                    let Some(at) = node else {
                        self.take_target(waiting, addrs.clone());
                        self.find_way(waiting);
                        continue;
                    };
                    self.dials[waiting].places.push((at, addrs.clone()));
                    self.enter(waiting);
                }
                (Err(fail), _) => self.dial_failed(waiting, fail.clone()),
            }
        }
    }

    /// A dial waits no more: without anybody else, its lookup ends.
    pub(super) fn leave_lookup(&mut self, id: DialId) {
        let asked = self.dials.get_mut(id).and_then(|dial| dial.asked.take());
        let Some(Asked { lookup, .. }) = asked else {
            return;
        };
        let Some(left) = self.lookups.get_mut(lookup) else {
            return;
        };
        left.waiting.retain(|waiting| *waiting != id);
        if left.waiting.is_empty() && !left.alone {
            let dial = left.dial;
            self.names.asked.remove(&left.name());
            self.lookups.remove(lookup);
            self.cancel_dial(dial);
        }
    }

    /// Each lookup has somebody who waits for it, and a dial.
    pub(super) fn check_lookups(&self) {
        assert_eq!(
            self.names.asked.len(),
            self.lookups.len(),
            "lookups by name"
        );
        for (id, lookup) in self.lookups.iter() {
            assert!(self.dials.contains_key(lookup.dial), "{id:?}: asks nobody");
            assert!(
                lookup.alone || !lookup.waiting.is_empty(),
                "{id:?}: nobody waits"
            );
            for dial in &lookup.waiting {
                let asked = self.dials.get(*dial).and_then(|dial| dial.asked);
                assert_eq!(
                    asked.map(|asked| asked.lookup),
                    Some(id),
                    "{id:?}: waits for another"
                );
            }
        }
        for dial in self.dials.values() {
            let known = dial
                .asked
                .is_none_or(|asked| self.lookups.contains_key(asked.lookup));
            assert!(known, "a dial waits for no lookup");
        }
    }
}
