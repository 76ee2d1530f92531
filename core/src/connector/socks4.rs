//! The client of a SOCKS4 or SOCKS4a proxy.

use bytes::{Buf, BytesMut};

use super::{Cx, Negotiate, Step};
use crate::addr::{Carries, Host};
use crate::error::{Cause, Fail};
use crate::wire::socks4::{Code, Command, Request, parse_reply};

#[derive(Debug, Default)]
pub struct Socks4 {
    asked: bool,
}

impl Socks4 {
    pub fn new() -> Self {
        Self::default()
    }
}

impl Negotiate for Socks4 {
    fn step(&mut self, cx: &Cx, rx: &mut BytesMut, out: &mut BytesMut) -> Result<Step, Fail> {
        if !self.asked {
            request(cx)?.write(out)?;
            self.asked = true;
        }
        let Some((code, used)) = parse_reply(rx)? else {
            return Ok(Step::More);
        };
        rx.advance(used);
        let cause = match code {
            Code::Granted => return Ok(Step::Done),
            Code::Rejected => Cause::HostUnreachable,
            // gost's answer when a rule of the node forbids the target.
            Code::NoIdentd => Cause::Denied,
            Code::WrongUser => Cause::Auth,
            Code::Other(_) => Cause::Protocol,
        };
        Err(Fail::new(
            cause,
            format!("socks4 node answered {} ({})", code.code(), code.text()),
        ))
    }
}

fn request<'a>(cx: &Cx<'a>) -> Result<Request<'a>, Fail> {
    if cx.carries != Carries::Bytes {
        let text = "a socks4 node carries no datagrams: use socks5 or relay";
        return Err(Fail::new(Cause::Unsupported, text));
    }
    let target = cx.target.or_localhost();
    if cx.plan.disable_4a
        && let Host::Name(_) | Host::Zoned(..) = &target.host
    {
        return Err(Fail::new(
            Cause::Unsupported,
            format!(
                "socks4 with disable4a: {} must be resolved locally",
                target.host
            ),
        ));
    }
    Ok(Request {
        command: Command::Connect,
        target,
        user: match &cx.plan.auth {
            Some((user, _)) => user.as_bytes(),
            None => b"",
        },
    })
}
