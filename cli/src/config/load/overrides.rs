//! What the environment and the flags change in the merged configuration.

use serde_json::Value;

use super::Loaded;
use crate::config::model::Log;
use crate::flags::Flags;
use crate::url;

impl Loaded {
    pub(super) fn environment(&mut self, var: &dyn Fn(&str) -> Option<String>) {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        if let Some(level) = var("GOST_LOGGER_LEVEL") {
            self.set_level(level, "GOST_LOGGER_LEVEL");
        }
        let objects = [
            ("GOST_API", "api", &mut self.config.api),
            ("GOST_METRICS", "metrics", &mut self.config.metrics),
            ("GOST_PROFILING", "profiling", &mut self.config.profiling),
        ];
        for (name, key, object) in objects {
            let Some(addr) = var(name) else { continue };
            let before = object
                .get_or_insert_default()
                .insert("addr".to_owned(), Value::String(addr));
            if before.is_some() {
                let text = format_args!("overrides {key}.addr of the configuration");
                self.findings.note(name, text);
            }
            self.origins
                .record(&format!("{key}.addr"), format!("environment {name}"));
        }
    }

    pub(super) fn globals(&mut self, flags: &Flags) {
        if let Some(profile) = flags.profile {
            self.config.profile = Some(profile.name().to_owned());
            self.origins.record("profile", "-profile".to_owned());
        }
        if let Some(size) = flags.memory {
            self.config.memory = Some(size.0.into());
        }
        match (flags.trace, flags.debug) {
            (true, _) => self.set_level("trace".to_owned(), "-DD"),
            (_, true) => self.set_level("debug".to_owned(), "-D"),
            _ => {}
        }
        let objects = [
            (
                "-api",
                &mut self.config.api,
                &flags.api,
                &[("pathPrefix", false), ("accesslog", true)][..],
            ),
            (
                "-metrics",
                &mut self.config.metrics,
                &flags.metrics,
                &[("path", false)],
            ),
        ];
        for (flag, object, text, keys) in objects {
            let new = text
                .as_ref()
                .and_then(|text| url::global(flag, text, keys, &mut self.findings));
            let Some(new) = new else { continue };
            // Credentials from the file stay, unless the flag brings its own.
            let mut kept = object.take().unwrap_or_default();
            for (key, value) in new {
                self.origins.record(&format!("{}.{key}", &flag[1..]), flag);
                if kept.insert(key.clone(), value).is_some() {
                    let text = format_args!("overrides {}.{key} of the configuration", &flag[1..]);
                    self.findings.note(flag, text);
                }
            }
            *object = Some(kept);
        }
    }

    fn set_level(&mut self, level: String, by: &str) {
        let log = self.config.log.get_or_insert_with(Log::default);
        if !log.level.is_empty() && log.level != level {
            let before = self.origins.get("log.level").unwrap_or("an earlier source");
            let text = format!("overrides log.level {:?} of {before}", log.level);
            self.findings.note(by, text);
        }
        log.level = level;
        let place = match by.starts_with('-') {
            true => by.to_owned(),
            false => format!("environment {by}"),
        };
        self.origins.record("log.level", place);
    }
}
