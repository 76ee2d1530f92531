//! The one table of option names: spellings, form, default and where each may stand.

use std::time::Duration;

use serde_json::Value;

use super::model::Map;
use super::value::{self, Kind};
use crate::duration::Span;
use crate::report::nearest;

/// The part of a configuration that an option belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Service,
    Handler,
    Listener,
    Chain,
    Hop,
    Node,
    Connector,
    Dialer,
}

impl Place {
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Handler => "handler",
            Self::Listener => "listener",
            Self::Chain => "chain",
            Self::Hop => "hop",
            Self::Node => "node",
            Self::Connector => "connector",
            Self::Dialer => "dialer",
        }
    }

    /// The type of a part that names none.
    pub fn default_word(self) -> &'static str {
        match self {
            Self::Handler => "auto",
            Self::Connector => "http",
            Self::Listener | Self::Dialer => "tcp",
            _ => "",
        }
    }
}

/// What setting it does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Used,
    /// Accepted without a remark: what it asks for is so anyway, or concerns what is not served.
    Quiet,
    /// A warning at start.
    NotYet,
    /// An error at start: a user who sets it relies on it.
    Refused,
}

pub struct Opt {
    /// All spellings; of several in one map, the first one here counts.
    pub names: &'static [&'static str],
    pub kind: Kind,
    pub default: &'static str,
    pub effect: Effect,
    /// Where it may stand, and for which types (`[]`: all).
    pub at: &'static [(Place, &'static [&'static str])],
    pub help: &'static str,
}

use Effect::{NotYet, Quiet, Refused, Used};
use Kind::{Any, Bool, BoolOrDuration, Int, Text, Texts};
use Place::{Chain, Connector, Dialer, Handler, Hop, Listener, Node, Service};

const ALL: &[&str] = &[];
const WS: &[&str] = &["ws", "wss", "mws", "mwss"];
const MUX: &[&str] = &["mws", "mwss"];
const SOCKETS: &[&str] = &["tcp", "tls", "ws", "wss", "mws", "mwss"];
const PLAIN: &[&str] = &["tcp", "tls"];
const UDP: &[&str] = &["udp", "rudp"];
const HTTP: &[&str] = &["http", "auto"];
const SOCKS5: &[&str] = &["socks5", "socks"];
const SOCKS5_SERVER: &[&str] = &["socks5", "socks", "auto"];
const SOCKS4: &[&str] = &["socks4", "socks4a"];
const RELAY: &[&str] = &["relay"];
const FORWARD: &[&str] = &["forward", "tcp", "udp", "rtcp", "rudp"];
const NO_FORWARD: &[&str] = &[
    "http", "auto", "socks4", "socks4a", "socks5", "socks", "relay",
];
const MUX_CARRIERS: &[&str] = &["socks5", "socks", "relay"];

const WS_ENDS: &[(Place, &[&str])] = &[(Listener, WS), (Dialer, WS)];
const MUX_ENDS: &[(Place, &[&str])] = &[
    (Listener, MUX),
    (Dialer, MUX),
    (Handler, MUX_CARRIERS),
    (Connector, MUX_CARRIERS),
];
const NETWORK: &[(Place, &[&str])] = &[(Service, ALL), (Hop, ALL), (Node, ALL)];

const fn opt(
    names: &'static [&'static str],
    kind: Kind,
    default: &'static str,
    effect: Effect,
    at: &'static [(Place, &'static [&'static str])],
    help: &'static str,
) -> Opt {
    Opt {
        names,
        kind,
        default,
        effect,
        at,
        help,
    }
}

