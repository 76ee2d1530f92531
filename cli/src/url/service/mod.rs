//! `-L`: services, and the objects that their query parameters define.

mod metadata;
mod targets;

use self::metadata::Metadata;
use super::Names;
use super::parts::{self, Parts, Query};
use super::words::Side;
use super::{objects, query};
use crate::config::model::{Config, Forwarder, Handler, Listener, Service};
use crate::config::options::Place;
use crate::report::Findings;

/// With a target, the handler of these is called like the listener.
const OWN_FORWARDERS: [&str; 10] = [
    "tcp", "udp", "rtcp", "rudp", "tun", "tap", "dns", "unix", "runix", "serial",
];
const REVERSE: [&str; 3] = ["rtcp", "rudp", "runix"];

pub(super) fn add(
    text: &str,
    prefix: &str,
    place: &str,
    names: &mut Names,
    config: &mut Config,
    findings: &mut Findings,
) -> Result<(), String> {
    let parts = parts::split(text, Side::Service)?;
    let (addrs, path) = targets::listen(&parts, place, findings)?;
    let targets = targets::targets(&path, &parts, prefix)?;
    if parts.auth_overridden {
        findings.note(place, "auth= is overridden by USER:PASS@");
    }
    if parts.fragment {
        findings.warn(place, "what follows # is ignored: a # is written %23");
    }
    let shares = targets::share(targets, addrs.len(), place, findings)?;
    let forwards = shares.iter().any(|share| !share.is_empty());
    let word = handler_word(&parts, forwards, place, findings);

    let metadata = Metadata::read(&parts, &word, place, findings)?;
    let selector = query::selector(&parts.query)?;
    if selector.is_some() && !forwards {
        findings.warn(
            place,
            "strategy, maxFails and failTimeout have no effect without targets",
        );
    }
    let tls = query::files(&parts.query);
    if tls.cert_file.is_empty() != tls.key_file.is_empty() {
        return Err("certFile and keyFile belong together: one of them is missing".to_owned());
    }
    if tls.cert_file.is_empty() && !tls.ca_file.is_empty() {
        return Err("caFile without certFile and keyFile does nothing".to_owned());
    }
    let of_handler = of_handler(&parts.query);
    let retries = match of_handler.get(&["retries"]) {
        Some("" | "0") | None => 0,
        Some(text) => query::positive("retries", text)?,
    };
    query::check_auth(parts.auth.as_ref(), place, findings);
    let chain = config
        .chains
        .first()
        .map(|chain| chain.name.clone())
        .unwrap_or_default();
    let reverse = REVERSE.contains(&parts.lower.as_str());
    let on_listener = matches!(parts.lower.as_str(), "ssh" | "sshd");
    let handler = Handler {
        r#type: word,
        auth: parts.auth.clone().filter(|_| !on_listener),
        chain: if reverse {
            String::new()
        } else {
            chain.clone()
        },
        retries,
        metadata: metadata.handler,
        ..Handler::default()
    };
    let listener = Listener {
        r#type: parts.lower.clone(),
        auth: parts.auth.clone().filter(|_| on_listener),
        chain: if reverse { chain } else { String::new() },
        tls: (!tls.cert_file.is_empty()).then_some(tls),
        metadata: metadata.listener,
        ..Listener::default()
    };
    for (addr, nodes) in addrs.into_iter().zip(shares) {
        // Each port of a range has limits of its own.
        let references = objects::of_service(&of_handler, names, config)?;
        config.services.push(Service {
            name: names.next("service"),
            addr,
            handler: Some(handler.clone()),
            listener: Some(listener.clone()),
            forwarder: (!nodes.is_empty()).then(|| Forwarder {
                nodes,
                selector: selector.clone(),
                ..Forwarder::default()
            }),
            metadata: metadata.service.clone(),
            rest: references,
            origin: place.to_owned(),
        });
    }
    Ok(())
}

fn handler_word(parts: &Parts, forwards: bool, place: &str, findings: &mut Findings) -> String {
    if !forwards || parts.upper == "relay" {
        return parts.upper.clone();
    }
    let lower = parts.lower.as_str();
    let word = if OWN_FORWARDERS.contains(&lower) {
        lower
    } else {
        "forward"
    };
    if parts.upper != word && !matches!(parts.upper.as_str(), "auto" | "forward" | "tcp" | "udp") {
        findings.warn(
            place,
            format_args!(
                "with a target, {} is dropped: bytes are forwarded as they are",
                parts.upper
            ),
        );
    }
    word.to_owned()
}

/// As the handler sees them: `handler.retries` is `retries`, as is `handler.bypass`.
fn of_handler(query: &Query) -> Query {
    let own = query.0.iter().cloned();
    let prefixed = query.0.iter().filter_map(|(key, value)| {
        let (head, name) = key.split_once('.')?;
        let handler = head.eq_ignore_ascii_case(Place::Handler.name());
        handler.then(|| (name.to_owned(), value.clone()))
    });
    Query(own.chain(prefixed).collect())
}
