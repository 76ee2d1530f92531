//! The options among the query parameters of a service, dealt out to its parts.

use serde_json::Value;

use crate::config::model::Map;
use crate::config::options::Place;
use crate::report::Findings;
use crate::url::parts::Parts;
use crate::url::query::{self, Reach, is_one_of};

/// Keys that define objects or references; copies stay in listener and service metadata.
const OBJECT_KEYS: [&str; 11] = [
    "retries",
    "admission",
    "bypass",
    "resolver",
    "hosts",
    "limiter.in",
    "limiter.out",
    "limiter.conn.in",
    "limiter.conn.out",
    "climiter",
    "rlimiter",
];

/// Query parameters dealt out to the parts.
#[derive(Default)]
pub(super) struct Metadata {
    pub(super) handler: Map,
    pub(super) listener: Map,
    pub(super) service: Map,
}

impl Metadata {
    pub(super) fn read(
        parts: &Parts,
        word: &str,
        place: &str,
        findings: &mut Findings,
    ) -> Result<Self, String> {
        let mut all = Self::default();
        let reach: &Reach<'_> = &[
            (Place::Handler, word),
            (Place::Listener, &parts.lower),
            (Place::Service, ""),
        ];
        for (key, text) in &parts.query.0 {
            let empty = query::without_value(key, text, &OBJECT_KEYS)
                || query::without_value(key, text, &["strategy"]);
            if empty {
                findings.warn(place, format_args!("{key}= has no value: it does nothing"));
            }
            let selector = query::is_selector(key) && !empty;
            if is_one_of(key, &["auth"]) || query::is_file(key) || selector {
                continue;
            }
            if let Some((name, value)) = query::network(key, text)? {
                all.service.insert(name.to_owned(), value);
                continue;
            }
            let netns = ["netns", "netns.out"].into_iter();
            if let Some(name) = netns
                .filter(|_| !text.is_empty())
                .find(|name| name.eq_ignore_ascii_case(key))
            {
                all.service.insert(name.to_owned(), text.as_str().into());
                continue;
            }
            if let Some((part, name)) = query::prefixed(key, reach) {
                if part == Place::Handler && is_one_of(name, &OBJECT_KEYS) {
                    continue;
                }
                query::check(key, text, reach, "-L", place, findings);
                all.of(part).insert(name.to_owned(), text.as_str().into());
                continue;
            }
            if is_one_of(key, &["dns"]) && !text.is_empty() {
                let list: Value = text.split(',').map(Value::from).collect();
                for map in [&mut all.handler, &mut all.listener, &mut all.service] {
                    map.insert("dns".to_owned(), list.clone());
                }
                continue;
            }
            let value = Value::from(text.as_str());
            let object = is_one_of(key, &OBJECT_KEYS);
            let known = object || empty || is_one_of(key, &["prefer", "dns"]) || is_network(key);
            if !known {
                query::check(key, text, reach, "-L", place, findings);
            }
            if !object || empty || text == "0" {
                all.handler.insert(key.clone(), value.clone());
            }
            all.listener.insert(key.clone(), value.clone());
            all.service.insert(key.clone(), value);
        }
        Ok(all)
    }

    fn of(&mut self, part: Place) -> &mut Map {
        match part {
            Place::Handler => &mut self.handler,
            Place::Listener => &mut self.listener,
            _ => &mut self.service,
        }
    }
}

/// `so_mark=0` and the like.
fn is_network(key: &str) -> bool {
    is_one_of(
        key,
        &[
            "so_mark",
            "proxyProtocol",
            "interface",
            "netns",
            "netns.out",
        ],
    )
}