#[rustfmt::skip]
pub static OPTIONS: &[Opt] = &[
    // Websocket, both ends.
    opt(&["ws.path", "path"], Text, "/ws", Used, WS_ENDS, "request path; equal on both ends"),
    opt(&["ws.host", "host"], Text, "node address", Used, WS_ENDS, "dialer: the Host line; listener: the Host that is served"),
    opt(&["ws.header", "header"], Kind::Map, "", Used, WS_ENDS, "header fields added to the request or the response"),
    opt(&["ws.header.*", "header.*"], Text, "", Used, WS_ENDS, "one such field, for the command line"),
    opt(&["ws.handshakeTimeout", "handshakeTimeout"], Kind::Duration, "10s", Used, WS_ENDS, "for TLS and upgrade together"),
    opt(&["ws.readHeaderTimeout", "readHeaderTimeout"], Kind::Duration, "10s", Used, WS_ENDS, "for receiving the head of the upgrade"),
    opt(&["ws.readBufferSize", "readBufferSize"], Int, "262144", Used, WS_ENDS, "bytes of one read from the socket"),
    opt(&["ws.writeBufferSize", "writeBufferSize"], Int, "one frame a message", Used, WS_ENDS, "payload bytes of one frame"),
    opt(&["ws.enableCompression", "enableCompression"], Bool, "false", Used, WS_ENDS, "permessage-deflate"),
    opt(&["ws.keepalive", "keepalive"], BoolOrDuration, "true", Used, WS_ENDS, "pings when nothing comes; a duration is their period"),
    opt(&["ttl", "keepalive.interval"], Kind::Duration, "15s", Used, WS_ENDS, "silence after which a ping is sent, less up to a fifth by chance"),
    opt(&["ws.keepalive.timeout", "keepalive.timeout"], Kind::Duration, "as ttl", Used, WS_ENDS, "further silence after which the peer is dead"),
    opt(&["fallback"], Text, "", Used, &[(Listener, WS)], "what is not the right upgrade goes to this site: http://HOST:PORT, https://HOST:PORT or file:DIR"),
    opt(&["ws.backlog", "backlog"], Int, "1024", Used, &[(Listener, WS)], "connections waiting to be accepted"),
    // smux.
    opt(&["mux.type"], Text, "smux", Used, MUX_ENDS, "smux; yamux is not supported"),
    opt(&["mux.version", "muxVersion"], Int, "1", Used, MUX_ENDS, "smux protocol version, equal on both ends; without it, two Ginnels agree on 2"),
    opt(&["mux.keepaliveDisabled", "muxKeepAliveDisabled"], Bool, "false", Used, MUX_ENDS, "no keep-alive frames"),
    opt(&["mux.keepaliveInterval", "muxKeepAliveInterval"], Kind::Duration, "10s", Used, MUX_ENDS, "period of keep-alive frames"),
    opt(&["mux.keepaliveTimeout", "muxKeepAliveTimeout"], Kind::Duration, "30s", Used, MUX_ENDS, "a session silent for this long is dead"),
    opt(&["mux.maxFrameSize", "muxMaxFrameSize"], Int, "32768", Used, MUX_ENDS, "payload bytes of one frame"),
    opt(&["mux.maxReceiveBuffer", "muxMaxReceiveBuffer"], Int, "4194304", Used, MUX_ENDS, "unread bytes of a session; 128 MiB where windows follow the path (two Ginnels)"),
    opt(&["mux.maxStreamBuffer", "muxMaxStreamBuffer"], Int, "65536", Used, MUX_ENDS, "version 2: window of a stream"),
    opt(&["mux.maxStreams"], Int, "4096", Used, MUX_ENDS, "streams of a session at once; more are refused"),
    opt(&["mux.maxStreamWindow"], Int, "262144", NotYet, MUX_ENDS, "yamux only"),
    // Sockets.
    opt(&["mptcp"], Bool, "false", Used, &[(Listener, SOCKETS), (Dialer, SOCKETS)], "multipath TCP where the system has it"),
    opt(&["reuseport"], Bool, "false", Used, &[(Listener, &["tcp"])], "share the port with other processes"),
    opt(&["keepalive"], Bool, "true", Quiet, &[(Listener, PLAIN), (Dialer, PLAIN)], "TCP keep-alive"),
    opt(&["keepalive.idle"], Kind::Duration, "15s", Used, &[(Listener, SOCKETS), (Dialer, PLAIN)], "TCP keep-alive"),
    opt(&["keepalive.interval"], Kind::Duration, "15s", Used, &[(Listener, PLAIN), (Dialer, PLAIN)], "TCP keep-alive"),
    opt(&["keepalive.count"], Int, "9", Used, &[(Listener, SOCKETS), (Dialer, PLAIN)], "TCP keep-alive"),
    opt(&["tcp.keepalive"], Bool, "true", Quiet, &[(Dialer, WS)], "TCP keep-alive"),
    opt(&["tcp.keepalive.idle", "tcp.keepalive.interval"], Kind::Duration, "15s", Used, &[(Dialer, WS)], "TCP keep-alive"),
    opt(&["tcp.keepalive.count"], Int, "9", Used, &[(Dialer, WS)], "TCP keep-alive"),
    opt(&["handshakeTimeout"], Kind::Duration, "10s", Used, &[(Listener, &["tls"]), (Dialer, &["tls"])], "for the TLS handshake"),
    opt(&["maxConnections"], Int, "none", Used, &[(Listener, SOCKETS), (Listener, UDP)], "connections at once, of all clients; more are closed"),
    opt(&["maxPerClient"], Int, "none", Used, &[(Listener, SOCKETS), (Listener, UDP)], "connections at once of one IPv4 address or one IPv6 /64; more are closed"),
    opt(&["ttl", "keepalive.ttl"], Kind::Duration, "5s", Used, &[(Listener, UDP)], "clients silent for this long are forgotten"),
    opt(&["readQueueSize", "recvQueueSize"], Int, "128", Used, &[(Listener, UDP)], "datagrams that wait for one client or its target"),
    opt(&["keepalive"], Bool, "true", Quiet, &[(Listener, UDP)], "clients outlive their first answer"),
    opt(&["backlog"], Int, "128", Quiet, &[(Listener, UDP)], "new clients wait for nobody"),
    opt(&["readBufferSize", "udp.bufferSize"], Int, "65507", Quiet, &[(Listener, UDP)], "no datagram is cut"),
    // Handlers.
    opt(&["readTimeout"], Kind::Duration, "15s", Used, &[(Handler, &["http", "auto", "socks4", "socks4a", "socks5", "socks", "relay", "forward", "tcp", "udp"])], "for the negotiation with the client, from its connection and again from its first byte; negative: no limit"),
    opt(&["idleTimeout"], Kind::Duration, "none", Used, &[(Handler, &["http", "auto", "forward", "tcp"])], "tunnels silent for this long are closed"),
    opt(&["http.header", "header"], Kind::Map, "", Used, &[(Handler, HTTP)], "header fields added to the proxy's own responses"),
    opt(&["authBasicRealm"], Text, "gost", Used, &[(Handler, HTTP)], "realm of the challenge"),
    opt(&["http.proxyAgent", "proxyAgent"], Text, "gost/3.0", Used, &[(Handler, HTTP)], "value of Proxy-Agent"),
    opt(&["http.keepalive", "keepalive"], Bool, "true", Quiet, &[(Handler, HTTP), (Handler, FORWARD)], "keep connections to origins"),
    opt(&["http.compression", "compression"], Bool, "false", Quiet, &[(Handler, HTTP)], "client and origin agree on it"),
    opt(&["probeResist", "probe_resist"], Text, "", Used, &[(Handler, HTTP)], "what clients without a user see: code:404, web:URL, host:HOST:PORT or file:PATH"),
    opt(&["knock"], Texts, "", Used, &[(Handler, HTTP)], "with probeResist: hosts for which a client is asked to authenticate"),
    opt(&["notls"], Bool, "false", Used, &[(Handler, SOCKS5_SERVER), (Connector, SOCKS5)], "no TLS inside SOCKS5"),
    opt(&["bind"], Bool, "false", Used, &[(Handler, SOCKS5_SERVER)], "clients may open ports here, for reverse tunnels (rtcp, rudp) and SOCKS5 BIND"),
    opt(&["bind"], Bool, "false", Used, &[(Handler, RELAY)], "clients may open ports here, for reverse tunnels (rtcp, rudp), and associate UDP"),
    opt(&["unix"], Texts, "false", Used, &[(Handler, RELAY)], "clients may reach socket files of this machine: true for all, or paths, and folders that end with a slash"),
    opt(&["udp"], Bool, "false", Used, &[(Handler, &["http", "socks5", "socks", "auto"])], "UDP ASSOCIATE, UDP-TUN, UDP over HTTP"),
    opt(&["udp.bufferSize", "udpBufferSize", "bufferSize", "readBufferSize"], Int, "65507", Quiet, &[(Handler, &["http", "socks5", "socks", "auto", "relay", "forward", "tcp", "udp", "rudp"]), (Connector, SOCKS5)], "no datagram is cut"),
    opt(&["udp.resolveDomain"], Bool, "false", Quiet, &[(Handler, SOCKS5)], "answers come from addresses in any case"),
    opt(&["udp.bindRange.min", "udp.minPort"], Int, "", Used, &[(Handler, SOCKS5_SERVER)], "first port of UDP ASSOCIATE"),
    opt(&["udp.bindRange.max", "udp.maxPort"], Int, "", Used, &[(Handler, SOCKS5_SERVER)], "last port of UDP ASSOCIATE"),
    opt(&["udp.timeout"], Kind::Duration, "", Quiet, &[(Connector, SOCKS5)], "associations end with their clients"),
    opt(&["socks.publicAddr", "publicAddr"], Text, "", Used, &[(Handler, SOCKS5_SERVER)], "IP address told to clients of UDP ASSOCIATE"),
    opt(&["comp"], Bool, "false", NotYet, &[(Handler, SOCKS5)], "compatibility with gost 2"),
    opt(&["tor"], Bool, "false", NotYet, &[(Handler, SOCKS5)], "tor's name resolution"),
    opt(&["hash"], Text, "the client", Used, &[(Handler, &["http", "auto", "socks4", "socks4a", "socks5", "socks", "relay"])], "host: the hash strategy goes by the target, not by the client"),
    opt(&["skipauth"], Texts, "", Used, &[(Handler, ALL)], "addresses and networks of clients without authentication"),
    opt(&["sniffing"], Bool, "false", Used, &[(Handler, FORWARD)], "look at the client's first bytes: HTTP and TLS are for targets of that protocol and host, and for bypasses"),
    opt(&["sniffing.timeout"], Kind::Duration, "5s", Used, &[(Handler, FORWARD)], "how long to wait for them"),
    opt(&["sniffing", "sniffing.timeout"], Any, "", NotYet, &[(Handler, NO_FORWARD)], "looking into tunnels"),
    opt(&["sniffing.websocket", "sniffing.websocket.sampleRate", "sniffing.udp", "sniffing.fallback"], Any, "", NotYet, &[(Handler, ALL)], "looking into tunnels"),
    opt(&["mitm.*"], Any, "", NotYet, &[(Handler, ALL)], "looking into TLS"),
    opt(&["stateless"], Bool, "false", Quiet, &[(Handler, FORWARD), (Listener, UDP)], "udp: forget a client with its answer"),
    opt(&["proxyProtocol"], Int, "0", Used, &[(Handler, FORWARD)], "version of the PROXY header that the target gets, 1 or 2"),
    // Connectors.
    opt(&["timeout", "connectTimeout"], Kind::Duration, "10s", Used, &[(Connector, &["http", "socks4", "socks4a", "socks5", "socks", "relay"])], "for the exchange with the node"),
    opt(&["header"], Kind::Map, "", Used, &[(Connector, &["http"])], "header fields added to CONNECT"),
    opt(&["nodelay"], Bool, "false", Used, &[(Connector, RELAY)], "wait for the response before data is sent"),
    opt(&["nodelay"], Bool, "false", Quiet, &[(Handler, RELAY)], "answer before the first data"),
    opt(&["disable4a"], Bool, "false", Used, &[(Connector, SOCKS4)], "resolve names here"),
    opt(&["relay"], Text, "", Used, &[(Connector, SOCKS5)], "udp: datagrams by UDP ASSOCIATE outside the channel, not by UDP-TUN in it"),
    // Nodes, hops, chains.
    opt(&["weight"], Int, "1", Used, &[(Node, ALL)], "share of connections with strategy random"),
    opt(&["backup"], Bool, "false", Used, &[(Node, ALL)], "taken only when all others are out"),
    opt(&["maxFails"], Int, "", Used, &[(Node, ALL), (Chain, ALL)], "overrides the selector's"),
    opt(&["failTimeout"], Kind::Duration, "", Used, &[(Node, ALL), (Chain, ALL)], "overrides the selector's"),
    opt(&["weight"], Int, "1", Used, &[(Chain, ALL)], "share of connections in a chain group with strategy random"),
    opt(&["backup"], Bool, "false", Used, &[(Chain, ALL)], "taken only when all others of a chain group are out"),
    // Services.
    opt(&["dialTimeout"], Kind::Duration, "15s", Used, &[(Service, ALL)], "for each attempt to reach a target, through all hops"),
    opt(&["ignoreChain"], Bool, "false", Used, &[(Service, ALL)], "connect directly"),
    opt(&["interface"], Text, "", Used, NETWORK, "where packets leave: a name, an address, several of them, or auto (where the client came in)"),
    opt(&["so_mark"], Int, "", Used, NETWORK, "mark of outgoing packets"),
    opt(&["netns"], Text, "", Refused, NETWORK, "network name space"),
    opt(&["netns.out"], Text, "", Refused, &[(Service, ALL)], "network name space of outgoing connections"),
    opt(&["proxyProtocol"], Int, "0", Used, &[(Service, ALL)], "1 or 2: clients' connections begin with a PROXY header, of either version"),
    opt(&["proxyProtocol"], Int, "0", Used, &[(Hop, ALL), (Node, ALL)], "version of the PROXY header that the node gets, 1 or 2"),
    opt(&["trustedProxies"], Texts, "", Used, &[(Service, ALL), (Listener, SOCKETS)], "networks of proxies in front, which may say who the client is"),
    opt(&["enableStats"], Bool, "false", NotYet, &[(Service, ALL)], "counters in the API"),
    opt(&["observer.period", "observePeriod"], Kind::Duration, "5s", NotYet, &[(Service, ALL), (Handler, ALL)], "period of reports"),
    opt(&["observer.resetTraffic"], Bool, "false", NotYet, &[(Service, ALL), (Handler, ALL)], "reports start from zero"),
    opt(&["limiter.refreshInterval", "limiter.cleanupInterval"], Kind::Duration, "", Quiet, &[(Service, ALL), (Handler, ALL)], "limits are at hand, and are not asked for"),
    opt(&["limiter.scope"], Text, "both", Used, &[(Service, ALL)], "service: only the line $ of the limiter counts; conn: only its other lines"),
    opt(&["labels"], Kind::Map, "", NotYet, &[(Service, ALL)], "labels in logs"),
    opt(&["preUp", "postUp", "preDown", "postDown"], Texts, "", NotYet, &[(Service, ALL)], "commands run at start and stop"),
    opt(&["dns"], Texts, "", Quiet, &[(Handler, &["dns"])], "name servers"),
];

