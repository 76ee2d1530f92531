//! The one table of options: a row says how it is written, what it holds, what it does and where.

use super::{Effect, Opt, Place};
use crate::config::value::Kind;

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
