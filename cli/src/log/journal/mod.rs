//! The engine's events as log lines.

mod connection;
mod node;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ginnel_core::error::{Fail, NO_DESCRIPTOR};
use ginnel_core::event::Event;
use ginnel_core::plan::Plan;

use super::limit::{Limiter, Source};
use super::line::{Field, Named};
use super::{Level, Logger};

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
            } => self.opened(*no, *service, *remote, *local),
            Event::Connected {
                no,
                service,
                remote,
                target,
                route,
            } => self.connected(*no, *service, *remote, target, route),
            Event::Closed {
                no,
                service,
                remote,
                target,
                fail,
                ..
            } => {
                self.closed(event);
                if let Some(fail) = fail {
                    self.failed(*no, *service, *remote, target.as_deref(), fail);
                }
            }
            Event::Rejected {
                service,
                remote,
                fail,
            } => self.rejected(*service, *remote, fail),
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
            } => self.port_opened(*service, addr, place),
            Event::PortLost { service, fail } => self.port_lost(*service, fail),
            Event::SessionUp {
                place,
                remote,
                again,
            } => self.session_up(place, *remote, *again),
            Event::SessionDown {
                place,
                streams,
                dialed,
                fail,
            } => self.session_down(place, *streams, *dialed, fail.as_ref()),
            Event::DialFailed { no, place, fail } => self.dial_failed(*no, place, fail),
            Event::Trace { no, remote, step } => self.step(*no, *remote, step),
            Event::Exhausted => self.exhausted(),
            Event::Drained { cut } => drop(self.cut.fetch_add(*cut, Ordering::SeqCst)),
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

    /// A warning, unless the same was said of this source a moment ago.
    #[allow(clippy::disallowed_methods)] // Lines have times.
    fn warn(&self, source: Source, fail: &Fail, msg: &str, fields: &[Named<'_>]) {
        let (written, told) = self.limiter.admit(source, &fail.text, Instant::now());
        for summary in told {
            self.logger.log(
                Level::Warn,
                &summary.to_string(),
                &[("count", Field::Number(summary.more))],
            );
        }
        if written {
            self.logger.log(Level::Warn, msg, fields);
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