/// The rows that `key` can mean in `place`, for a part of type `word`.
pub fn find(place: Place, word: &str, key: &str) -> Option<&'static Opt> {
    OPTIONS
        .iter()
        .find(|one| one.stands_at(place, Some(word)) && one.is_called(key))
}

/// The same without regard to the type of the part.
pub fn find_in_place(place: Place, key: &str) -> Option<&'static Opt> {
    OPTIONS
        .iter()
        .find(|one| one.stands_at(place, None) && one.is_called(key))
}

/// All spellings known in `place` for a part of type `word`.
pub fn names(place: Place, word: &str) -> impl Iterator<Item = &'static str> {
    OPTIONS
        .iter()
        .filter(move |one| one.stands_at(place, Some(word)))
        .flat_map(|one| one.names.iter().copied())
}

/// The places where `key` means something.
pub fn places(key: &str) -> Vec<&'static str> {
    let mut places: Vec<_> = OPTIONS
        .iter()
        .filter(|one| one.is_called(key))
        .flat_map(|one| one.at.iter().map(|(place, _)| place.name()))
        .collect();
    places.dedup();
    places
}

/// What other programs of this kind call it.
const FOREIGN: &[(&str, &str)] = &[
    ("sni", "serverName"),
    ("peer", "serverName"),
    ("insecure", "secure"),
    ("allowInsecure", "secure"),
    ("skip-cert-verify", "secure"),
];

