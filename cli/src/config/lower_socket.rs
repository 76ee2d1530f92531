//! Options that the system keeps for a socket.

use ginnel_core::plan::{Interface, Keepalive, SocketOptions};

use super::lower::Lowering;
use super::options::Options;
use super::value;
use crate::listen::Tcp;

/// Of the sockets that go to a node (its own metadata, then its hop's), or to the targets of a service.
/// `channel` has those of the dialer.
pub(super) fn outgoing(
    to: &mut Lowering<'_>,
    places: &[&Options<'_>],
    channel: Option<&Options<'_>>,
    at: &str,
) -> SocketOptions {
    let interface = places
        .iter()
        .find_map(|options| options.get("interface"))
        .map(value::to_texts);
    let texts = interface.unwrap_or_default();
    let texts = texts.iter().flat_map(|text| text.split(',')).map(str::trim);
    let mark = places.iter().find_map(|options| options.int("so_mark"));
    let mark = mark.and_then(|mark| match u32::try_from(mark) {
        Ok(mark) => Some(mark).filter(|mark| *mark > 0),
        Err(_) => {
            let text = format_args!("so_mark: expected a number up to {}, got {mark}", u32::MAX);
            to.findings.error(at, text);
            None
        }
    });
    SocketOptions {
        interface: texts
            .filter_map(|text| interface_of(to, text, at))
            .collect(),
        mark,
        mptcp: channel.is_some_and(|options| options.flag("mptcp")),
        keepalive: channel.map(keepalive).unwrap_or_default(),
    }
}

/// Of a listener's sockets.
pub(super) fn listening(options: &Options<'_>) -> Tcp {
    Tcp {
        mptcp: options.flag("mptcp"),
        shared: options.flag("reuseport"),
        keepalive: keepalive(options),
    }
}

fn interface_of(to: &mut Lowering<'_>, text: &str, at: &str) -> Option<Interface> {
    if text.is_empty() {
        return None;
    }
    if text == "auto" {
        return Some(Interface::Auto);
    }
    if let Ok(ip) = text.parse() {
        return Some(Interface::Addr(ip));
    }
    // The kernel's limit.
    if text.len() > 15 || text.contains(|c: char| c == '/' || c.is_whitespace()) {
        let text = format_args!(
            "interface: expected an address or the name of an interface, got {text:?}"
        );
        to.findings.error(at, text);
        return None;
    }
    Some(Interface::Device(text.to_owned()))
}

fn keepalive(options: &Options<'_>) -> Keepalive {
    let time = |names: [&str; 2]| names.into_iter().find_map(|name| options.time(name));
    let count = ["keepalive.count", "tcp.keepalive.count"];
    let count = count.into_iter().find_map(|name| options.int(name));
    let count = count.and_then(|count| u32::try_from(count).ok());
    let default = Keepalive::default();
    let positive = |time: std::time::Duration| !time.is_zero();
    Keepalive {
        idle: time(["keepalive.idle", "tcp.keepalive.idle"])
            .filter(|idle| positive(*idle))
            .unwrap_or(default.idle),
        interval: time(["keepalive.interval", "tcp.keepalive.interval"])
            .filter(|interval| positive(*interval))
            .unwrap_or(default.interval),
        count: count.filter(|count| *count > 0).unwrap_or(default.count),
    }
}
