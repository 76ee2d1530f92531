//! The SOCKS4 and SOCKS4a server.
//!
//! ```text
//! request ──► user ──► dial ──► reply
//! ```

use bytes::{Buf, BytesMut};

use super::{Cx, Goal, Negotiate, Step, printable};
use crate::error::{Cause, Fail};
use crate::wire::socks4::{Code, Command, Request, write_reply};

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
        if self.asked {
            return Ok(Step::More);
        }
        let (request, used) = match Request::parse(rx) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return Ok(Step::More),
            Err(fail) => {
                // A reply would only confuse a client of another protocol.
                if fail.cause != Cause::Protocol {
                    write_reply(Code::Rejected, out);
                }
                return Err(fail);
            }
        };
        // The protocol has no passwords: only users without one can get in.
        if let Some(users) = cx.users()
            && !users.accepts(request.user, b"")
        {
            write_reply(Code::WrongUser, out);
            return Err(Fail::login("socks4 user is not accepted", request.user));
        }
        if request.command != Command::Connect {
            write_reply(Code::Rejected, out);
            return Err(Fail::new(
                Cause::Unsupported,
                format!(
                    "expected socks4 command 1 (CONNECT), got {}",
                    request.command.code()
                ),
            ));
        }
        let target = printable(request.target).inspect_err(|_| write_reply(Code::Rejected, out))?;
        rx.advance(used);
        self.asked = true;
        Ok(Step::Dial(Goal::Target(target)))
    }

    /// 93 speaks about the user, and 92 as gost uses it about what a rule forbids: every failure to connect
    /// is a 91.
    fn dialed(&mut self, _: &Cx, result: Result<(), &Fail>, out: &mut BytesMut) {
        let code = match result {
            Ok(()) => Code::Granted,
            Err(fail) if fail.cause == Cause::Denied => Code::NoIdentd,
            Err(_) => Code::Rejected,
        };
        write_reply(code, out);
    }
}