/// What may be meant by a `key` that is unknown here, where `names` are known.
pub fn hint<'a>(key: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let mut uses = Vec::new();
    for (place, words) in OPTIONS
        .iter()
        .filter(|one| one.is_called(key))
        .flat_map(|one| one.at)
    {
        let words = words.join(" ");
        let space = if words.is_empty() { "" } else { " " };
        uses.push(format!("{}{space}{words}", place.name()));
    }
    uses.dedup();
    let foreign = FOREIGN
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(key));
    if let Some((_, ours)) = foreign {
        return format!("did you mean {ours:?}?");
    }
    match nearest(key, names) {
        _ if !uses.is_empty() => format!("it is an option of {}", uses.join(", ")),
        Some(name) => format!("did you mean {name:?}?"),
        None => "it is ignored".to_owned(),
    }
}

impl Opt {
    /// The spelling to show: without a prefix where that is one, too.
    pub fn name(&self) -> &'static str {
        let first = self.names.first().copied().unwrap_or_default();
        let short = first.split_once('.').map(|(_, rest)| rest);
        match short.filter(|short| self.names.contains(short)) {
            Some(short) => short,
            None => first,
        }
    }

    /// By any of its spellings, in any case.
    pub fn is_called(&self, key: &str) -> bool {
        self.names.iter().any(|name| match name.strip_suffix('*') {
            Some(prefix) => key
                .get(..prefix.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(prefix)),
            None => name.eq_ignore_ascii_case(key),
        })
    }

    pub fn stands_at(&self, place: Place, word: Option<&str>) -> bool {
        self.at.iter().any(|(at, words)| {
            *at == place && word.is_none_or(|word| words.is_empty() || words.contains(&word))
        })
    }
}

