//! What concerns datagrams.

use std::net::IpAddr;

use ginnel_core::plan::Udp;

use super::Lowering;
use crate::config::model;
use crate::config::options::Options;

/// The options of a udp listener.
pub(super) fn listener(model: &model::Listener, udp: &mut Udp) {
    let options = model.options();
    if let Some(ttl) = options.time("ttl") {
        udp.ttl = ttl;
    }
    let queue = options.int("readQueueSize");
    if let Some(queue) = queue.and_then(|queue| usize::try_from(queue).ok()) {
        udp.queue = queue.max(1);
    }
}

pub(super) fn handler(to: &mut Lowering<'_>, options: &Options<'_>, udp: &mut Udp, at: &str) {
    udp.enabled = options.flag("udp");
    udp.bind = options.flag("bind");
    // As in gost: a name changes nothing.
    udp.public = options
        .text("publicAddr")
        .and_then(|addr| addr.trim_matches(['[', ']']).parse::<IpAddr>().ok());
    let port = |name: &str| {
        let port = options.int(name)?;
        u16::try_from(port).ok().filter(|port| *port > 0)
    };
    match (port("udp.bindRange.min"), port("udp.bindRange.max")) {
        (Some(min), Some(max)) if min <= max => udp.ports = Some(min..=max),
        (None, None) => {}
        _ => to.findings.error(
            at,
            "udp.bindRange: expected ports with min not above max, and both of them",
        ),
    }
}
