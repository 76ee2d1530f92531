//! Chains, hops and nodes.

use super::parts::{self, Part, credentials};
use super::view::View;
use crate::config::model::{Chain, Hop, Node, Part as Model, Selector};
use crate::config::options::Place;

impl View<'_> {
    pub(super) fn chain(&mut self, index: usize, chain: &Chain) {
        self.open("chain", &chain.name, 0);
        for (number, hop) in chain.hops.iter().enumerate() {
            self.hop(&format!("chains[{index}].hops[{number}]"), hop, 1);
        }
    }

    pub(super) fn hop(&mut self, base: &str, hop: &Hop, depth: usize) {
        self.open("hop", &hop.name, depth);
        let owner = &hop.origin;
        let Some(nodes) = &hop.nodes else {
            let origin = self.origin(&format!("{base}.name"), owner);
            self.add("defined as", "a hop of the top level", &origin);
            return;
        };
        self.selector(base, "", hop.selector.as_ref(), owner);
        self.options(&Part {
            options: hop.options(),
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
        self.field(base, "addr", &node.addr, "", owner);
        let connector = node.connector.clone().unwrap_or_default();
        self.connector(base, node, &connector, owner);
        let dialer = node.dialer.clone().unwrap_or_default();
        self.dialer(base, node, &dialer, owner);
        self.node_options(base, node, owner);
        self.rest(base, &node.rest, owner);
    }

    fn connector(&mut self, base: &str, node: &Node, connector: &Model, owner: &str) {
        let at = format!("{base}.connector");
        let options = connector.options(Place::Connector);
        let word = options.word;
        self.field(base, "connector.type", &connector.r#type, word, owner);
        if let Some(auth) = &connector.auth {
            let origin = self.origin(&format!("{at}.auth"), owner);
            self.add("connector.auth", &credentials(auth), &origin);
        }
        self.options(&Part {
            options,
            base: &at,
            owner,
            addr: &node.addr,
        });
    }

    fn dialer(&mut self, base: &str, node: &Node, dialer: &Model, owner: &str) {
        let options = dialer.options(Place::Dialer);
        let word = options.word;
        self.field(base, "dialer.type", &dialer.r#type, word, owner);
        if matches!(word, "tls" | "wss" | "mwss") {
            let section = dialer.tls.clone().unwrap_or_default();
            for (key, value, default) in parts::tls(&section, &node.addr) {
                self.field(base, &format!("dialer.tls.{key}"), &value, default, owner);
            }
        }
        self.options(&Part {
            options,
            base: &format!("{base}.dialer"),
            owner,
            addr: &node.addr,
        });
    }

    /// Of a node or a target.
    pub(super) fn node_options(&mut self, base: &str, node: &Node, owner: &str) {
        self.options(&Part {
            options: node.options(),
            base,
            owner,
            addr: &node.addr,
        });
    }

    /// `prefix`: what stands between `base` and the selector.
    pub(super) fn selector(
        &mut self,
        base: &str,
        prefix: &str,
        model: Option<&Selector>,
        owner: &str,
    ) {
        for (key, value, default) in parts::selector(model) {
            let key = format!("{prefix}selector.{key}");
            self.field(base, &key, &value, default, owner);
        }
    }
}
