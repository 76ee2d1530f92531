//! The exchange with one name server, over a dial of its own: the question, again where a datagram may be lost, and
//! the bytes of the answer (RFC 1035, 4.2; RFC 7766; over TLS RFC 7858, over HTTPS RFC 8484).

use std::time::Duration;

use bytes::BytesMut;

use crate::addr::Carries;
use crate::connector::{self, dns::Dns};
use crate::engine::dial::{Dial, Purpose};
use crate::engine::link::Top;
use crate::engine::session::rope;
use crate::engine::{DialId, Engine, LinkId, LookupId};
use crate::error::{Cause, Fail};
use crate::layer::tls::Tls;
use crate::plan::{DnsChannel, NameServer};
use crate::wire::dns::Question;

/// Before a question that may be lost is sent again; twice that before it is sent a third time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// What a dial to a name server has to do once it is there.
pub(in crate::engine) struct Exchange {
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
    pub(in crate::engine) fn is_there(&self) -> bool {
        self.stage != Stage::Dialing
    }

    pub(in crate::engine) fn is_tls(&self) -> bool {
        self.server.tls().is_some()
    }

    pub(in crate::engine) fn chain(&self) -> Option<usize> {
        self.server.chain
    }
}

impl Engine {
    /// Starts on the server whose turn it is.
    pub(super) fn ask_server(&mut self, id: LookupId) {
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
    pub(in crate::engine) fn server_reached(&mut self, id: DialId, lazy: bool) {
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
    pub(in crate::engine) fn ask_again(&mut self, id: DialId) -> bool {
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
    pub(in crate::engine) fn question_of(&self, link: LinkId) -> Option<&[u8]> {
        let Top::Dial(dial) = self.links.get(link)?.top else {
            return None;
        };
        let exchange = self.dials.get(dial)?.exchange.as_ref()?;
        (!exchange.datagram.is_empty()).then_some(&exchange.datagram[..])
    }

    /// A datagram of a name server. Whatever is no answer to the question may be somebody else's.
    pub(in crate::engine) fn server_datagram(&mut self, link: LinkId, data: &[u8]) {
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
    pub(in crate::engine) fn server_data(&mut self, id: DialId) {
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
}
