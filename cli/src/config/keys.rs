//! The keys that are no options of one part: of the URL, of the file, or of both. Together with
//! the option table this is all that can be set.

use super::options::Effect;
use super::value::Kind;

pub struct Key {
    /// All spellings on the command line, or the key's name in the file.
    pub names: &'static [&'static str],
    pub kind: Kind,
    pub default: &'static str,
    pub effect: Effect,
    /// Which of `-L` and `-F` take it as a parameter.
    pub lines: &'static [&'static str],
    /// Where it stands in a file.
    pub paths: &'static [&'static str],
    pub help: &'static str,
}

use Effect::{NotYet, Used};
use Kind::{Any, Bool, Duration, Int, Text, Texts};

const BOTH: &[&str] = &["-L", "-F"];
const L: &[&str] = &["-L"];
const F: &[&str] = &["-F"];
const FILE: &[&str] = &[];

const NODE: &str = "chains[].hops[].nodes[]";
const TARGET: &str = "services[].forwarder.nodes[]";
const TLS_SECTIONS: &[&str] = &[
    "services[].listener.tls",
    "services[].handler.tls",
    "chains[].hops[].nodes[].dialer.tls",
    "tls",
];
const SERVER_TLS: &[&str] = &["services[].listener.tls", "tls"];
const DIALER_TLS: &[&str] = &["chains[].hops[].nodes[].dialer.tls"];
const SELECTORS: &[&str] = &["services[].forwarder.selector", "chains[].hops[].selector"];
const AUTHS: &[&str] = &[
    "services[].handler.auth",
    "chains[].hops[].nodes[].connector.auth",
    "authers[].auths[]",
];
const LISTS: &[&str] = &["bypasses[]", "admissions[]"];
const EVERYTHING: &[&str] = &["services[]", "chains[].hops[]", NODE];

const fn key(
    names: &'static [&'static str],
    kind: Kind,
    default: &'static str,
    effect: Effect,
    lines: &'static [&'static str],
    paths: &'static [&'static str],
    help: &'static str,
) -> Key {
    Key {
        names,
        kind,
        default,
        effect,
        lines,
        paths,
        help,
    }
}

