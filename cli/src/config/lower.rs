//! Model to plan: services, handlers, forwarders. All that is wrong is reported, not the first.

use std::sync::Arc;
use std::time::Duration;

use ginnel_core::addr::Target;
use ginnel_core::limits::Limits;
use ginnel_core::plan::{
    Chain, Channel, Forward, ForwardNode, Handler, HandlerKind, Http, Plan, Selector, Service,
    Strategy,
};

use super::check::word;
use super::lower_channel as channel;
use super::lower_edge as edge;
use super::lower_group::passes_on;
use super::lower_node as node;
use super::lower_policy::{Policies, overrides, policies};
use super::lower_resolver::resolvers;
use super::lower_reverse as reverse;
use super::lower_site as site;
use super::lower_socket as socket;
use super::lower_udp as udp;
use super::model::{self, Config};
use super::options::{Options, Place};
use crate::listen::Network;
use crate::profile::Profile;
use crate::report::Findings;
use crate::size::Size;
use crate::tls::{Certificates, Live, Maker};
use crate::url;

/// "No limit" for waiting times that the engine always has: ten years.
const FOREVER: Duration = Duration::from_secs(315_360_000);

/// For a client's first bytes, where they are looked at.
const SNIFFING: Duration = Duration::from_secs(5);

/// Where a service listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    pub service: String,
    pub addr: String,
    pub network: Network,
    /// Connections waiting to be accepted.
    pub backlog: i32,
    /// The user left the port out, so the chosen one must not be missed in the log.
    pub random: bool,
}

pub struct Lowered {
    pub plan: Plan,
    /// In the order of `plan.services`.
    pub listens: Vec<Listen>,
    /// What the services show to their clients.
    pub certificates: Vec<Arc<Live>>,
}

/// `None` when there are errors.
pub fn lower(config: &Config, findings: &mut Findings) -> Option<Lowered> {
    lower_again(config, &Arc::default(), findings)
}

/// The same with certificates that are in use already.
pub fn lower_again(
    config: &Config,
    certificates: &Arc<Certificates>,
    findings: &mut Findings,
) -> Option<Lowered> {
    let default = config.tls.clone().unwrap_or_default();
    let mut lowering = Lowering {
        config,
        tls: Maker::sharing(default, certificates.clone()),
        policies: policies(config, findings),
        findings,
    };
    lowering.policies.resolvers = resolvers(&mut lowering);
    let plan = lowering.plan();
    // What no service uses is read all the same: who writes it expects it to be right.
    if config.tls.is_some()
        && !lowering.findings.has_errors()
        && let Err(error) = lowering.tls.server(None)
    {
        lowering.findings.error("tls", error);
    }
    let listens: Vec<_> = config
        .services
        .iter()
        .filter_map(|one| lowering.listen(one))
        .collect();
    let certificates = lowering.tls.shown();
    (!findings.has_errors()).then_some(Lowered {
        plan,
        listens,
        certificates,
    })
}

pub(super) struct Lowering<'a> {
    pub(super) config: &'a Config,
    pub(super) tls: Maker,
    pub(super) policies: Policies,
    pub(super) findings: &'a mut Findings,
}

