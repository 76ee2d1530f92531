//! The HTTP proxy: tunnels by CONNECT and forwarding of plain requests (RFC 9110, RFC 9112).
//!
//! ```text
//!             head read          dialed            response head      both messages complete
//!   idle ──┬──────────► Dialing ───────► Awaiting ───────────────► Responding ──────────► idle
//!          └─ same authority, upstream kept ──┘ ▲ │ 1xx                              or closed
//!                                               └─┘
//!   CONNECT: idle ─► Dialing ─► tunnel           101: Awaiting ─► tunnel
//! ```
//!
//! Requests of one connection are served one after the other; a pipelined one waits unread. Bodies are
//! passed on as they come and never held.

mod body;
mod exchange;
mod fields;
mod front;
mod range;
mod reply;
mod request;
mod response;
mod site;

use bytes::BytesMut;

use self::body::Body;
use self::exchange::{Begun, Exchange, Stage};
use self::front::Front;
use self::request::Order;
use self::site::{Serving, Turn};
use crate::addr::{Host, Target};
use crate::buffer::Rope;
use crate::error::{Cause, Fail};
use crate::handler::Cx;
use crate::limits::Limits;
use crate::time::Time;
use crate::wire::datagram::Framing;
use crate::wire::http1::{HeadLimits, HeadSearch, Request};

/// Where the proxy puts what it has to say.
pub struct Io<'a> {
    pub to_client: &'a mut Rope,
    pub to_upstream: &'a mut Rope,
    /// Wrong credentials that were answered with the site, for the log.
    pub hidden_logins: Vec<Fail>,
}

/// What the proxy wants next.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// Nothing until bytes or news come.
    More,
    /// A connection to this target; an earlier upstream, and what still waits for it, is dropped
    /// first. Then [`Proxy::dialed`].
    Dial(Target),
    /// The same for the server of a site: directly, and with the TLS of [`Proxy::backend`].
    Reach(Target),
    /// The upgrade of the listener came: the connection is a new one, whose first bytes are in `rx`.
    Upgrade,
    /// A way for datagrams to anywhere, which the client frames like this. Then [`Proxy::dialed`].
    Datagrams(Framing),
    /// The upstream connection is of no more use.
    DropUpstream,
    /// From now on raw bytes both ways; what is left in either `rx` belongs to them.
    Tunnel,
    /// Flush to the client, then close its connection in order, and the upstream's.
    Close,
}

/// One client connection.
///
/// [`client`](Self::client) is called with new bytes of the client, and again after every other event
/// until it returns [`Ask::More`]. After an error, the reply (if there is one) is in `to_client`: it is
/// flushed and the connection closed, in order unless [`must_reset`](Self::must_reset) says otherwise.
#[derive(Debug, Default)]
pub struct Proxy {
    search: HeadSearch,
    /// When a request head that has begun must be complete.
    head_by: Option<Time>,
    /// When a response head must be complete or, between requests, the kept upstream is dropped.
    upstream_by: Option<Time>,
    upstream: Option<Box<Target>>,
    /// It is the server of a site.
    upstream_is_site: bool,
    /// In front of a listener: what is not its upgrade is for this site.
    front: Option<Box<Front>>,
    /// Our own answer, on its way.
    serving: Option<Box<Serving>>,
    /// The client's queue is to drain before more is answered.
    stalled: bool,
    exchange: Option<Box<Exchange>>,
    /// Bytes of the client wait in its `rx` for the end of the exchange.
    waiting: bool,
    client_ended: bool,
    closing: bool,
    must_reset: bool,
}

impl Proxy {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what it can use of the client's bytes.
    pub fn client(
        &mut self,
        cx: &Cx,
        limits: &Limits,
        now: Time,
        rx: &mut BytesMut,
        io: &mut Io,
    ) -> Result<Ask, Fail> {
        let ask = self.client_step(cx, limits, now, rx, io);
        self.waiting = !rx.is_empty();
        ask
    }

    /// The client sends no more. What it has sent is still served, then the connection closes.
    pub fn client_end(
        &mut self,
        cx: &Cx,
        limits: &Limits,
        now: Time,
        rx: &mut BytesMut,
        io: &mut Io,
    ) -> Result<Ask, Fail> {
        self.client_ended = true;
        self.client(cx, limits, now, rx, io)
    }

