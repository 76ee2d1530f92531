//! Resolvers, and the name servers that they ask.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ginnel_core::addr::{Host, Target};
use ginnel_core::plan::{DnsChannel, NameServer, Resolver};
use ginnel_core::wire::dns::Family;
use serde_json::Value;

use super::Lowering;
use super::object::Object;
use super::tls;
use crate::config::model::{Map, Tls};
use crate::config::value;
use crate::duration::Span;
use crate::url::without_zone;

/// For one question, as gost has it.
const TIMEOUT: Duration = Duration::from_secs(5);
/// What is asked for over HTTPS if no path is given; RFC 8484 takes it for its examples.
const PATH: &str = "/dns-query";

/// Those of the top level by their names.
pub(super) fn resolvers(to: &mut Lowering<'_>) -> HashMap<String, Arc<Resolver>> {
    let config = to.config;
    let mut made = HashMap::new();
    for map in &config.resolvers {
        let object = Object::new("resolver", map);
        if !object.is_usable("resolver", made.contains_key(object.name), to.findings) {
            continue;
        }
        let servers = map.get("nameservers").and_then(Value::as_array);
        let servers: Vec<_> = servers
            .into_iter()
            .flatten()
            .enumerate()
            .filter_map(|(index, one)| {
                let at = format!("{}: nameservers[{index}]", object.at);
                name_server(to, one.as_object()?, &at)
            })
            .collect();
        if servers.is_empty() && !to.findings.has_errors() {
            to.findings
                .error(&object.at, "nameservers: there is none to ask");
        }
        let resolver = Resolver {
            name: object.name.to_owned(),
            servers,
        };
        made.insert(object.name.to_owned(), Arc::new(resolver));
    }
    made
}

fn name_server(to: &mut Lowering<'_>, map: &Map, at: &str) -> Option<NameServer> {
    let text = |key: &str| {
        map.get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .trim()
    };
    let place = match Place::parse(text("addr")) {
        Ok(place) => place,
        Err(error) => {
            to.findings.error(at, format_args!("addr: {error}"));
            return None;
        }
    };
    let chain = match text("chain") {
        "" => None,
        name => match to.config.chains.iter().position(|chain| chain.name == name) {
            Some(index) => Some(index),
            None => {
                let text = format_args!("there is no chain named {name:?}");
                to.findings.error(at, text);
                None
            }
        },
    };
    let mut family = |key: &str| match text(key).to_ascii_lowercase().as_str() {
        "" => None,
        "ipv4" | "ip4" => Some(Family::V4),
        "ipv6" | "ip6" => Some(Family::V6),
        other => {
            let text = format_args!("{key}: expected ipv4 or ipv6, got {other:?}");
            to.findings.error(at, text);
            None
        }
    };
    let (only, prefer) = (family("only"), family("prefer"));
    let subnet = match text("clientIP") {
        "" => None,
        ip => match ip.parse::<IpAddr>() {
            Ok(ip) => Some(ip),
            Err(_) => {
                let text = format_args!("clientIP: expected an address, got {ip:?}");
                to.findings.error(at, text);
                None
            }
        },
    };
    let span = |key: &str| map.get(key).and_then(value::to_span);
    let ttl = span("ttl").filter(|span| span.0 != 0);
    Some(NameServer {
        name: text("addr").to_owned(),
        speak: speak(to, &place, text("hostname"), at)?,
        addr: place.addr,
        chain,
        prefer: only.or(prefer).unwrap_or(Family::V4),
        only: only.is_some(),
        // Negative: nothing is remembered.
        ttl: ttl.map(|span| span.positive().unwrap_or_default()),
        stale: map.get("async").and_then(value::to_bool) == Some(true),
        timeout: span("timeout").and_then(Span::positive).unwrap_or(TIMEOUT),
        subnet,
    })
}

