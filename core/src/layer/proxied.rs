//! Who the client is, in front of its connection: a PROXY header, or what a node that listens for us says.
//! Once it is read, the layer is taken away.

use bytes::BytesMut;

use super::{Cx, Found, Info, Io, Layer, Up};
use crate::error::{Cause, Eof, Fail};
use crate::wire::relay::{Response, Status};
use crate::wire::socks5::{Rep, Reply};
use crate::wire::{Parsed, proxy_protocol};

/// Bytes of features of a relay node's header: one address.
const MAX_FEATURES: usize = 1024;

/// How the client's address is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    #[default]
    Proxy,
    /// A relay response with it.
    Relay,
    /// A SOCKS5 reply with it.
    Socks5,
}

#[derive(Debug, Default)]
pub struct Proxied {
    form: Form,
    rest: BytesMut,
}

impl Proxied {
    pub fn of(form: Form) -> Self {
        Self {
            form,
            ..Self::default()
        }
    }
}

fn parse(form: Form, buf: &[u8]) -> Parsed<Found> {
    match form {
        Form::Proxy => {
            let parsed = proxy_protocol::parse(buf)?;
            Ok(parsed.map(|(header, used)| (Found::Proxied(header), used)))
        }
        Form::Relay => {
            let Some((response, used)) = Response::parse(buf, MAX_FEATURES)? else {
                return Ok(None);
            };
            if response.status != Status::Ok {
                let text = format!("expected a client, got {}", response.status.text());
                return Err(Fail::protocol(text));
            }
            let peer = response.target.and_then(|peer| peer.socket_addr());
            Ok(Some((Found::Peer(peer), used)))
        }
        Form::Socks5 => {
            let Some((reply, used)) = Reply::parse(buf)? else {
                return Ok(None);
            };
            if reply.rep != Rep::Succeeded {
                let text = format!("expected a client, got {}", reply.rep.text());
                return Err(Fail::protocol(text));
            }
            Ok(Some((Found::Peer(reply.bound.socket_addr()), used)))
        }
    }
}

impl Layer for Proxied {
    fn recv(&mut self, _cx: &mut Cx, wire: BytesMut, io: &mut Io) -> Result<(), Fail> {
        self.rest.extend_from_slice(&wire);
        let Some((found, used)) = parse(self.form, &self.rest)? else {
            return Ok(());
        };
        io.up.push(Up::Ready(Info {
            found: Some(found),
            ..Info::default()
        }));
        let mut rest = std::mem::take(&mut self.rest);
        let _ = rest.split_to(used);
        if !rest.is_empty() {
            io.up.push(Up::Data(rest));
        }
        Ok(())
    }

    fn lower_end(&mut self, _cx: &mut Cx, _how: Eof, _io: &mut Io) -> Result<(), Fail> {
        let n = self.rest.len();
        Err(Fail::new(
            Cause::Closed,
            format!("closed after {n} bytes of the header that tells the client"),
        ))
    }

    fn held(&self) -> usize {
        self.rest.len()
    }
}
