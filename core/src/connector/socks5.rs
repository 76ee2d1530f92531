//! The client of a SOCKS5 proxy (RFC 1928, RFC 1929), with gost's methods for TLS inside the channel.
//!
//! Every message waits for the answer to the one before, and nothing is sent behind the request: a
//! gost server drops what it reads together with the request.

use bytes::{Buf, BytesMut};

use super::{Bound, Cx, Negotiate, Step, Way};
use crate::addr::{Carries, Host, Target};
use crate::error::{Cause, Fail};
use crate::wire::datagram::Framing;
use crate::wire::socks5::{
    self, Command, Credentials, Method, Rep, Reply, Request, parse_method, parse_password_status,
    write_greeting,
};

#[derive(Debug, Default)]
pub struct Socks5 {
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Start,
    /// The greeting is sent.
    Method,
    /// TLS is up; the user and password come first, or the request at once.
    InTls { password: bool },
    /// User and password are sent.
    Password,
    /// The request is sent.
    Reply,
}

impl Socks5 {
    pub fn new() -> Self {
        Self::default()
    }

    fn method(
        &mut self,
        cx: &Cx,
        rx: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Result<Option<Step>, Fail> {
        let Some((method, used)) = parse_method(rx)? else {
            return Ok(Some(Step::More));
        };
        rx.advance(used);
        if !offer(cx).contains(&method) {
            return Err(unwanted(method));
        }
        match method {
            Method::Tls | Method::TlsPassword => {
                let password = method == Method::TlsPassword;
                self.state = State::InTls { password };
                return Ok(Some(Step::Tls));
            }
            Method::Password => self.send_password(cx, out)?,
            _ => self.send_request(cx, out)?,
        }
        Ok(None)
    }

    fn password(
        &mut self,
        cx: &Cx,
        rx: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Result<Option<Step>, Fail> {
        let Some((accepted, used)) = parse_password_status(rx)? else {
            return Ok(Some(Step::More));
        };
        rx.advance(used);
        if !accepted {
            return Err(Fail::new(
                Cause::Auth,
                "socks5 node refused our user and password",
            ));
        }
        self.send_request(cx, out)?;
        Ok(None)
    }

    fn send_password(&mut self, cx: &Cx, out: &mut BytesMut) -> Result<(), Fail> {
        let (user, password) = match &cx.plan.auth {
            Some((user, password)) => (user.as_bytes(), password.as_bytes()),
            None => (&b""[..], &b""[..]),
        };
        Credentials { user, password }.write(out)?;
        self.state = State::Password;
        Ok(())
    }

    fn send_request(&mut self, cx: &Cx, out: &mut BytesMut) -> Result<(), Fail> {
        request(cx).write(out)?;
        self.state = State::Reply;
        Ok(())
    }
}

impl Negotiate for Socks5 {
    fn step(&mut self, cx: &Cx, rx: &mut BytesMut, out: &mut BytesMut) -> Result<Step, Fail> {
        loop {
            let step = match self.state {
                State::Start => {
                    write_greeting(offer(cx), out);
                    self.state = State::Method;
                    None
                }
                State::Method => self.method(cx, rx, out)?,
                State::InTls { password: true } => {
                    self.send_password(cx, out)?;
                    None
                }
                State::InTls { password: false } => {
                    self.send_request(cx, out)?;
                    None
                }
                State::Password => self.password(cx, rx, out)?,
                State::Reply => Some(reply(cx, rx)?),
            };
            if let Some(step) = step {
                return Ok(step);
            }
        }
    }
}

fn request(cx: &Cx) -> Request {
    let (command, target) = match (cx.carries, cx.plan.associate) {
        // gost names the local machine by its address.
        (Carries::Bytes, _) => (Command::Connect, cx.target.or_localhost()),
        (Carries::Clients, _) => (Command::MuxBind, port(cx)),
        (Carries::Senders, _) => (Command::UdpTunnel, port(cx)),
        (_, true) => {
            let any = Host::from(std::net::Ipv4Addr::UNSPECIFIED);
            (Command::UdpAssociate, Target::new(any, 0))
        }
        // gost sends 0.0.0.0:0, from which a gost concludes that only IPv4 is wanted.
        (_, false) => {
            let any = Host::Name(String::new());
            (Command::UdpTunnel, Target::new(any, 0))
        }
    };
    Request { command, target }
}

/// Where the node is to listen. As a name, no gost takes it for an address of one family alone.
fn port(cx: &Cx) -> Target {
    cx.target
        .or_all(std::net::Ipv6Addr::UNSPECIFIED.into())
        .spelled()
}

/// In gost's order. TLS inside an encrypted channel would only be cost.
fn offer(cx: &Cx) -> &'static [Method] {
    use Method::{NoAuth, Password, Tls, TlsPassword};
    let tls = cx.plan.socks_tls.is_some() && !cx.encrypted;
    match (cx.plan.auth.is_some(), tls) {
        (false, false) => &[NoAuth],
        (false, true) => &[NoAuth, Tls],
        (true, false) => &[NoAuth, Password],
        (true, true) => &[NoAuth, Password, Tls, TlsPassword],
    }
}

/// gost 3.2.6 picks methods that nobody offered; which one it is tells what was missing.
fn unwanted(method: Method) -> Fail {
    let cause = match method {
        Method::Password | Method::TlsPassword | Method::NoneAcceptable => Cause::Auth,
        _ => Cause::Protocol,
    };
    Fail::new(
        cause,
        format!(
            "socks5 node answered method {:02x} ({}), which was not offered",
            method.code(),
            method.text()
        ),
    )
}

fn reply(cx: &Cx, rx: &mut BytesMut) -> Result<Step, Fail> {
    // Not every server sends an address behind the code of a failure.
    if let [socks5::VERSION, code, ..] = rx[..]
        && code != Rep::Succeeded.code()
    {
        return Err(refusal(Rep::from(code)));
    }
    let Some((reply, used)) = Reply::parse(rx)? else {
        return Ok(Step::More);
    };
    let ours = socks5::spells_address(rx);
    rx.advance(used);
    Ok(match (cx.carries, cx.plan.associate) {
        (Carries::Bytes, _) => Step::Done,
        (Carries::Clients | Carries::Senders, _) => Step::Bound(Bound {
            addr: reply.bound,
            ours,
        }),
        (_, true) => Step::Datagrams(Way::Socket(reply.bound)),
        (_, false) => {
            // gost tells its port: where there is none, a peer of our kind is at the other end.
            let empties = reply.bound.port == 0;
            Step::Datagrams(Way::Framed(Framing::Tunnel { empties }))
        }
    })
}

fn refusal(rep: Rep) -> Fail {
    let cause = match rep {
        Rep::NotAllowed => Cause::Denied,
        Rep::NetUnreachable => Cause::NetUnreachable,
        Rep::HostUnreachable | Rep::GeneralFailure => Cause::HostUnreachable,
        Rep::Refused => Cause::Refused,
        Rep::TtlExpired => Cause::TimedOut,
        Rep::CommandNotSupported | Rep::AddressNotSupported => Cause::Unsupported,
        Rep::Succeeded | Rep::Other(_) => Cause::Protocol,
    };
    Fail::new(
        cause,
        format!("socks5 node answered {} ({})", rep.code(), rep.text()),
    )
}
