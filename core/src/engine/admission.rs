//! Admission to a service: who comes in, how many and how fast. How many bytes a second: `admission/traffic.rs`.

mod traffic;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use slotmap::SecondaryMap;

use super::{ConnMeta, Engine, Key, LinkId};
use crate::error::{Cause, Fail};
use crate::event::Event;
use crate::plan::{Channel, Refusal, ServicePolicy};
use crate::route::access;
use crate::route::limiter::{Bucket, Flow, Flows};
use crate::time::Time;

/// Between two looks at empty buckets. A burst is some of these, so that a late look costs nothing.
const TICK: Duration = Duration::from_millis(50);
/// Clients that are remembered without a connection, at least.
const IDLE_CLIENTS: usize = 1024;

const IN: usize = 0;
const OUT: usize = 1;

type Buckets = [Option<Bucket>; 2];

#[derive(Default)]
pub(super) struct Admission {
    services: HashMap<usize, Tally>,
    links: SecondaryMap<LinkId, Pass>,
}

#[derive(Default)]
struct Tally {
    connections: u64,
    traffic: Buckets,
    rate: Option<Bucket>,
    clients: HashMap<IpAddr, Client>,
    /// Clients are looked through for idle ones when there are this many.
    crowded: usize,
    turn: usize,
    armed: Option<Time>,
}

struct Client {
    connections: u64,
    traffic: Buckets,
    rate: Option<Bucket>,
}

/// A connection that is counted.
struct Pass {
    service: usize,
    client: Option<IpAddr>,
    traffic: Buckets,
}

fn buckets(flows: Option<Flows>, now: Time) -> Buckets {
    let flows = flows.unwrap_or_default();
    [flows.input, flows.output].map(|flow| flow.map(|flow| Bucket::new(flow, TICK, now)))
}

/// Connections a second, in thousandths: as many at once as gost allows.
fn rate(limit: u64, now: Time) -> Bucket {
    let flow = Flow {
        rate: limit,
        burst: (limit / 1000 + 1) * 1000,
    };
    Bucket::new(flow, Duration::from_secs(3600 * 24), now)
}

impl Tally {
    fn client(&mut self, ip: IpAddr, policy: &ServicePolicy, now: Time) -> &mut Client {
        if self.clients.len() >= self.crowded.max(IDLE_CLIENTS) {
            self.clients.retain(|_, client| client.is_known(now));
            self.crowded = 2 * self.clients.len();
        }
        self.clients.entry(ip).or_insert_with(|| {
            let flows = policy.traffic.as_ref().and_then(|limits| limits.client(ip));
            let limit = policy.rates.as_ref();
            Client {
                connections: 0,
                traffic: buckets(flows, now),
                rate: limit
                    .and_then(|limits| limits.client_or_each(ip))
                    .map(|limit| rate(limit, now)),
            }
        })
    }
}

impl Client {
    /// Whether forgetting it would make a difference.
    fn is_known(&self, now: Time) -> bool {
        let mut used = self.traffic.iter().chain([&self.rate]).flatten();
        self.connections > 0 || used.any(|bucket| !bucket.is_full(now))
    }
}

impl Engine {
    /// A client's socket, of which nothing has been read: whether it may stay. It is counted then. Of a proxy
    /// only the service's limits are asked until it has said who the client is.
    pub(super) fn comes_in(&mut self, id: LinkId, service: usize) -> bool {
        let plan = self.plan.clone();
        let (Some(planned), Some(link)) = (plan.services.get(service), self.links.get_mut(id))
        else {
            return true;
        };
        let ip = link.client().remote.ip();
        let nameless = planned.listener.channel == Channel::Unix;
        link.admitted = !planned.listener.edge.speaks_for_others(ip);
        let client = link.admitted.then_some(ip);
        if let Err(fail) = self.admit(service, client) {
            self.turn_away(id, service, Refusal { fail, first: true }, false);
            return false;
        }
        // Those of a socket file have no address: they are many, not one.
        let client = client.filter(|_| !nameless);
        if !self.enter_caps(id, service, client) {
            return false;
        }
        self.let_in(id, service, client);
        true
    }

    /// Counts a socket under the service's caps. False: it was one too many.
    pub(super) fn enter_caps(
        &mut self,
        id: LinkId,
        service: usize,
        client: Option<IpAddr>,
    ) -> bool {
        let Some(caps) = self.plan.services[service].listener.caps.clone() else {
            return true;
        };
        match caps.enter(client) {
            Ok(counted) => self.links[id].counted = Some(Box::new(counted)),
            // It may be one of very many: nothing is to be left of it.
            Err(refusal) => {
                self.turn_away(id, service, refusal, true);
                return false;
            }
        }
        true
    }

    /// The client of an incoming connection is another one than whose socket it is. False if that one may
    /// not come in.
    pub(super) fn client_is(&mut self, id: LinkId, service: usize, client: ConnMeta) -> bool {
        let plan = self.plan.clone();
        let Some(link) = self.links.get_mut(id) else {
            return false;
        };
        link.client_is(client);
        // The next of several proxies may have its say, too.
        let trusted = plan.services[service]
            .listener
            .edge
            .trusts(client.remote.ip());
        trusted || self.is_admitted(id, service)
    }