    /// The result of [`Ask::Dial`].
    pub fn dialed(&mut self, cx: &Cx, result: Result<(), &Fail>, io: &mut Io) -> Ask {
        if self.closing {
            return Ask::Close;
        }
        let Some(exchange) = self.exchange.as_deref_mut() else {
            return Ask::DropUpstream;
        };
        if let Err(fail) = result {
            self.answer_bad_gateway(cx, fail.cause, io);
            return self.close();
        }
        if exchange.datagrams.is_some() {
            reply::datagrams(cx, io.to_client);
            return Ask::Tunnel;
        }
        if exchange.connect {
            reply::established(cx, io.to_client);
            return Ask::Tunnel;
        }
        exchange.stage = Stage::Awaiting(HeadSearch::default());
        exchange.repeatable = false;
        io.to_upstream
            .push_slice(&std::mem::take(&mut exchange.head));
        self.upstream = Some(Box::new(exchange.target.clone()));
        self.upstream_is_site = exchange.site.is_some();
        Ask::More
    }

    /// Takes what it can use of the upstream's bytes.
    pub fn upstream(
        &mut self,
        cx: &Cx,
        limits: &Limits,
        now: Time,
        rx: &mut BytesMut,
        io: &mut Io,
    ) -> Result<Ask, Fail> {
        if self.closing {
            rx.clear();
            return Ok(Ask::Close);
        }
        if rx.is_empty() {
            return Ok(Ask::More);
        }
        let Some(exchange) = self.exchange.as_deref() else {
            // Nothing was asked: a goodbye of a server (408), or an attempt to answer the next request.
            rx.clear();
            return Ok(self.drop_upstream());
        };
        if matches!(exchange.stage, Stage::Awaiting(_)) {
            match self.response_head(cx, limits, now, rx, io) {
                Ok(None) => return Ok(Ask::More),
                Ok(Some(Begun::Body)) => self.upstream_by = None,
                Ok(Some(Begun::Whole { reuse })) => {
                    return Ok(self.finish(limits, now, reuse && rx.is_empty()));
                }
                Ok(Some(Begun::Tunnel)) => {
                    self.upstream_by = None;
                    return Ok(Ask::Tunnel);
                }
                Err(fail) => return Err(self.bad_gateway(cx, fail, io)),
            }
        }
        self.response_body(limits, now, rx, io)
    }

    /// The upstream connection ended: in order, or by a failure.
    pub fn upstream_end(
        &mut self,
        cx: &Cx,
        how: Result<(), &Fail>,
        io: &mut Io,
    ) -> Result<Ask, Fail> {
        if self.closing {
            return Ok(Ask::Close);
        }
        self.upstream = None;
        self.upstream_by = None;
        let Some(exchange) = self.exchange.as_deref_mut() else {
            return Ok(Ask::More);
        };
        let fail = how.err().cloned();
        let fail = |text: &str| {
            fail.unwrap_or_else(|| Fail::new(Cause::Closed, text))
                .at(&exchange.target)
        };
        match &exchange.stage {
            Stage::Dialing => Ok(Ask::More),
            Stage::Awaiting(_) if exchange.repeatable => {
                exchange.stage = Stage::Dialing;
                Ok(exchange.ask())
            }
            Stage::Awaiting(_) => {
                let fail = fail("connection ended before the response");
                Err(self.bad_gateway(cx, fail, io))
            }
            Stage::Responding { body, .. } => {
                if how.is_ok() && matches!(body, Body::UntilEnd) {
                    return Ok(self.close());
                }
                let fail = fail("connection ended within the response body");
                Err(self.cut(fail))
            }
        }
    }

    /// False while input would only pile up: the next request waits for the current response.
    pub fn wants_client_input(&self) -> bool {
        match self.exchange.as_deref() {
            None => true,
            Some(exchange) if matches!(exchange.stage, Stage::Dialing) => !self.waiting,
            Some(exchange) => exchange.body.is_some() || !self.waiting,
        }
    }

    pub fn next_timeout(&self) -> Option<Time> {
        let all = [self.head_by, self.upstream_by, self.idle_by()];
        all.into_iter().flatten().min()
    }

    /// A deadline passed. A call that is too early does nothing.
    pub fn timeout(&mut self, cx: &Cx, now: Time, io: &mut Io) -> Result<Ask, Fail> {
        let passed = |by: &mut Option<Time>| by.take_if(|by| *by <= now).is_some();
        if let Some(front) = &mut self.front
            && (passed(&mut front.idle_by) || passed(&mut self.head_by))
        {
            return Ok(self.close());
        }
        if passed(&mut self.head_by) {
            let fail = Fail::new(Cause::TimedOut, "no complete request head in time");
            return Err(self.refuse(cx, fail, None, io));
        }
        if !passed(&mut self.upstream_by) {
            return Ok(Ask::More);
        }
        let Some(exchange) = self.exchange.as_deref() else {
            return Ok(self.drop_upstream());
        };
        let fail = Fail::new(Cause::TimedOut, "no response head in time").at(&exchange.target);
        Err(self.bad_gateway(cx, fail, io))
    }

