//! The upstream's side of the proxy: the way to it, the responses that come from there, and what follows one: the
//! upstream is kept, dropped, or has failed (RFC 9112, 4 and 9.3 to 9.6).

use bytes::BytesMut;

use super::body::Body;
use super::exchange::{Begun, Stage};
use super::{Ask, Io, Proxy, head_limits, reply, response};
use crate::error::{Cause, Fail};
use crate::handler::Cx;
use crate::limits::Limits;
use crate::wire::http1::HeadSearch;

impl Proxy {
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
            match self.response_head(cx, limits, rx, io) {
                Ok(None) => return Ok(Ask::More),
                Ok(Some(Begun::Body)) => self.upstream_by = None,
                Ok(Some(Begun::Whole { reuse })) => {
                    return Ok(self.finish(cx, limits, reuse && rx.is_empty()));
                }
                Ok(Some(Begun::Tunnel)) => {
                    self.upstream_by = None;
                    return Ok(Ask::Tunnel);
                }
                Err(fail) => return Err(self.bad_gateway(cx, fail, io)),
            }
        }
        self.response_body(cx, limits, rx, io)
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

    /// Passes interim responses on until the final one begins.
    fn response_head(
        &mut self,
        cx: &Cx,
        limits: &Limits,
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
                self.upstream_by = cx.plan.response_timeout.map(|limit| cx.now + limit);
            }
        }
    }

    fn response_body(
        &mut self,
        cx: &Cx,
        limits: &Limits,
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
                Ok(self.finish(cx, limits, reuse))
            }
            Err(fail) => {
                let fail = fail.at(&exchange.target);
                Err(self.cut(fail))
            }
        }
    }

    /// The response is complete.
    fn finish(&mut self, cx: &Cx, limits: &Limits, reuse: bool) -> Ask {
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
        self.upstream_by = Some(cx.now + limits.http_idle);
        Ask::More
    }

    pub(super) fn drop_upstream(&mut self) -> Ask {
        self.upstream_by = None;
        match self.upstream.take() {
            Some(_) => Ask::DropUpstream,
            None => Ask::More,
        }
    }

    pub(super) fn bad_gateway(&mut self, cx: &Cx, fail: Fail, io: &mut Io) -> Fail {
        self.answer_bad_gateway(cx, fail.cause, io);
        self.close();
        fail
    }

    /// The response cannot be completed.
    pub(super) fn cut(&mut self, fail: Fail) -> Fail {
        self.must_reset = true;
        self.close();
        fail
    }
}