#[rustfmt::skip]
pub static KEYS: &[Key] = &[
    // Credentials.
    key(&["auth"], Text, "", Used, BOTH, &["services[].handler", "chains[].hops[].nodes[].connector"], "credentials; on the command line base64 of user:password, in a file username, password, file"),
    key(&["username"], Text, "", Used, FILE, AUTHS, "user name; without one there is no authentication"),
    key(&["password"], Text, "", Used, FILE, AUTHS, "password; a user without one is let in with any"),
    key(&["auth.file"], Text, "", Used, FILE, &["chains[].hops[].nodes[].connector"], "file whose first line is the user and password to send"),
    key(&["auther"], Text, "", Used, FILE, &["services[].handler"], "name of an auther; replaces auth"),
    key(&["authers"], Texts, "", Used, FILE, &["services[].handler", "the top level"], "names of authers, one of which must accept; at the top level their definitions"),
    key(&["auths"], Any, "", Used, FILE, &["authers[]"], "users of an auther: a list of username and password"),
    key(&["file.path"], Text, "", Used, FILE, &["authers[]", "bypasses[]", "admissions[]", "hosts[]", "limiters[]", "climiters[]", "rlimiters[]"], "file with more of it, read again when it changes: user and password, pattern, address and names, or limit on each line; # for comments"),
    // TLS.
    key(&["certFile", "tls.certFile", "cert"], Text, "a self-signed certificate", Used, BOTH, TLS_SECTIONS, "PEM file of the certificate and its chain"),
    key(&["keyFile", "tls.keyFile", "key"], Text, "", Used, BOTH, TLS_SECTIONS, "PEM file of the certificate's key"),
    key(&["caFile", "tls.caFile", "ca"], Text, "", Used, BOTH, TLS_SECTIONS, "PEM file of authorities: listeners demand client certificates, dialers verify the peer's chain"),
    key(&["secure", "tls.secure"], Bool, "false", Used, F, DIALER_TLS, "verify the peer's certificate and name"),
    key(&["serverName", "tls.serverName"], Text, "host of the node", Used, F, DIALER_TLS, "name that is sent and verified"),
    key(&["validity"], Duration, "a year", Used, FILE, &["tls"], "validity of the self-signed certificate"),
    key(&["commonName"], Text, "name of this machine", Used, FILE, &["tls"], "name in the self-signed certificate"),
    key(&["organization"], Text, "", Used, FILE, &["tls"], "organization in the self-signed certificate"),
    key(&["rejectUnknownSNI"], Bool, "false", Used, FILE, SERVER_TLS, "clients must ask for a known name"),
    key(&["serverNames"], Texts, "any name", Used, FILE, SERVER_TLS, "the names for rejectUnknownSNI; in certificates: names in place of the certificate's own"),
    key(&["certificates"], Kind::Any, "", Used, FILE, SERVER_TLS, "further certificates (certFile, keyFile) for clients that ask for their names"),
    key(&["options.minVersion"], Text, "VersionTLS12", Used, FILE, TLS_SECTIONS, "VersionTLS12 or VersionTLS13"),
    key(&["options.maxVersion"], Text, "VersionTLS13", Used, FILE, TLS_SECTIONS, "VersionTLS12 or VersionTLS13"),
    key(&["options.cipherSuites"], Texts, "all that are safe", Used, FILE, TLS_SECTIONS, "cipher suites of TLS 1.2"),
    key(&["options.alpn"], Texts, "none", Used, FILE, TLS_SECTIONS, "application protocols, in order of preference"),
    // Choosing nodes and targets.
    key(&["strategy"], Text, "round", Used, BOTH, SELECTORS, "which target or node is next: round, random, fifo, hash, parallel, lowestlatency"),
    key(&["maxFails", "max_fails"], Int, "1", Used, BOTH, SELECTORS, "failures in a row that take a target or node out"),
    key(&["failTimeout", "fail_timeout"], Duration, "10s in a file, 30s on the command line", Used, BOTH, SELECTORS, "for how long it stays out"),
    key(&["maxLatency"], Duration, "", Used, FILE, SELECTORS, "nodes that took longer to reach are left out while there are others"),
    key(&["retries"], Int, "0", Used, L, &["services[].handler"], "further attempts after all nodes and targets have failed once"),
    // Parts of a file.
    key(&["name"], Text, "", Used, FILE, &["services[]", "chains[]", "hops[]", "authers[]", NODE], "what others refer to, and logs show"),
    key(&["addr"], Text, "", Used, FILE, &["services[]", "services[].forwarder.nodes[]", NODE], "host:port to listen on, or to connect to"),
    key(&["type"], Text, "auto, tcp, http, tcp", Used, FILE, &["services[].handler", "services[].listener", "chains[].hops[].nodes[].connector", "chains[].hops[].nodes[].dialer"], "what the part speaks"),
    key(&["chain"], Text, "", Used, FILE, &["services[].handler"], "name of the chain to connect through"),
    key(&["hop"], Text, "", Used, FILE, &["services[].forwarder"], "name of the hop whose nodes are the targets"),
    key(&["nodes"], Any, "", Used, FILE, &["services[].forwarder", "chains[].hops[]", "hops[]"], "targets of a forwarder, nodes of a hop"),
    key(&["network"], Text, "tcp", Used, FILE, &["services[].forwarder.nodes[]", NODE], "tcp; others are not supported"),
    key(&["metadata"], Any, "", Used, FILE, &["services[]", "services[].handler", "services[].listener", "chains[].hops[].nodes[].connector", "chains[].hops[].nodes[].dialer"], "options of the part"),
    key(&["drainTimeout"], Duration, "8s", Used, FILE, &["the top level"], "how long connections may go on after SIGTERM or SIGINT, as with --drainTimeout; 0 ends them at once"),
    key(&["strict"], Bool, "false", Used, FILE, &["the top level"], "unknown keys and options are errors, as with --strict"),
    key(&["profile"], Text, "standard", Used, FILE, &["the top level"], "standard, or small for one thread, small buffers and 16MiB of memory; as --profile, which outranks it"),
    key(&["memory"], Text, "half of the machine's", Used, FILE, &["the top level"], "bytes that connections may hold in all, such as 64MiB; as --memory, which outranks it"),
    key(&["log.level"], Text, "info", Used, FILE, &["the top level"], "trace, debug, info, warn, error or fatal"),
    key(&["log.format"], Text, "json", Used, FILE, &["the top level"], "json or text"),
    key(&["log.output"], Text, "stderr", Used, FILE, &["the top level"], "stderr, stdout, none or a file"),
    key(&["log.rotation"], Any, "", NotYet, FILE, &["the top level"], "of a log file"),
    key(&["tls"], Any, "", Used, FILE, &["services[].listener", "services[].handler", "chains[].hops[].nodes[].dialer", "the top level"], "certificates; at the top level the default one"),
    // What gost filters with.
    key(&["bypass"], Text, "", Used, BOTH, EVERYTHING, "targets that are refused (service), reached without the hop, or not through the node; with sniffing, whom a forwarder's target is not for; on the command line patterns with commas, ~ in front for all others"),
    key(&["admission"], Text, "", Used, L, &["services[]"], "clients that are refused; on the command line addresses with commas, ~ in front for all others"),
    key(&["resolver"], Text, "", Used, BOTH, EVERYTHING, "name servers for targets (service) or node addresses, in place of the system's; on the command line addresses with commas"),
    key(&["prefer"], Text, "ipv4", Used, L, &["services[]", "resolvers[].nameservers[]"], "ipv4 or ipv6: which addresses are asked for first"),
    key(&["hosts"], Text, "", Used, BOTH, EVERYTHING, "names with fixed addresses; on the command line name:address with commas"),
    key(&["limiter", "limiter.in", "limiter.out", "limiter.conn.in", "limiter.conn.out"], Text, "", Used, L, &["services[]"], "bytes a second from and to clients, such as 10MB: of the service, of each connection"),
    key(&["climiter"], Int, "", Used, L, &["services[]"], "connections at a time"),
    key(&["rlimiter"], Text, "", Used, L, &["services[]"], "connections a second"),
    key(&["admissions", "bypasses"], Texts, "", Used, FILE, &["services[]", "chains[].hops[]", "the top level"], "several of them; at the top level their definitions"),
    key(&["limiters", "climiters", "rlimiters"], Any, "", Used, FILE, &["the top level"], "definitions: name and limits"),
    key(&["matchers"], Texts, "", Used, FILE, LISTS, "patterns: address, network, range; for bypasses also names, .name, * and ?, and ports"),
    key(&["whitelist", "reverse"], Bool, "false", Used, FILE, LISTS, "the list names what is not refused"),
    key(&["limits"], Texts, "", Used, FILE, &["limiters[]", "climiters[]", "rlimiters[]"], "lines of a key ($ the service, $$ each connection or client, an address, a network) and numbers"),
    key(&["mappings"], Any, "", Used, FILE, &["hosts[]"], "list of ip, hostname and aliases; .name is the name and all below it"),
    key(&["ip", "hostname", "aliases"], Text, "", Used, FILE, &["hosts[].mappings[]"], "an address and its names"),
    key(&["resolvers"], Any, "", Used, FILE, &["the top level"], "definitions: name and nameservers, which are asked in turn until one knows addresses"),
    key(&["nameservers"], Any, "", Used, FILE, &["resolvers[]"], "list of addr ([udp|tcp|tls|https]://host[:port][/path]) and what follows here"),
    key(&["only"], Text, "", Used, FILE, &["resolvers[].nameservers[]"], "ipv4 or ipv6: no other addresses are used"),
    key(&["ttl"], Duration, "as the answer says", Used, FILE, &["resolvers[].nameservers[]"], "how long answers are remembered; negative: not at all"),
    key(&["timeout"], Duration, "5s", Used, FILE, &["resolvers[].nameservers[]"], "for one question"),
    key(&["async"], Bool, "false", Used, FILE, &["resolvers[].nameservers[]"], "answers that are no longer good are used while they are asked for anew"),
    key(&["clientIP"], Text, "", Used, FILE, &["resolvers[].nameservers[]"], "address whose network is told to the name server (EDNS client subnet)"),
    key(&["hostname"], Text, "", Used, FILE, &["resolvers[].nameservers[]"], "name that is sent to, and has to be in the certificate of, a tls or https name server; without it that is not verified"),
    key(&["chainGroup"], Any, "", Used, FILE, &["services[].handler"], "chains, one of which is taken for each connection, and their selector"),
    key(&["matcher.rule"], Text, "", Used, FILE, &[NODE, TARGET, "services[].handler.chainGroup.chains[]"], "in place of filter: Host(`*.name`) with &&, ||, ! and parentheses; for a target with sniffing also Proto, Path and PathPrefix"),
    key(&["matcher.priority"], Int, "the rule's length", Used, FILE, &[NODE, TARGET], "of several whose rules fit, the highest is taken"),
    key(&["filter.host"], Text, "", Used, FILE, &[NODE, TARGET], "the node is taken for this host only; *.name for the name and all below it"),
    key(&["filter.protocol"], Text, "", Used, FILE, &[TARGET], "http, tls or ssh, with sniffing: the target is for these clients only"),
    key(&["filter.path"], Text, "", Used, FILE, &[TARGET], "with sniffing: the beginning of the path of HTTP requests"),
    key(&["http.failCodes"], Text, "", Used, FILE, &[TARGET], "with sniffing: statuses such as 429 or 5xx that count as failures of the target"),
];

impl Key {
    pub fn is_called(&self, name: &str) -> bool {
        self.names.iter().any(|one| one.eq_ignore_ascii_case(name))
    }

    /// Whether `name` is its last part: `minVersion` of `options.minVersion`.
    pub fn ends_with(&self, name: &str) -> bool {
        let last = |one: &str| one.rsplit('.').next().map(str::to_ascii_lowercase);
        let first = self.names.first().and_then(|one| last(one));
        first == Some(name.to_ascii_lowercase())
    }
}
