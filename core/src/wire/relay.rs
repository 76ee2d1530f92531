//! Messages of gost's relay protocol, version 1.
//!
//! ```text
//! request   01 FLAGS|CMD FEALEN(2) features      FLAGS 80: UDP     CMD: low nibble
//! response  01 STATUS    FEALEN(2) features
//! feature   TYPE LEN(2) DATA
//! ```

mod code;

use bytes::{BufMut, BytesMut};

use super::Parsed;
use super::socks5::{self, Credentials};
use crate::addr::Target;
use crate::error::{Cause, Fail};

pub use code::{Command, Network, Status};

pub const VERSION: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    pub id: [u8; 16],
    /// 0x80: private.
    pub flags: u8,
    pub weight: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub command: Command,
    /// From the network feature or the UDP flag: either one says UDP.
    pub network: Network,
    pub auth: Option<Credentials<'a>>,
    pub target: Option<Target>,
    pub tunnel: Option<Tunnel>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: Status,
    /// Where a BIND listens, or who connected to it.
    pub target: Option<Target>,
}

impl<'a> Request<'a> {
    /// A TCP request without features.
    pub fn new(command: Command) -> Self {
        Self {
            command,
            network: Network::Tcp,
            auth: None,
            target: None,
            tunnel: None,
        }
    }

    /// Unknown features are skipped; of a repeated one the last counts. `limit` bounds FEALEN.
    /// Errors: `Limit` for more, `Protocol` for another version or a broken feature, and those of
    /// [`socks5::parse_address`].
    pub fn parse(buf: &'a [u8], limit: usize) -> Parsed<Self> {
        let Some(((code, features), used)) = frame(buf, limit)? else {
            return Ok(None);
        };
        let parsed = Features::parse(features)?;
        let network = match parsed.network {
            _ if code & UDP != 0 => Network::Udp,
            network => network.unwrap_or_default(),
        };
        let request = Self {
            command: Command::from(code & 0x0f),
            network,
            auth: parsed.auth,
            target: parsed.target,
            tunnel: parsed.tunnel,
        };
        Ok(Some((request, used)))
    }

    /// Features in gost's order. Error (`Limit`): a name, user or password over 255 bytes; nothing
    /// is written.
    pub fn write(&self, out: &mut BytesMut) -> Result<(), Fail> {
        let udp = if self.network == Network::Udp { UDP } else { 0 };
        write_frame(self.command.code() | udp, out, |out| {
            if self.command == Command::Bind {
                self.write_auth(out)?;
                self.write_network(out);
            } else {
                if self.network != Network::Tcp {
                    self.write_network(out);
                }
                self.write_auth(out)?;
            }
            if let Some(target) = &self.target {
                write_feature(ADDRESS, out, |out| socks5::write_address(target, out))?;
            }
            if let Some(tunnel) = &self.tunnel {
                out.put_slice(&[TUNNEL, 0, 20]);
                out.put_slice(&tunnel.id);
                out.put_slice(&[tunnel.flags, 0, 0, tunnel.weight]);
            }
            Ok(())
        })
    }

    fn write_auth(&self, out: &mut BytesMut) -> Result<(), Fail> {
        match &self.auth {
            Some(auth) => write_feature(AUTH, out, |out| auth.write_fields(out)),
            None => Ok(()),
        }
    }

    fn write_network(&self, out: &mut BytesMut) {
        out.put_slice(&[NETWORK, 0, 2]);
        out.put_u16(self.network.code());
    }
}

impl Response {
    pub fn new(status: Status) -> Self {
        Self {
            status,
            target: None,
        }
    }

    /// As [`Request::parse`].
    pub fn parse(buf: &[u8], limit: usize) -> Parsed<Self> {
        let Some(((code, features), used)) = frame(buf, limit)? else {
            return Ok(None);
        };
        let target = Features::parse(features)?.target;
        let status = Status::from(code);
        Ok(Some((Self { status, target }, used)))
    }

    /// Error (`Limit`): a name over 255 bytes; nothing is written.
    pub fn write(&self, out: &mut BytesMut) -> Result<(), Fail> {
        write_frame(self.status.code(), out, |out| match &self.target {
            Some(target) => write_feature(ADDRESS, out, |out| socks5::write_address(target, out)),
            None => Ok(()),
        })
    }
}

