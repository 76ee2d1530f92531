//! The server of gost's relay protocol.
//!
//! ```text
//! request ──► user ──► command, network, address ──► dial ──► response
//! ```
//!
//! The response leaves as soon as the dial succeeded. gost holds it back until the target speaks
//! unless `nodelay` is set, which a client that waits for it never survives.

use bytes::{Buf, BytesMut};

use super::{Bind, Bound, Cx, Goal, Negotiate, Receiver, Step, printable};
use crate::addr::{Host, Target};
use crate::error::{Cause, Fail};
use crate::route::access::SocketFiles;
use crate::wire::datagram::Framing;
use crate::wire::relay::{
    Command, Network, Request, Response, Status, spells_address, write_status,
};
use crate::wire::socks5::Credentials;

/// Bytes of features that a client may send: nobody is authenticated before they are read. A
/// user, a password and a name take 775.
const MAX_FEATURES: usize = 4 * 1024;

#[derive(Debug, Default)]
pub struct Relay {
    asked: bool,
    /// The response has an address.
    associates: bool,
    pub(super) binds: Option<Bind>,
}

impl Relay {
    pub fn new() -> Self {
        Self::default()
    }
}

impl Negotiate for Relay {
    fn step(&mut self, cx: &Cx, rx: &mut BytesMut, out: &mut BytesMut) -> Result<Step, Fail> {
        if self.asked {
            return Ok(Step::More);
        }
        let Some((request, used)) = Request::parse(rx, MAX_FEATURES)? else {
            return Ok(Step::More);
        };
        let ours = spells_address(&rx[..used]);
        let goal = goal(cx, request, ours).map_err(|(status, fail)| {
            write_status(status, out);
            fail
        })?;
        rx.advance(used);
        self.asked = true;
        self.associates = matches!(goal, Goal::Datagrams(_, Receiver::Each));
        if let Goal::Bind(bind) = &goal {
            self.binds = Some(bind.clone());
        }
        Ok(Step::Dial(goal))
    }

    fn dialed(&mut self, cx: &Cx, result: Result<(), &Fail>, out: &mut BytesMut) {
        if let (Ok(()), Some(bind)) = (&result, &self.binds) {
            let (status, target) = (Status::Ok, cx.bound.map(|addr| bind.told(addr)));
            // An IP address always fits.
            let _ = Response { status, target }.write(out);
            return;
        }
        let status = match result.map_err(|fail| fail.cause) {
            Ok(()) if self.associates => {
                // A gost insists on an address; that it names no port is how our connector knows us.
                let any = Host::from(std::net::Ipv4Addr::UNSPECIFIED);
                let target = Some(Target::new(any, 0));
                let status = Status::Ok;
                let _ = Response { status, target }.write(out);
                return;
            }
            Ok(()) => Status::Ok,
            Err(_) if self.binds.is_some() => Status::ServiceUnavailable,
            Err(Cause::Denied) => Status::Forbidden,
            Err(Cause::TimedOut) => Status::Timeout,
            Err(_) if cx.forwards => Status::HostUnreachable,
            Err(_) => Status::NetUnreachable,
        };
        write_status(status, out);
    }
}

