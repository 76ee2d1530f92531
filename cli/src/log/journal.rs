//! The engine's events as log lines.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ginnel_core::error::{Cause, Fail, NO_DESCRIPTOR};
use ginnel_core::event::{Event, Traced};
use ginnel_core::plan::Plan;
use serde_json::Value;

use super::limit::{Limiter, Source};
use super::{Level, Logger};

/// For this long the same trouble is not said again.
const SAID_ONCE: Duration = Duration::from_secs(60);

/// Writes events; knows the names behind the service numbers.
pub struct Journal {
    logger: Logger,
    /// Service, listener, handler.
    services: RwLock<Vec<[String; 3]>>,
    /// When it was last said that there are no descriptors.
    exhausted: Mutex<Option<Instant>>,
    /// Connections that the end of the program cut.
    cut: AtomicUsize,
    limiter: Limiter,
}

impl Journal {
    pub fn new(logger: Logger, plan: &Plan) -> Self {
        Self {
            logger,
            services: RwLock::new(names(plan)),
            exhausted: Mutex::default(),
            cut: AtomicUsize::new(0),
            limiter: Limiter::default(),
        }
    }

    pub fn cut(&self) -> usize {
        self.cut.load(Ordering::SeqCst)
    }

    /// Call it before the first event of another plan.
    pub fn reload(&self, plan: &Plan) {
        *self
            .services
            .write()
            .unwrap_or_else(PoisonError::into_inner) = names(plan);
    }