impl Lowering<'_> {
    fn plan(&mut self) -> Plan {
        let config = self.config;
        let log = config.log.as_ref();
        let mut plan = Plan {
            trace: log.is_some_and(|log| log.level == "trace"),
            ..Plan::default()
        };
        for chain in &config.chains {
            let hops = chain
                .hops
                .iter()
                .filter_map(|hop| node::hop(self, hop))
                .collect();
            plan.chains.push(Chain {
                name: chain.name.clone(),
                hops,
            });
        }
        plan.limits = Limits {
            memory: self.memory(),
            ..self.profile().limits()
        };
        for service in &config.services {
            plan.services.extend(self.service(service, &plan.chains));
        }
        plan
    }

    fn profile(&mut self) -> Profile {
        let word = self.config.profile.as_deref().unwrap_or_default();
        match Profile::parse(word) {
            Some(profile) => profile,
            None => {
                if !word.is_empty() {
                    let text = format_args!("expected standard or small, got {word:?}");
                    self.findings.error("profile", text);
                }
                Profile::default()
            }
        }
    }

    /// Of the whole process: it is divided when the number of threads is known.
    fn memory(&mut self) -> Option<usize> {
        match Size::read(self.config.memory.as_ref()?) {
            Ok(size) => Some(size.0),
            Err(why) => {
                self.findings.error("memory", why);
                None
            }
        }
    }

    fn listen(&mut self, service: &model::Service) -> Option<Listen> {
        let at = &service.origin;
        let options = service.listener.as_ref().map(|listener| Options {
            place: Place::Listener,
            word: word(&listener.r#type, Place::Listener),
            map: &listener.metadata,
        });
        let file = options
            .as_ref()
            .is_some_and(|options| options.word == "unix");
        if file && service.addr.is_empty() {
            let text = "addr: expected the path of a socket file, such as unix:///run/proxy.sock";
            self.findings.error(at, text);
            return None;
        }
        let port = match url::listen_address(&service.addr) {
            _ if file => None,
            Ok(port) => port,
            Err(error) => {
                self.findings.error(at, format_args!("addr: {error}"));
                return None;
            }
        };
        let random = port.is_none() && !file;
        if random {
            self.findings.warn(
                at,
                format_args!(
                    "addr {:?} has no port: it is chosen at random",
                    service.addr
                ),
            );
        }
        let reversed = service.listener.as_ref().is_some_and(reverse::is_reverse);
        let network = match &options {
            Some(_) if reversed => Network::Reverse,
            Some(options) if matches!(options.word, "udp" | "rudp") => Network::Udp,
            Some(_) if file => Network::File,
            Some(options) => Network::Tcp(socket::listening(options)),
            None => Network::TCP,
        };
        let backlog = options.as_ref().and_then(|options| options.int("backlog"));
        Some(Listen {
            service: service.name.clone(),
            addr: service.addr.clone(),
            network,
            backlog: backlog
                .and_then(|backlog| i32::try_from(backlog).ok())
                .filter(|backlog| *backlog > 0)
                .unwrap_or(1024),
            random,
        })
    }

    fn service(&mut self, service: &model::Service, chains: &[Chain]) -> Option<Service> {
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
        let options = Options {
            place: Place::Service,
            word: "",
            map: &service.metadata,
        };
        let mut policy = self.service_policy(&service.rest, &options, at);
        let mut chain = None;
        if !options.flag("ignoreChain") {
            // That it exists was checked.
            let mut chains = self.config.chains.iter();
            chain = chains.position(|one| one.name == handler_model.chain);
            policy.group = self.group(&handler_model, at);
        }
        policy.hash_target = self.hashes_target(&handler_options(&handler_model), at);
        let (mut listener, mut handler) = (listener?, handler?);
        let listener_options = Options {
            place: Place::Listener,
            word: word(&listener_model.r#type, Place::Listener),
            map: &listener_model.metadata,
        };
        edge::apply(self, &mut listener, &options, &listener_options, at);
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
        match (service.handler.kind, forwards) {
            (HandlerKind::Forward, false) if !passes_on(&service, chains) => {
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
        Some(service)
    }

    fn handler(&mut self, model: &model::Handler, at: &str) -> Option<Handler> {
        let word = word(&model.r#type, Place::Handler);
        let Some(kind) = handler_kind(word) else {
            self.findings.error(at, url::unsupported("handler", word));
            return None;
        };
        let options = handler_options(model);
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
            headers: channel::headers(self, &options, "http.header", at),
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

    fn forward(&mut self, forwarder: &model::Forwarder, files: bool, at: &str) -> Option<Forward> {
        let hop_name = if forwarder.hop.is_empty() {
            &forwarder.name
        } else {
            &forwarder.hop
        };
        let (nodes, selector) = match hop_name.as_str() {
            "" => (forwarder.nodes.as_slice(), forwarder.selector.as_ref()),
            name => {
                let hop = self.config.hops.iter().find(|hop| hop.name == name)?;
                (
                    hop.nodes.as_deref().unwrap_or_default(),
                    hop.selector.as_ref(),
                )
            }
        };
        if nodes.is_empty() {
            self.findings.error(at, "the forwarder has no targets");
        }
        let selector = self.selector(selector, at);
        let nodes = nodes.iter().filter_map(|node| {
            let options = Options {
                place: Place::Node,
                word: "",
                map: &node.metadata,
            };
            if !matches!(
                node.network.as_str(),
                "" | "tcp" | "tcp4" | "tcp6" | "udp" | "udp4" | "udp6" | "unix"
            ) {
                let text = format_args!("{}: network {} is not supported", node.name, node.network);
                self.findings.error(at, text);
            }
            if options.get("proxyProtocol").is_some() {
                let text = format_args!(
                    "{}: proxyProtocol has no effect on a target: set it for the handler",
                    node.name
                );
                self.findings.warn(at, text);
            }
            Some(ForwardNode {
                name: node.name.clone(),
                addr: match files || node.network == "unix" {
                    true => Target::file(&node.addr),
                    false => self.target(&node.addr, &node.name, at)?,
                },
                weight: weight(&options),
                backup: options.flag("backup"),
                overrides: overrides(&options),
                rules: self.target_rules(&node.rest, &format!("{at}: {}", node.name)),
            })
        });
        Some(Forward {
            nodes: nodes.collect(),
            selector,
        })
    }

    pub(super) fn target(&mut self, addr: &str, name: &str, at: &str) -> Option<Target> {
        let target = Target::parse(addr);
        if target.is_none() {
            let text = format_args!("{name}: expected an address such as host:port, got {addr:?}");
            self.findings.error(at, text);
        }
        if target.as_ref().is_some_and(|target| target.port == 0) {
            let text = format_args!("{name}: nothing can be reached on port 0, got {addr:?}");
            self.findings.error(at, text);
        }
        target
    }

    /// What the file leaves out is zero in the model: one failure, ten seconds.
    pub(super) fn selector(&mut self, model: Option<&model::Selector>, at: &str) -> Selector {
        let mut selector = Selector::default();
        let Some(model) = model else { return selector };
        selector.strategy = match model.strategy.as_str() {
            "" | "round" | "rr" => Strategy::Round,
            "random" | "rand" => Strategy::Random,
            "fifo" | "ha" => Strategy::Fifo,
            "hash" => Strategy::Hash,
            "parallel" => Strategy::Parallel,
            "lowestlatency" | "lowest" | "ll" => Strategy::Latency,
            word => {
                let text = format_args!(
                    "unknown strategy {word:?}: expected round, random, fifo, hash, parallel or lowestlatency"
                );
                self.findings.error(at, text);
                Strategy::Round
            }
        };
        if model.max_fails > 0 {
            selector.max_fails = u32::try_from(model.max_fails).unwrap_or(u32::MAX);
        }
        if let Some(time) = model.fail_timeout.positive() {
            selector.fail_timeout = time;
        }
        selector.max_latency = model.max_latency.positive();
        selector
    }
}

fn handler_kind(word: &str) -> Option<HandlerKind> {
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

pub(super) fn weight(options: &Options<'_>) -> u32 {
    options
        .int("weight")
        .and_then(|weight| u32::try_from(weight).ok())
        .unwrap_or(1)
        .max(1)
}

fn handler_options(model: &model::Handler) -> Options<'_> {
    Options {
        place: Place::Handler,
        word: word(&model.r#type, Place::Handler),
        map: &model.metadata,
    }
}
