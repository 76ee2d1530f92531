//! Hops, nodes and connectors.

use std::sync::Arc;

use ginnel_core::addr::{Host, Target};
use ginnel_core::plan::{Channel, Connector, ConnectorKind, Dialer, Hop, Node};

use super::selector::weight;
use super::users::user_lines;
use super::{Lowering, channel, edge, tls, ws};
use crate::config::model;
use crate::config::options::{Options, Place};
use crate::config::text;
use crate::url;

pub(super) fn hop(to: &mut Lowering<'_>, model: &model::Hop) -> Option<Hop> {
    // Without nodes it is a reference to a hop of the top level; that it exists was checked.
    let model = match model.nodes {
        Some(_) => model,
        None => to.config.hops.iter().find(|hop| hop.name == model.name)?,
    };
    let at = &model.origin;
    let selector = to.selector(model.selector.as_ref(), at);
    let nodes = model.nodes.iter().flatten();
    let hop_options = model.options();
    let nodes = nodes
        .filter_map(|one| node(to, one, (&hop_options, &model.rest), at).map(Arc::new))
        .collect();
    Some(Hop {
        name: model.name.clone(),
        nodes,
        selector,
        policy: to.hop_policy(&model.rest),
    })
}

/// `hop` is what the nodes have in common: options and references.
fn node(
    to: &mut Lowering<'_>,
    model: &model::Node,
    (hop, hop_rest): (&Options<'_>, &model::Map),
    at: &str,
) -> Option<Node> {
    if !matches!(model.network.as_str(), "" | "tcp" | "tcp4" | "tcp6") {
        let text = format_args!("{}: network {} is not supported", model.name, model.network);
        to.findings.error(at, text);
    }
    let part = model.connector.clone().unwrap_or_default();
    let word = Place::Connector.word(&part.r#type);
    let Some(kind) = connector_kind(word) else {
        to.findings.error(at, url::unsupported("connector", word));
        return None;
    };
    let part_of_dialer = model.dialer.clone().unwrap_or_default();
    let addr = match (kind, model.addr.as_str()) {
        (_, path) if part_of_dialer.r#type == "unix" && !path.is_empty() => {
            Some(Target::file(path))
        }
        (ConnectorKind::Direct, "") => Some(Target::new(Host::Name(String::new()), 0)),
        (_, addr) => to.target(addr, &model.name, at),
    };
    let options = model.options();
    let mut dialer = channel::dialer(
        to,
        &part_of_dialer,
        model,
        &[(&options, &model.rest), (hop, hop_rest)],
        at,
    )?;
    let connector = connector(to, kind, &part, model, &dialer, at);
    dialer.proxy_protocol = edge::version(to, &[&options, hop], at);
    Some(Node {
        name: shown_name(model),
        addr: addr?,
        dialer,
        connector: connector?,
        weight: weight(&options),
        backup: options.flag("backup"),
        policy: to.node_policy(&model.rest, &options, hop_rest, at),
    })
}

fn connector(
    to: &mut Lowering<'_>,
    kind: ConnectorKind,
    part: &model::Part,
    node: &model::Node,
    dialer: &Dialer,
    at: &str,
) -> Option<Connector> {
    let options = part.options(Place::Connector);
    let mut connector = Connector::new(kind);
    connector.auth = match &part.auth {
        Some(auth) => auth_of(to, auth, at)?,
        None => None,
    };
    connector.headers = ws::headers(to, &options, "header", at);
    connector.disable_4a = options.flag("disable4a");
    connector.nodelay = options.flag("nodelay");
    connector.associate = options.text("relay").as_deref() == Some("udp");
    if let Some(timeout) = options.time("timeout") {
        connector.timeout = timeout;
    }
    let plain = !dialer.channel.has_tls();
    if kind == ConnectorKind::Socks5 && plain && !options.flag("notls") {
        let section = part.tls.clone().unwrap_or_default();
        // A socket file has no name to show.
        let addr = match dialer.channel {
            Channel::Unix => "",
            _ => &node.addr,
        };
        connector.socks_tls = Some(tls::client(to, &section, addr, None, at)?);
    }
    Some(connector)
}

/// Credentials to send: those given, else the first line of the file.
fn auth_of(
    to: &mut Lowering<'_>,
    auth: &model::Auth,
    at: &str,
) -> Option<Option<(String, String)>> {
    if auth.file.is_empty() {
        let given = !auth.username.is_empty() || !auth.password.is_empty();
        return Some(given.then(|| (auth.username.clone(), auth.password.clone())));
    }
    let path = &auth.file;
    let first = text::file(path).map(|text| user_lines(&text).next());
    match first {
        Ok(Some(line)) => Some(Some(line)),
        Ok(None) => {
            to.findings.error(
                at,
                format_args!("connector.auth.file {path}: no line with user and password"),
            );
            None
        }
        Err(error) => {
            to.findings
                .error(at, format_args!("connector.auth.file {error}"));
            None
        }
    }
}

fn connector_kind(word: &str) -> Option<ConnectorKind> {
    Some(match word {
        "direct" | "virtual" => ConnectorKind::Direct,
        "http" => ConnectorKind::Http,
        "socks4" | "socks4a" => ConnectorKind::Socks4,
        "socks5" | "socks" => ConnectorKind::Socks5,
        "relay" => ConnectorKind::Relay,
        "forward" | "tcp" => ConnectorKind::Forward,
        _ => return None,
    })
}

/// Messages name nodes: one without a name goes by its address.
pub(super) fn shown_name(model: &model::Node) -> String {
    match model.name.as_str() {
        "" => model.addr.clone(),
        name => name.to_owned(),
    }
}
