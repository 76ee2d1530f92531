//! Where a service of the command line listens, and which of its targets each port has.

use crate::config::model::Node;
use crate::report::Findings;
use crate::url::address::{self, Role};
use crate::url::parts::Parts;

/// Listeners whose addresses are paths, and those whose addresses are no ports at all.
const SOCKET_FILES: [&str; 3] = ["unix", "runix", "serial"];
const PORTLESS: [&str; 6] = ["tun", "tap", "tungo", "stdio", "icmp", "icmp6"];

/// The listen addresses, and the path that holds the targets.
pub(super) fn listen(
    parts: &Parts,
    place: &str,
    findings: &mut Findings,
) -> Result<(Vec<String>, String), String> {
    if is_socket_file(parts) {
        if parts.host.is_empty() && !parts.path.is_empty() {
            return Ok((vec![parts.path.clone()], String::new()));
        }
        return Ok((vec![parts.host.clone()], parts.path.clone()));
    }
    if PORTLESS.contains(&parts.lower.as_str()) {
        return Ok((vec![parts.host.clone()], parts.path.clone()));
    }
    let address = address::parse(&parts.host, Role::Listen)?;
    if address.open {
        findings.warn(place, "no port behind the colon: it is chosen at random");
    }
    Ok((address.each().collect(), parts.path.clone()))
}

fn is_socket_file(parts: &Parts) -> bool {
    let is_one = |word: &str| SOCKET_FILES.contains(&word);
    is_one(&parts.lower) || is_one(&parts.upper)
}

pub(super) fn targets(path: &str, parts: &Parts, prefix: &str) -> Result<Vec<Node>, String> {
    let list = path.trim_matches('/');
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let verbatim = is_socket_file(parts) || PORTLESS.contains(&parts.lower.as_str());
    let mut addrs = Vec::new();
    for entry in list.split(',') {
        if entry.is_empty() {
            return Err(format!("empty target in {list:?}"));
        }
        match verbatim {
            true => addrs.push(entry.to_owned()),
            false => addrs.extend(
                address::parse(entry, Role::Target)
                    .map_err(|error| format!("target: {error}"))?
                    .each(),
            ),
        }
    }
    let node = |(index, addr)| Node {
        name: format!("{prefix}target-{index}"),
        addr,
        ..Node::default()
    };
    Ok(addrs.into_iter().enumerate().map(node).collect())
}

/// Several ports: one target is for all of them, more are dealt out one by one.
pub(super) fn share(
    targets: Vec<Node>,
    ports: usize,
    place: &str,
    findings: &mut Findings,
) -> Result<Vec<Vec<Node>>, String> {
    if ports == 1 || targets.is_empty() {
        return Ok(vec![targets; ports]);
    }
    match targets.len() {
        1 => Ok(vec![targets; ports]),
        fewer if fewer < ports => Err(format!(
            "{ports} ports but {fewer} targets: the ranges must have the same size"
        )),
        more => {
            if more > ports {
                findings.warn(
                    place,
                    format_args!(
                        "{} of {more} targets have no port and are dropped",
                        more - ports
                    ),
                );
            }
            Ok(targets
                .into_iter()
                .take(ports)
                .map(|one| vec![one])
                .collect())
        }
    }
}
