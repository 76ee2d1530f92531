//! A service: its listener, its handler, where it forwards to, and the way there.

use std::sync::Arc;

use ginnel_core::plan::{Chain, Channel, HandlerKind, Service};

use super::group::passes_on;
use super::{Lowering, channel, edge, reverse, socket, udp};
use crate::config::model;

impl Lowering<'_> {
    pub(super) fn service(
        &mut self,
        service: &model::Service,
        chains: &[Chain],
    ) -> Option<Service> {
        let at = &service.origin;
        let handler_model = service.handler.clone().unwrap_or_default();
        let listener_model = service.listener.clone().unwrap_or_default();
        let listener = channel::listener(self, &listener_model, at);
        let handler = self.handler(&handler_model, at);
        let forwards = service.forwarder.is_some();
        let forward = match &service.forwarder {
            Some(forwarder) => self.forward(forwarder, handler_model.r#type == "unix", at),
            None => None,
        };
        let options = service.options();
        let mut policy = self.service_policy(&service.rest, &options, at);
        let mut chain = None;
        if !options.flag("ignoreChain") {
            // That it exists was checked.
            let mut chains = self.config.chains.iter();
            chain = chains.position(|one| one.name == handler_model.chain);
            policy.group = self.group(&handler_model, at);
        }
        policy.hash_target = self.hashes_target(&handler_model.options(), at);
        let (mut listener, mut handler) = (listener?, handler?);
        edge::apply(self, &mut listener, &options, &listener_model.options(), at);
        reverse::apply(self, &mut listener, &listener_model, &service.addr, at);
        if let Channel::Udp | Channel::Rudp = listener.channel {
            if handler.kind != HandlerKind::Forward {
                let text = format_args!(
                    "handler {} needs a stream, but the listener is udp: write udp://ADDRESS/TARGET to forward datagrams",
                    handler.kind.name()
                );
                self.findings.error(at, text);
            }
            udp::listener(&listener_model, &mut handler.udp);
        }
        let service = Service {
            name: service.name.clone(),
            listener,
            handler: Arc::new(handler),
            chain,
            forward,
            retries: u32::try_from(handler_model.retries.max(0)).unwrap_or(u32::MAX),
            socket: Arc::new(socket::outgoing(
                self,
                &[(&options, &service.rest)],
                None,
                at,
            )),
            policy,
        };
        self.remark_targets(&service, forwards, chains, at);
        Some(service)
    }

    /// `forwards`: the configuration has a forwarder, whatever became of it.
    fn remark_targets(&mut self, service: &Service, forwards: bool, chains: &[Chain], at: &str) {
        match (service.handler.kind, forwards) {
            (HandlerKind::Forward, false) if !passes_on(service, chains) => {
                let text = "forwards to nowhere: it has no target, and no chain whose last connector is forward or relay";
                self.findings.error(at, text);
            }
            (HandlerKind::Forward, true) if service.handler.sniffing.is_none() => {
                let nodes = service.forward.iter().flat_map(|forward| &forward.nodes);
                let mut filtered = nodes.filter(|node| !node.rules.fits(None));
                if let Some(node) = filtered.next() {
                    let text = format_args!(
                        "target {} is for nobody: without sniffing=true, nothing is known that its filter could fit",
                        node.name
                    );
                    self.findings.warn(at, text);
                }
            }
            (HandlerKind::Forward | HandlerKind::Relay, _) | (_, false) => {}
            (kind, true) => {
                let text = format_args!("the forwarder has no effect with handler {}", kind.name());
                self.findings.warn(at, text);
            }
        }
    }
}
