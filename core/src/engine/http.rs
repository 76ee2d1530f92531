//! Sessions of the http handler: the proxy machine says what it wants, this does it.

use bytes::BytesMut;

use super::session::{Session, Stage};
use super::{Engine, LinkId, SessionId};
use crate::buffer::Rope;
use crate::error::Fail;
use crate::event::Event;
use crate::handler::http::{Ask, Io, Proxy};
use crate::handler::{self, Receiver};
use crate::limits::Limits;

/// What happened, for the machine.
enum News<'a> {
    Client,
    ClientEnd,
    Upstream,
    UpstreamEnd(Result<(), &'a Fail>),
    Dialed(Result<(), &'a Fail>),
    Timeout,
}

impl Engine {
    pub(super) fn http_client(&mut self, id: SessionId) {
        self.http_drive(id, News::Client);
    }

    pub(super) fn http_client_end(&mut self, id: SessionId) {
        self.http_drive(id, News::ClientEnd);
    }

    pub(super) fn http_upstream(&mut self, id: SessionId) {
        self.http_drive(id, News::Upstream);
    }

    pub(super) fn http_upstream_end(&mut self, id: SessionId, how: Result<(), Fail>) {
        if let Some(session) = self.sessions.get_mut(id)
            && let Some(link) = session.upstream.take()
        {
            self.close(link);
        }
        self.http_drive(id, News::UpstreamEnd(how.as_ref().copied()));
    }

    pub(super) fn http_timeout(&mut self, id: SessionId) {
        self.http_drive(id, News::Timeout);
    }

    pub(super) fn http_dialed(
        &mut self,
        id: SessionId,
        result: Result<(LinkId, BytesMut, bool), Fail>,
    ) {
        match result {
            Ok((_, rest, _)) => {
                self.sessions[id].upstream_rx.stash(rest);
                self.http_drive(id, News::Dialed(Ok(())));
            }
            Err(fail) => self.http_drive(id, News::Dialed(Err(&fail))),
        }
    }

    /// Tells the machine, then does what it asks until it wants nothing more.
    fn http_drive(&mut self, id: SessionId, news: News) {
        // The client is answered; the log is to say why.
        let why = match news {
            News::Dialed(Err(fail)) => Some(fail.clone()),
            _ => None,
        };
        let mut news = Some(news);
        loop {
            let first = news.take();
            let again = first.is_none();
            let Some(ask) = self.http_step(id, first.unwrap_or(News::Client)) else {
                return;
            };
            match ask {
                Ok(Ask::More) if again => return self.http_settled(id),
                // What the news made possible: the next pipelined request, or a body that waited.
                Ok(Ask::More) => {}
                Ok(Ask::Dial(target)) => {
                    self.http_drop_upstream(id);
                    return self.dial_target(id, target);
                }
                Ok(Ask::Reach(target)) => {
                    self.http_drop_upstream(id);
                    return self.reach(id, target);
                }
                Ok(Ask::Upgrade) => return self.leave_site(id),
                Ok(Ask::Datagrams(framing)) => {
                    self.http_drop_upstream(id);
                    return self.dial_datagrams(id, framing, Receiver::Each);
                }
                Ok(Ask::DropUpstream) => self.http_drop_upstream(id),
                Ok(Ask::Tunnel) => return self.start_relay(id, BytesMut::new()),
                Ok(Ask::Close) => return self.end_session(id, why),
                Err(fail) => return self.http_failed(id, fail),
            }
        }
    }

    /// One call of the machine; its output goes to the links.
    fn http_step(&mut self, id: SessionId, news: News) -> Option<Result<Ask, Fail>> {
        let plan = self.plan.clone();
        let client = self.sessions.get(id)?.client;
        let encrypted = self.links.get(client).is_some_and(|link| link.encrypted);
        let session = self.sessions.get_mut(id)?;
        let Session {
            stage: Stage::Http(proxy),
            rx,
            upstream_rx,
            service,
            ends,
            ..
        } = session
        else {
            return None;
        };
        let service = &plan.services[*service];
        let cx = handler::Cx {
            plan: &service.handler,
            remote: ends.remote(),
            now: self.now,
            encrypted,
            forwards: false,
            bound: None,
        };
        let mut to_client = Rope::default();
        let mut to_upstream = Rope::default();
        let mut io = Io {
            to_client: &mut to_client,
            to_upstream: &mut to_upstream,
            hidden_logins: Vec::new(),
        };
        let ask = tell(
            proxy,
            &cx,
            &plan.limits,
            news,
            [rx.bytes(), upstream_rx.bytes()],
            &mut io,
        );
        for fail in io.hidden_logins {
            self.events.push_back(Event::LoginFailed {
                no: session.no,
                service: session.service,
                remote: session.ends.remote(),
                fail,
            });
        }
        session.output += to_client.len() as u64;
        session.input += to_upstream.len() as u64;
        session.active = self.now;
        let (client, upstream) = (session.client, session.upstream);
        self.touch(client);
        if let Some(upstream) = upstream {
            self.touch(upstream);
        }
        self.send(client, &mut to_client);
        if let Some(upstream) = upstream {
            self.send(upstream, &mut to_upstream);
            self.press_back(upstream, client);
            self.press_back(client, upstream);
        }
        Some(ask)
    }

    fn http_settled(&mut self, id: SessionId) {
        if self.is_draining() && self.is_idle(id) {
            return self.end_session(id, Some(super::drain::going()));
        }
        self.session_timer(id);
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        let (client, upstream) = (session.client, session.upstream);
        self.reread(client);
        if let Some(upstream) = upstream {
            self.reread(upstream);
        }
    }

    fn http_drop_upstream(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.upstream_rx.clear();
        session.lazy = false;
        let client = session.client;
        if let Some(link) = session.upstream.take() {
            self.links[link].top = super::Top::Closing;
            self.close(link);
        }
        self.pause(client, false);
    }

    /// An answered failure ends in order; one in the middle of a response must not look like its end.
    fn http_failed(&mut self, id: SessionId, fail: Fail) {
        if let Some(session) = self.sessions.get(id)
            && let Stage::Http(proxy) = &session.stage
            && proxy.must_reset()
        {
            let client = session.client;
            self.abort(client, &fail);
        }
        self.end_session(id, Some(fail));
    }
}

/// The call of the machine that belongs to the news.
fn tell(
    proxy: &mut Proxy,
    cx: &handler::Cx,
    limits: &Limits,
    news: News,
    rx: [&mut BytesMut; 2],
    io: &mut Io,
) -> Result<Ask, Fail> {
    let [client, upstream] = rx;
    match news {
        News::Client => proxy.client(cx, limits, client, io),
        News::ClientEnd => proxy.client_end(cx, limits, client, io),
        News::Upstream => proxy.upstream(cx, limits, upstream, io),
        News::UpstreamEnd(how) => proxy.upstream_end(cx, how, io),
        News::Dialed(result) => Ok(proxy.dialed(cx, result, io)),
        News::Timeout => proxy.timeout(cx, io),
    }
}
