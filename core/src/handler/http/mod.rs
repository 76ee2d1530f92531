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
//! passed on as they come and never held. Here are the state and its time limits; what a client causes is in
//! `client.rs`, what an upstream does in `upstream.rs`.

mod body;
mod client;
mod exchange;
mod fields;
mod front;
mod range;
mod reply;
mod request;
mod response;
mod site;
mod upstream;

use self::exchange::Exchange;
use self::front::Front;
use self::site::Serving;
use crate::addr::Target;
use crate::buffer::Rope;
use crate::error::{Cause, Fail};
use crate::handler::Cx;
use crate::limits::Limits;
use crate::time::Time;
use crate::wire::datagram::Framing;
use crate::wire::http1::{HeadLimits, HeadSearch};

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

    pub fn next_timeout(&self) -> Option<Time> {
        let all = [self.head_by, self.upstream_by, self.idle_by()];
        all.into_iter().flatten().min()
    }

    /// A deadline passed. A call that is too early does nothing.
    pub fn timeout(&mut self, cx: &Cx, io: &mut Io) -> Result<Ask, Fail> {
        let passed = |by: &mut Option<Time>| by.take_if(|by| *by <= cx.now).is_some();
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
        let fail = Fail::new(Cause::TimedOut, "no response head in time (readTimeout)")
            .at(&exchange.target);
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

    fn close(&mut self) -> Ask {
        self.closing = true;
        self.head_by = None;
        self.idle(None);
        self.upstream_by = None;
        Ask::Close
    }
}

fn head_limits(limits: &Limits) -> HeadLimits {
    HeadLimits {
        bytes: limits.head,
        fields: limits.fields,
    }
}
