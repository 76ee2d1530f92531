//! What stands in front of a service or a node. Proxies that name the client, PROXY headers.

use std::sync::Arc;

use ginnel_core::plan::{Edge, Listener};
use ginnel_core::route::Net;
use ginnel_core::wire::proxy_protocol::Version;

use super::Lowering;
use super::site;
use crate::config::options::Options;
use crate::config::value;

/// Adds to `listener` what the options of the service and of the listener say about its outer side.
pub(super) fn apply(
    to: &mut Lowering<'_>,
    listener: &mut Listener,
    service: &Options<'_>,
    options: &Options<'_>,
    at: &str,
) {
    let trusted = match trusted(to, options, at) {
        Some(trusted) => Some(trusted),
        None => trusted(to, service, at),
    };
    listener.edge = Edge {
        trusted: trusted.unwrap_or_default().into(),
        proxy_protocol: is_expected(to, service, at),
        fallback: site::fallback(to, options, at),
    };
    if let Some(ws) = &mut listener.ws {
        Arc::make_mut(ws).trusted = listener.edge.trusted.clone();
    }
    let used = listener.edge.proxy_protocol || listener.ws.is_some();
    if !listener.edge.trusted.is_empty() && !used {
        let text =
            "trustedProxies has no effect here: this listener reads neither PROXY headers nor HTTP";
        to.findings.warn(at, text);
    }
}

/// `None`: not given.
fn trusted(to: &mut Lowering<'_>, options: &Options<'_>, at: &str) -> Option<Vec<Net>> {
    let texts = value::to_texts(options.get("trustedProxies")?);
    let mut nets = Vec::new();
    for text in texts {
        match Net::parse(&text) {
            Some(net) => nets.push(net),
            None => to.findings.error(
                at,
                format_args!("trustedProxies: expected networks such as 10.0.0.0/8, got {text:?}"),
            ),
        }
    }
    Some(nets)
}

fn is_expected(to: &mut Lowering<'_>, options: &Options<'_>, at: &str) -> bool {
    match options.int("proxyProtocol") {
        None | Some(0) => false,
        Some(1 | 2) => true,
        Some(other) => {
            let text = format_args!("proxyProtocol: expected 1 or 2, got {other}");
            to.findings.error(at, text);
            false
        }
    }
}

/// The version of the header to send, by the first of the parts that has the option.
pub(super) fn version(to: &mut Lowering<'_>, parts: &[&Options<'_>], at: &str) -> Option<Version> {
    match parts.iter().find_map(|part| part.int("proxyProtocol"))? {
        0 => None,
        1 => Some(Version::V1),
        2 => Some(Version::V2),
        other => {
            let text = format_args!("proxyProtocol: expected 1 or 2, got {other}");
            to.findings.error(at, text);
            None
        }
    }
}
