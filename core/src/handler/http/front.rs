//! The site in front: requests that are none for a proxy, and what is said to those who send them.

use std::sync::Arc;

use super::Ask;
use super::request::{self, Order};
use super::{Io, Proxy, reply, site};
use crate::error::{Cause, Fail};
use crate::handler::Cx;
use crate::layer::upgrade::is_upgrade;
use crate::plan::{Backend, Site, WsServer};
use crate::time::Time;
use crate::wire::http1::Request;

/// Bytes of our own answers that are produced at once.
const SERVED: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Front {
    pub(super) site: Arc<Site>,
    ws: Arc<WsServer>,
    /// When a connection without a request is closed.
    pub(super) idle_by: Option<Time>,
}

impl Proxy {
    /// No proxy at all: a site, until a request is the upgrade that `ws` waits for.
    pub fn site(site: Arc<Site>, ws: Arc<WsServer>) -> Self {
        Self {
            front: Some(Box::new(Front {
                site,
                ws,
                idle_by: None,
            })),
            ..Self::default()
        }
    }

    /// The server of the site that the request at hand is for.
    pub fn backend(&self) -> Option<&Backend> {
        self.exchange.as_deref()?.site.as_ref()?.backend()
    }

    /// More is to come as soon as the client's queue has room: call [`client`](Self::client) then.
    pub fn wants_room(&self) -> bool {
        self.stalled
    }

    pub(super) fn idle_by(&self) -> Option<Time> {
        self.front.as_deref()?.idle_by
    }

    pub(super) fn idle(&mut self, by: Option<Time>) {
        if let Some(front) = &mut self.front {
            front.idle_by = by;
        }
    }

    /// What a request wants of us, or of the site that hides us.
    pub(super) fn order(&self, cx: &Cx, request: &Request, io: &mut Io) -> Result<Order, Fail> {
        let for_site = |site: &Arc<Site>| {
            let turn = site::turn(site, cx, request);
            Ok(Order::Site(site.clone(), turn))
        };
        if let Some(front) = &self.front {
            return match is_upgrade(&front.ws, request) {
                true => Ok(Order::Upgrade),
                false => for_site(&front.site),
            };
        }
        match (request::read(cx, request), &cx.plan.probe) {
            (Err(fail), Some(probe))
                if fail.cause == Cause::Auth && !request::knocks(probe, request) =>
            {
                io.hidden_logins.extend(fail.user.is_some().then_some(fail));
                for_site(&probe.site)
            }
            (order, _) => order,
        }
    }

    /// Goes on with an answer of ours. `None`: there is none, and the next request may come.
    pub(super) fn serve(&mut self, io: &mut Io) -> Option<Ask> {
        self.stalled = false;
        while let Some(serving) = &mut self.serving {
            if io.to_client.len() >= SERVED {
                self.stalled = true;
                return Some(Ask::More);
            }
            if serving.pass(io.to_client) {
                let keep = serving.keep;
                self.serving = None;
                if !keep {
                    return Some(self.close());
                }
            }
        }
        None
    }

    pub(super) fn refuse(
        &mut self,
        cx: &Cx,
        fail: Fail,
        request: Option<&Request>,
        io: &mut Io,
    ) -> Fail {
        let to_head = request.is_some_and(|request| request.method == "HEAD");
        let site = match (&self.front, &cx.plan.probe) {
            (Some(front), _) => Some(&front.site),
            // Who sends no request has not authenticated either.
            (None, Some(probe)) if request.is_none() => Some(&probe.site),
            _ => None,
        };
        match site {
            Some(site) => {
                let status = reply::refusal_status(fail.cause);
                site::last_words(site, cx.now, status, to_head, io.to_client);
            }
            None => reply::refuse(cx, &fail, request, io.to_client),
        }
        self.close();
        fail
    }

    pub(super) fn answer_bad_gateway(&mut self, cx: &Cx, cause: Cause, io: &mut Io) {
        let Some(exchange) = self.exchange.as_deref() else {
            return;
        };
        let asked = exchange.asked;
        match &exchange.site {
            Some(site) => {
                let status = reply::upstream_status(cause, false);
                site::last_words(site, cx.now, status, asked.to_head, io.to_client);
            }
            None => reply::bad_gateway(cx, &exchange.target, cause, asked, io.to_client),
        }
    }
}
