//! Log lines in gost's form: JSON or text, one write a line.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ginnel_core::event::Event;
use ginnel_core::plan::Plan;
use serde_json::{Map, Value};
use time::{OffsetDateTime, UtcOffset};

use crate::config::model;
use crate::duration::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    /// Anything unknown is `info`, as in gost.
    pub fn parse(word: &str) -> Self {
        match word {
            "trace" => Self::Trace,
            "debug" => Self::Debug,
            "warn" => Self::Warn,
            "error" => Self::Error,
            "fatal" => Self::Fatal,
            _ => Self::Info,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

/// Cheap to clone; all clones write to one place.
#[derive(Clone)]
pub struct Logger(Arc<Inner>);

struct Inner {
    level: Level,
    text: bool,
    /// Known only while the process has one thread, so asked for once.
    offset: UtcOffset,
    out: Mutex<Out>,
    /// Front of the connection ids of this process.
    seed: [u8; 6],
}

enum Out {
    Stderr,
    Stdout,
    Nowhere,
    File(File),
    Memory(Arc<Mutex<Vec<u8>>>),
}

impl Logger {
    /// Call it before the first thread is started: the local time zone cannot be read later.
    pub fn new(config: Option<&model::Log>) -> Self {
        let fallback = model::Log::default();
        let config = config.unwrap_or(&fallback);
        let (out, problem) = Out::open(&config.output);
        let logger = Self::with(config, out);
        if let Some(error) = problem {
            let text = format!(
                "log.output {}: {error}; using standard error",
                config.output
            );
            logger.warn(&text);
        }
        logger
    }

    /// Writes into a buffer, for tests.
    pub fn memory(config: &model::Log) -> (Self, Arc<Mutex<Vec<u8>>>) {
        let buffer = Arc::new(Mutex::new(Vec::new()));
        (Self::with(config, Out::Memory(buffer.clone())), buffer)
    }

    fn with(config: &model::Log, out: Out) -> Self {
        let started = OffsetDateTime::now_utc().unix_timestamp() as u32;
        let pid = std::process::id() as u16;
        let mut seed = [0; 6];
        seed[..4].copy_from_slice(&started.to_be_bytes());
        seed[4..].copy_from_slice(&pid.to_be_bytes());
        Self(Arc::new(Inner {
            level: Level::parse(&config.level),
            text: config.format == "text",
            offset: UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC),
            out: Mutex::new(out),
            seed,
        }))
    }

    pub fn info(&self, msg: &str) {
        self.log(Level::Info, msg, &[]);
    }

    pub fn warn(&self, msg: &str) {
        self.log(Level::Warn, msg, &[]);
    }

    pub fn fatal(&self, msg: &str) {
        self.log(Level::Fatal, msg, &[]);
    }

    /// One line, if the level is wanted. Fields follow time, level and message.
    pub fn log(&self, level: Level, msg: &str, fields: &[(&str, Value)]) {
        if level < self.0.level {
            return;
        }
        let time = stamp(OffsetDateTime::now_utc().to_offset(self.0.offset));
        let head = [
            ("time", time.into()),
            ("level", level.name().into()),
            ("msg", msg.into()),
        ];
        let fields = head.iter().chain(fields);
        let line = if self.0.text {
            as_text(fields)
        } else {
            as_json(fields)
        };
        let mut out = self.0.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written is no reason to stop working.
        let _ = out.write(line.as_bytes());
    }

    /// 20 characters that name a connection, from its number.
    fn sid(&self, no: u64) -> String {
        let mut bytes = [0; 13];
        bytes[..6].copy_from_slice(&self.0.seed);
        bytes[6..12].copy_from_slice(&no.to_be_bytes()[2..]);
        let bit = |at: usize| bytes[at / 8] >> (7 - at % 8) & 1;
        (0..20)
            .map(|group| (0..5).fold(0, |value, at| value << 1 | bit(group * 5 + at)))
            .map(|value| char::from(b"0123456789abcdefghijklmnopqrstuv"[usize::from(value)]))
            .collect()
    }
}

impl Out {
    fn open(output: &str) -> (Self, Option<io::Error>) {
        match output {
            "" | "stderr" => (Self::Stderr, None),
            "stdout" => (Self::Stdout, None),
            "none" | "null" => (Self::Nowhere, None),
            path => match open_file(Path::new(path)) {
                Ok(file) => (Self::File(file), None),
                Err(error) => (Self::Stderr, Some(error)),
            },
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Stderr => io::stderr().write_all(line),
            Self::Stdout => io::stdout().write_all(line),
            Self::Nowhere => Ok(()),
            Self::File(file) => file.write_all(line),
            Self::Memory(buffer) => {
                buffer
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend_from_slice(line);
                Ok(())
            }
        }
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// RFC 3339 with milliseconds.
fn stamp(now: OffsetDateTime) -> String {
    let (hours, minutes, _) = now.offset().as_hms();
    let zone = match (hours, minutes) {
        (0, 0) => "Z".to_owned(),
        _ => {
            let sign = if hours < 0 || minutes < 0 { '-' } else { '+' };
            format!("{sign}{:02}:{:02}", hours.abs(), minutes.abs())
        }
    };
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}{zone}",
        now.year(),
        u8::from(now.month()),
        now.day(),
        now.hour(),
        now.minute(),
        now.second(),
        now.millisecond()
    )
}

fn as_json<'a>(fields: impl Iterator<Item = &'a (&'a str, Value)>) -> String {
    let map: Map<_, _> = fields
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect();
    Value::Object(map).to_string() + "\n"
}

fn as_text<'a>(fields: impl Iterator<Item = &'a (&'a str, Value)>) -> String {
    let mut line = String::new();
    for (key, value) in fields {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(key);
        line.push('=');
        match value {
            Value::String(text) if needs_quotes(text) => line.push_str(&value.to_string()),
            Value::String(text) => line.push_str(text),
            Value::Number(number) if *key == "duration" => {
                line.push_str(&Span(number.as_i64().unwrap_or_default()).to_string());
            }
            other => line.push_str(&other.to_string()),
        }
    }
    line.push('\n');
    line
}

fn needs_quotes(text: &str) -> bool {
    text.is_empty()
        || text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '='))
}

