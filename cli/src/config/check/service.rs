//! A service with its parts.

use super::Pass;
use super::unserved::{HANDLER_RULES, SERVICE_RULES, TARGET_RULES};
use crate::config::lower::{is_reverse_word, members};
use crate::config::model::{Forwarder, Handler, Listener, Service};

impl Pass<'_> {
    pub(super) fn service(&mut self, service: &Service) {
        let at = &service.origin;
        self.rest(at, &service.rest, SERVICE_RULES);
        self.options(&service.options(), &format!("{at}: metadata"));
        if let Some(handler) = &service.handler {
            self.handler(&format!("{at}: handler"), handler);
        }
        if let Some(listener) = &service.listener {
            self.listener(&format!("{at}: listener"), listener);
        }
        if let Some(forwarder) = &service.forwarder {
            self.forwarder(&format!("{at}: forwarder"), forwarder);
        }
    }

    fn handler(&mut self, place: &str, handler: &Handler) {
        self.rest(place, &handler.rest, HANDLER_RULES);
        let options = handler.options();
        if handler.tls.is_some() && !matches!(options.word, "auto" | "socks" | "socks5") {
            self.no_effect(place, "tls", "only SOCKS5 speaks TLS itself");
        }
        self.options(&options, &format!("{place}.metadata"));
        if !handler.chain.is_empty() {
            let place = match handler.chain_origin.as_str() {
                "" => place,
                origin => origin,
            };
            self.chain_reference(place, &handler.chain);
        }
        for chain in members(handler) {
            self.chain_reference(place, chain);
        }
        for auther in handler.auther_names() {
            self.auther_reference(place, auther);
        }
    }

    fn listener(&mut self, place: &str, listener: &Listener) {
        self.rest(place, &listener.rest, &[]);
        let options = listener.options();
        self.options(&options, &format!("{place}.metadata"));
        if listener.auth.is_some() {
            self.no_effect(place, "auth", "it belongs to the handler");
        }
        if let Some(tls) = &listener.tls
            && (tls.secure || !tls.server_name.is_empty())
        {
            let keys = "tls.secure and tls.serverName";
            self.no_effect(place, keys, "they are for dialers");
        }
        if listener.chain.is_empty() {
            return;
        }
        if is_reverse_word(options.word) {
            self.chain_reference(place, &listener.chain);
        } else {
            let text = "chain has no effect on this listener: it belongs to the handler";
            self.findings.warn(place, text);
        }
    }

    fn forwarder(&mut self, place: &str, forwarder: &Forwarder) {
        self.rest(place, &forwarder.rest, &[]);
        let hops = [&forwarder.name, &forwarder.hop];
        for hop in hops.into_iter().filter(|name| !name.is_empty()) {
            if !forwarder.nodes.is_empty() {
                let text =
                    format_args!("hop {hop:?} and nodes are both given: only one can be used");
                self.findings.error(place, text);
            }
            self.hop_reference(place, hop);
        }
        for node in &forwarder.nodes {
            self.node(&format!("{place}: {}", node.name), node, TARGET_RULES);
        }
    }
}
