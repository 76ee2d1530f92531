//! The far end of a reverse tunnel: a port that a client has opened here (relay BIND, gost's SOCKS5 MBIND).
//!
//! The client's session becomes a mux session, in which each connection to the port is a stream. The port is
//! closed with it.

pub(super) mod client;
mod senders;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use bytes::BytesMut;

use super::link::{Base, Top};
use super::mux_session::Side;
use super::reverse::{agreed, version_1};
use super::session::{Session, Stage, rope};
use super::udp::port::Owner;
use super::{Ask, ConnMeta, Engine, Key, LinkId, MuxId, PortId, SessionId, SocketId};
use crate::addr::{Host, Target};
use crate::error::{Cause, Fail};
use crate::event::{ConnectionNo, Event};
use crate::handler::{self, Bind, Bound, Handler, Negotiate};
use crate::layer::proxied::Form;
use crate::time::Time;
use crate::wire::relay::{Response, Status};
use crate::wire::socks5::{Rep, Reply};

/// Where a connection came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// At the listener of a service.
    Service(usize),
    /// At a port that the engine asked for.
    Port(PortId),
}

/// What a client has bound.
pub(super) struct Binding {
    no: ConnectionNo,
    pub(super) service: usize,
    remote: SocketAddr,
    local: SocketAddr,
    /// As the client asked for it.
    asked: SocketAddr,
    form: Form,
    started: Time,
}

impl Engine {
    /// A client connected.
    pub fn handle_door(&mut self, door: Door, meta: ConnMeta, now: Time) -> SocketId {
        match door {
            Door::Service(service) => self.handle_accept(service, meta, now),
            Door::Port(port) => {
                self.tick(now);
                let id = self.visit(port, meta);
                self.settle();
                id
            }
        }
    }