    /// Between requests, with nothing of the next one.
    pub fn is_idle(&self) -> bool {
        let nothing = self.exchange.is_none() && self.serving.is_none();
        nothing && self.head_by.is_none() && !self.waiting
    }

    /// Method and target of the request at hand.
    pub fn request(&self) -> Option<(&str, &Target)> {
        self.exchange
            .as_deref()
            .map(|exchange| (exchange.method.as_str(), &exchange.target))
    }

    /// After an error: the client has got a part of a response, so that an orderly end could look like
    /// its end.
    pub fn must_reset(&self) -> bool {
        self.must_reset
    }

    fn client_step(
        &mut self,
        cx: &Cx,
        limits: &Limits,
        now: Time,
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
                        let by = self.idle_by().unwrap_or(now + limits.http_keep);
                        self.idle(Some(by));
                    } else {
                        self.idle(None);
                        self.head_by.get_or_insert(now + cx.plan.read_timeout);
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
        self.pump(cx, now, rx, io)
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
    fn pump(&mut self, cx: &Cx, now: Time, rx: &mut BytesMut, io: &mut Io) -> Result<Ask, Fail> {
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
            self.upstream_by = cx.plan.response_timeout.map(|limit| now + limit);
        }
        Ok(Ask::More)
    }

    /// Passes interim responses on until the final one begins.
    fn response_head(
        &mut self,
        cx: &Cx,
        limits: &Limits,
        now: Time,
        rx: &mut BytesMut,
        io: &mut Io,
    ) -> Result<Option<Begun>, Fail> {
        let Some(exchange) = self.exchange.as_deref_mut() else {
            return Ok(None);
        };
        exchange.repeatable = false;
        exchange.head = Vec::new();
        loop {
            let Stage::Awaiting(search) = &mut exchange.stage else {
                return Ok(None);
            };
            let Some(response) = response::take(search, rx, head_limits(limits))? else {
                return Ok(None);
            };
            if response.status == 101 || response.status >= 200 {
                return exchange.respond(&response, limits, io).map(Some);
            }
            if !exchange.asked.legacy {
                io.to_client.push_slice(&response::interim(&response));
            }
            // A sign of life: the wait, if it has begun, begins anew.
            if self.upstream_by.is_some() {
                self.upstream_by = cx.plan.response_timeout.map(|limit| now + limit);
            }
        }
    }

    fn response_body(
        &mut self,
        limits: &Limits,
        now: Time,
        rx: &mut BytesMut,
        io: &mut Io,
    ) -> Result<Ask, Fail> {
        let Some(exchange) = self.exchange.as_deref_mut() else {
            return Ok(Ask::More);
        };
        let Stage::Responding { body, reuse } = &mut exchange.stage else {
            return Ok(Ask::More);
        };
        match body.pass(rx, io.to_client) {
            Ok(false) => Ok(Ask::More),
            Ok(true) => {
                let reuse = *reuse && rx.is_empty();
                Ok(self.finish(limits, now, reuse))
            }
            Err(fail) => {
                let fail = fail.at(&exchange.target);
                Err(self.cut(fail))
            }
        }
    }

    /// The response is complete.
    fn finish(&mut self, limits: &Limits, now: Time, reuse: bool) -> Ask {
        let Some(exchange) = self.exchange.take() else {
            return Ask::More;
        };
        // An unfinished request body would have to be read to the end to find the next request.
        if exchange.body.is_some() || !exchange.asked.keep {
            return self.close();
        }
        if !reuse {
            return self.drop_upstream();
        }
        self.upstream_by = Some(now + limits.http_idle);
        Ask::More
    }

    fn drop_upstream(&mut self) -> Ask {
        self.upstream_by = None;
        match self.upstream.take() {
            Some(_) => Ask::DropUpstream,
            None => Ask::More,
        }
    }

    fn close(&mut self) -> Ask {
        self.closing = true;
        self.head_by = None;
        self.idle(None);
        self.upstream_by = None;
        Ask::Close
    }

    fn bad_gateway(&mut self, cx: &Cx, fail: Fail, io: &mut Io) -> Fail {
        self.answer_bad_gateway(cx, fail.cause, io);
        self.close();
        fail
    }

    /// The response cannot be completed.
    fn cut(&mut self, fail: Fail) -> Fail {
        self.must_reset = true;
        self.close();
        fail
    }
}

fn head_limits(limits: &Limits) -> HeadLimits {
    HeadLimits {
        bytes: limits.head,
        fields: limits.fields,
    }
}

fn same_authority(a: &Target, b: &Target) -> bool {
    use crate::addr::Host::Name;
    match (&a.host, &b.host) {
        (Name(x), Name(y)) => x.eq_ignore_ascii_case(y) && a.port == b.port,
        _ => a == b,
    }
}