/// The options of one part, read by any of their spellings.
pub struct Options<'a> {
    pub place: Place,
    pub word: &'a str,
    pub map: &'a Map,
}

impl<'a> Options<'a> {
    /// The value of the option called `name`; `null` counts as absent.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        let option = find(self.place, self.word, name)?;
        option
            .names
            .iter()
            .find_map(|name| {
                self.map
                    .iter()
                    .find(|(key, _)| key.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value)
            })
            .filter(|value| !value.is_null())
    }

    /// A list, or text with commas.
    pub fn texts(&self, name: &str) -> Vec<String> {
        match self.get(name) {
            Some(Value::Array(list)) => list.iter().filter_map(value::to_text).collect(),
            Some(value) => {
                let text = value::to_text(value).unwrap_or_default();
                let words = text.split(',').map(str::trim);
                let words = words.filter(|word| !word.is_empty());
                words.map(str::to_owned).collect()
            }
            None => Vec::new(),
        }
    }

    pub fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(value::to_bool).unwrap_or(false)
    }

    pub fn int(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(value::to_int)
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name)
            .and_then(value::to_text)
            .filter(|text| !text.is_empty())
    }

    pub fn span(&self, name: &str) -> Option<Span> {
        self.get(name).and_then(value::to_span)
    }

    /// `None` when absent, zero or negative, which all mean the default.
    pub fn time(&self, name: &str) -> Option<Duration> {
        self.span(name).and_then(Span::positive)
    }

    /// Header fields; numbers and switches are taken as their text. Where `name.*` is an option,
    /// `header.X-Name` adds one field.
    pub fn fields(&self, name: &str) -> Vec<(String, String)> {
        let map = self.get(name).and_then(Value::as_object);
        let listed = map
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value));
        let prefix = format!("{name}.");
        let single = self.map.iter().filter_map(|(key, value)| {
            find(self.place, self.word, key)?;
            let (head, field) = key.split_at_checked(prefix.len())?;
            head.eq_ignore_ascii_case(&prefix).then_some((field, value))
        });
        listed
            .chain(single)
            .filter_map(|(key, value)| Some((key.to_owned(), value::to_text(value)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_row_has_a_place_and_a_name() {
        for one in OPTIONS {
            assert!(!one.at.is_empty() && !one.names.is_empty() && !one.help.is_empty());
        }
    }

    #[test]
    fn no_spelling_means_two_things_in_one_place() {
        for one in OPTIONS {
            for (place, words) in one.at {
                let words = if words.is_empty() { &["x"][..] } else { words };
                for (word, name) in words
                    .iter()
                    .flat_map(|w| one.names.iter().map(move |n| (w, n)))
                {
                    let found = find(*place, word, name).unwrap();
                    assert!(std::ptr::eq(found, one), "{name} in {place:?} {word}");
                }
            }
        }
    }

    #[test]
    fn spellings_are_equal_and_the_new_one_wins() {
        let map = json!({"MUXKEEPALIVEINTERVAL": "5s", "mux.KeepaliveInterval": 7, "Path": "/x"});
        let Value::Object(map) = map else { panic!() };
        let options = Options {
            place: Dialer,
            word: "mws",
            map: &map,
        };
        assert_eq!(
            options.time("mux.keepaliveInterval"),
            Some(Duration::from_secs(7))
        );
        assert_eq!(options.text("path"), Some("/x".to_owned()));
        assert_eq!(options.time("ttl"), None);
    }
}
