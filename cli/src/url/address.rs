//! Listen addresses, targets and node addresses: `host:port`, with ranges where they are allowed.

use std::net::Ipv6Addr;

/// A host (brackets kept) and one or more ports in a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) first: u16,
    pub(super) last: u16,
    /// The port was left out behind the colon.
    pub(super) open: bool,
}

impl Address {
    pub(super) fn each(&self) -> impl Iterator<Item = String> {
        (self.first..=self.last).map(|port| format!("{}:{port}", self.host))
    }
}

/// Where an address stands decides what is allowed in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// `:` alone is a random port.
    Listen,
    Target,
    /// No ranges.
    Node,
}

pub(super) fn parse(text: &str, role: Role) -> Result<Address, String> {
    if text.contains(['“', '”', '„', '‘', '’']) {
        return Err(format!(
            "{text:?}: typographic quotes: write plain ones, \" or '"
        ));
    }
    if text.contains(char::is_whitespace) {
        return Err(format!(
            "{text:?}: there is a blank in the address: each address has its own flag"
        ));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => return Err(missing_port(text, role)),
    };
    check_host(host, text, role)?;
    if port.is_empty() {
        return match role {
            Role::Listen if host.is_empty() => Ok(Address {
                host: String::new(),
                first: 0,
                last: 0,
                open: true,
            }),
            _ => Err(missing_port(text, role)),
        };
    }
    let (first, last) = match port.split_once('-') {
        Some((first, last)) if role != Role::Node && !first.is_empty() => {
            (parse_port(first)?, parse_port(last)?)
        }
        _ => (parse_port(port)?, parse_port(port)?),
    };
    if first > last {
        return Err(format!(
            "port range {port} is reversed: write {last}-{first}"
        ));
    }
    if last - first >= 4096 {
        return Err(format!("port range {port} has more than 4096 ports"));
    }
    let host = match role {
        // The host of a node is a URL's, where the % in front of a zone is written %25.
        Role::Node if !host.ends_with("%25]") => host.replacen("%25", "%", 1),
        _ => host.to_owned(),
    };
    Ok(Address {
        host,
        first,
        last,
        open: false,
    })
}

/// The host of `host:port`, or of a host alone, without brackets.
pub fn host_of(addr: &str) -> &str {
    let host = match addr.rsplit_once(':') {
        Some((host, port))
            if !port.ends_with(']') && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => addr,
    };
    host.trim_start_matches('[').trim_end_matches(']')
}

/// The name of a server, of which `host` is its own or the address: certificates know no zones.
pub fn server_name(host: &str) -> &str {
    host.split_once('%').map_or(host, |(ip, _)| ip)
}

/// An address for those to whom a zone of ours means nothing (RFC 6874, 4).
pub fn without_zone(addr: &str) -> String {
    match addr.split_once('%').zip(addr.find(']')) {
        Some(((ip, _), end)) if addr.starts_with('[') => format!("{ip}{}", &addr[end..]),
        _ => addr.to_owned(),
    }
}

fn check_host(host: &str, text: &str, role: Role) -> Result<(), String> {
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if host.contains(':') && !bracketed {
        return Err(many_colons(text, host));
    }
    if !bracketed && host.contains(['[', ']']) {
        return Err(format!(
            "{text:?}: brackets are for IPv6 addresses, as in [::1]:8080"
        ));
    }
    let bad = |c: char| c.is_whitespace() || c.is_control() || "<>\"\\^`{|}@,".contains(c);
    if !bracketed && host.contains('%') && role != Role::Target {
        return Err(format!("{host:?}: a host has no % escapes"));
    }
    if host.contains(bad) {
        return Err(format!("{host:?} is no host"));
    }
    Ok(())
}

fn many_colons(text: &str, host: &str) -> String {
    let ip = host.split('%').next().unwrap_or_default();
    let ip = ip.trim_start_matches('[');
    let is_ip = ip.matches(':').count() > 1
        && ip
            .bytes()
            .all(|b| b.is_ascii_hexdigit() || b":.".contains(&b));
    if is_ip || text.parse::<Ipv6Addr>().is_ok() {
        return format!("{text:?}: an IPv6 address needs brackets, as in [::1]:8080");
    }
    if text.contains("//") || text.contains([',', ';']) {
        return format!(
            "{text:?}: expected host:port alone: each URL has its own flag, and in a file the types of handler and \
             listener are its scheme"
        );
    }
    format!("{text:?}: expected host:port, with one colon")
}

fn missing_port(text: &str, role: Role) -> String {
    if text.is_empty() && role != Role::Listen {
        return "expected host:port, got nothing".to_owned();
    }
    if text.is_empty() {
        return "missing port: write :8080, or :0 for a random one".to_owned();
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("missing port in {text:?}: did you mean \":{text}\"?");
    }
    if text.matches(':').count() > 1 && !text.starts_with('[') {
        return format!("{text:?}: an IPv6 address needs brackets, as in [::1]:8080");
    }
    let bare = text.trim_end_matches(':');
    format!("missing port in {text:?}: write {bare}:PORT")
}

fn parse_port(text: &str) -> Result<u16, String> {
    if text.contains('&') {
        return Err(format!(
            "port {text:?}: parameters begin with a ?, and only further ones with &"
        ));
    }
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("port {text:?} is not a number"));
    }
    text.parse()
        .map_err(|_| format!("port {text} is out of range 0-65535"))
}
