//! The sections: services, chains with their hops and nodes, and the process.

use super::parts::{Part, selector, tls};
use super::{Fact, Section};
use crate::config::model::{Auth, Config, Hop, Map, Node, Service};
use crate::config::options::Place;
use crate::config::origins::Origins;
use crate::prepare::{self, Prepared};

/// Where a value comes from that nobody set.
pub(super) const DEFAULT: &str = "default";

pub(super) fn sections(prepared: &Prepared) -> Vec<Section> {
    let mut view = View {
        config: &prepared.config,
        origins: &prepared.origins,
        prepared,
        sections: Vec::new(),
    };
    view.process();
    for (index, service) in prepared.config.services.iter().enumerate() {
        view.service(index, service);
    }
    for (index, chain) in prepared.config.chains.iter().enumerate() {
        view.open("chain", &chain.name, 0);
        for (number, hop) in chain.hops.iter().enumerate() {
            let base = format!("chains[{index}].hops[{number}]");
            view.hop(&base, hop, 1);
        }
    }
    for (index, hop) in prepared.config.hops.iter().enumerate() {
        view.hop(&format!("hops[{index}]"), hop, 0);
    }
    view.sections
}

/// `-L #1` of `-L #1 (wss://...)`, `gost.yml:7` of `gost.yml:7:3: services[0]`.
pub(super) fn short(origin: &str) -> String {
    if origin.starts_with("-L") || origin.starts_with("-F") {
        return origin.split(" (").next().unwrap_or(origin).to_owned();
    }
    let place = origin.split(": ").next().unwrap_or(origin);
    let mut pieces: Vec<_> = place.rsplitn(3, ':').collect();
    let numbers = pieces.len() == 3
        && pieces[..2]
            .iter()
            .all(|one| !one.is_empty() && one.bytes().all(|byte| byte.is_ascii_digit()));
    if !numbers {
        return place.to_owned();
    }
    pieces.reverse();
    format!("{}:{}", pieces[0], pieces[1])
}

pub(super) struct View<'a> {
    pub(super) config: &'a Config,
    pub(super) origins: &'a Origins,
    pub(super) prepared: &'a Prepared,
    sections: Vec<Section>,
}

