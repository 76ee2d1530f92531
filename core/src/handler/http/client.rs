//! The client's side of the proxy: requests are read one after the other, sent on their way, and their bodies passed on
//! (RFC 9112, 3 and 9.3).

use bytes::BytesMut;

use super::exchange::{Exchange, Stage};
use super::request::{self, Order};
use super::site::Turn;
use super::{Ask, Io, Proxy, head_limits, reply};
use crate::addr::{Host, Target};
use crate::error::{Cause, Fail};
use crate::handler::Cx;
use crate::limits::Limits;
use crate::wire::datagram::Framing;
use crate::wire::http1::{HeadSearch, Request};

impl Proxy {
    /// Takes what it can use of the client's bytes.
    pub fn client(
        &mut self,
        cx: &Cx,
        limits: &Limits,
        rx: &mut BytesMut,
        io: &mut Io,
    ) -> Result<Ask, Fail> {
        let ask = self.client_step(cx, limits, rx, io);
        self.waiting = !rx.is_empty();
        ask
    }

    /// The client sends no more. What it has sent is still served, then the connection closes.
    pub fn client_end(
        &mut self,
        cx: &Cx,
        limits: &Limits,
        rx: &mut BytesMut,
        io: &mut Io,
    ) -> Result<Ask, Fail> {
        self.client_ended = true;
        self.client(cx, limits, rx, io)
    }

    fn client_step(
        &mut self,
        cx: &Cx,
        limits: &Limits,
        rx: &mut BytesMut,
        io: &mut Io,
    ) -> Result<Ask, Fail> {
        if self.closing {
            rx.clear();
            return Ok(Ask::Close);
        }
        while self.exchange.is_none() {
            if let Some(ask) = self.serve(io) {
                return Ok(ask);
            }
            let request = match request::take(&mut self.search, rx, head_limits(limits)) {
                Ok(Some(request)) => request,
                Ok(None) if self.client_ended => return Ok(self.close()),
                Ok(None) => {
                    if rx.is_empty() {
                        self.head_by = None;
                        let by = self.idle_by().unwrap_or(cx.now + limits.http_keep);
                        self.idle(Some(by));
                    } else {
                        self.idle(None);
                        self.head_by.get_or_insert(cx.now + cx.plan.read_timeout);
                    }
                    return Ok(Ask::More);
                }
                Err(fail) => return Err(self.refuse(cx, fail, None, io)),
            };
            self.head_by = None;
            self.idle(None);
            if let Some(ask) = self.begin(cx, limits, request, rx, io)? {
                return Ok(ask);
            }
        }
        self.pump(cx, rx, io)
    }

    /// `None`: the request is on its way over the kept upstream, or answered.
    fn begin(
        &mut self,
        cx: &Cx,
        limits: &Limits,
        request: Request,
        rx: &mut BytesMut,
        io: &mut Io,
    ) -> Result<Option<Ask>, Fail> {
        let order = match self.order(cx, &request, io) {
            Ok(order) => order,
            Err(fail) => return Err(self.refuse(cx, fail, Some(&request), io)),
        };
        let exchange = match order {
            Order::Connect(target) => Exchange::connect(request, target),
            Order::Datagrams { empties } => {
                let framing = Framing::Tunnel { empties };
                let anywhere = Target::new(Host::Name(String::new()), 0);
                let mut exchange = Exchange::connect(request, anywhere);
                exchange.datagrams = Some(framing);
                self.exchange = Some(Box::new(exchange));
                return Ok(Some(Ask::Datagrams(framing)));
            }
            Order::Forward(forward) => Exchange::forward(request, forward, limits),
            Order::Site(_, Turn::Here(answer)) => {
                io.to_client.push_slice(&answer.head);
                self.serving = Some(Box::new(answer.serving));
                return Ok(None);
            }
            Order::Site(site, Turn::There(forward)) => {
                let mut exchange = Exchange::forward(request, forward, limits);
                exchange.site = Some(site);
                exchange
            }
            Order::Upgrade if self.client_ended => return Ok(Some(self.close())),
            Order::Upgrade => {
                let mut bytes = Vec::new();
                request.write(&mut bytes);
                bytes.extend_from_slice(rx);
                *rx = BytesMut::from(&bytes[..]);
                return Ok(Some(Ask::Upgrade));
            }
            Order::Options => {
                reply::options(cx, io.to_client);
                return Ok(Some(self.close()));
            }
        };
        self.upstream_by = None;
        let exchange = self.exchange.insert(Box::new(exchange));
        let kept = self.upstream.as_deref();
        let same_kind = self.upstream_is_site == exchange.site.is_some();
        if !exchange.connect
            && same_kind
            && kept.is_some_and(|kept| same_authority(kept, &exchange.target))
        {
            io.to_upstream.push_slice(&exchange.head);
            if !exchange.repeatable {
                exchange.head = Vec::new();
            }
            exchange.stage = Stage::Awaiting(HeadSearch::default());
            return Ok(None);
        }
        self.upstream = None;
        Ok(Some(exchange.ask()))
    }

    /// Passes the request body on; once it is complete, the wait for the response begins.
    fn pump(&mut self, cx: &Cx, rx: &mut BytesMut, io: &mut Io) -> Result<Ask, Fail> {
        let Some(exchange) = self.exchange.as_deref_mut() else {
            return Ok(Ask::More);
        };
        if matches!(exchange.stage, Stage::Dialing) {
            return Ok(Ask::More);
        }
        let responding = matches!(exchange.stage, Stage::Responding { .. });
        if let Some(body) = &mut exchange.body {
            match body.pass(rx, io.to_upstream) {
                Ok(true) => exchange.body = None,
                Ok(false) if self.client_ended && !responding => {
                    self.close();
                    return Err(Fail::new(
                        Cause::Closed,
                        "client ended within its request body",
                    ));
                }
                Ok(false) => return Ok(Ask::More),
                Err(fail) if responding => return Err(self.cut(fail)),
                Err(fail) => return Err(self.refuse(cx, fail, None, io)),
            }
        }
        if !responding && self.upstream_by.is_none() {
            self.upstream_by = cx.plan.response_timeout.map(|limit| cx.now + limit);
        }
        Ok(Ask::More)
    }
}

fn same_authority(a: &Target, b: &Target) -> bool {
    use crate::addr::Host::Name;
    match (&a.host, &b.host) {
        (Name(x), Name(y)) => x.eq_ignore_ascii_case(y) && a.port == b.port,
        _ => a == b,
    }
}
