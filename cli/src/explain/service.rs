//! A service, with its users, its certificate and its targets.

use std::path::Path;

use super::parts::{Part, credentials};
use super::view::{DEFAULT, View};
use crate::config::model::{Handler, Listener, Map, Service, Tls};
use crate::config::value;

impl View<'_> {
    pub(super) fn service(&mut self, index: usize, service: &Service) {
        let base = format!("services[{index}]");
        let owner = &service.origin;
        self.open("service", &service.name, 0);
        self.field(&base, "addr", &service.addr, ":0", owner);
        let handler = service.handler.clone().unwrap_or_default();
        self.handler(&base, index, &handler, service);
        let listener = service.listener.clone().unwrap_or_default();
        self.listener(&base, &listener, owner);
        self.options(&Part {
            options: service.options(),
            base: &base,
            owner,
            addr: "",
        });
        self.rest(&base, &service.rest, owner);
        self.targets(&base, service);
    }

    fn handler(&mut self, base: &str, index: usize, handler: &Handler, service: &Service) {
        let owner = &service.origin;
        let at = format!("{base}.handler");
        let options = handler.options();
        let word = options.word;
        self.field(base, "handler.type", &handler.r#type, word, owner);
        self.users(index, &at, handler, owner);
        let chain = &handler.chain;
        self.field(base, "handler.chain", chain, "none: direct", owner);
        if !chain.is_empty() && service.options().flag("ignoreChain") {
            self.ignore("ignoreChain is set");
        }
        let retries = match handler.retries {
            0 => String::new(),
            more => more.to_string(),
        };
        self.field(base, "handler.retries", &retries, "0", owner);
        if matches!(word, "auto" | "socks" | "socks5") {
            let tls = handler.tls.as_ref();
            self.certificate("handler.tls", &format!("{at}.tls"), tls, owner);
        }
        self.options(&Part {
            options,
            base: &at,
            owner,
            addr: "",
        });
    }

    fn listener(&mut self, base: &str, listener: &Listener, owner: &str) {
        let at = format!("{base}.listener");
        let options = listener.options();
        let word = options.word;
        self.field(base, "listener.type", &listener.r#type, word, owner);
        if matches!(word, "tls" | "wss" | "mwss") {
            let tls = listener.tls.as_ref();
            self.certificate("listener.tls", &format!("{at}.tls"), tls, owner);
        }
        self.options(&Part {
            options,
            base: &at,
            owner,
            addr: "",
        });
    }

    fn targets(&mut self, base: &str, service: &Service) {
        let Some(forwarder) = &service.forwarder else {
            return;
        };
        let owner = &service.origin;
        let hop = forwarder.hop_name();
        if !hop.is_empty() {
            self.field(base, "forwarder.hop", hop, "", owner);
            return;
        }
        self.selector(base, "forwarder.", forwarder.selector.as_ref(), owner);
        for (index, node) in forwarder.nodes.iter().enumerate() {
            let base = format!("{base}.forwarder.nodes[{index}]");
            self.open("target", &node.name, 1);
            self.field(&base, "addr", &node.addr, "", owner);
            self.node_options(&base, node, owner);
        }
    }

    fn users(&mut self, index: usize, at: &str, handler: &Handler, owner: &str) {
        let authers: Vec<_> = handler.auther_names().collect();
        if !authers.is_empty() {
            let key = match handler.auther.is_empty() {
                true => "authers",
                false => "auther",
            };
            let origin = self.origin(&format!("{at}.{key}"), owner);
            let count = self.prepared.lowered.as_ref().and_then(|lowered| {
                let users = lowered.plan.services.get(index)?.handler.users.as_ref()?;
                Some(format!(", {} users", users.0.len()))
            });
            let value = format!("{}{}", authers.join(", "), count.unwrap_or_default());
            self.add("handler.authers", &value, &origin);
        }
        match &handler.auth {
            Some(auth) => {
                let origin = self.origin(&format!("{at}.auth"), owner);
                self.add("handler.auth", &credentials(auth), &origin);
                if !authers.is_empty() {
                    self.ignore("the authers replace it");
                }
            }
            None if authers.is_empty() => self.add("handler.auth", "none: everybody", DEFAULT),
            None => {}
        }
    }

    /// The certificate that an accepting side shows.
    fn certificate(&mut self, key: &str, at: &str, section: Option<&Tls>, owner: &str) {
        let own = section.filter(|tls| !tls.cert_file.is_empty());
        let (tls, at, owner) = match (own, &self.config.tls) {
            (Some(tls), _) => (tls.clone(), at, owner),
            (None, Some(tls)) if !tls.cert_file.is_empty() => (tls.clone(), "tls", ""),
            _ => {
                let here = ["cert.pem", "key.pem"];
                let found = here.iter().all(|path| Path::new(path).is_file());
                let value = match found {
                    true => "cert.pem, key.pem of this folder",
                    false => "self-signed, made at start",
                };
                self.add(key, value, DEFAULT);
                return;
            }
        };
        for (name, file) in [
            ("certFile", &tls.cert_file),
            ("keyFile", &tls.key_file),
            ("caFile", &tls.ca_file),
        ] {
            let path = format!("{at}.{name}");
            let none = if name == "caFile" {
                "none: no client certificates"
            } else {
                ""
            };
            self.text(&format!("{key}.{name}"), &path, file, none, owner);
        }
    }

    /// References and sections that are not served.
    pub(super) fn rest(&mut self, base: &str, rest: &Map, owner: &str) {
        for (key, value) in rest {
            let origin = self.origin(&format!("{base}.{key}"), owner);
            let text = value::to_text(value);
            self.add(key, &text.unwrap_or_else(|| "set".to_owned()), &origin);
            self.ignore("not supported yet");
        }
    }
}
