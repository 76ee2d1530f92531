//! Model to plan: listeners and dialers, with their TLS, websocket and smux settings.

use std::sync::Arc;
use std::time::Duration;

use ginnel_core::limits::Limits;
use ginnel_core::plan::{
    Caps, Channel, Dialer, Edge, Listener, Mux, Ping, TlsClient, WsClient, WsServer,
};
use rustls::pki_types::ServerName;

use super::check::word;
use super::lower::Lowering;
use super::lower_socket as socket;
use super::model::{self, Tls};
use super::options::{Options, Place};
use super::value;
use crate::tls;
use crate::url;

pub(super) fn listener(
    to: &mut Lowering<'_>,
    model: &model::Listener,
    at: &str,
) -> Option<Listener> {
    let word = word(&model.r#type, Place::Listener);
    let Some(channel) = Channel::parse(word) else {
        to.findings.error(at, url::unsupported("listener", word));
        return None;
    };
    let options = Options {
        place: Place::Listener,
        word,
        map: &model.metadata,
    };
    if !channel.has_tls() && model.tls.is_some() {
        let text = format_args!(
            "a {word} listener does not use TLS, but has certificate options{}",
            write_with_tls(channel)
        );
        to.findings.error(at, text);
    }
    let tls = match channel.has_tls() {
        false => None,
        true => {
            remark(to, model.tls.as_ref(), at);
            let own = model.tls.as_ref().filter(|tls| !tls.cert_file.is_empty());
            // Without one of its own, it shows the default certificate.
            dates(to, own.or(to.config.tls.as_ref()), at);
            let others = model.tls.iter().flat_map(|tls| &tls.certificates);
            for other in others {
                let section = Tls {
                    cert_file: other.cert_file.clone(),
                    ..Tls::default()
                };
                dates(to, Some(&section), at);
            }
            match to.tls.server(model.tls.as_ref()) {
                Ok(config) => Some(config),
                Err(error) => {
                    to.findings.error(at, format_args!("listener.tls: {error}"));
                    None
                }
            }
        }
    };
    let ws = channel
        .has_ws()
        .then(|| ws_server(to, &options, at).map(Arc::new));
    let mux = channel.has_mux().then(|| mux(to, &options, at));
    let head = options.time("readHeaderTimeout").unwrap_or_default();
    let handshake = Limits::default().handshake.max(head);
    let caps = Caps::new(
        size(&options, "maxConnections"),
        size(&options, "maxPerClient"),
    );
    let capped = caps.connections.is_some() || caps.per_client.is_some();
    Some(Listener {
        channel,
        tls,
        handshake_timeout: options.time("handshakeTimeout").unwrap_or(handshake),
        caps: capped.then(|| Arc::new(caps)),
        ws: match ws {
            Some(ws) => Some(ws?),
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

/// `addr` is the node's address as configured: the default of the Host line and the server name.
pub(super) fn dialer(
    to: &mut Lowering<'_>,
    model: &model::Part,
    node: &model::Node,
    places: &[socket::Part<'_>],
    at: &str,
) -> Option<Dialer> {
    let word = match word(&model.r#type, Place::Dialer) {
        "direct" | "virtual" => "tcp",
        word => word,
    };
    let Some(channel) = Channel::parse(word).filter(|channel| channel.dials()) else {
        to.findings.error(at, url::unsupported("dialer", word));
        return None;
    };
    let options = Options {
        place: Place::Dialer,
        word,
        map: &model.metadata,
    };
    let host = host(to, &options, at)?;
    let section = model.tls.clone().unwrap_or_default();
    let tls = match channel.has_tls() {
        true => {
            remark(to, model.tls.as_ref(), at);
            dates(to, model.tls.as_ref(), at);
            if !section.secure && section.ca_file.is_empty() {
                let text = format_args!(
                    "the certificate of {} is not verified: add secure=true",
                    node.name
                );
                to.findings.unsafe_use(at, text);
            }
            Some(tls_client(to, &section, &node.addr, host.as_deref(), at)?)
        }
        false => {
            if section.secure || !section.cert_file.is_empty() || !section.ca_file.is_empty() {
                let text = format_args!(
                    "{}: TLS options have no effect on a {word} dialer{}",
                    node.name,
                    write_with_tls(channel)
                );
                to.findings.warn(at, text);
            }
            None
        }
    };
    let times = [
        options.time("handshakeTimeout"),
        options.time("readHeaderTimeout"),
    ];
    let handshake = times.into_iter().flatten().min();
    let ws = match channel.has_ws() {
        true => Some(Arc::new(WsClient {
            host: host.unwrap_or_else(|| node.addr.clone()),
            path: path(to, &options, at)?,
            headers: headers(to, &options, "header", at),
            compression: options.flag("enableCompression"),
            ping: ping(&options),
            max_frame: size(&options, "writeBufferSize"),
            read: size(&options, "readBufferSize"),
        })),
        false => None,
    };
    let mux = match channel.has_mux() {
        true => Some(mux(to, &options, at)?),
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

/// The name is `serverName`, else the host of the address, else the `host` option.
pub(super) fn tls_client(
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
        Some(host_part(addr)),
        host.map(host_part),
    ];
    let name = candidates
        .into_iter()
        .flatten()
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

/// `host` of `host:port`, without brackets.
pub(super) fn host_part(addr: &str) -> &str {
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

fn ws_server(to: &mut Lowering<'_>, options: &Options<'_>, at: &str) -> Option<WsServer> {
    let times = [
        options.time("readHeaderTimeout"),
        options.time("handshakeTimeout"),
    ];
    Some(WsServer {
        path: path(to, options, at)?,
        host: host(to, options, at)?,
        headers: headers(to, options, "header", at),
        compression: options.flag("enableCompression"),
        read_header_timeout: times
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(Limits::default().handshake),
        ping: ping(options),
        max_frame: size(options, "writeBufferSize"),
        read: size(options, "readBufferSize"),
        trusted: Arc::default(),
    })
}

/// The name for `Host`, which must not break a request apart. An empty one is none.
fn host(to: &mut Lowering<'_>, options: &Options<'_>, at: &str) -> Option<Option<String>> {
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
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) {
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

fn size(options: &Options<'_>, name: &str) -> Option<usize> {
    options
        .int(name)
        .and_then(|size| usize::try_from(size).ok())
        .filter(|size| *size > 0)
}

/// smux's own rules for its settings. Zero and negative numbers mean the default.
fn mux(to: &mut Lowering<'_>, options: &Options<'_>, at: &str) -> Option<Mux> {
    let defaults = Mux::default();
    let mut wrong = |text: String| {
        to.findings.error(at, text);
        None
    };
    match options.text("mux.type").as_deref() {
        None | Some("smux") => {}
        Some("yamux") => {
            return wrong("mux.type yamux is not supported: use smux on both ends".to_owned());
        }
        Some(other) => return wrong(format!("mux.type: expected smux, got {other:?}")),
    }
    let int = |name: &str, default: usize| size(options, name).unwrap_or(default);
    let configured = size(options, "mux.version");
    let version = configured.unwrap_or(usize::from(defaults.version));
    if !matches!(version, 1 | 2) {
        return wrong(format!("mux.version: expected 1 or 2, got {version}"));
    }
    let interval = options
        .time("mux.keepaliveInterval")
        .unwrap_or(Duration::from_secs(10));
    let timeout = options
        .time("mux.keepaliveTimeout")
        .unwrap_or(defaults.keepalive_timeout);
    let enabled = !options.flag("mux.keepaliveDisabled");
    if enabled && timeout < interval {
        return wrong(format!(
            "mux.keepaliveTimeout ({timeout:?}) must not be less than mux.keepaliveInterval ({interval:?})"
        ));
    }
    let max_frame = int("mux.maxFrameSize", defaults.max_frame);
    if max_frame > 65535 {
        return wrong(format!(
            "mux.maxFrameSize: expected 1 to 65535, got {max_frame}"
        ));
    }
    let max_receive = int("mux.maxReceiveBuffer", defaults.max_receive);
    let max_stream = int("mux.maxStreamBuffer", defaults.max_stream);
    if max_receive > 0x7fff_ffff {
        return wrong(format!(
            "mux.maxReceiveBuffer: expected at most 2147483647, got {max_receive}"
        ));
    }
    if max_stream > max_receive {
        return wrong(format!(
            "mux.maxStreamBuffer ({max_stream}) must not be larger than mux.maxReceiveBuffer ({max_receive})"
        ));
    }
    Some(Mux {
        version: if version == 2 { 2 } else { 1 },
        agree: configured.is_none(),
        keepalive: enabled.then_some(interval),
        keepalive_timeout: timeout,
        max_frame,
        max_receive,
        max_agreed: int("mux.maxReceiveBuffer", defaults.max_agreed),
        max_stream,
        max_streams: int("mux.maxStreams", defaults.max_streams),
    })
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
