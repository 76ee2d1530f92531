//! What concerns the whole process.

use super::view::{DEFAULT, View};
use crate::prepare;

impl View<'_> {
    pub(super) fn process(&mut self) {
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
}
