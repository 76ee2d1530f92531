//! Configuration files for many tunnels in one process, where a command line has only one chain.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

/// One service: `handler` over `listener`, sending its traffic through `hops`.
#[derive(Clone, Debug)]
pub struct Service {
    pub handler: String,
    pub listener: String,
    pub addr: String,
    pub auth: Option<(String, String)>,
    /// Metadata of both handler and listener.
    pub options: Value,
    pub hops: Vec<Node>,
    pub forward: Option<SocketAddr>,
}

impl Service {
    pub fn new(handler: &str, listener: &str) -> Self {
        Self {
            handler: handler.to_owned(),
            listener: listener.to_owned(),
            addr: "127.0.0.1:0".to_owned(),
            auth: None,
            options: json!({}),
            hops: Vec::new(),
            forward: None,
        }
    }

    pub fn options(mut self, options: Value) -> Self {
        self.options = options;
        self
    }

    pub fn auth(mut self, name: &str, password: &str) -> Self {
        self.auth = Some((name.to_owned(), password.to_owned()));
        self
    }

    pub fn hop(mut self, node: Node) -> Self {
        self.hops.push(node);
        self
    }

    pub fn forward(mut self, to: SocketAddr) -> Self {
        self.forward = Some(to);
        self
    }
}

#[derive(Clone, Debug)]
pub struct Node {
    pub connector: String,
    pub dialer: String,
    pub addr: SocketAddr,
    pub auth: Option<(String, String)>,
    /// Metadata of both connector and dialer.
    pub options: Value,
}

impl Node {
    pub fn new(connector: &str, dialer: &str, addr: SocketAddr) -> Self {
        Self {
            connector: connector.to_owned(),
            dialer: dialer.to_owned(),
            addr,
            auth: None,
            options: json!({}),
        }
    }

    pub fn options(mut self, options: Value) -> Self {
        self.options = options;
        self
    }

    pub fn auth(mut self, name: &str, password: &str) -> Self {
        self.auth = Some((name.to_owned(), password.to_owned()));
        self
    }
}

/// A file in the schema of gost; `service-N` is the N-th of the list. JSON text is YAML as well, and
/// only as YAML do gost's own readers see numbers.
pub fn file(services: &[Service]) -> String {
    let mut chains = Vec::new();
    let services: Vec<Value> = services
        .iter()
        .enumerate()
        .map(|(i, service)| {
            let mut handler = part(&service.handler, service.auth.as_ref(), &service.options);
            if !service.hops.is_empty() {
                let chain = format!("chain-{i}");
                chains.push(json!({ "name": chain, "hops": hops(i, &service.hops) }));
                handler.insert("chain".into(), chain.into());
            }
            let listener = part(&service.listener, None, &service.options);
            let mut entry = json!({
                "name": format!("service-{i}"),
                "addr": service.addr,
                "handler": handler,
                "listener": listener,
            });
            if let Some(to) = service.forward {
                let nodes = json!([{ "name": "target-0", "addr": to.to_string() }]);
                entry["forwarder"] = json!({ "nodes": nodes });
            }
            entry
        })
        .collect();
    let all = json!({ "services": services, "chains": chains });
    serde_json::to_string_pretty(&all).expect("plain values")
}

fn hops(chain: usize, nodes: &[Node]) -> Vec<Value> {
    nodes
        .iter()
        .enumerate()
        .map(|(i, node)| {
            json!({
                "name": format!("hop-{chain}-{i}"),
                "nodes": [{
                    "name": format!("node-{chain}-{i}"),
                    "addr": node.addr.to_string(),
                    "connector": part(&node.connector, node.auth.as_ref(), &node.options),
                    "dialer": part(&node.dialer, None, &node.options),
                }],
            })
        })
        .collect()
}

fn part(kind: &str, auth: Option<&(String, String)>, options: &Value) -> Map<String, Value> {
    let mut part = Map::new();
    part.insert("type".into(), kind.into());
    if let Some((name, password)) = auth {
        part.insert(
            "auth".into(),
            json!({ "username": name, "password": password }),
        );
    }
    if options.as_object().is_some_and(|o| !o.is_empty()) {
        part.insert("metadata".into(), options.clone());
    }
    part
}
