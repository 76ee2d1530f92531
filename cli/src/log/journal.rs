//! The engine's events as log lines.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::limit::{Limiter, Source};
use super::line::{Field, Named};
use super::{Level, Logger};
use ginnel_core::error::{Cause, Fail, NO_DESCRIPTOR};
use ginnel_core::event::{Event, Traced};
use ginnel_core::plan::{Channel, Plan};

/// For this long the same trouble is not said again.
const SAID_ONCE: Duration = Duration::from_secs(60);

/// Of a service: its own, its listener's, its handler's.
type Names = [String; 3];

/// Writes events; knows the names behind the service numbers.
pub struct Journal {
    logger: Logger,
    services: RwLock<Vec<Arc<Names>>>,
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
        let names = self.names(service);
        let mut fields = fields("service", &names);
        fields.extend(port.map(|port| ("port", Field::Number(port.into()))));
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
            } if self.logger.wants(Level::Info) => {
                let told = self.connection(*no, *service, *remote);
                let fields = told.fields(Some(*local));
                let text = format!("{remote} <> {local}");
                self.logger.log(Level::Info, &text, &fields);
            }
            Event::Connected {
                no,
                service,
                remote,
                target,
                route,
            } if self.logger.wants(Level::Info) => {
                let told = self.connection(*no, *service, *remote);
                let mut fields = told.fields(None);
                fields.push(("dst", Field::Text(target)));
                if !route.is_empty() {
                    fields.push(("route", Field::Text(route)));
                }
                let text = format!("{remote} <-> {target}");
                self.logger.log(Level::Info, &text, &fields);
            }
            Event::Opened { .. } | Event::Connected { .. } => {}
            Event::Closed {
                no,
                service,
                remote,
                target,
                fail,
                ..
            } => {
                if self.logger.wants(Level::Info) {
                    self.closed(event);
                }
                if let Some(fail) = fail {
                    self.failed(*no, *service, *remote, target.as_deref(), fail);
                }
            }
            Event::Rejected {
                service,
                remote,
                fail,
            } => {
                let names = self.names(*service);
                let mut fields = fields("listener", &names);
                fields.push(("remote", Field::Addr(*remote)));
                fields.push(("client", Field::Ip(remote.ip())));
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
                let names = self.names(*service);
                let mut fields = fields("service", &names);
                fields.push(("node", Field::Text(place)));
                let network = match &names {
                    Some(names) if names[1] == Channel::Rudp.name() => "udp",
                    _ => "tcp",
                };
                let text = format!("listening on {addr}/{network}");
                self.logger.log(Level::Info, &text, &fields);
            }
            Event::PortLost { service, fail } => {
                let names = self.names(*service);
                let mut fields = fields("service", &names);
                fields.push(("error", Field::Text(&fail.text)));
                let text = format!("not listening: {fail}; trying again");
                self.logger.log(Level::Warn, &text, &fields);
            }
            Event::SessionUp {
                place,
                remote,
                again,
            } => {
                let mut fields = vec![("kind", Field::Text("session"))];
                fields.extend(remote.map(|remote| ("remote", Field::Addr(remote))));
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
                    ("kind", Field::Text("session")),
                    ("streams", Field::Number(*streams as u64)),
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
                let sid = no.map(|no| self.logger.sid(no));
                let mut fields = vec![("kind", Field::Text("step"))];
                fields.extend(sid.iter().map(|sid| ("sid", Field::Text(sid))));
                let text = match remote {
                    Some(remote) => format!("{remote}: {}", step_text(step)),
                    None => step_text(step),
                };
                self.logger.log(Level::Trace, &text, &fields);
            }
            Event::Exhausted => self.exhausted(),
            Event::Drained { cut } => drop(self.cut.fetch_add(*cut, Ordering::SeqCst)),
            Event::DialFailed { no, place, fail } => {
                let sid = no.map(|no| self.logger.sid(no));
                let mut fields = vec![("kind", Field::Text("node"))];
                fields.extend(sid.iter().map(|sid| ("sid", Field::Text(sid))));
                let source = Source {
                    place: place.clone(),
                    peer: None,
                    cause: fail.cause,
                };
                self.warn(source, fail, &dial_text(place, fail), &fields);
            }
        }
    }

    /// The two lines of gost, of which the first has no error.
    fn closed(&self, event: &Event) {
        let Event::Closed {
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
        } = event
        else {
            return;
        };
        let told = self.connection(*no, *service, *remote);
        let mut fields = told.fields(Some(*local));
        fields.extend(target.iter().map(|target| ("dst", Field::Text(target))));
        fields.push(("duration", nanos(*duration)));
        fields.push(("inputBytes", Field::Number(*input)));
        fields.push(("outputBytes", Field::Number(*output)));
        if *dropped > 0 {
            fields.push(("droppedDatagrams", Field::Number(*dropped)));
        }
        let common = fields.len();
        fields.extend(fail.iter().map(|fail| ("error", Field::Text(&fail.text))));
        let last = format!("{remote} >< {local}");
        let last: (&str, &[Named<'_>]) = (&last, &fields);
        match target.as_ref().filter(|_| *connected) {
            Some(target) => {
                let first = format!("{remote} >-< {target}");
                self.logger
                    .write(Level::Info, &[(&first, &fields[..common]), last]);
            }
            None => self.logger.write(Level::Info, &[last]),
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
        let told = self.connection(no, service, remote);
        let mut fields = told.fields(None);
        fields.extend(target.map(|target| ("dst", Field::Text(target))));
        // Only a client that shows wrong credentials is one for fail2ban: one that shows none is told to, as
        // browsers expect, and with an upstream it is ours that are wrong.
        if let Some(user) = &fail.user {
            fields.push(("user", Field::Text(user)));
            fields.push(("error", Field::Text(&fail.text)));
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
    fn warn(&self, source: Source, fail: &Fail, msg: &str, fields: &[Named<'_>]) {
        let (written, told) = self.limiter.admit(source, &fail.text, Instant::now());
        for summary in told {
            let Source { place, peer, cause } = summary.source;
            let peer = peer.map_or("several peers".to_owned(), |peer| peer.to_string());
            let text = format!(
                "{place}: {} more of {peer} left out ({cause:?})",
                summary.more
            );
            self.logger.log(
                Level::Warn,
                &text,
                &[("count", Field::Number(summary.more))],
            );
        }
        if written {
            self.logger.log(Level::Warn, msg, fields);
        }
    }

    fn connection(&self, no: u64, service: usize, remote: SocketAddr) -> Told {
        Told {
            names: self.names(service),
            remote,
            sid: self.logger.sid(no),
        }
    }

    fn name(&self, service: usize) -> String {
        self.names(service)
            .map_or("-".to_owned(), |names| names[0].clone())
    }

    fn names(&self, service: usize) -> Option<Arc<Names>> {
        let services = self.services.read().unwrap_or_else(PoisonError::into_inner);
        services.get(service).cloned()
    }
}

/// What lines about a connection say in common.
struct Told {
    names: Option<Arc<Names>>,
    remote: SocketAddr,
    sid: String,
}

impl Told {
    fn fields(&self, local: Option<SocketAddr>) -> Vec<Named<'_>> {
        let mut fields = fields("handler", &self.names);
        fields.push(("remote", Field::Addr(self.remote)));
        fields.extend(local.map(|local| ("local", Field::Addr(local))));
        fields.push(("client", Field::Ip(self.remote.ip())));
        fields.push(("sid", Field::Text(&self.sid)));
        fields
    }
}

fn fields<'a>(kind: &'static str, names: &'a Option<Arc<Names>>) -> Vec<Named<'a>> {
    let mut fields = Vec::with_capacity(16);
    fields.push(("kind", Field::Text(kind)));
    if let Some([name, listener, handler]) = names.as_deref() {
        fields.push(("service", Field::Text(name)));
        fields.push(("listener", Field::Text(listener)));
        fields.push(("handler", Field::Text(handler)));
    }
    fields
}

fn names(plan: &Plan) -> Vec<Arc<Names>> {
    let services = plan.services.iter().map(|service| {
        Arc::new([
            service.name.clone(),
            service.listener.channel.to_string(),
            service.handler.kind.name().to_owned(),
        ])
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

fn nanos(duration: Duration) -> Field<'static> {
    Field::Number(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
