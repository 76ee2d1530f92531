//! The client of gost's relay protocol.
//!
//! The request leaves at once: gost without `nodelay` holds it back until the first client data,
//! and protocols where the server speaks first never start. The response may come with the first
//! data of the target only, so the tunnel is used before it is in, unless `nodelay` is set.

use bytes::{Buf, BytesMut};

use super::{Bound, Cx, Negotiate, Step, Way};
use crate::addr::{Carries, Host, Target};
use crate::error::{Cause, Fail};
use crate::wire::datagram::Framing;
use crate::wire::relay::{self, Command, Network, Request, Response, Status};
use crate::wire::socks5::Credentials;

/// Bytes of features in a response. gost sends none to a CONNECT; what it may send later fits, and
/// a whole response fits into the input that is kept before a relay starts.
const MAX_FEATURES: usize = 32 * 1024;

#[derive(Debug, Default)]
pub struct Relay {
    asked: bool,
}

impl Relay {
    pub fn new() -> Self {
        Self::default()
    }
}

impl Negotiate for Relay {
    fn step(&mut self, cx: &Cx, rx: &mut BytesMut, out: &mut BytesMut) -> Result<Step, Fail> {
        if !self.asked {
            request(cx).write(out)?;
            self.asked = true;
        }
        if cx.carries == Carries::Anywhere {
            let Some(bound) = bound(rx)? else {
                return Ok(Step::More);
            };
            // gost tells its port: where there is none, a peer of our kind is at the other end.
            let empties = bound.is_some_and(|bound| bound.port == 0);
            return Ok(Step::Datagrams(Way::Framed(Framing::Tunnel { empties })));
        }
        if let Carries::Clients | Carries::Senders = cx.carries {
            let ours = relay::spells_address(rx);
            return Ok(match bound(rx)? {
                Some(bound) => Step::Bound(Bound {
                    addr: bound.unwrap_or_else(|| cx.target.clone()),
                    ours,
                }),
                None => Step::More,
            });
        }
        if !cx.plan.nodelay {
            return Ok(Step::Lazy);
        }
        Ok(match response(rx)? {
            Some(()) => Step::Done,
            None => Step::More,
        })
    }
}

/// Takes the response off the front of what the node sent. `None`: more bytes are needed, nothing
/// was taken. Errors: the node's refusal by its status; `Protocol`, `Limit` for no such response.
pub fn response(rx: &mut BytesMut) -> Result<Option<()>, Fail> {
    Ok(bound(rx)?.map(|_| ()))
}

/// The same with the address in it.
fn bound(rx: &mut BytesMut) -> Result<Option<Option<Target>>, Fail> {
    let Some((response, used)) = Response::parse(rx, MAX_FEATURES)? else {
        return Ok(None);
    };
    rx.advance(used);
    let cause = match response.status {
        Status::Ok => return Ok(Some(response.target)),
        Status::Unauthorized => Cause::Auth,
        Status::Forbidden => Cause::Denied,
        Status::Timeout => Cause::TimedOut,
        Status::ServiceUnavailable | Status::HostUnreachable => Cause::HostUnreachable,
        Status::NetUnreachable => Cause::NetUnreachable,
        Status::BadRequest | Status::InternalError | Status::Other(_) => Cause::Protocol,
    };
    Err(Fail::new(
        cause,
        format!(
            "relay node answered {} ({})",
            response.status.code(),
            response.status.text()
        ),
    ))
}

/// No other features: servers up to gost 3.2.6 close on those they do not know.
fn request<'a>(cx: &Cx<'a>) -> Request<'a> {
    let (command, network, target) = match cx.carries {
        Carries::Bytes if cx.target.is_file() => {
            (Command::Connect, Network::Unix, cx.target.spelled())
        }
        Carries::Bytes => (Command::Connect, Network::Tcp, cx.target.clone()),
        Carries::Datagrams => (Command::Connect, Network::Udp, cx.target.clone()),
        // gost asks for 0.0.0.0:0; both take both.
        Carries::Anywhere => {
            let any = Host::from(std::net::Ipv6Addr::UNSPECIFIED);
            (Command::Bind, Network::Udp, Target::new(any, 0))
        }
        Carries::Clients => (Command::Bind, Network::Tcp, port(cx)),
        Carries::Senders => (Command::Bind, Network::Udp, port(cx)),
    };
    Request {
        network,
        auth: cx.plan.auth.as_ref().map(|(user, password)| Credentials {
            user: user.as_bytes(),
            password: password.as_bytes(),
        }),
        target: Some(target),
        ..Request::new(command)
    }
}

/// Where the node is to listen.
fn port(cx: &Cx) -> Target {
    cx.target
        .or_all(std::net::Ipv6Addr::UNSPECIFIED.into())
        .spelled()
}
