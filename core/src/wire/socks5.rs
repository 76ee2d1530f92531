//! SOCKS5 messages (RFC 1928), user and password (RFC 1929), and gost's methods and commands.
//!
//! ```text
//! greeting   05 NMETHODS METHODS             answer  05 METHOD
//! password   01 ULEN UNAME PLEN PASSWD       answer  01 STATUS
//! request    05 CMD 00 address               reply   05 REP 00 address
//! address    ATYP ADDR PORT(2)               ATYP 01: 4 bytes, 03: LEN name, 04: 16 bytes
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, BytesMut};

use super::{Parsed, hint};
use crate::addr::{Host, Target};
use crate::error::{Cause, Fail};

pub const VERSION: u8 = 5;

/// Of the user and password exchange (RFC 1929, 2).
pub const PASSWORD_VERSION: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    NoAuth,
    Password,
    /// gost: TLS on this stream, then the request inside.
    Tls,
    /// gost: TLS on this stream, then [`Method::Password`] inside.
    TlsPassword,
    NoneAcceptable,
    Other(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Connect,
    Bind,
    UdpAssociate,
    /// Tor: the address of a name.
    Resolve,
    /// Tor: the name of an address.
    ResolvePtr,
    /// gost: accept connections and carry them in a mux session.
    MuxBind,
    /// gost: datagrams inside this stream.
    UdpTunnel,
    Other(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rep {
    Succeeded,
    GeneralFailure,
    NotAllowed,
    NetUnreachable,
    HostUnreachable,
    Refused,
    TtlExpired,
    CommandNotSupported,
    AddressNotSupported,
    Other(u8),
}

/// The methods a client offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeting<'a> {
    /// Codes in the client's order, 1 to 255 of them.
    pub methods: &'a [u8],
}

/// Each part has 0 to 255 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials<'a> {
    pub user: &'a [u8],
    pub password: &'a [u8],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub command: Command,
    pub target: Target,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub rep: Rep,
    pub bound: Target,
}

impl Greeting<'_> {
    /// Errors (`Protocol`): another version, no methods.
    pub fn parse(buf: &[u8]) -> Parsed<Greeting<'_>> {
        version(buf, VERSION, "SOCKS")?;
        match buf.get(1) {
            None => Ok(None),
            Some(0) => Err(Fail::protocol("SOCKS5 greeting without methods")),
            Some(_) => Ok(prefixed(&buf[1..])
                .map(|(methods, rest)| (Greeting { methods }, buf.len() - rest.len()))),
        }
    }

    pub fn offers(&self, method: Method) -> bool {
        self.methods.contains(&method.code())
    }
}

pub fn write_greeting(methods: &[Method], out: &mut BytesMut) {
    debug_assert!((1..=255).contains(&methods.len()));
    out.put_slice(&[VERSION, methods.len() as u8]);
    out.extend(methods.iter().map(|method| method.code()));
}

/// The server's answer to the greeting. Error (`Protocol`): another version.
pub fn parse_method(buf: &[u8]) -> Parsed<Method> {
    version(buf, VERSION, "SOCKS")?;
    Ok(buf.get(1).map(|code| (Method::from(*code), 2)))
}

pub fn write_method(method: Method, out: &mut BytesMut) {
    out.put_slice(&[VERSION, method.code()]);
}

