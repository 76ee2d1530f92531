//! What happens to the connections of clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ginnel_core::error::{Cause, Fail};
use ginnel_core::event::Event;

use super::{Journal, Names, fields};
use crate::log::Level;
use crate::log::limit::Source;
use crate::log::line::{Field, Named};

impl Journal {
    pub(super) fn opened(&self, no: u64, service: usize, remote: SocketAddr, local: SocketAddr) {
        if !self.logger.wants(Level::Info) {
            return;
        }
        let told = self.connection(no, service, remote);
        let fields = told.fields(Some(local));
        let text = format!("{remote} <> {local}");
        self.logger.log(Level::Info, &text, &fields);
    }

    pub(super) fn connected(
        &self,
        no: u64,
        service: usize,
        remote: SocketAddr,
        target: &str,
        route: &str,
    ) {
        if !self.logger.wants(Level::Info) {
            return;
        }
        let told = self.connection(no, service, remote);
        let mut fields = told.fields(None);
        fields.push(("dst", Field::Text(target)));
        if !route.is_empty() {
            fields.push(("route", Field::Text(route)));
        }
        let text = format!("{remote} <-> {target}");
        self.logger.log(Level::Info, &text, &fields);
    }

    /// The two lines of gost, of which the first has no error.
    pub(super) fn closed(&self, event: &Event) {
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
        if !self.logger.wants(Level::Info) {
            return;
        }
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

    pub(super) fn rejected(&self, service: usize, remote: SocketAddr, fail: &Fail) {
        let names = self.names(service);
        let mut fields = fields("listener", &names);
        fields.push(("remote", Field::Addr(remote)));
        fields.push(("client", Field::Ip(remote.ip())));
        let msg = format!("{remote}: {fail}");
        match fail.cause {
            // Who is not admitted may come again and again.
            Cause::Denied => self.logger.log(Level::Debug, &msg, &fields),
            _ => self.warn(self.source(service, remote, fail), fail, &msg, &fields),
        }
    }

    /// What an operator should see even with `log.level: warn`. That one side left without a word is
    /// everyday life.
    pub(super) fn failed(
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

    fn connection(&self, no: u64, service: usize, remote: SocketAddr) -> Told {
        Told {
            names: self.names(service),
            remote,
            sid: self.logger.sid(no),
        }
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

fn nanos(duration: Duration) -> Field<'static> {
    Field::Number(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}
