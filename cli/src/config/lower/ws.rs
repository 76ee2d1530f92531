//! Websocket of both ends of a channel.

use std::sync::Arc;

use ginnel_core::limits::Limits;
use ginnel_core::plan::{Ping, WsClient, WsServer};
use ginnel_core::wire::http1::is_token;

use super::Lowering;
use crate::config::model::Node;
use crate::config::options::Options;
use crate::config::value;
use crate::url::without_zone;

pub(super) fn server(to: &mut Lowering<'_>, options: &Options<'_>, at: &str) -> Option<WsServer> {
    let times = ["readHeaderTimeout", "handshakeTimeout"].map(|name| options.time(name));
    let head = times.into_iter().flatten().min();
    Some(WsServer {
        path: path(to, options, at)?,
        host: host(to, options, at)?,
        headers: headers(to, options, "header", at),
        compression: options.flag("enableCompression"),
        read_header_timeout: head.unwrap_or(Limits::default().handshake),
        ping: ping(options),
        max_frame: options.size("writeBufferSize"),
        read: options.size("readBufferSize"),
        trusted: Arc::default(),
    })
}

/// Without a `host` it asks for the node's address.
pub(super) fn client(
    to: &mut Lowering<'_>,
    options: &Options<'_>,
    host: Option<String>,
    node: &Node,
    at: &str,
) -> Option<WsClient> {
    Some(WsClient {
        host: without_zone(host.as_ref().unwrap_or(&node.addr)),
        path: path(to, options, at)?,
        headers: headers(to, options, "header", at),
        compression: options.flag("enableCompression"),
        ping: ping(options),
        max_frame: options.size("writeBufferSize"),
        read: options.size("readBufferSize"),
    })
}

/// The name for `Host`, which must not break a request apart. An empty one is none.
pub(super) fn host(
    to: &mut Lowering<'_>,
    options: &Options<'_>,
    at: &str,
) -> Option<Option<String>> {
    let host = options.text("host");
    let foreign = |c: char| c.is_whitespace() || c.is_control() || "/?#@\\".contains(c);
    if let Some(host) = host.as_ref().filter(|host| host.contains(foreign)) {
        let text = format_args!("host {host:?}: expected a name, with or without a port");
        to.findings.error(at, text);
        return None;
    }
    Some(host)
}

fn path(to: &mut Lowering<'_>, options: &Options<'_>, at: &str) -> Option<String> {
    let path = options.text("path").unwrap_or_else(|| "/ws".to_owned());
    if path.contains(|c: char| c.is_whitespace() || c.is_control()) {
        to.findings
            .error(at, format_args!("path {path:?} contains a blank"));
        return None;
    }
    Some(if path.starts_with('/') {
        path
    } else {
        format!("/{path}")
    })
}

/// Fields called `name`, checked: what is sent must not be able to break a message apart.
pub(super) fn headers(
    to: &mut Lowering<'_>,
    options: &Options<'_>,
    option: &str,
    at: &str,
) -> Vec<(String, String)> {
    let fields = options.fields(option);
    for (name, value) in &fields {
        if name.is_empty() || !name.bytes().all(is_token) {
            to.findings
                .error(at, format_args!("header: {name:?} is no field name"));
        }
        if value.contains(['\r', '\n', '\0']) {
            to.findings.error(
                at,
                format_args!("header: the value of {name} contains a line break"),
            );
        }
    }
    fields
}

/// Pings are on unless they are switched off: `keepAlive` is a switch (with `ttl`) or the period itself.
fn ping(options: &Options<'_>) -> Option<Ping> {
    let own = match options.get("keepalive") {
        None => None,
        // 1 is a switch, 15 can only be seconds.
        Some(number) if number.as_f64().is_some_and(|number| number > 1.0) => {
            Some(value::to_span(number)?.positive()?)
        }
        Some(other) => match value::to_bool(other) {
            Some(true) => None,
            Some(false) => return None,
            None => Some(value::to_span(other)?.positive()?),
        },
    };
    let period = own.or_else(|| options.time("ttl"));
    let ping = period.map_or(Ping::default(), Ping::every);
    let timeout = options.time("keepalive.timeout");
    Some(Ping {
        timeout: timeout.unwrap_or(ping.timeout),
        ..ping
    })
}