impl Credentials<'_> {
    /// The message of RFC 1929. Error (`Protocol`): another version.
    pub fn parse(buf: &[u8]) -> Parsed<Credentials<'_>> {
        version(buf, PASSWORD_VERSION, "SOCKS5 password exchange")?;
        let Some(fields) = buf.get(1..) else {
            return Ok(None);
        };
        Ok(Credentials::parse_fields(fields)
            .map(|(credentials, rest)| (credentials, buf.len() - rest.len())))
    }

    /// `ULEN UNAME PLEN PASSWD` and what follows.
    pub fn parse_fields(buf: &[u8]) -> Option<(Credentials<'_>, &[u8])> {
        let (user, rest) = prefixed(buf)?;
        let (password, rest) = prefixed(rest)?;
        Some((Credentials { user, password }, rest))
    }

    /// Error (`Limit`): a part over 255 bytes; nothing is written.
    pub fn write(&self, out: &mut BytesMut) -> Result<(), Fail> {
        self.check()?;
        out.put_u8(PASSWORD_VERSION);
        self.write_fields(out)
    }

    /// As [`Credentials::write`], without the version.
    pub fn write_fields(&self, out: &mut BytesMut) -> Result<(), Fail> {
        self.check()?;
        for part in [self.user, self.password] {
            out.put_u8(part.len() as u8);
            out.put_slice(part);
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Fail> {
        fits(self.user.len(), "user name")?;
        fits(self.password.len(), "password")
    }
}

/// Whether the server let the user in. The version is not looked at: servers are known that repeat
/// the 05 of the protocol here, and the meaning of the second byte is the same.
pub fn parse_password_status(buf: &[u8]) -> Parsed<bool> {
    Ok(buf.get(1).map(|status| (*status == 0, 2)))
}

pub fn write_password_status(accepted: bool, out: &mut BytesMut) {
    out.put_slice(&[PASSWORD_VERSION, u8::from(!accepted)]);
}

impl Request {
    /// Errors: `Protocol` for another version, those of [`parse_address`].
    pub fn parse(buf: &[u8]) -> Parsed<Self> {
        Ok(message(buf)?.map(|(code, target, used)| {
            let command = Command::from(code);
            (Self { command, target }, used)
        }))
    }

    /// Error (`Limit`): a name over 255 bytes; nothing is written.
    pub fn write(&self, out: &mut BytesMut) -> Result<(), Fail> {
        write_message(self.command.code(), &self.target, out)
    }
}

impl Reply {
    /// Errors: `Protocol` for another version, those of [`parse_address`].
    pub fn parse(buf: &[u8]) -> Parsed<Self> {
        Ok(message(buf)?.map(|(code, bound, used)| {
            let rep = Rep::from(code);
            (Self { rep, bound }, used)
        }))
    }

    /// Error (`Limit`): a name over 255 bytes; nothing is written.
    pub fn write(&self, out: &mut BytesMut) -> Result<(), Fail> {
        write_message(self.rep.code(), &self.bound, out)
    }
}

/// A reply with the address 0.0.0.0:0, which tells nothing about the inside of the network.
pub fn write_bare_reply(rep: Rep, out: &mut BytesMut) {
    out.put_slice(&[VERSION, rep.code(), 0, IPV4, 0, 0, 0, 0, 0, 0]);
}

/// `ATYP ADDR PORT`. A name that spells an IP address is that address. Errors: `Unsupported` for an
/// unknown type, `NameNotFound` for a name that is no UTF-8.
pub fn parse_address(buf: &[u8]) -> Parsed<Target> {
    let Some((&kind, rest)) = buf.split_first() else {
        return Ok(None);
    };
    let host = match kind {
        IPV4 => rest
            .split_first_chunk::<4>()
            .map(|(ip, rest)| (Host::from(Ipv4Addr::from(*ip)), rest)),
        IPV6 => rest
            .split_first_chunk::<16>()
            .map(|(ip, rest)| (Host::from(Ipv6Addr::from(*ip)), rest)),
        NAME => match prefixed(rest) {
            Some((name, rest)) => Some((named(name)?, rest)),
            None => None,
        },
        other => {
            return Err(Fail::new(
                Cause::Unsupported,
                format!("expected address type 1, 3 or 4, got {other}"),
            ));
        }
    };
    let Some((host, rest)) = host else {
        return Ok(None);
    };
    let Some((port, rest)) = rest.split_first_chunk::<2>() else {
        return Ok(None);
    };
    let target = Target::new(host, u16::from_be_bytes(*port));
    Ok(Some((target, buf.len() - rest.len())))
}

/// Error (`Limit`): a name over 255 bytes; nothing is written.
pub fn write_address(target: &Target, out: &mut BytesMut) -> Result<(), Fail> {
    match &target.host {
        Host::Ip(IpAddr::V4(ip)) => {
            out.put_u8(IPV4);
            out.put_slice(&ip.octets());
        }
        Host::Ip(IpAddr::V6(ip)) => {
            out.put_u8(IPV6);
            out.put_slice(&ip.octets());
        }
        // As in gost: addresses have no place for a zone.
        Host::Name(name) | Host::File(name) => write_name(name, out)?,
        host @ Host::Zoned(_) => write_name(&host.spelled(), out)?,
    }
    out.put_u16(target.port);
    Ok(())
}

#[inline]
fn write_name(name: &str, out: &mut BytesMut) -> Result<(), Fail> {
    fits(name.len(), "host name")?;
    out.put_slice(&[NAME, name.len() as u8]);
    out.put_slice(name.as_bytes());
    Ok(())
}

/// Whether a request or reply has an IP address [spelled](Target::spelled) as a name.
pub fn spells_address(message: &[u8]) -> bool {
    message.get(3..).is_some_and(spells)
}

/// The same of an address alone.
pub(super) fn spells(address: &[u8]) -> bool {
    let ip = |addr: &Target| matches!(addr.host, Host::Ip(_));
    address.first() == Some(&NAME)
        && matches!(parse_address(address), Ok(Some((addr, _))) if ip(&addr))
}

const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

fn message(buf: &[u8]) -> Result<Option<(u8, Target, usize)>, Fail> {
    version(buf, VERSION, "SOCKS")?;
    let Some((&[_, code, _reserved], address)) = buf.split_first_chunk() else {
        return Ok(None);
    };
    Ok(parse_address(address)?.map(|(target, used)| (code, target, 3 + used)))
}

fn write_message(code: u8, target: &Target, out: &mut BytesMut) -> Result<(), Fail> {
    let start = out.len();
    out.put_slice(&[VERSION, code, 0]);
    write_address(target, out).inspect_err(|_| out.truncate(start))
}

fn version(buf: &[u8], expected: u8, what: &str) -> Result<(), Fail> {
    match buf.first() {
        Some(&got) if got != expected => Err(Fail::protocol(format!(
            "expected {what} version {expected}, got {got}{}",
            if expected == VERSION { hint(got) } else { "" }
        ))),
        _ => Ok(()),
    }
}

/// `LEN bytes` and what follows.
fn prefixed(buf: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = buf.split_first()?;
    rest.split_at_checked(usize::from(len))
}

fn named(name: &[u8]) -> Result<Host, Fail> {
    match std::str::from_utf8(name) {
        Ok(name) => Ok(Host::parse(name)),
        Err(_) => Err(Fail::new(
            Cause::NameNotFound,
            "expected a host name in UTF-8, got bytes",
        )),
    }
}

fn fits(len: usize, what: &str) -> Result<(), Fail> {
    if len > 255 {
        return Err(Fail::new(
            Cause::Limit,
            format!("expected a {what} of at most 255 bytes, got {len}"),
        ));
    }
    Ok(())
}

/// Codes of one byte and their names, both ways.
macro_rules! codes {
    ($type:ident { $($code:literal $name:ident $text:literal,)* }) => {
        impl From<u8> for $type {
            fn from(code: u8) -> Self {
                match code {
                    $($code => Self::$name,)*
                    other => Self::Other(other),
                }
            }
        }

        impl $type {
            pub fn code(self) -> u8 {
                match self {
                    $(Self::$name => $code,)*
                    Self::Other(other) => other,
                }
            }

            /// For people.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other(_) => "unknown code",
                }
            }
        }
    };
}

codes!(Method {
    0x00 NoAuth "no authentication",
    0x02 Password "user and password",
    0x80 Tls "TLS",
    0x82 TlsPassword "TLS, user and password",
    0xff NoneAcceptable "no acceptable method",
});

codes!(Command {
    0x01 Connect "CONNECT",
    0x02 Bind "BIND",
    0x03 UdpAssociate "UDP ASSOCIATE",
    0xf0 Resolve "RESOLVE",
    0xf1 ResolvePtr "RESOLVE_PTR",
    0xf2 MuxBind "MBIND",
    0xf3 UdpTunnel "UDP-TUN",
});

codes!(Rep {
    0x00 Succeeded "succeeded",
    0x01 GeneralFailure "general failure",
    0x02 NotAllowed "not allowed",
    0x03 NetUnreachable "network unreachable",
    0x04 HostUnreachable "host unreachable",
    0x05 Refused "connection refused",
    0x06 TtlExpired "TTL expired",
    0x07 CommandNotSupported "command not supported",
    0x08 AddressNotSupported "address type not supported",
});

#[cfg(test)]
pub(super) mod tests;
