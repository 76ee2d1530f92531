//! What a service does with a client.

use std::time::Duration;

use ginnel_core::plan::{Handler, HandlerKind, Http};

use super::{Lowering, edge, site, socket, udp, ws};
use crate::config::model;
use crate::url;

/// "No limit" for waiting times that the engine always has: ten years.
const FOREVER: Duration = Duration::from_secs(315_360_000);

/// For a client's first bytes, where they are looked at.
const SNIFFING: Duration = Duration::from_secs(5);

impl Lowering<'_> {
    pub(super) fn handler(&mut self, model: &model::Handler, at: &str) -> Option<Handler> {
        let options = model.options();
        let Some(kind) = kind(options.word) else {
            let text = url::unsupported("handler", options.word);
            self.findings.error(at, text);
            return None;
        };
        let mut handler = Handler::new(kind);
        handler.users = self.users(model, at);
        handler.skip_auth = self.skip_auth(&options, at);
        if let Some(span) = options.span("readTimeout").filter(|span| span.0 != 0) {
            let wait = span.positive();
            handler.read_timeout = wait.unwrap_or(FOREVER);
            handler.response_timeout = wait;
        }
        handler.idle_timeout = options.time("idleTimeout");
        let sniffs = kind == HandlerKind::Forward && options.flag("sniffing");
        let wait = options.time("sniffing.timeout").unwrap_or(SNIFFING);
        handler.sniffing = sniffs.then_some(wait);
        handler.proxy_protocol = edge::version(self, &[&options], at);
        udp::handler(self, &options, &mut handler.udp, at);
        handler.files = socket::files(self, &options, at);
        let defaults = Http::default();
        handler.http = Http {
            headers: ws::headers(self, &options, "http.header", at),
            realm: options.text("authBasicRealm").unwrap_or(defaults.realm),
            agent: options.text("http.proxyAgent").unwrap_or(defaults.agent),
        };
        handler.probe = site::probe(
            self,
            &options,
            handler.users.is_some(),
            &handler.http.headers,
            at,
        );
        let speaks_socks = matches!(kind, HandlerKind::Auto | HandlerKind::Socks5);
        if speaks_socks && !options.flag("notls") {
            match self.tls.server(model.tls.as_ref()) {
                Ok(config) => handler.socks_tls = Some(config),
                Err(error) => {
                    // The default certificate serves both parts, and is reported once.
                    let known = format!("listener.tls: {error}");
                    let mut said = self.findings.all().iter();
                    if !said.any(|one| one.place == at && one.text == known) {
                        self.findings
                            .error(at, format_args!("handler.tls: {error}"));
                    }
                }
            }
        }
        Some(handler)
    }
}

fn kind(word: &str) -> Option<HandlerKind> {
    Some(match word {
        "auto" => HandlerKind::Auto,
        "http" => HandlerKind::Http,
        "socks4" | "socks4a" => HandlerKind::Socks4,
        "socks5" | "socks" => HandlerKind::Socks5,
        "relay" => HandlerKind::Relay,
        "forward" | "tcp" | "udp" | "unix" | "rtcp" | "rudp" => HandlerKind::Forward,
        _ => return None,
    })
}
