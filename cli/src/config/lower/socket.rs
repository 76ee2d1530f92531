//! Options that the system keeps for a socket.

use ginnel_core::plan::{Interface, Keepalive, SocketOptions};
use ginnel_core::route::access::SocketFiles;
use serde_json::Value;

use super::Lowering;
use crate::config::model::Map;
use crate::config::options::Options;
use crate::config::value;
use crate::listen::Tcp;

/// Metadata, and the keys beside it, where gost 3.0 had `interface` and `sockopts.mark`.
pub(super) type Part<'a> = (&'a Options<'a>, &'a Map);

/// Of the sockets that go to a node (its own part, then its hop's), or to the targets of a service.
/// `channel` has those of the dialer.
pub(super) fn outgoing(
    to: &mut Lowering<'_>,
    places: &[Part<'_>],
    channel: Option<&Options<'_>>,
    at: &str,
) -> SocketOptions {
    let interface = places
        .iter()
        .find_map(|(options, beside)| options.get("interface").or_else(|| beside.get("interface")))
        .map(value::to_texts);
    let texts = interface.unwrap_or_default();
    let texts = texts.iter().flat_map(|text| text.split(',')).map(str::trim);
    for (_, beside) in places {
        let sockopts = beside.get("sockopts").and_then(Value::as_object);
        let mut keys = sockopts.into_iter().flat_map(Map::keys);
        if let Some(key) = keys.find(|key| *key != "mark") {
            let text = format_args!("sockopts.{key}: unknown, expected mark");
            to.findings.error(at, text);
        }
    }
    let mark = places.iter().find_map(|(options, beside)| {
        let old = || value::to_int(beside.get("sockopts")?.get("mark")?);
        options.int("so_mark").or_else(old)
    });
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

/// Socket files that clients of a relay service may reach.
pub(super) fn files(to: &mut Lowering<'_>, options: &Options<'_>, at: &str) -> SocketFiles {
    let texts = options.texts("unix");
    match &texts[..] {
        [] => return SocketFiles::None,
        [one] => match value::parse_bool(one) {
            Some(true) => return SocketFiles::All,
            Some(false) => return SocketFiles::None,
            None => {}
        },
        _ => {}
    }
    for text in &texts {
        if !text.starts_with('/') || text.split('/').any(|part| part == "..") {
            let text = format_args!(
                "unix: expected true, or paths such as /run/app.sock and /run/apps/, got {text:?}"
            );
            to.findings.error(at, text);
        }
    }
    SocketFiles::Listed(texts)
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
