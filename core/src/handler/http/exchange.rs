//! One request with its response.

use std::sync::Arc;

use super::body::Body;
use super::request;
use super::response::{self, Asked};
use super::{Ask, Io};
use crate::addr::Target;
use crate::error::Fail;
use crate::limits::Limits;
use crate::plan::Site;
use crate::wire::datagram::Framing;
use crate::wire::http1::{HeadSearch, Request, Response};

#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) method: String,
    pub(super) target: Target,
    pub(super) connect: bool,
    /// The site that the request is for, in place of what it asks.
    pub(super) site: Option<Arc<Site>>,
    /// It is datagrams that the client wants to exchange, framed like this.
    pub(super) datagrams: Option<Framing>,
    /// The request head while it has to be sent, perhaps for a second time.
    pub(super) head: Vec<u8>,
    /// A kept connection may turn out to be dead: then the request goes out once more.
    pub(super) repeatable: bool,
    /// What is still to come of the request body.
    pub(super) body: Option<Body>,
    pub(super) upgrade: Vec<u8>,
    pub(super) asked: Asked,
    pub(super) stage: Stage,
}

#[derive(Debug)]
pub(super) enum Stage {
    Dialing,
    Awaiting(HeadSearch),
    Responding { body: Body, reuse: bool },
}

/// What a response head begins.
pub(super) enum Begun {
    Body,
    Whole { reuse: bool },
    Tunnel,
}

impl Exchange {
    pub(super) fn connect(request: Request, target: Target) -> Self {
        Self {
            asked: Asked {
                to_head: false,
                legacy: request.minor == 0,
                keep: false,
            },
            method: request.method,
            target,
            connect: true,
            site: None,
            datagrams: None,
            head: Vec::new(),
            repeatable: false,
            body: None,
            upgrade: Vec::new(),
            stage: Stage::Dialing,
        }
    }

    pub(super) fn forward(request: Request, forward: request::Forward, limits: &Limits) -> Self {
        Self {
            asked: Asked {
                to_head: request.method == "HEAD",
                legacy: request.minor == 0,
                keep: forward.keep,
            },
            method: request.method,
            target: forward.target,
            connect: false,
            site: None,
            datagrams: None,
            head: forward.head,
            repeatable: forward.repeatable,
            body: Body::new(forward.framing, limits.head),
            upgrade: forward.upgrade,
            stage: Stage::Dialing,
        }
    }

    /// The connection that it needs.
    pub(super) fn ask(&self) -> Ask {
        match self.site {
            Some(_) => Ask::Reach(self.target.clone()),
            None => Ask::Dial(self.target.clone()),
        }
    }

    /// Passes the head of a final response (or a 101) on. An error leaves the client without any of it.
    pub(super) fn respond(
        &mut self,
        response: &Response,
        limits: &Limits,
        io: &mut Io,
    ) -> Result<Begun, Fail> {
        if response.status == 101 {
            if self.upgrade.is_empty() || self.body.is_some() {
                return Err(Fail::protocol("101 to a request that may not switch"));
            }
            let head = response::switching(response, &self.upgrade)?;
            io.to_client.push_slice(&head);
            return Ok(Begun::Tunnel);
        }
        // A client that is refused early may never send the rest of its body (RFC 9110, 10.1.1).
        if self.body.is_some() && response.status >= 400 {
            self.asked.keep = false;
        }
        let forward = response::finalize(response, self.asked)?;
        io.to_client.push_slice(&forward.head);
        self.asked.keep = forward.keep;
        let reuse = forward.reuse;
        Ok(match Body::new(forward.framing, limits.head) {
            None => Begun::Whole { reuse },
            Some(Body::Chunked(chunked)) if forward.unwrap => {
                self.stage = Stage::Responding {
                    body: Body::Unwrapped(chunked),
                    reuse,
                };
                Begun::Body
            }
            Some(body) => {
                self.stage = Stage::Responding { body, reuse };
                Begun::Body
            }
        })
    }
}