    /// A client wants a port of this machine.
    pub(super) fn bind_goal(&mut self, id: SessionId, bind: Bind) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let Bind { addr, what, ours } = bind;
        let addr = addr.or_all(Ipv6Addr::UNSPECIFIED.into());
        let Some(asked) = addr.socket_addr() else {
            let text = match &addr.host {
                Host::Zoned(zoned) => {
                    let (ip, zone) = &**zoned;
                    format!("expected the number of the zone to bind {ip} in, got {zone:?}")
                }
                host => format!("expected an IP address to bind, got {:?}", host.to_string()),
            };
            return self.answer_dialed(id, Err(Fail::new(Cause::Unsupported, text)));
        };
        session.target = Some(asked.to_string().into());
        let (client, service, remote) =
            (session.client, session.service, session.ends.remote().ip());
        match what {
            Bound::Clients => {
                self.replace_binding(service, remote, asked);
                self.bind(client, Ask::Connections { local: asked });
            }
            Bound::Client => self.bind_client(id, asked),
            Bound::Senders => self.bind_senders(id, asked, ours),
        }
    }

    /// Whoever asks for a port again has lost the session that had it, even if nobody has noticed yet.
    fn replace_binding(&mut self, service: usize, client: IpAddr, asked: SocketAddr) {
        let old = self.muxes.values().find(|mux| match &mux.side {
            Side::Binder(old) => {
                (old.service, old.remote.ip(), old.asked) == (service, client, asked)
            }
            _ => false,
        });
        if let Some(link) = old.map(|mux| mux.link).filter(|_| asked.port() != 0) {
            self.link_failed(link, anew());
        }
    }

    /// The port is bound, or cannot be.
    pub(super) fn client_bound(&mut self, id: SessionId, result: Result<SocketAddr, Fail>) {
        if self.awaits_client(id) {
            return self.listens_for_client(id, result);
        }
        let bound = match result {
            Ok(bound) => bound,
            Err(fail) => return self.answer_dialed(id, Err(fail)),
        };
        let plan = self.plan.clone();
        let told = (self.sessions.get(id)).map_or(bound, |session| self.told(session, bound));
        let Some(mut session) = self.sessions.remove(id) else {
            return;
        };
        self.timers.arm(Key::Session(id), &mut session.armed, None);
        let Stage::Dialing(Some(mut handler)) = session.stage else {
            return;
        };
        let planned = &plan.services[session.service].handler;
        let form = match *handler {
            Handler::Socks5(_) => Form::Socks5,
            _ => Form::Relay,
        };
        let ours = handler.binds().is_some_and(|bind| bind.ours);
        let cx = handler::Cx {
            plan: planned,
            remote: session.ends.remote(),
            now: self.now,
            encrypted: true,
            forwards: false,
            bound: Some(told),
        };
        let mut out = BytesMut::new();
        handler.dialed(&cx, Ok(()), &mut out);
        self.send(session.client, &mut rope(out));
        let target = session.target.map(String::from).unwrap_or_default();
        let asked = target.parse().unwrap_or(bound);
        self.events.push_back(Event::Connected {
            no: session.no,
            service: session.service,
            remote: session.ends.remote(),
            target,
            route: String::new(),
        });
        let side = Side::Binder(Box::new(Binding {
            no: session.no,
            service: session.service,
            remote: session.ends.remote(),
            local: session.ends.local(),
            asked,
            form,
            started: session.started,
        }));
        let client = session.client;
        let mux = self.new_mux(client, &version_1(), side, agreed(ours));
        if session.client_ended {
            let fail = Fail::new(Cause::Closed, "the peer closed the connection");
            return self.link_failed(client, fail);
        }
        if !session.rx.is_empty() {
            self.mux_data(mux, session.rx.take());
        }
        self.reread(client);
    }

    /// What a client is told of an address that was bound for it: SOCKS5 has the one that it reached us at.
    pub(super) fn told(&self, session: &Session, bound: SocketAddr) -> SocketAddr {
        let udp = &self.plan.services[session.service].handler.udp;
        let handler = match &session.stage {
            Stage::Dialing(Some(handler)) => handler,
            Stage::Awaiting(awaited) => &awaited.handler,
            _ => return bound,
        };
        match **handler {
            Handler::Socks5(_) => SocketAddr::new(
                udp.public.unwrap_or(session.ends.local().ip()),
                bound.port(),
            ),
            _ => bound,
        }
    }

    /// Nobody more can come.
    pub(super) fn close_bound_port(&mut self, mux: MuxId) {
        let Some(session) = self.muxes.get(mux) else {
            return;
        };
        let (link, Side::Binder(_)) = (session.link, &session.side) else {
            return;
        };
        if let Some(port) = self.links.get_mut(link).and_then(|link| link.port.take()) {
            let remote = self.links[link].ends.remote();
            self.leave_port(port, link, remote);
        }
    }

    /// The session of a port is gone, and the port with it.
    pub(super) fn binding_ended(&mut self, binding: &Binding, fail: Fail) {
        self.events.push_back(Event::Closed {
            no: binding.no,
            service: binding.service,
            remote: binding.remote,
            local: binding.local,
            target: Some(binding.asked.to_string()),
            connected: true,
            duration: self.now.since(binding.started),
            input: 0,
            output: 0,
            dropped: 0,
            fail: (fail.cause != Cause::Local).then_some(fail),
        });
    }

    /// Somebody came to a port that a client has bound: a stream of that client's session.
    fn visit(&mut self, port: PortId, meta: ConnMeta) -> LinkId {
        if let Some(session) = self.awaiting_at(port) {
            return self.client_came(session, port, meta);
        }
        let mux = self.mux_of_port(port);
        let open = mux.filter(|mux| self.muxes[*mux].smux.can_open());
        let Some((mux, service)) = open.and_then(|mux| match &self.muxes[mux].side {
            Side::Binder(binding) => Some((mux, binding.service)),
            _ => None,
        }) else {
            return self.shut_out(meta);
        };
        let id = self.new_link(Base::Socket, meta, Top::Incoming(service));
        if self.enter_caps(id, service, Some(meta.remote.ip())) {
            let session = self.new_session(id, service);
            self.sessions[session].stage = Stage::Dialing(None);
            self.lead_in(session, mux, meta.remote);
        }
        id
    }

    /// A connection that nobody wants.
    pub(super) fn shut_out(&mut self, meta: ConnMeta) -> LinkId {
        let id = self.new_link(Base::Socket, meta, Top::Closing);
        self.remove_link(id, true);
        id
    }

    fn mux_of_port(&self, port: PortId) -> Option<MuxId> {
        let Owner::Link(link) = self.ports.get(port)?.owner else {
            return None;
        };
        match self.links.get(link)?.top {
            Top::Mux(mux) => Some(mux),
            _ => None,
        }
    }

    /// A stream, with the address of who came in front.
    fn lead_in(&mut self, session: SessionId, mux: MuxId, peer: SocketAddr) {
        let Side::Binder(binding) = &self.muxes[mux].side else {
            return;
        };
        let (form, client) = (binding.form, binding.remote);
        self.sessions[session].target = Some(client.to_string().into());
        let ends = self.links[self.muxes[mux].link].ends.clone();
        let base = Base::Stream { mux, id: 0 };
        let link = self.new_link(base, ends, Top::Upstream(session));
        match self.muxes[mux].smux.open(link) {
            Ok(stream) => self.links[link].base = Base::Stream { mux, id: stream },
            Err(fail) => {
                self.drop_link(link);
                return self.end_session(session, Some(fail));
            }
        }
        self.want_pump(mux);
        let peer = Target::from(peer);
        let mut out = BytesMut::new();
        // An IP address always fits.
        let _ = match form {
            Form::Socks5 => Reply {
                rep: Rep::Succeeded,
                bound: peer,
            }
            .write(&mut out),
            Form::Relay | Form::Proxy => Response {
                status: Status::Ok,
                target: Some(peer),
            }
            .write(&mut out),
        };
        self.send(link, &mut rope(out));
        self.dialed(session, Ok((link, BytesMut::new(), false)), &[]);
    }
}

/// Of a port whose client has come again.
pub(super) fn anew() -> Fail {
    Fail::new(Cause::Closed, "its client has bound the port anew")
}