/// With `hostname`, the server has to be that one; without, nothing is known of who it should be.
fn speak(to: &mut Lowering<'_>, place: &Place, hostname: &str, at: &str) -> Option<DnsChannel> {
    let tls = |to: &mut Lowering<'_>| {
        let section = Tls {
            secure: !hostname.is_empty(),
            server_name: hostname.to_owned(),
            ..Tls::default()
        };
        tls::client(to, &section, &place.addr.to_string(), None, at)
    };
    Some(match place.scheme {
        Scheme::Udp => DnsChannel::Udp,
        Scheme::Tcp => DnsChannel::Tcp,
        Scheme::Tls => DnsChannel::Tls(tls(to)?),
        Scheme::Https => DnsChannel::Https {
            tls: tls(to)?,
            host: without_zone(&place.authority),
            path: place.path.clone(),
        },
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Udp,
    Tcp,
    Tls,
    Https,
}

/// `addr` of a name server: `[udp|tcp|tls|https]://host[:port][/path]`.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    scheme: Scheme,
    addr: Target,
    authority: String,
    path: String,
}

impl Place {
    fn parse(text: &str) -> Result<Self, String> {
        let (word, rest) = text.split_once("://").unwrap_or(("udp", text));
        let (scheme, port) = match word.to_ascii_lowercase().as_str() {
            "udp" => (Scheme::Udp, 53),
            "tcp" => (Scheme::Tcp, 53),
            "tls" | "dot" => (Scheme::Tls, 853),
            "https" | "doh" => (Scheme::Https, 443),
            other => return Err(format!("expected udp, tcp, tls or https, got {other:?}")),
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let host = Host::parse(authority);
        let addr = match host.ip() {
            Some(_) => Some(Target::new(host, port)),
            None => {
                Target::parse(authority).or_else(|| Target::parse(&format!("{authority}:{port}")))
            }
        };
        let is_host = |host: &Host| !matches!(host, Host::Name(name) if name.is_empty());
        let addr = addr.filter(|addr| is_host(&addr.host) && addr.port != 0);
        let Some(addr) = addr else {
            return Err(format!(
                "expected an address such as tls://1.1.1.1:853, got {text:?}"
            ));
        };
        let path = match path {
            "" => PATH,
            path => path,
        };
        if path.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(format!(
                "the path of {text:?} has characters that have to be escaped"
            ));
        }
        Ok(Self {
            scheme,
            addr,
            authority: authority.to_owned(),
            path: path.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_the_ports_of_their_protocols() {
        for (text, scheme, addr, path) in [
            ("1.1.1.1", Scheme::Udp, "1.1.1.1:53", PATH),
            (
                "udp://dns.example:5353",
                Scheme::Udp,
                "dns.example:5353",
                PATH,
            ),
            ("tcp://[2001:db8::1]", Scheme::Tcp, "[2001:db8::1]:53", PATH),
            ("2001:db8::1", Scheme::Udp, "[2001:db8::1]:53", PATH),
            ("tls://1.1.1.1", Scheme::Tls, "1.1.1.1:853", PATH),
            ("dot://1.1.1.1:53", Scheme::Tls, "1.1.1.1:53", PATH),
            (
                "https://dns.example",
                Scheme::Https,
                "dns.example:443",
                PATH,
            ),
            (
                "https://1.1.1.1:8443/q?x=1",
                Scheme::Https,
                "1.1.1.1:8443",
                "/q?x=1",
            ),
        ] {
            let place = Place::parse(text).unwrap();
            assert_eq!(place.scheme, scheme, "{text}");
            assert_eq!(place.addr.to_string(), addr, "{text}");
            assert_eq!(place.path, path, "{text}");
        }
        for text in [
            "",
            "udp://",
            "quic://1.1.1.1",
            "a:b",
            "1.1.1.1:0",
            "https://a/b c",
        ] {
            assert!(Place::parse(text).is_err(), "{text}");
        }
    }
}