/// The engine's events as log lines; knows the names behind the service numbers.
pub struct Journal {
    logger: Logger,
    /// Service, listener, handler.
    services: Vec<[String; 3]>,
}

impl Journal {
    pub fn new(logger: Logger, plan: &Plan) -> Self {
        let services = plan.services.iter().map(|service| {
            [
                service.name.clone(),
                service.listener.channel.to_string(),
                service.handler.kind.name().to_owned(),
            ]
        });
        Self {
            logger,
            services: services.collect(),
        }
    }

    pub fn listening(&self, service: usize, addr: SocketAddr, random: bool) {
        let level = if random { Level::Warn } else { Level::Info };
        let mut fields = self.fields("service", service);
        if random {
            fields.push(("port", addr.port().into()));
        }
        self.logger
            .log(level, &format!("listening on {addr}/tcp"), &fields);
    }

    pub fn record(&self, event: &Event) {
        match event {
            Event::Opened {
                no,
                service,
                remote,
                local,
            } => {
                let fields = self.connection(*no, *service, *remote, Some(*local));
                self.logger
                    .log(Level::Info, &format!("{remote} <> {local}"), &fields);
            }
            Event::Connected {
                no,
                service,
                remote,
                target,
                route,
            } => {
                let mut fields = self.connection(*no, *service, *remote, None);
                fields.push(("dst", target.as_str().into()));
                if !route.is_empty() {
                    fields.push(("route", route.as_str().into()));
                }
                self.logger
                    .log(Level::Info, &format!("{remote} <-> {target}"), &fields);
            }
            Event::Closed {
                no,
                service,
                remote,
                local,
                target,
                duration,
                input,
                output,
                fail,
            } => {
                let mut fields = self.connection(*no, *service, *remote, Some(*local));
                fields.extend(target.iter().map(|target| ("dst", target.as_str().into())));
                fields.push(("duration", nanos(*duration)));
                fields.push(("inputBytes", (*input).into()));
                fields.push(("outputBytes", (*output).into()));
                fields.extend(fail.iter().map(|fail| ("error", fail.text.as_str().into())));
                self.logger
                    .log(Level::Info, &format!("{remote} >< {local}"), &fields);
            }
            Event::Rejected {
                service,
                remote,
                fail,
            } => {
                let mut fields = self.fields("listener", *service);
                fields.push(("remote", remote.to_string().into()));
                fields.push(("client", remote.ip().to_string().into()));
                self.logger
                    .log(Level::Warn, &format!("{remote}: {fail}"), &fields);
            }
            Event::SessionUp { place, remote } => {
                let mut fields = vec![("kind", Value::from("session"))];
                fields.extend(
                    remote
                        .iter()
                        .map(|remote| ("remote", remote.to_string().into())),
                );
                self.logger
                    .log(Level::Debug, &format!("{place}: session up"), &fields);
            }
            Event::SessionDown {
                place,
                streams,
                fail,
            } => {
                let fields = [
                    ("kind", Value::from("session")),
                    ("streams", (*streams).into()),
                ];
                let (level, text) = match fail {
                    Some(fail) => (Level::Warn, format!("{place}: session down: {fail}")),
                    None => (Level::Debug, format!("{place}: session down")),
                };
                self.logger.log(level, &text, &fields);
            }
            Event::DialFailed { no, place, fail } => {
                let mut fields = vec![("kind", Value::from("node"))];
                fields.extend(no.iter().map(|no| ("sid", self.logger.sid(*no).into())));
                self.logger
                    .log(Level::Warn, &dial_text(place, fail), &fields);
            }
        }
    }