    /// `port`: one that was chosen at random.
    pub fn listening(&self, service: usize, place: &str, port: Option<u16>) {
        let mut fields = self.fields("service", service);
        fields.extend(port.map(|port| ("port", port.into())));
        let level = match port {
            Some(_) => Level::Warn,
            None => Level::Info,
        };
        self.logger
            .log(level, &format!("listening on {place}"), &fields);
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
                connected,
                duration,
                input,
                output,
                dropped,
                fail,
            } => {
                let mut fields = self.connection(*no, *service, *remote, Some(*local));
                fields.extend(target.iter().map(|target| ("dst", target.as_str().into())));
                fields.push(("duration", nanos(*duration)));
                fields.push(("inputBytes", (*input).into()));
                fields.push(("outputBytes", (*output).into()));
                if *dropped > 0 {
                    fields.push(("droppedDatagrams", (*dropped).into()));
                }
                if let Some(target) = target.as_ref().filter(|_| *connected) {
                    self.logger
                        .log(Level::Info, &format!("{remote} >-< {target}"), &fields);
                }
                fields.extend(fail.iter().map(|fail| ("error", fail.text.as_str().into())));
                self.logger
                    .log(Level::Info, &format!("{remote} >< {local}"), &fields);
                if let Some(fail) = fail {
                    self.failed(*no, *service, *remote, target.as_deref(), fail);
                }
            }
            Event::Rejected {
                service,
                remote,
                fail,
            } => {
                let mut fields = self.fields("listener", *service);
                fields.push(("remote", remote.to_string().into()));
                fields.push(("client", remote.ip().to_string().into()));
                let msg = format!("{remote}: {fail}");
                match fail.cause {
                    // Who is not admitted may come again and again.
                    Cause::Denied => self.logger.log(Level::Debug, &msg, &fields),
                    _ => self.warn(self.source(*service, *remote, fail), fail, &msg, &fields),
                }
            }
            Event::LoginFailed {
                no,
                service,
                remote,
                fail,
            } => self.failed(*no, *service, *remote, None, fail),
            Event::PortOpened {
                service,
                addr,
                place,
            } => {
                let mut fields = self.fields("service", *service);
                fields.push(("node", place.as_str().into()));
                let text = format!("listening on {addr}/tcp");
                self.logger.log(Level::Info, &text, &fields);
            }
            Event::PortLost { service, fail } => {
                let mut fields = self.fields("service", *service);
                fields.push(("error", fail.text.as_str().into()));
                let text = format!("not listening: {fail}; trying again");
                self.logger.log(Level::Warn, &text, &fields);
            }
            Event::SessionUp {
                place,
                remote,
                again,
            } => {
                let mut fields = vec![("kind", Value::from("session"))];
                fields.extend(
                    remote
                        .iter()
                        .map(|remote| ("remote", remote.to_string().into())),
                );
                let (level, text) = match again {
                    true => (Level::Info, format!("session to {place} is up again")),
                    false => (Level::Debug, format!("{place}: session up")),
                };
                self.logger.log(level, &text, &fields);
            }
            Event::SessionDown {
                place,
                streams,
                dialed,
                fail,
            } => {
                let fields = [
                    ("kind", Value::from("session")),
                    ("streams", (*streams).into()),
                ];
                // To a node, or with a client of a service.
                let way = if *dialed { "to" } else { "of" };
                let (level, text) = match fail {
                    // We end it, or the peer does while nobody uses it.
                    Some(fail)
                        if fail.cause == Cause::Local
                            || *streams == 0 && fail.cause == Cause::Closed =>
                    {
                        (Level::Debug, format!("{place}: session down: {fail}"))
                    }
                    Some(fail) => {
                        let source = Source {
                            place: place.clone(),
                            peer: None,
                            cause: fail.cause,
                        };
                        let text = match fail.cause {
                            Cause::TimedOut => format!("session {way} {place} dead: {fail}"),
                            _ => format!("{place}: session down: {fail}"),
                        };
                        return self.warn(source, fail, &text, &fields);
                    }
                    None => (Level::Debug, format!("{place}: session down")),
                };
                self.logger.log(level, &text, &fields);
            }
            Event::Trace { no, remote, step } => {
                let mut fields = vec![("kind", Value::from("step"))];
                fields.extend(no.iter().map(|no| ("sid", self.logger.sid(*no).into())));
                let text = match remote {
                    Some(remote) => format!("{remote}: {}", step_text(step)),
                    None => step_text(step),
                };
                self.logger.log(Level::Trace, &text, &fields);
            }
            Event::Exhausted => self.exhausted(),
            Event::Drained { cut } => drop(self.cut.fetch_add(*cut, Ordering::SeqCst)),
            Event::DialFailed { no, place, fail } => {
                let mut fields = vec![("kind", Value::from("node"))];
                fields.extend(no.iter().map(|no| ("sid", self.logger.sid(*no).into())));
                let source = Source {
                    place: place.clone(),
                    peer: None,
                    cause: fail.cause,
                };
                self.warn(source, fail, &dial_text(place, fail), &fields);
            }
        }
    }

    /// Each thread says it with each attempt.
    #[allow(clippy::disallowed_methods)] // The log has a clock.
    fn exhausted(&self) {
        let mut last = self
            .exhausted
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < SAID_ONCE) {
            return;
        }
        *last = Some(Instant::now());
        let text = format!("clients have to wait: {NO_DESCRIPTOR}");
        self.logger.warn(&text);
    }

    /// What an operator should see even with `log.level: warn`. That one side left without a word is
    /// everyday life.
    fn failed(
        &self,
        no: u64,
        service: usize,
        remote: SocketAddr,
        target: Option<&str>,
        fail: &Fail,
    ) {
        if matches!(fail.cause, Cause::Closed | Cause::Reset | Cause::Local) {
            return;
        }
        let mut fields = self.connection(no, service, remote, None);
        fields.extend(target.map(|target| ("dst", target.into())));
        // Only a client that shows wrong credentials is one for fail2ban: one that shows none is told to, as
        // browsers expect, and with an upstream it is ours that are wrong.
        if let Some(user) = &fail.user {
            fields.push(("user", (&**user).into()));
            fields.push(("error", fail.text.as_str().into()));
            let user = if user.is_empty() { "-" } else { user };
            let service = self.name(service);
            let client = remote.ip();
            let msg = format!("auth_failed client={client} user={user} service={service}");
            // Whoever bans attackers counts these lines: none is left out.
            return self.logger.log(Level::Warn, &msg, &fields);
        }
        let msg = format!("{remote}: {fail}");
        match fail.cause {
            // A rule did what it is for.
            Cause::Denied => self.logger.log(Level::Info, &msg, &fields),
            _ => self.warn(self.source(service, remote, fail), fail, &msg, &fields),
        }
    }

    fn source(&self, service: usize, remote: SocketAddr, fail: &Fail) -> Source {
        Source {
            place: self.name(service),
            peer: Some(remote.ip()),
            cause: fail.cause,
        }
    }

    /// A warning, unless the same was said of this source a moment ago.
    #[allow(clippy::disallowed_methods)] // Lines have times.
    fn warn(&self, source: Source, fail: &Fail, msg: &str, fields: &[(&'static str, Value)]) {
        let (written, told) = self.limiter.admit(source, &fail.text, Instant::now());
        for summary in told {
            let Source { place, peer, cause } = summary.source;
            let peer = peer.map_or("several peers".to_owned(), |peer| peer.to_string());
            let text = format!(
                "{place}: {} more of {peer} left out ({cause:?})",
                summary.more
            );
            self.logger
                .log(Level::Warn, &text, &[("count", summary.more.into())]);
        }
        if written {
            self.logger.log(Level::Warn, msg, fields);
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

    fn name(&self, service: usize) -> String {
        let services = self.services.read().unwrap_or_else(PoisonError::into_inner);
        services
            .get(service)
            .map_or("-".to_owned(), |names| names[0].clone())
    }

    fn fields(&self, kind: &str, service: usize) -> Vec<(&'static str, Value)> {
        let mut fields = vec![("kind", Value::from(kind))];
        let services = self.services.read().unwrap_or_else(PoisonError::into_inner);
        if let Some([name, listener, handler]) = services.get(service) {
            fields.push(("service", name.as_str().into()));
            fields.push(("listener", listener.as_str().into()));
            fields.push(("handler", handler.as_str().into()));
        }
        fields
    }
}

fn names(plan: &Plan) -> Vec<[String; 3]> {
    let services = plan.services.iter().map(|service| {
        [
            service.name.clone(),
            service.listener.channel.to_string(),
            service.handler.kind.name().to_owned(),
        ]
    });
    services.collect()
}

/// The failure's text names the place only if the engine put it there.
fn step_text(step: &Traced) -> String {
    match step {
        Traced::Resolving { host } => format!("resolving {host}"),
        Traced::Resolved { addrs } => {
            let addrs: Vec<_> = addrs.iter().map(ToString::to_string).collect();
            format!("resolved to {}", addrs.join(", "))
        }
        Traced::Connecting => "connecting".to_owned(),
        Traced::Connected => "connected".to_owned(),
        Traced::Ready { layer } => format!("{layer} handshake is over"),
        Traced::StreamOpened { stream } => format!("stream {stream} opened"),
        Traced::StreamClosed { stream } => format!("stream {stream} closed"),
    }
}

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
    use crate::config::model;

    fn closed() -> Event {
        ended(
            Some("example.com:443"),
            Fail::new(Cause::Reset, "the target reset the connection"),
        )
    }

    fn ended(target: Option<&str>, fail: Fail) -> Event {
        Event::Closed {
            no: 7,
            service: 0,
            remote: "10.0.0.1:5000".parse().unwrap(),
            local: "10.0.0.2:80".parse().unwrap(),
            target: target.map(str::to_owned),
            connected: target.is_some(),
            duration: Duration::from_millis(1500),
            input: 10,
            output: 20,
            dropped: 0,
            fail: Some(fail),
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
        let line: Value = serde_json::from_str(&lines[1]).unwrap();
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
            lines[1].contains(" msg=\"10.0.0.1:5000 >< 10.0.0.2:80\" "),
            "{}",
            lines[1]
        );
        assert!(lines[1].contains(" duration=1.5s "), "{}", lines[1]);
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
    fn failures_are_warnings_of_one_line() {
        let warned = |target, cause, text: &str| {
            let lines = lines("json", "warn", &[ended(target, Fail::new(cause, text))]);
            assert_eq!(lines.len(), 1, "{lines:?}");
            serde_json::from_str::<Value>(&lines[0]).unwrap()
        };
        let login = ended(None, Fail::login("wrong socks5 user or password", b"b b\n"));
        let line: Value = serde_json::from_str(&lines("json", "warn", &[login])[0]).unwrap();
        assert_eq!(line["level"], "warn");
        assert_eq!(
            line["msg"],
            "auth_failed client=10.0.0.1 user=b%20b%0A service=-"
        );
        assert_eq!(line["client"], "10.0.0.1");
        assert_eq!(line["error"], "wrong socks5 user or password");
        // No credentials yet, and ours with an upstream: nobody is to be banned.
        let line = warned(None, Cause::Auth, "this proxy requires a user");
        assert_eq!(line["msg"], "10.0.0.1:5000: this proxy requires a user");
        let line = warned(Some("a:1"), Cause::Auth, "wrong user or password");
        assert_eq!(line["msg"], "10.0.0.1:5000: wrong user or password");
        let line = warned(Some("a:1"), Cause::Refused, "connection refused");
        assert_eq!(line["msg"], "10.0.0.1:5000: connection refused");
        assert_eq!(line["dst"], "a:1");
        for cause in [Cause::Closed, Cause::Reset, Cause::Local] {
            let event = ended(Some("a:1"), Fail::new(cause, "gone"));
            assert!(lines("json", "warn", &[event]).is_empty());
        }
    }

    #[test]
    fn a_session_that_we_end_is_no_warning() {
        let down = |cause| Event::SessionDown {
            place: "node-0".to_owned(),
            streams: 0,
            dialed: true,
            fail: Some(Fail::new(cause, "over")),
        };
        let dead = lines("json", "warn", &[down(Cause::TimedOut)]);
        assert!(dead[0].contains("session to node-0 dead: over"), "{dead:?}");
        assert!(lines("json", "warn", &[down(Cause::Local)]).is_empty());
        assert_eq!(lines("json", "warn", &[down(Cause::Protocol)]).len(), 1);
    }

    #[test]
    fn connections_of_other_threads_have_other_ids() {
        let (logger, _) = Logger::memory(&model::Log::default());
        let here = logger.sid(1);
        let there = std::thread::scope(|scope| scope.spawn(|| logger.sid(1)).join().unwrap());
        assert_ne!(here, there);
        assert_eq!(here, logger.sid(1));
        assert_eq!(here.len(), 20);
    }

    #[test]
    fn a_connection_keeps_its_id_and_others_have_another() {
        let (logger, _) = Logger::memory(&model::Log::default());
        assert_eq!(logger.sid(1), logger.sid(1));
        assert_ne!(logger.sid(1), logger.sid(2));
    }
}