impl View<'_> {
    fn process(&mut self) {
        self.open("process", "", 0);
        let log = self.config.log.clone().unwrap_or_default();
        for (key, value, default) in [
            ("log.level", &log.level, "info"),
            ("log.format", &log.format, "json"),
            ("log.output", &log.output, "stderr"),
        ] {
            self.text(key, key, value, default, "");
        }
        let (runtime, origin) = self.prepared.runtime;
        self.add("runtime", runtime.name(), origin);
        let profile = prepare::profile(self.config);
        if self.config.profile.is_some() {
            let origin = self.origin("profile", "-profile");
            self.add("profile", profile.name(), &origin);
        }
        let (threads, origin) = match (self.prepared.threads, profile.threads()) {
            (Some(threads), _) => (threads.to_string(), "-threads"),
            (None, Some(threads)) => (threads.to_string(), "profile"),
            (None, None) => ("one for each core".to_owned(), DEFAULT),
        };
        self.add("threads", &threads, origin);
        let (memory, origin) = match (&self.config.memory, self.prepared.memory) {
            (Some(_), true) => (
                self.config.memory.clone().unwrap_or_default(),
                "-memory".to_owned(),
            ),
            (Some(memory), false) => (memory.clone(), self.origin("memory", "?")),
            (None, _) => match profile.memory() {
                Some(bytes) => (bytes.into(), "profile".to_owned()),
                None => ("half of the machine's".into(), DEFAULT.to_owned()),
            },
        };
        let memory = memory
            .as_str()
            .map_or_else(|| memory.to_string(), str::to_owned);
        self.add("memory", &memory, &origin);
        for (key, object) in [
            ("api", &self.config.api),
            ("metrics", &self.config.metrics),
            ("profiling", &self.config.profiling),
        ] {
            let Some(object) = object else { continue };
            let addr = object.get("addr").and_then(|addr| addr.as_str());
            let path = format!("{key}.addr");
            let origin = self.origin(&path, self.origins.get(key).unwrap_or("?"));
            self.add(&path, addr.unwrap_or_default(), &origin);
            self.ignore("not supported yet");
        }
    }

    fn service(&mut self, index: usize, service: &Service) {
        let base = format!("services[{index}]");
        let owner = &service.origin;
        self.open("service", &service.name, 0);
        self.text("addr", &format!("{base}.addr"), &service.addr, ":0", owner);
        let handler = service.handler.clone().unwrap_or_default();
        let listener = service.listener.clone().unwrap_or_default();

        let at = format!("{base}.handler");
        let kind = Place::Handler.word(&handler.r#type);
        self.text(
            "handler.type",
            &format!("{at}.type"),
            &handler.r#type,
            kind,
            owner,
        );
        self.users(index, &at, owner);
        let ignores = service.metadata.iter().any(|(key, value)| {
            key.eq_ignore_ascii_case("ignoreChain")
                && crate::config::value::to_bool(value) == Some(true)
        });
        self.text(
            "handler.chain",
            &format!("{at}.chain"),
            &handler.chain,
            "none: direct",
            owner,
        );
        if ignores && !handler.chain.is_empty() {
            self.ignore("ignoreChain is set");
        }
        let retries = match handler.retries {
            0 => String::new(),
            more => more.to_string(),
        };
        self.text(
            "handler.retries",
            &format!("{at}.retries"),
            &retries,
            "0",
            owner,
        );
        if matches!(kind, "auto" | "socks" | "socks5") {
            self.certificate(
                "handler.tls",
                &format!("{at}.tls"),
                handler.tls.as_ref(),
                owner,
            );
        }
        self.options(&Part {
            place: Place::Handler,
            word: kind,
            map: &handler.metadata,
            base: &at,
            owner,
            addr: "",
        });

        let at = format!("{base}.listener");
        let channel = Place::Listener.word(&listener.r#type);
        self.text(
            "listener.type",
            &format!("{at}.type"),
            &listener.r#type,
            channel,
            owner,
        );
        if matches!(channel, "tls" | "wss" | "mwss") {
            self.certificate(
                "listener.tls",
                &format!("{at}.tls"),
                listener.tls.as_ref(),
                owner,
            );
        }
        self.options(&Part {
            place: Place::Listener,
            word: channel,
            map: &listener.metadata,
            base: &at,
            owner,
            addr: "",
        });
        self.options(&Part {
            place: Place::Service,
            word: "",
            map: &service.metadata,
            base: &base,
            owner,
            addr: "",
        });
        self.rest(&base, &service.rest, owner);
        self.targets(&base, service);
    }

    fn targets(&mut self, base: &str, service: &Service) {
        let Some(forwarder) = &service.forwarder else {
            return;
        };
        let owner = &service.origin;
        let base = format!("{base}.forwarder");
        let hop = match forwarder.hop.as_str() {
            "" => &forwarder.name,
            hop => hop,
        };
        if !hop.is_empty() {
            self.text("forwarder.hop", &format!("{base}.hop"), hop, "", owner);
            return;
        }
        self.selector("forwarder.", &base, forwarder.selector.as_ref(), owner);
        for (index, node) in forwarder.nodes.iter().enumerate() {
            let base = format!("{base}.nodes[{index}]");
            self.open("target", &node.name, 1);
            self.text("addr", &format!("{base}.addr"), &node.addr, "", owner);
            self.node_options(&base, node, owner);
        }
    }

    fn hop(&mut self, base: &str, hop: &Hop, depth: usize) {
        self.open("hop", &hop.name, depth);
        let owner = &hop.origin;
        let Some(nodes) = &hop.nodes else {
            let origin = self.origin(&format!("{base}.name"), owner);
            self.add("defined as", "a hop of the top level", &origin);
            return;
        };
        self.selector("", base, hop.selector.as_ref(), owner);
        self.options(&Part {
            place: Place::Hop,
            word: "",
            map: &hop.metadata,
            base,
            owner,
            addr: "",
        });
        self.rest(base, &hop.rest, owner);
        for (index, node) in nodes.iter().enumerate() {
            self.node(&format!("{base}.nodes[{index}]"), node, owner, depth + 1);
        }
    }

    fn node(&mut self, base: &str, node: &Node, owner: &str, depth: usize) {
        self.open("node", &node.name, depth);
        self.text("addr", &format!("{base}.addr"), &node.addr, "", owner);
        let connector = node.connector.clone().unwrap_or_default();
        let at = format!("{base}.connector");
        let kind = Place::Connector.word(&connector.r#type);
        self.text(
            "connector.type",
            &format!("{at}.type"),
            &connector.r#type,
            kind,
            owner,
        );
        if let Some(auth) = &connector.auth {
            let origin = self.origin(&format!("{at}.auth"), owner);
            self.add("connector.auth", &credentials(auth), &origin);
        }
        self.options(&Part {
            place: Place::Connector,
            word: kind,
            map: &connector.metadata,
            base: &at,
            owner,
            addr: &node.addr,
        });
        let dialer = node.dialer.clone().unwrap_or_default();
        let at = format!("{base}.dialer");
        let channel = Place::Dialer.word(&dialer.r#type);
        self.text(
            "dialer.type",
            &format!("{at}.type"),
            &dialer.r#type,
            channel,
            owner,
        );
        if matches!(channel, "tls" | "wss" | "mwss") {
            let section = dialer.tls.clone().unwrap_or_default();
            for row in tls(&section, &node.addr) {
                self.row("dialer.tls.", &format!("{at}.tls"), row, owner);
            }
        }
        self.options(&Part {
            place: Place::Dialer,
            word: channel,
            map: &dialer.metadata,
            base: &at,
            owner,
            addr: &node.addr,
        });
        self.node_options(base, node, owner);
        self.rest(base, &node.rest, owner);
    }

    fn node_options(&mut self, base: &str, node: &Node, owner: &str) {
        self.options(&Part {
            place: Place::Node,
            word: "",
            map: &node.metadata,
            base,
            owner,
            addr: &node.addr,
        });
    }

    fn users(&mut self, index: usize, at: &str, owner: &str) {
        let service = &self.config.services[index];
        let handler = service.handler.clone().unwrap_or_default();
        let authers: Vec<_> = handler
            .authers
            .iter()
            .chain(Some(&handler.auther).filter(|one| !one.is_empty()))
            .cloned()
            .collect();
        if !authers.is_empty() {
            let key = if handler.auther.is_empty() {
                "authers"
            } else {
                "auther"
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
    fn certificate(
        &mut self,
        key: &str,
        at: &str,
        section: Option<&crate::config::model::Tls>,
        owner: &str,
    ) {
        let own = section.filter(|tls| !tls.cert_file.is_empty());
        let (tls, at, owner) = match (own, &self.config.tls) {
            (Some(tls), _) => (tls.clone(), at, owner),
            (None, Some(tls)) if !tls.cert_file.is_empty() => (tls.clone(), "tls", ""),
            _ => {
                let here = ["cert.pem", "key.pem"];
                let found = here.iter().all(|path| std::path::Path::new(path).is_file());
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

    fn selector(
        &mut self,
        prefix: &str,
        base: &str,
        model: Option<&crate::config::model::Selector>,
        owner: &str,
    ) {
        for row in selector(model) {
            self.row(
                &format!("{prefix}selector."),
                &format!("{base}.selector"),
                row,
                owner,
            );
        }
    }

    /// References and sections that are not served.
    fn rest(&mut self, base: &str, rest: &Map, owner: &str) {
        for (key, value) in rest {
            let origin = self.origin(&format!("{base}.{key}"), owner);
            let text = crate::config::value::to_text(value);
            self.add(key, &text.unwrap_or_else(|| "set".to_owned()), &origin);
            self.ignore("not supported yet");
        }
    }

    fn row(&mut self, prefix: &str, base: &str, row: (&str, Option<String>, String), owner: &str) {
        let (key, value, default) = row;
        let path = format!("{base}.{key}");
        self.text(
            &format!("{prefix}{key}"),
            &path,
            &value.unwrap_or_default(),
            &default,
            owner,
        );
    }

    fn open(&mut self, kind: &'static str, name: &str, depth: usize) {
        self.sections.push(Section {
            kind,
            name: name.to_owned(),
            depth,
            facts: Vec::new(),
        });
    }

    /// A value, or what takes its place where it is empty.
    fn text(&mut self, key: &str, path: &str, value: &str, default: &str, owner: &str) {
        if value.is_empty() {
            if !default.is_empty() {
                self.add(key, default, DEFAULT);
            }
            return;
        }
        let origin = self.origin(path, owner);
        self.add(key, value, &origin);
    }

    /// Where the value at `path` was written; what comes from the command line was not recorded
    /// one by one.
    pub(super) fn origin(&self, path: &str, owner: &str) -> String {
        match self.origins.get(path) {
            Some(place) => place.to_owned(),
            None => short(owner),
        }
    }

    pub(super) fn add(&mut self, key: &str, value: &str, origin: &str) {
        if let Some(section) = self.sections.last_mut() {
            section.facts.push(Fact {
                key: key.to_owned(),
                value: value.to_owned(),
                origin: origin.to_owned(),
                ignored: None,
            });
        }
    }

    /// The value added last has no effect.
    pub(super) fn ignore(&mut self, why: &str) {
        let section = self.sections.last_mut();
        if let Some(fact) = section.and_then(|section| section.facts.last_mut()) {
            fact.ignored = Some(why.to_owned());
        }
    }
}

/// Without the password.
fn credentials(auth: &Auth) -> String {
    if !auth.file.is_empty() {
        return format!("from file {}", auth.file);
    }
    let password = match auth.password.is_empty() {
        true => "no password",
        false => "password set",
    };
    match auth.username.is_empty() {
        true => format!("no user, {password}"),
        false => format!("user {}, {password}", auth.username),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_shortened_to_file_and_line() {
        for (origin, expected) in [
            ("-L #1 (wss://h:1)", "-L #1"),
            ("gost.yml:7:3: services[0]", "gost.yml:7"),
            ("C:x.yml: services[0]", "C:x.yml"),
            ("-C {...}:1:3: services[0]", "-C {...}:1"),
            ("http://h:80/x:2:3: services[0]", "http://h:80/x:2"),
        ] {
            assert_eq!(short(origin), expected);
        }
    }
}
