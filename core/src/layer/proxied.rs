//! The PROXY header in front of a client's connection. Once it is read, the layer is taken away.

use bytes::BytesMut;

use super::{Cx, Found, Info, Io, Layer, Up};
use crate::buffer::Rope;
use crate::error::{Cause, Eof, Fail};
use crate::time::Time;
use crate::wire::proxy_protocol;

#[derive(Debug, Default)]
pub struct Proxied {
    rest: BytesMut,
}

impl Layer for Proxied {
    fn start(&mut self, _cx: &mut Cx, _io: &mut Io) -> Result<(), Fail> {
        Ok(())
    }

    fn recv(&mut self, _cx: &mut Cx, wire: BytesMut, io: &mut Io) -> Result<(), Fail> {
        self.rest.extend_from_slice(&wire);
        let Some((header, used)) = proxy_protocol::parse(&self.rest)? else {
            return Ok(());
        };
        io.up.push(Up::Ready(Info {
            found: Some(Found::Proxied(header)),
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
            format!("closed after {n} bytes of a PROXY header"),
        ))
    }

    fn send(&mut self, _cx: &mut Cx, data: &mut Rope, down: &mut Rope) -> Result<(), Fail> {
        down.append(data);
        Ok(())
    }

    fn finish(&mut self, _cx: &mut Cx, _down: &mut Rope) -> bool {
        true
    }

    fn abort(&mut self, _cx: &mut Cx, _why: &Fail, _down: &mut Rope) {}

    fn timeout(&mut self, _cx: &mut Cx, _io: &mut Io) -> Result<(), Fail> {
        Ok(())
    }

    fn next_timeout(&self) -> Option<Time> {
        None
    }

    fn held(&self) -> usize {
        self.rest.len()
    }
}