fn goal(cx: &Cx, request: Request, ours: bool) -> Result<Goal, (Status, Fail)> {
    let auth = request.auth.unwrap_or(Credentials {
        user: b"",
        password: b"",
    });
    if let Some(users) = cx.users()
        && !users.accepts(auth.user, auth.password)
    {
        let fail = Fail::login("wrong relay user or password", auth.user);
        return Err((Status::Unauthorized, fail));
    }
    // A forwarder ignores what the client asks for, as in gost, except for the network.
    if !cx.forwards {
        if let Some(framing) = association(&request) {
            return match cx.plan.udp.bind {
                true => Ok(Goal::Datagrams(framing, Receiver::Each)),
                false => {
                    let text = "a relay association (BIND) needs bind=true";
                    Err((Status::Forbidden, Fail::new(Cause::Denied, text)))
                }
            };
        }
        match (request.command, request.network) {
            (Command::Bind, Network::Tcp) => {
                return bind(cx, request.target, Bound::Clients, ours);
            }
            (Command::Bind, Network::Udp) => {
                return bind(cx, request.target, Bound::Senders, ours);
            }
            _ => {}
        }
        check(request.command)?;
    }
    match request.network {
        Network::Tcp | Network::Udp => {}
        Network::Unix if cx.forwards => {}
        Network::Unix => return socket_file(cx, request.target),
        Network::Ip => return Err((Status::NetUnreachable, unserved(request.network))),
        Network::Serial => return Err((Status::BadRequest, unserved(request.network))),
    }
    let datagrams = request.network == Network::Udp;
    if cx.forwards {
        return Ok(match datagrams {
            true => Goal::Datagrams(Framing::Counted, Receiver::Forward),
            false => Goal::Forward,
        });
    }
    let Some(target) = request.target else {
        let fail = Fail::protocol("expected an address in the relay request, got none");
        return Err((Status::BadRequest, fail));
    };
    match printable(target) {
        Ok(target) if datagrams => {
            let receiver = Receiver::Target(target);
            Ok(Goal::Datagrams(Framing::Counted, receiver))
        }
        Ok(target) => Ok(Goal::Target(target)),
        Err(fail) => Err((Status::BadRequest, fail)),
    }
}

/// The path stands in place of the host.
fn socket_file(cx: &Cx, target: Option<Target>) -> Result<Goal, (Status, Fail)> {
    let Some(Target {
        host: Host::Name(path),
        ..
    }) = target
    else {
        let fail = Fail::protocol("expected the path of a socket file in the relay request");
        return Err((Status::BadRequest, fail));
    };
    if cx.plan.files.allow(&path) {
        return Ok(Goal::Target(Target::file(&path)));
    }
    let path = path.escape_debug();
    let text = match cx.plan.files {
        SocketFiles::None => format!("the socket file {path} needs unix=true, or its path there"),
        _ => format!("the socket file {path} is not among those of the option unix"),
    };
    Err((Status::Forbidden, Fail::new(Cause::Denied, text)))
}

fn bind(cx: &Cx, addr: Option<Target>, what: Bound, ours: bool) -> Result<Goal, (Status, Fail)> {
    if !cx.plan.udp.bind {
        let text = "relay BIND (a reverse tunnel) needs bind=true";
        return Err((Status::Forbidden, Fail::new(Cause::Denied, text)));
    }
    match addr {
        Some(addr) => Ok(Goal::Bind(Bind {
            addr: listen_at(addr),
            what,
            ours,
        })),
        None => {
            let fail = Fail::protocol("expected an address to bind in the relay request, got none");
            Err((Status::BadRequest, fail))
        }
    }
}

/// gost 3.3 writes `:2222` as the name `0.0.0.0::2222`, with port 0.
fn listen_at(addr: Target) -> Target {
    let Host::Name(name) = &addr.host else {
        return addr;
    };
    match name.rsplit_once("::") {
        Some((host, port)) if addr.port == 0 => match port.parse() {
            Ok(port) => Target::new(Host::parse(host), port),
            Err(_) => addr,
        },
        _ => addr,
    }
}

/// gost asks for datagrams to anywhere by a BIND to no port in particular: at 0.0.0.0, or without a host.
/// Our own connector does it at `::`.
fn association(request: &Request) -> Option<Framing> {
    let target = listen_at(request.target.clone()?);
    let asks =
        request.command == Command::Bind && request.network == Network::Udp && target.port == 0;
    let own = Host::from(std::net::Ipv6Addr::UNSPECIFIED);
    let empties = target.host == own;
    asks.then_some(Framing::Tunnel { empties })
}

fn check(command: Command) -> Result<(), (Status, Fail)> {
    let status = match command {
        Command::Connect => return Ok(()),
        Command::Bind => Status::Forbidden,
        Command::Associate | Command::Other(_) => Status::BadRequest,
    };
    let fail = Fail::new(
        Cause::Unsupported,
        format!("expected relay command 1 (CONNECT), got {}", command.code()),
    );
    Err((status, fail))
}

fn unserved(network: Network) -> Fail {
    Fail::new(
        Cause::Unsupported,
        format!(
            "expected relay network tcp, udp or unix, got {}",
            network.name()
        ),
    )
}
