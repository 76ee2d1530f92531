//! Listening addresses: two services at one, and chains that lead back to where they began.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::config::lower::is_reverse;
use crate::config::model::{Config, Service};
use crate::report::Findings;

pub(super) fn check(config: &Config, findings: &mut Findings) {
    clashes(config, findings);
    loops(config, findings);
}

/// Two services of one port: binding would only say that it is busy.
fn clashes(config: &Config, findings: &mut Findings) {
    let services = &config.services;
    let bound: Vec<_> = services.iter().map(|one| Bound::of(&one.addr)).collect();
    // TCP and UDP have ports of their own.
    let datagrams = |one: &Service| {
        let listener = one.listener.as_ref();
        listener.is_some_and(|listener| matches!(listener.r#type.as_str(), "udp" | "rudp"))
    };
    // Where the far end of a chain listens, nothing does here.
    let elsewhere = |one: &Service| one.listener.as_ref().is_some_and(is_reverse);
    let mut by_port: HashMap<(bool, u16), Vec<usize>> = HashMap::new();
    for (index, one) in bound.iter().enumerate() {
        let Some(one) = one.as_ref().filter(|_| !elsewhere(&services[index])) else {
            continue;
        };
        let earlier = by_port
            .entry((datagrams(&services[index]), one.port))
            .or_default();
        let clash = earlier.iter().find(|other| {
            let other = bound[**other].as_ref();
            other.is_some_and(|other| other.overlaps(one))
        });
        if let Some(other) = clash {
            let (one, other) = (&services[index], &services[*other]);
            findings.error(
                &one.origin,
                format_args!(
                    "service {:?} listens on {:?}, which service {:?} ({}) has with {:?}",
                    one.name, one.addr, other.name, other.origin, other.addr
                ),
            );
        }
        earlier.push(index);
    }
}

/// A chain whose first node is the service that uses it never ends.
fn loops(config: &Config, findings: &mut Findings) {
    for service in &config.services {
        let chain = service.handler.as_ref().map(|handler| &handler.chain);
        let chain = config.chains.iter().find(|one| Some(&one.name) == chain);
        let Some(hop) = chain.and_then(|chain| chain.hops.first()) else {
            continue;
        };
        let named = config.hops.iter().find(|one| one.name == hop.name);
        let nodes = hop
            .nodes
            .as_ref()
            .or(named.and_then(|hop| hop.nodes.as_ref()));
        let Some(own) = Bound::of(&service.addr) else {
            continue;
        };
        for node in nodes.into_iter().flatten() {
            let here = Bound::of(&node.addr).filter(|node| node.is_local());
            if here.is_some_and(|node| node.port == own.port && node.overlaps(&own)) {
                findings.error(
                    &service.origin,
                    format_args!(
                        "service {:?} leads back to itself: node {:?} of its chain is {}",
                        service.name, node.name, node.addr
                    ),
                );
            }
        }
    }
}

/// What a listening address takes.
#[derive(Debug)]
struct Bound {
    port: u16,
    /// `None`: all of them.
    ip: Option<IpAddr>,
    /// Whether that is all of IPv4 only.
    only_v4: bool,
}

impl Bound {
    /// `None` for addresses that cannot clash, or are not understood.
    fn of(addr: &str) -> Option<Self> {
        let (host, port) = addr.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let ip = match host.to_ascii_lowercase().as_str() {
            "" => None,
            "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
            host => Some(host.parse().ok()?),
        };
        Some(Self {
            port,
            only_v4: ip.is_some_and(|ip: IpAddr| ip.is_unspecified() && ip.is_ipv4()),
            ip: ip.filter(|ip| !ip.is_unspecified()),
        })
    }

    fn overlaps(&self, other: &Self) -> bool {
        match (self.ip, other.ip) {
            (Some(one), Some(other)) => one == other,
            (None, None) => true,
            (None, Some(ip)) => ip.is_ipv4() || !self.only_v4,
            (Some(ip), None) => ip.is_ipv4() || !other.only_v4,
        }
    }

    fn is_local(&self) -> bool {
        self.ip.is_none_or(|ip| ip.is_loopback())
    }
}