    fn connection(
        &self,
        no: u64,
        service: usize,
        remote: SocketAddr,
        local: Option<SocketAddr>,
    ) -> Vec<(&'static str, Value)> {
        let mut fields = self.fields("handler", service);
        fields.push(("remote", remote.to_string().into()));
        fields.extend(local.map(|local| ("local", local.to_string().into())));
        fields.push(("client", remote.ip().to_string().into()));
        fields.push(("sid", self.logger.sid(no).into()));
        fields
    }

    fn fields(&self, kind: &str, service: usize) -> Vec<(&'static str, Value)> {
        let mut fields = vec![("kind", Value::from(kind))];
        if let Some([name, listener, handler]) = self.services.get(service) {
            fields.push(("service", name.as_str().into()));
            fields.push(("listener", listener.as_str().into()));
            fields.push(("handler", handler.as_str().into()));
        }
        fields
    }
}

/// The failure's text names the place only if the engine put it there.
fn dial_text(place: &str, fail: &impl Display) -> String {
    let text = fail.to_string();
    if text.starts_with(place) {
        text
    } else {
        format!("{place}: {text}")
    }
}

fn nanos(duration: Duration) -> Value {
    u64::try_from(duration.as_nanos())
        .unwrap_or(u64::MAX)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ginnel_core::error::{Cause, Fail};

    fn closed() -> Event {
        Event::Closed {
            no: 7,
            service: 0,
            remote: "10.0.0.1:5000".parse().unwrap(),
            local: "10.0.0.2:80".parse().unwrap(),
            target: Some("example.com:443".to_owned()),
            duration: Duration::from_millis(1500),
            input: 10,
            output: 20,
            fail: Some(Fail::new(Cause::Reset, "the target reset the connection")),
        }
    }

    fn lines(format: &str, level: &str, events: &[Event]) -> Vec<String> {
        let config = model::Log {
            format: format.to_owned(),
            level: level.to_owned(),
            ..model::Log::default()
        };
        let (logger, buffer) = Logger::memory(&config);
        let journal = Journal::new(logger, &Plan::default());
        events.iter().for_each(|event| journal.record(event));
        let bytes = buffer.lock().unwrap().clone();
        String::from_utf8(bytes)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn json_lines_carry_the_fields_of_gost() {
        let lines = lines("json", "info", &[closed()]);
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        let keys: Vec<_> = line.as_object().unwrap().keys().take(3).cloned().collect();
        assert_eq!(keys, ["time", "level", "msg"]);
        assert_eq!(line["msg"], "10.0.0.1:5000 >< 10.0.0.2:80");
        assert_eq!(line["duration"], 1_500_000_000);
        assert_eq!(line["inputBytes"], 10);
        assert_eq!(line["sid"].as_str().unwrap().len(), 20);
        let time = line["time"].as_str().unwrap();
        assert!(time.len() >= 24 && time.as_bytes()[19] == b'.', "{time}");
    }

    #[test]
    fn text_lines_are_quoted_where_needed() {
        let lines = lines("text", "", &[closed()]);
        assert!(
            lines[0].contains(" msg=\"10.0.0.1:5000 >< 10.0.0.2:80\" "),
            "{}",
            lines[0]
        );
        assert!(lines[0].contains(" duration=1.5s "), "{}", lines[0]);
    }

    #[test]
    fn levels_below_the_wanted_one_are_not_written() {
        assert!(lines("json", "warn", &[closed()]).is_empty());
        let failed = Event::DialFailed {
            no: None,
            place: "node-0".to_owned(),
            fail: Fail::new(Cause::Refused, "refused"),
        };
        assert_eq!(lines("json", "warn", &[failed]).len(), 1);
    }

    #[test]
    fn a_connection_keeps_its_id_and_others_have_another() {
        let (logger, _) = Logger::memory(&model::Log::default());
        assert_eq!(logger.sid(1), logger.sid(1));
        assert_ne!(logger.sid(1), logger.sid(2));
    }
}
