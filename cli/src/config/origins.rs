//! Where each value of the merged configuration was written.

use std::collections::HashMap;

/// `services[0].listener.metadata.path` to `gost.yml:7`; keys in any case.
#[derive(Clone, Debug, Default)]
pub struct Origins(HashMap<String, String>);

impl Origins {
    pub fn record(&mut self, path: &str, place: impl Into<String>) {
        self.0.insert(path.to_ascii_lowercase(), place.into());
    }

    pub fn get(&self, path: &str) -> Option<&str> {
        self.0.get(&path.to_ascii_lowercase()).map(String::as_str)
    }

    /// Takes over what was recorded about a document whose lists are appended to lists that have
    /// `length` entries already. Its single objects replace what was there.
    pub fn append(&mut self, other: Self, length: impl Fn(&str) -> usize) {
        for (path, place) in other.0 {
            let path = match path.split_once('[').zip(path.split_once(']')) {
                Some(((list, _), (head, tail))) if !list.contains('.') => {
                    let index: usize = head[list.len() + 1..].parse().unwrap_or_default();
                    format!("{list}[{}]{tail}", index + length(list))
                }
                _ => path,
            };
            self.0.insert(path, place);
        }
    }

    /// Forgets `path` and everything below it.
    pub fn forget(&mut self, path: &str) {
        self.0.retain(|known, _| {
            let rest = known.strip_prefix(path);
            rest.is_none_or(|rest| !rest.is_empty() && !rest.starts_with('.'))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_a_later_document_move_behind_those_that_are_there() {
        let mut all = Origins::default();
        all.record("services[0].addr", "a:1");
        all.record("log.level", "a:2");
        all.record("log", "a:2");
        let mut more = Origins::default();
        more.record("Services[1].authers[0]", "b:1");
        more.record("log.format", "b:2");
        all.forget("log");
        all.append(more, |list| if list == "services" { 3 } else { 0 });
        assert_eq!(all.get("services[0].ADDR"), Some("a:1"));
        assert_eq!(all.get("services[4].authers[0]"), Some("b:1"));
        assert_eq!(all.get("log.format"), Some("b:2"));
        assert_eq!(all.get("log.level"), None);
    }
}
