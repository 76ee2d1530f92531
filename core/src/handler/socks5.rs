//! The SOCKS5 server (RFC 1928, RFC 1929), with gost's methods for TLS inside the channel.
//!
//! ```text
//! greeting ──► 00 ─────────────────────► request ──► dial ──► reply
//!          ├─► 02 ──► password ────────────▲
//!          ├─► 80 ──► TLS ─────────────────┤
//!          └─► 82 ──► TLS ──► password ────┘
//! ```

use bytes::{Buf, BytesMut};

use super::{Bind, Bound, Cx, Goal, Negotiate, Receiver, Step, printable};
use crate::addr::{Host, Target};
use crate::error::{Cause, Fail};
use crate::wire::datagram::Framing;
use crate::wire::socks5::{
    Command, Credentials, Greeting, Method, Rep, Reply, Request, spells_address, write_bare_reply,
    write_method, write_password_status,
};

#[derive(Debug, Default)]
pub struct Socks5 {
    state: State,
    pub(super) binds: Option<Bind>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Greeting,
    Password,
    Request,
    Asked,
}

impl Socks5 {
    pub fn new() -> Self {
        Self::default()
    }

    fn greeting(
        &mut self,
        cx: &Cx,
        rx: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Result<Option<Step>, Fail> {
        let Some((greeting, used)) = Greeting::parse(rx)? else {
            return Ok(Some(Step::More));
        };
        let Some(method) = choose(cx, greeting) else {
            write_method(Method::NoneAcceptable, out);
            return Err(refusal(cx, greeting));
        };
        rx.advance(used);
        write_method(method, out);
        let (state, step) = match method {
            Method::Password => (State::Password, None),
            Method::TlsPassword => (State::Password, Some(Step::Tls)),
            Method::Tls => (State::Request, Some(Step::Tls)),
            _ => (State::Request, None),
        };
        self.state = state;
        Ok(step)
    }

    fn password(
        &mut self,
        cx: &Cx,
        rx: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Result<Option<Step>, Fail> {
        let Some((credentials, used)) = Credentials::parse(rx)? else {
            return Ok(Some(Step::More));
        };
        let accepted = match cx.users() {
            Some(users) => users.accepts(credentials.user, credentials.password),
            None => true,
        };
        write_password_status(accepted, out);
        if !accepted {
            let text = "wrong socks5 user or password";
            return Err(Fail::login(text, credentials.user));
        }
        rx.advance(used);
        self.state = State::Request;
        Ok(None)
    }

    fn request(
        &mut self,
        cx: &Cx,
        rx: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Result<Option<Step>, Fail> {
        let (request, used) = match Request::parse(rx) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return Ok(Some(Step::More)),
            Err(fail) => {
                match fail.cause {
                    Cause::Unsupported => write_bare_reply(Rep::AddressNotSupported, out),
                    Cause::NameNotFound => write_bare_reply(Rep::HostUnreachable, out),
                    // A client that lost its place would not understand a reply.
                    _ => {}
                }
                return Err(fail);
            }
        };
        if let Some(framing) = datagrams(&request) {
            if !cx.plan.udp.enabled {
                write_bare_reply(Rep::NotAllowed, out);
                let text = format!("{} needs udp=true", request.command.text());
                return Err(Fail::new(Cause::Denied, text));
            }
            rx.advance(used);
            self.state = State::Asked;
            return Ok(Some(Step::Dial(Goal::Datagrams(framing, Receiver::Each))));
        }
        let binds = match request.command {
            Command::MuxBind => Some(Bound::Clients),
            Command::UdpTunnel => Some(Bound::Senders),
            Command::Bind => Some(Bound::Client),
            _ => None,
        };
        if let Some(what) = binds {
            if !cx.plan.udp.bind {
                write_bare_reply(Rep::NotAllowed, out);
                let text = format!("{} (a port here) needs bind=true", request.command.text());
                return Err(Fail::new(Cause::Denied, text));
            }
            let bind = Bind {
                addr: request.target,
                what,
                ours: what != Bound::Client && spells_address(rx),
            };
            rx.advance(used);
            self.state = State::Asked;
            self.binds = Some(bind.clone());
            return Ok(Some(Step::Dial(Goal::Bind(bind))));
        }
        if request.command != Command::Connect {
            write_bare_reply(Rep::CommandNotSupported, out);
            return Err(Fail::new(
                Cause::Unsupported,
                format!(
                    "expected socks5 command 1 (CONNECT), got {} ({})",
                    request.command.code(),
                    request.command.text()
                ),
            ));
        }
        let target = printable(request.target)
            .inspect_err(|_| write_bare_reply(Rep::HostUnreachable, out))?;
        rx.advance(used);
        self.state = State::Asked;
        Ok(Some(Step::Dial(Goal::Target(target))))
    }
}

impl Negotiate for Socks5 {
    fn step(&mut self, cx: &Cx, rx: &mut BytesMut, out: &mut BytesMut) -> Result<Step, Fail> {
        loop {
            let step = match self.state {
                State::Greeting => self.greeting(cx, rx, out)?,
                State::Password => self.password(cx, rx, out)?,
                State::Request => self.request(cx, rx, out)?,
                State::Asked => Some(Step::More),
            };
            if let Some(step) = step {
                return Ok(step);
            }
        }
    }

    fn dialed(&mut self, cx: &Cx, result: Result<(), &Fail>, out: &mut BytesMut) {
        let rep = match (result, cx.bound) {
            (Ok(()), None) => Rep::Succeeded,
            (Ok(()), Some(bound)) => {
                let bound = match &self.binds {
                    Some(bind) => bind.told(bound),
                    None => Target::from(bound),
                };
                let rep = Rep::Succeeded;
                // An IP address always fits.
                let _ = Reply { rep, bound }.write(out);
                return;
            }
            // As gost: whatever hinders it, and nobody who came.
            (Err(fail), _) if self.binds.is_some() && fail.cause != Cause::TimedOut => {
                Rep::GeneralFailure
            }
            (Err(fail), _) => rep(fail.cause),
        };
        write_bare_reply(rep, out);
    }
}

/// How the client frames datagrams, if that is what it asks for. A tunnel with a port is one that listens.
fn datagrams(request: &Request) -> Option<Framing> {
    match request.command {
        Command::UdpAssociate => Some(Framing::Packet),
        // Our own connector names no address at all, gost 0.0.0.0.
        Command::UdpTunnel if request.target.port == 0 => Some(Framing::Tunnel {
            empties: request.target.host == Host::Name(String::new()),
        }),
        _ => None,
    }
}

/// One of the offered methods. gost prefers TLS wherever it is offered; on a channel that is
/// encrypted already, doing it twice is only cost.
fn choose(cx: &Cx, greeting: Greeting) -> Option<Method> {
    let (plain, tls) = match cx.users() {
        None => (Method::NoAuth, Method::Tls),
        Some(_) => (Method::Password, Method::TlsPassword),
    };
    let preferred = match (&cx.plan.socks_tls, cx.encrypted) {
        (None, _) => &[plain][..],
        (Some(_), false) => &[tls, plain],
        (Some(_), true) => &[plain, tls],
    };
    preferred
        .iter()
        .copied()
        .find(|method| greeting.offers(*method))
}

fn refusal(cx: &Cx, greeting: Greeting) -> Fail {
    let (cause, expected) = match cx.users() {
        None => (Cause::Unsupported, "no authentication"),
        Some(_) => (Cause::Auth, "user and password"),
    };
    Fail::new(
        cause,
        format!(
            "expected socks5 method {expected}, got offered {:02x?}",
            greeting.methods
        ),
    )
}

/// RFC 1928, 6. A timeout is told as an expired TTL, the custom where the RFC has no code.
fn rep(cause: Cause) -> Rep {
    match cause {
        Cause::Refused => Rep::Refused,
        Cause::HostUnreachable | Cause::NameNotFound => Rep::HostUnreachable,
        Cause::NetUnreachable => Rep::NetUnreachable,
        Cause::TimedOut => Rep::TtlExpired,
        Cause::Denied => Rep::NotAllowed,
        // `Auth` is a node that refused our credentials: nothing that the client could mend.
        Cause::Auth
        | Cause::Reset
        | Cause::Closed
        | Cause::Protocol
        | Cause::Tls
        | Cause::Limit
        | Cause::Unsupported
        | Cause::Local => Rep::GeneralFailure,
    }
}
