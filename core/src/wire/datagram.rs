//! Datagrams with their addresses: in packets of their own, and one behind the other in a stream.
//!
//! ```text
//! packet    RSV(2) FRAG ATYP ADDR PORT DATA         SOCKS5 (RFC 1928, 7)
//! tunnel    LEN(2) FF   ATYP ADDR PORT DATA(LEN)    gost: UDP-TUN, UDP over HTTP, relay associations
//! counted   LEN(2) DATA(LEN)                        gost: relay to one target
//! ```

use bytes::{BufMut, BytesMut};

use super::Parsed;
use super::socks5::{parse_address, write_address};
use crate::addr::Target;
use crate::error::Fail;

/// Bytes of the largest payload that a UDP packet over IPv4 can have.
pub const MAX: usize = 65_507;

/// How the datagrams of one end of an association are told apart, and what they say of their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Packets of one peer, nothing but payload.
    Plain,
    /// Packets of many peers, nothing but payload: the system tells their addresses.
    Addressed,
    /// [`Packet::parse`].
    Packet,
    /// [`Packet::parse_tunnel`]. `empties`: the peer takes a frame without data for an empty datagram.
    Tunnel { empties: bool },
    /// [`parse_counted`].
    Counted,
}

impl Framing {
    /// Bytes of the frame that a stream begins with, once its header is there.
    pub fn frame_len(self, buf: &[u8]) -> Option<usize> {
        let len = usize::from(u16::from_be_bytes(*buf.first_chunk()?));
        match self {
            Self::Tunnel { .. } => {
                let (_, used) = parse_address(buf.get(3..)?).ok()??;
                Some(3 + used + len)
            }
            Self::Counted => Some(2 + len),
            Self::Plain | Self::Addressed | Self::Packet => None,
        }
    }
}

/// FRAG of a frame in a stream; receivers do not look at it.
const STREAM: u8 = 0xff;

/// A datagram, and where it goes to or comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    pub addr: Target,
    pub data: &'a [u8],
}

impl<'a> Packet<'a> {
    /// A whole UDP packet of SOCKS5. Errors (`Protocol`): a fragment, which those that do not reassemble
    /// have to drop, or a header that does not end; and those of [`parse_address`].
    pub fn parse(buf: &'a [u8]) -> Result<Self, Fail> {
        let Some((&[_, _, frag], rest)) = buf.split_first_chunk() else {
            return Err(short(buf.len()));
        };
        if frag != 0 {
            let text = format!("expected a whole datagram, got fragment {frag}");
            return Err(Fail::protocol(text));
        }
        let Some((addr, used)) = parse_address(rest)? else {
            return Err(short(buf.len()));
        };
        let data = &rest[used..];
        Ok(Self { addr, data })
    }

    /// Error (`Limit`): a name over 255 bytes; nothing is written.
    pub fn write(&self, out: &mut BytesMut) -> Result<(), Fail> {
        self.put([0, 0, 0], out)
    }

    /// A frame of a tunnel. Errors are those of [`parse_address`]: where the next frame begins is
    /// unknown then.
    pub fn parse_tunnel(buf: &'a [u8]) -> Parsed<Self> {
        let Some((&[l0, l1, _], rest)) = buf.split_first_chunk() else {
            return Ok(None);
        };
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        let Some((addr, used)) = parse_address(rest)? else {
            return Ok(None);
        };
        let Some(data) = rest.get(used..used + len) else {
            return Ok(None);
        };
        Ok(Some((Self { addr, data }, 3 + used + len)))
    }

    /// Errors (`Limit`): data over 65535 bytes, a name over 255; nothing is written. Without data, the
    /// frame makes a gost lose its place in the stream.
    pub fn write_tunnel(&self, out: &mut BytesMut) -> Result<(), Fail> {
        let [l0, l1] = length(self.data)?;
        self.put([l0, l1, STREAM], out)
    }

    fn put(&self, head: [u8; 3], out: &mut BytesMut) -> Result<(), Fail> {
        let start = out.len();
        out.put_slice(&head);
        write_address(&self.addr, out).inspect_err(|_| out.truncate(start))?;
        out.put_slice(self.data);
        Ok(())
    }
}

/// A counted frame. It has no errors.
pub fn parse_counted(buf: &[u8]) -> Parsed<&[u8]> {
    let Some((length, rest)) = buf.split_first_chunk() else {
        return Ok(None);
    };
    let len = usize::from(u16::from_be_bytes(*length));
    Ok(rest.get(..len).map(|data| (data, 2 + len)))
}

/// Error (`Limit`): more than 65535 bytes; nothing is written.
pub fn write_counted(data: &[u8], out: &mut BytesMut) -> Result<(), Fail> {
    out.put_slice(&length(data)?);
    out.put_slice(data);
    Ok(())
}

fn length(data: &[u8]) -> Result<[u8; 2], Fail> {
    match u16::try_from(data.len()) {
        Ok(len) => Ok(len.to_be_bytes()),
        Err(_) => Err(Fail::new(
            crate::error::Cause::Limit,
            format!(
                "expected a datagram of at most 65535 bytes, got {}",
                data.len()
            ),
        )),
    }
}

fn short(len: usize) -> Fail {
    Fail::protocol(format!(
        "a SOCKS5 datagram of {len} bytes ends in its header"
    ))
}

#[cfg(test)]
mod tests;