/// A response without features.
pub fn write_status(status: Status, out: &mut BytesMut) {
    out.put_slice(&[VERSION, status.code(), 0, 0]);
}

/// Whether a whole request or response has an IP address [spelled](Target::spelled) as a name.
pub fn spells_address(message: &[u8]) -> bool {
    let Some((_, mut rest)) = message.split_first_chunk::<4>() else {
        return false;
    };
    while let Some((kind, data, behind)) = feature(rest) {
        if kind == ADDRESS {
            return socks5::spells(data);
        }
        rest = behind;
    }
    false
}

const UDP: u8 = 0x80;

const AUTH: u8 = 1;
const ADDRESS: u8 = 2;
const TUNNEL: u8 = 3;
const NETWORK: u8 = 4;

#[derive(Default)]
struct Features<'a> {
    auth: Option<Credentials<'a>>,
    target: Option<Target>,
    tunnel: Option<Tunnel>,
    network: Option<Network>,
}

impl<'a> Features<'a> {
    fn parse(mut buf: &'a [u8]) -> Result<Self, Fail> {
        let mut features = Self::default();
        while !buf.is_empty() {
            let Some((kind, data, rest)) = feature(buf) else {
                return Err(Fail::protocol("relay features end inside a feature"));
            };
            buf = rest;
            match kind {
                AUTH => {
                    let (auth, _) = Credentials::parse_fields(data).ok_or_else(|| broken(kind))?;
                    features.auth = Some(auth);
                }
                ADDRESS => {
                    let (target, _) = socks5::parse_address(data)?.ok_or_else(|| broken(kind))?;
                    features.target = Some(target);
                }
                TUNNEL => {
                    features.tunnel = Some(Tunnel::parse(data).ok_or_else(|| broken(kind))?);
                }
                NETWORK => {
                    let code = data.first_chunk().ok_or_else(|| broken(kind))?;
                    features.network = Some(Network::from(u16::from_be_bytes(*code)));
                }
                _ => {}
            }
        }
        Ok(features)
    }
}

impl Tunnel {
    /// Older libraries accept an id alone.
    fn parse(data: &[u8]) -> Option<Self> {
        let (id, rest) = data.split_first_chunk()?;
        Some(Self {
            id: *id,
            flags: rest.first().copied().unwrap_or(0),
            weight: rest.get(3).copied().unwrap_or(0),
        })
    }
}

/// Type, data and what follows.
fn feature(buf: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[kind, l0, l1], rest) = buf.split_first_chunk()?;
    let (data, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
    Some((kind, data, rest))
}

fn broken(kind: u8) -> Fail {
    Fail::protocol(format!("relay feature {kind} is too short"))
}

/// The second byte and the features of a whole message.
fn frame(buf: &[u8], limit: usize) -> Parsed<(u8, &[u8])> {
    let Some(&version) = buf.first() else {
        return Ok(None);
    };
    if version != VERSION {
        return Err(Fail::protocol(format!(
            "expected relay version 1, got {version}{}",
            super::hint(version)
        )));
    }
    let Some((&[_, code, l0, l1], rest)) = buf.split_first_chunk() else {
        return Ok(None);
    };
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    if len > limit {
        return Err(Fail::new(
            Cause::Limit,
            format!("expected at most {limit} bytes of relay features, got {len}"),
        ));
    }
    Ok(rest.get(..len).map(|features| ((code, features), 4 + len)))
}

fn write_frame(
    code: u8,
    out: &mut BytesMut,
    features: impl FnOnce(&mut BytesMut) -> Result<(), Fail>,
) -> Result<(), Fail> {
    let start = out.len();
    out.put_slice(&[VERSION, code]);
    write_counted(out, features).inspect_err(|_| out.truncate(start))
}

fn write_feature(
    kind: u8,
    out: &mut BytesMut,
    data: impl FnOnce(&mut BytesMut) -> Result<(), Fail>,
) -> Result<(), Fail> {
    out.put_u8(kind);
    write_counted(out, data)
}

/// A length of two bytes, then what `content` writes: at most a few names and passwords.
fn write_counted(
    out: &mut BytesMut,
    content: impl FnOnce(&mut BytesMut) -> Result<(), Fail>,
) -> Result<(), Fail> {
    let at = out.len();
    out.put_u16(0);
    content(out)?;
    let len = (out.len() - at - 2) as u16;
    out[at..at + 2].copy_from_slice(&len.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests;
