//! What is unsafe although it works, beyond what a start warns of.

use super::Danger;
use super::view::short;
use crate::config::model::{Auth, Config, Node, Service};
use crate::config::options::Place;
use crate::url::host_of;

pub(super) fn find(config: &Config) -> Vec<Danger> {
    let mut dangers = Vec::new();
    for service in &config.services {
        of_service(service, &mut dangers);
    }
    let hops = config.chains.iter().flat_map(|chain| &chain.hops);
    for hop in hops.chain(&config.hops) {
        for node in hop.nodes.iter().flatten() {
            of_node(node, &hop.origin, &mut dangers);
        }
    }
    dangers
}

fn of_service(service: &Service, dangers: &mut Vec<Danger>) {
    let mut say = |text: String| {
        dangers.push(Danger {
            place: short(&service.origin),
            text,
        });
    };
    let handler = service.handler.clone().unwrap_or_default();
    let listener = service.listener.clone().unwrap_or_default();
    let kind = Place::Handler.word(&handler.r#type);
    let channel = Place::Listener.word(&listener.r#type);
    let named = handler.auther_names().next().is_some();
    let auth = handler.auth.as_ref();
    let guarded = named || auth.is_some_and(|auth| !auth.username.is_empty());
    let certified = listener
        .tls
        .as_ref()
        .is_some_and(|tls| !tls.ca_file.is_empty());
    let proxy =
        service.forwarder.is_none() && !matches!(kind, "forward" | "tcp" | "udp" | "rtcp" | "rudp");
    let local = is_loopback(&service.addr);
    if proxy && !guarded && !certified && !local {
        say(format!(
            "an open proxy: everybody who reaches {} can use it, add USER:PASS@ or an auther",
            shown(&service.addr)
        ));
    }
    if guarded && !local && matches!(channel, "tcp" | "ws" | "mws") {
        say(format!(
            "clients send their passwords unencrypted over {channel}"
        ));
    }
    if from_line(&service.origin, auth) {
        say("the password in the URL shows in the list of processes".to_owned());
    }
    if kind == "relay" && handler.options().flag("unix") {
        say(
            "clients can reach every socket file of this machine (unix): name those that they need"
                .to_owned(),
        );
    }
}

fn of_node(node: &Node, origin: &str, dangers: &mut Vec<Danger>) {
    let mut say = |text: String| {
        dangers.push(Danger {
            place: short(origin),
            text,
        });
    };
    let connector = node.connector.clone().unwrap_or_default();
    let dialer = node.dialer.clone().unwrap_or_default();
    let channel = Place::Dialer.word(&dialer.r#type);
    let auth = connector.auth.as_ref();
    let sends = auth.is_some_and(|auth| !auth.password.is_empty() || !auth.file.is_empty());
    if sends && !is_loopback(&node.addr) && matches!(channel, "tcp" | "ws" | "mws") {
        say(format!(
            "the password is sent unencrypted over {channel} to {}",
            node.addr
        ));
    }
    if from_line(origin, auth) {
        say("the password in the URL shows in the list of processes".to_owned());
    }
}

fn from_line(origin: &str, auth: Option<&Auth>) -> bool {
    origin.starts_with('-')
        && !origin.starts_with("-C")
        && auth.is_some_and(|auth| !auth.password.is_empty())
}

fn shown(addr: &str) -> &str {
    if addr.is_empty() { "it" } else { addr }
}

/// Whether only this machine can come there.
pub(super) fn is_loopback(addr: &str) -> bool {
    let host = host_of(addr);
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_by_its_addresses() {
        for addr in [
            "127.0.0.1:1",
            "127.9.9.9:1",
            "[::1]:1",
            "localhost:1",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(is_loopback(addr), "{addr}");
        }
        for addr in [
            ":1",
            "0.0.0.0:1",
            "[::]:1",
            "10.0.0.1:1",
            "",
            "127.example.com:1",
        ] {
            assert!(!is_loopback(addr), "{addr}");
        }
    }
}
