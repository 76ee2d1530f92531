//! How many connections a service has at once.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Cause, Fail};

/// Caps on a listener's sockets, counted over all threads. Streams of a mux session are not counted here.
#[derive(Debug, Default)]
pub struct Caps {
    pub connections: Option<usize>,
    /// Of one IPv4 address, or of one IPv6 /64.
    pub per_client: Option<usize>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    /// A refusal was reported, and the number has not halved since.
    told: bool,
    /// Present while they have a connection.
    clients: HashMap<IpAddr, Client>,
}

#[derive(Debug, Default)]
struct Client {
    connections: usize,
    told: bool,
}

/// A connection that is counted, as long as this exists.
#[derive(Debug)]
pub struct Counted {
    caps: Arc<Caps>,
    /// Its network, once it is known.
    client: Option<IpAddr>,
}

/// A connection is one too many.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    pub fail: Fail,
    /// The first of many: a flood must not fill the log.
    pub first: bool,
}

impl Caps {
    pub fn new(connections: Option<usize>, per_client: Option<usize>) -> Self {
        Self {
            connections,
            per_client,
            counts: Mutex::default(),
        }
    }

    /// `client` is `None` while a proxy has yet to say who it is.
    pub fn enter(self: &Arc<Self>, client: Option<IpAddr>) -> Result<Counted, Refusal> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = &mut *counts;
        if let Some(most) = self.connections
            && counts.all >= most
        {
            let first = !std::mem::replace(&mut counts.told, true);
            return Err(refusal("maxConnections", most, first));
        }
        let client = client.map(network);
        if let Some(client) = client {
            counts.add(client, self.per_client)?;
        }
        counts.all += 1;
        Ok(Counted {
            caps: self.clone(),
            client,
        })
    }
}

impl Counts {
    fn add(&mut self, client: IpAddr, most: Option<usize>) -> Result<(), Refusal> {
        let entry = self.clients.entry(client).or_default();
        if let Some(most) = most
            && entry.connections >= most
        {
            let first = !std::mem::replace(&mut entry.told, true);
            return Err(refusal("maxPerClient", most, first));
        }
        entry.connections += 1;
        Ok(())
    }
}

impl Counted {
    /// It is known now whose connection this is.
    pub fn belongs_to(&mut self, client: IpAddr) -> Result<(), Refusal> {
        let client = network(client);
        let counts = &self.caps.counts;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.add(client, self.caps.per_client)?;
        drop(counts);
        self.client = Some(client);
        Ok(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let counts = &self.caps.counts;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        counts.told &= self
            .caps
            .connections
            .is_some_and(|most| counts.all > most / 2);
        if let Some(network) = self.client
            && let Some(client) = counts.clients.get_mut(&network)
        {
            client.connections -= 1;
            if client.connections == 0 {
                counts.clients.remove(&network);
            }
        }
    }
}

fn refusal(option: &str, most: usize, first: bool) -> Refusal {
    let text = format!("closed: {option}={most} is reached");
    Refusal {
        fail: Fail::new(Cause::Limit, text),
        first,
    }
}

/// Who has one IPv6 address mostly has all of its /64.
fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_has_its_share_and_the_service_its_sum() {
        let caps = Arc::new(Caps::new(Some(3), Some(2)));
        let one = [(); 2].map(|()| caps.enter(Some(ip("10.0.0.1"))).unwrap());
        let refused = |from: &str| caps.enter(Some(ip(from))).unwrap_err();
        assert_eq!(
            refused("10.0.0.1").fail.text,
            "closed: maxPerClient=2 is reached"
        );
        assert!(!refused("10.0.0.1").first);
        let other = caps.enter(Some(ip("10.0.0.2"))).unwrap();
        assert_eq!(
            refused("10.0.0.3").fail.text,
            "closed: maxConnections=3 is reached"
        );
        assert!(!refused("10.0.0.2").first);
        drop(one);
        drop(other);
        assert!(caps.enter(Some(ip("10.0.0.1"))).is_ok());
        assert!(
            caps.counts.lock().unwrap().clients.is_empty(),
            "forgotten when they are gone"
        );
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client() {
        let caps = Arc::new(Caps::new(None, Some(1)));
        let _one = caps.enter(Some(ip("2001:db8::1"))).unwrap();
        assert!(caps.enter(Some(ip("2001:db8::2"))).is_err());
        assert!(caps.enter(Some(ip("2001:db8:0:1::1"))).is_ok());
    }

    #[test]
    fn a_client_behind_a_proxy_is_counted_when_it_is_known() {
        let caps = Arc::new(Caps::new(Some(3), Some(1)));
        let mut both = [(); 2].map(|()| caps.enter(None).unwrap());
        assert!(both[0].belongs_to(ip("10.0.0.1")).is_ok());
        assert!(both[1].belongs_to(ip("10.0.0.1")).is_err());
        assert!(both[1].belongs_to(ip("10.0.0.2")).is_ok());
        let _third = caps.enter(None).unwrap();
        assert!(caps.enter(None).is_err());
        drop(both);
        assert!(caps.counts.lock().unwrap().clients.is_empty());
    }
}