    /// Whether the client may come in: it is who is known now.
    pub(super) fn is_admitted(&mut self, id: LinkId, service: usize) -> bool {
        let Some(link) = self.links.get_mut(id) else {
            return false;
        };
        if std::mem::replace(&mut link.admitted, true) {
            return true;
        }
        let ip = link.client().remote.ip();
        self.let_out(id);
        if let Err(fail) = self.admit(service, Some(ip)) {
            self.link_failed(id, fail);
            return false;
        }
        self.let_in(id, service, Some(ip));
        let counted = self
            .links
            .get_mut(id)
            .and_then(|link| link.counted.as_mut());
        if let Some(Err(refusal)) = counted.map(|counted| counted.belongs_to(ip)) {
            self.turn_away(id, service, refusal, true);
            return false;
        }
        true
    }

    fn turn_away(&mut self, id: LinkId, service: usize, refusal: Refusal, reset: bool) {
        let remote = self.links[id].client().remote;
        let Refusal { fail, first } = refusal;
        self.events.extend(first.then_some(Event::Rejected {
            service,
            remote,
            fail,
        }));
        self.remove_link(id, reset);
    }

    /// What the rules and limits say of a client, or of one that is not known yet.
    fn admit(&mut self, service: usize, client: Option<IpAddr>) -> Result<(), Fail> {
        let plan = self.plan.clone();
        let policy = &plan.services[service].policy;
        let admissions = policy.admissions.iter().map(AsRef::as_ref);
        if client.is_some_and(|ip| !access::admits(admissions, ip)) {
            return Err(Fail::new(Cause::Denied, "not admitted"));
        }
        let Some(limits) = &policy.counts else {
            return Ok(());
        };
        let tally = self.admission.services.entry(service).or_default();
        let own = client.and_then(|ip| tally.clients.get(&ip));
        let own = own.map_or(0, |client| client.connections);
        for (limit, count, whose) in [
            (limits.service, tally.connections, "the service"),
            (
                client.and_then(|ip| limits.client_or_each(ip)),
                own,
                "this client",
            ),
        ] {
            if limit.is_some_and(|limit| count >= limit) {
                let text = format!("{whose} has {count} connections already (climiter)");
                return Err(Fail::new(Cause::Limit, text));
            }
        }
        Ok(())
    }

    /// Counts a client's socket.
    fn let_in(&mut self, id: LinkId, service: usize, client: Option<IpAddr>) {
        let plan = self.plan.clone();
        let policy = &plan.services[service].policy;
        if policy.traffic.is_none() && policy.counts.is_none() {
            return;
        }
        let traffic = policy.traffic.as_deref();
        let tally = self.admission.services.entry(service).or_default();
        if tally.connections == 0 && tally.traffic == [None; 2] {
            tally.traffic = buckets(traffic.and_then(|limits| limits.service), self.now);
        }
        tally.connections += 1;
        if let Some(ip) = client {
            tally.client(ip, policy, self.now).connections += 1;
        }
        let pass = Pass {
            service,
            client,
            traffic: buckets(traffic.and_then(|limits| limits.each), self.now),
        };
        self.admission.links.insert(id, pass);
    }

    /// A socket is gone, whoever it was.
    pub(super) fn let_out(&mut self, id: LinkId) {
        let Some(pass) = self.admission.links.remove(id) else {
            return;
        };
        let Some(tally) = self.admission.services.get_mut(&pass.service) else {
            return;
        };
        tally.connections -= 1;
        if let Some(ip) = pass.client
            && let Some(client) = tally.clients.get_mut(&ip)
        {
            client.connections -= 1;
            if !client.is_known(self.now) {
                tally.clients.remove(&ip);
            }
        }
        if tally.connections == 0 {
            let key = Key::Traffic(pass.service);
            self.timers.arm(key, &mut tally.armed, None);
        }
    }

    /// Whether another connection, or stream of one, may be served now.
    pub(super) fn keep_rate(&mut self, service: usize, ip: IpAddr) -> Result<(), Fail> {
        let plan = self.plan.clone();
        let policy = &plan.services[service].policy;
        let Some(limits) = &policy.rates else {
            return Ok(());
        };
        let now = self.now;
        let tally = self.admission.services.entry(service).or_default();
        let whole = limits.service;
        if tally.rate.is_none() {
            tally.rate = whole.map(|limit| rate(limit, now));
        }
        tally.client(ip, policy, now);
        let client = tally
            .clients
            .get_mut(&ip)
            .and_then(|client| client.rate.as_mut());
        let mut buckets: Vec<&mut Bucket> = tally.rate.iter_mut().chain(client).collect();
        if buckets.iter().any(|bucket| bucket.available(now) < 1000) {
            let text = "too many connections in a short time (rlimiter)";
            return Err(Fail::new(Cause::Limit, text));
        }
        buckets.iter_mut().for_each(|bucket| bucket.take(1000, now));
        Ok(())
    }
}
