//! Listeners and dialers: what carries the bytes of a client, or to a node.

use std::sync::Arc;

use ginnel_core::limits::Limits;
use ginnel_core::plan::{Caps, Channel, Dialer, Edge, Listener};

use super::{Lowering, mux, socket, tls, ws};
use crate::config::model;
use crate::config::options::{Options, Place};
use crate::url;

pub(super) fn listener(
    to: &mut Lowering<'_>,
    model: &model::Listener,
    at: &str,
) -> Option<Listener> {
    let options = model.options();
    let Some(channel) = Channel::parse(options.word) else {
        to.findings
            .error(at, url::unsupported("listener", options.word));
        return None;
    };
    let tls = tls::of_listener(to, channel, model.tls.as_ref(), at);
    let ws = channel.has_ws().then(|| ws::server(to, &options, at));
    let mux = channel.has_mux().then(|| mux::settings(to, &options, at));
    let head = options.time("readHeaderTimeout").unwrap_or_default();
    let handshake = Limits::default().handshake.max(head);
    let caps = Caps::new(options.size("maxConnections"), options.size("maxPerClient"));
    let capped = caps.connections.is_some() || caps.per_client.is_some();
    Some(Listener {
        channel,
        tls,
        handshake_timeout: options.time("handshakeTimeout").unwrap_or(handshake),
        caps: capped.then(|| Arc::new(caps)),
        ws: match ws {
            Some(ws) => Some(Arc::new(ws?)),
            None => None,
        },
        mux: match mux {
            Some(mux) => Some(mux?),
            None => None,
        },
        edge: Edge::default(),
        reverse: None,
    })
}

/// The address of `node`, as configured, is the default of the Host line and the server name.
pub(super) fn dialer(
    to: &mut Lowering<'_>,
    model: &model::Part,
    node: &model::Node,
    places: &[socket::Part<'_>],
    at: &str,
) -> Option<Dialer> {
    let word = match Place::Dialer.word(&model.r#type) {
        "direct" | "virtual" => "tcp",
        word => word,
    };
    let Some(channel) = Channel::parse(word).filter(|channel| channel.dials()) else {
        to.findings.error(at, url::unsupported("dialer", word));
        return None;
    };
    let options = Options::new(Place::Dialer, word, &model.metadata);
    let host = ws::host(to, &options, at)?;
    let tls = match channel.has_tls() {
        true => Some(tls::of_dialer(to, model, node, host.as_deref(), at)?),
        false => {
            tls::unused(to, channel, model, node, at);
            None
        }
    };
    let times = ["handshakeTimeout", "readHeaderTimeout"].map(|name| options.time(name));
    let handshake = times.into_iter().flatten().min();
    let ws = match channel.has_ws() {
        true => Some(Arc::new(ws::client(to, &options, host, node, at)?)),
        false => None,
    };
    let mux = match channel.has_mux() {
        true => Some(mux::settings(to, &options, at)?),
        false => None,
    };
    Some(Dialer {
        channel,
        tls,
        ws,
        mux,
        proxy_protocol: None,
        socket: Arc::new(socket::outgoing(to, places, Some(&options), at)),
        handshake_timeout: handshake.unwrap_or(Limits::default().handshake),
    })
}
