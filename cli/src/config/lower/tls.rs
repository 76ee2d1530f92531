//! TLS of both ends of a channel, and inside SOCKS5.

use std::sync::Arc;

use ginnel_core::plan::{Channel, TlsClient};
use rustls::ServerConfig;
use rustls::pki_types::ServerName;

use super::Lowering;
use crate::config::model::{self, Tls};
use crate::tls;
use crate::url::{host_of, server_name};

/// `None` also where it cannot be made, which is reported.
pub(super) fn of_listener(
    to: &mut Lowering<'_>,
    channel: Channel,
    section: Option<&Tls>,
    at: &str,
) -> Option<Arc<ServerConfig>> {
    if !channel.has_tls() {
        if section.is_some() {
            let text = format_args!(
                "a {channel} listener does not use TLS, but has certificate options{}",
                write_with_tls(channel)
            );
            to.findings.error(at, text);
        }
        return None;
    }
    remark(to, section, at);
    let own = section.filter(|tls| !tls.cert_file.is_empty());
    // Without one of its own, it shows the default certificate.
    dates(to, own.or(to.config.tls.as_ref()), at);
    for other in section.iter().flat_map(|tls| &tls.certificates) {
        let section = Tls {
            cert_file: other.cert_file.clone(),
            ..Tls::default()
        };
        dates(to, Some(&section), at);
    }
    match to.tls.server(section) {
        Ok(config) => Some(config),
        Err(error) => {
            to.findings.error(at, format_args!("listener.tls: {error}"));
            None
        }
    }
}

/// `host` is the websocket's.
pub(super) fn of_dialer(
    to: &mut Lowering<'_>,
    model: &model::Part,
    node: &model::Node,
    host: Option<&str>,
    at: &str,
) -> Option<TlsClient> {
    remark(to, model.tls.as_ref(), at);
    dates(to, model.tls.as_ref(), at);
    let section = model.tls.clone().unwrap_or_default();
    if !section.secure && section.ca_file.is_empty() {
        let text = format_args!(
            "the certificate of {} is not verified: add secure=true",
            super::node::shown_name(node)
        );
        to.findings.unsafe_use(at, text);
    }
    client(to, &section, &node.addr, host, at)
}

/// Of a dialer without TLS.
pub(super) fn unused(
    to: &mut Lowering<'_>,
    channel: Channel,
    model: &model::Part,
    node: &model::Node,
    at: &str,
) {
    let is_used = |tls: &Tls| tls.secure || !tls.cert_file.is_empty() || !tls.ca_file.is_empty();
    if model.tls.as_ref().is_some_and(is_used) {
        let text = format_args!(
            "{}: TLS options have no effect on a {channel} dialer{}",
            node.name,
            write_with_tls(channel)
        );
        to.findings.warn(at, text);
    }
}

/// The name is `serverName`, else the host of the address, else the `host` option.
pub(super) fn client(
    to: &mut Lowering<'_>,
    section: &Tls,
    addr: &str,
    host: Option<&str>,
    at: &str,
) -> Option<TlsClient> {
    let config = match to.tls.client(section) {
        Ok(config) => config,
        Err(error) => {
            to.findings.error(at, format_args!("tls: {error}"));
            return None;
        }
    };
    let candidates = [
        Some(section.server_name.as_str()),
        Some(host_of(addr)),
        host.map(host_of),
    ];
    let name = candidates
        .into_iter()
        .flatten()
        .map(server_name)
        .find(|name| !name.is_empty());
    let Some(name) = name else {
        if section.secure {
            to.findings.error(
                at,
                format_args!(
                    "secure=true needs a name to verify: {addr:?} has none, add serverName="
                ),
            );
            return None;
        }
        // No name is sent for an address, which is what an empty host asks for.
        let name = ServerName::IpAddress(std::net::IpAddr::from([127, 0, 0, 1]).into());
        return Some(TlsClient { config, name });
    };
    match ServerName::try_from(name.to_owned()) {
        Ok(name) => Some(TlsClient { config, name }),
        Err(_) => {
            to.findings
                .error(at, format_args!("{name:?} is no server name"));
            None
        }
    }
}

fn remark(to: &mut Lowering<'_>, section: Option<&Tls>, at: &str) {
    let options = section.and_then(|tls| tls.options.as_ref());
    for text in options.map(tls::remarks).unwrap_or_default() {
        to.findings.warn(at, text);
    }
}

fn dates(to: &mut Lowering<'_>, section: Option<&Tls>, at: &str) {
    if let Some(text) = section.and_then(tls::dates) {
        to.findings.warn(at, text);
    }
}

fn write_with_tls(channel: Channel) -> String {
    let channel = match channel {
        Channel::Tcp => Channel::Tls,
        Channel::Ws => Channel::Wss,
        Channel::Mws => Channel::Mwss,
        _ => return String::new(),
    };
    format!(": write {channel}")
}
