//! DNS messages (RFC 1035 4): questions for addresses, and what is answered.
//!
//! ```text
//! header   ID(2) FLAGS(2) QDCOUNT(2) ANCOUNT(2) NSCOUNT(2) ARCOUNT(2)
//! question NAME TYPE(2) CLASS(2)
//! record   NAME TYPE(2) CLASS(2) TTL(4) RDLENGTH(2) RDATA
//! ```
//!
//! A name is labels, each behind its length, and a zero; or, in its place or at its end, two bytes `11…` that
//! point to an earlier one. Over a stream each message stands behind its length (4.2.2).

use std::net::IpAddr;

use bytes::BufMut;

use super::Parsed;
use crate::error::{Cause, Fail};

const HEADER: usize = 12;
const RESPONSE: u16 = 0x8000;
const TRUNCATED: u16 = 0x0200;
const RECURSION_DESIRED: u16 = 0x0100;
const INTERNET: u16 = 1;
const OPT: u16 = 41;
const CLIENT_SUBNET: u16 = 8;
/// What a datagram of an answer may have; larger ones are lost where they are fragmented.
const DATAGRAM: u16 = 1232;
/// Of a name, with its lengths and the zero.
const MAX_NAME: usize = 255;
const MAX_LABEL: usize = 63;

/// A kind of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }

    /// The type of its records: A (RFC 1035 3.4.1), AAAA (RFC 3596 2.1).
    fn record(self) -> u16 {
        match self {
            Self::V4 => 1,
            Self::V6 => 28,
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub id: u16,
    pub name: String,
    pub family: Family,
    /// The address that the answer is to be good for (EDNS client subnet, RFC 7871 6): a /24 or a /56 of it.
    pub subnet: Option<IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub addrs: Vec<IpAddr>,
    /// Seconds for which all of them are good; 0 without any.
    pub ttl: u32,
    /// There is more than fits into a datagram: ask again over a stream.
    pub truncated: bool,
}

impl Question {
    /// Error: `NameNotFound` for what cannot be asked for in DNS.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Fail> {
        let name = encode(&self.name)?;
        let records = u16::from(self.subnet.is_some());
        for field in [self.id, RECURSION_DESIRED, 1, 0, 0, records] {
            out.put_u16(field);
        }
        out.extend(name);
        out.put_u16(self.family.record());
        out.put_u16(INTERNET);
        if let Some(subnet) = self.subnet {
            write_subnet(subnet, out);
        }
        Ok(())
    }

    /// Reads the whole message that answers this. Errors: `Protocol` for what is no such answer,
    /// `NameNotFound` if there is no such name, `HostUnreachable` if the server cannot tell.
    pub fn read(&self, message: &[u8]) -> Result<Answer, Fail> {
        let mut reader = Reader { message, at: 0 };
        let mut fields = [0; 6];
        for field in &mut fields {
            *field = reader.u16()?;
        }
        let [id, flags, questions, answers, _, _] = fields;
        if id != self.id || flags & RESPONSE == 0 || questions != 1 {
            return Err(Fail::protocol("name server: not an answer to our question"));
        }
        let asked = reader.name()?;
        let kind = (reader.u16()?, reader.u16()?);
        if !asked.eq_ignore_ascii_case(&encode(&self.name)?)
            || kind != (self.family.record(), INTERNET)
        {
            return Err(Fail::protocol("name server: answers another question"));
        }
        match flags & 0xf {
            0 => {}
            3 => return Err(Fail::new(Cause::NameNotFound, "there is no such name")),
            code => {
                let text = format!("name server: {} ({code})", code_text(code));
                return Err(Fail::new(Cause::HostUnreachable, text));
            }
        }
        let mut answer = Answer {
            addrs: Vec::new(),
            ttl: u32::MAX,
            truncated: flags & TRUNCATED != 0,
        };
        for _ in 0..answers {
            match reader.record() {
                Ok(record) => answer.add(&record, self.family),
                // The end is missing.
                Err(_) if answer.truncated => break,
                Err(fail) => return Err(fail),
            }
        }
        if answer.addrs.is_empty() {
            answer.ttl = 0;
        }
        Ok(answer)
    }
}

impl Answer {
    /// Names on the way (CNAME) count for how long it is good.
    fn add(&mut self, record: &Record, family: Family) {
        if record.class != INTERNET {
            return;
        }
        // RFC 2181 8: a TTL with the first bit set is none.
        self.ttl = self
            .ttl
            .min(if record.ttl >> 31 == 0 { record.ttl } else { 0 });
        if record.kind != family.record() {
            return;
        }
        let addr = match family {
            Family::V4 => <[u8; 4]>::try_from(record.data).map(IpAddr::from),
            Family::V6 => <[u8; 16]>::try_from(record.data).map(IpAddr::from),
        };
        self.addrs.extend(addr.ok());
    }
}

/// A message behind its length, of a stream.
pub fn frame(message: &[u8]) -> Result<Vec<u8>, Fail> {
    let len = u16::try_from(message.len());
    let len = len.map_err(|_| Fail::new(Cause::Limit, "DNS message over 65535 bytes"))?;
    let mut out = Vec::with_capacity(2 + message.len());
    out.put_u16(len);
    out.extend_from_slice(message);
    Ok(out)
}

/// The first whole message of a stream.
pub fn parse_frame(buf: &[u8]) -> Parsed<&[u8]> {
    let Some((len, rest)) = buf.split_first_chunk() else {
        return Ok(None);
    };
    let len = usize::from(u16::from_be_bytes(*len));
    Ok(rest.get(..len).map(|message| (message, 2 + len)))
}

/// Labels, each behind its length, and the zero.
fn encode(name: &str) -> Result<Vec<u8>, Fail> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut out = Vec::new();
    for label in name.split('.') {
        let len = u8::try_from(label.len()).ok();
        let fits = (1..=MAX_LABEL).contains(&label.len());
        let Some(len) = len.filter(|_| fits) else {
            let text =
                format!("{name:?} is no name that DNS could have: labels have 1 to 63 bytes");
            return Err(Fail::new(Cause::NameNotFound, text));
        };
        out.push(len);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    match out.len() <= MAX_NAME {
        true => Ok(out),
        false => Err(Fail::new(
            Cause::NameNotFound,
            "the name is longer than 253 bytes, which DNS cannot have",
        )),
    }
}

/// An OPT record (RFC 6891 6.1) with the subnet.
fn write_subnet(subnet: IpAddr, out: &mut Vec<u8>) {
    let (family, bits, bytes) = match subnet {
        IpAddr::V4(ip) => (1, 24, ip.octets()[..3].to_vec()),
        IpAddr::V6(ip) => (2, 56, ip.octets()[..7].to_vec()),
    };
    out.push(0);
    for field in [OPT, DATAGRAM, 0, 0, 8 + bytes.len() as u16] {
        out.put_u16(field);
    }
    for field in [CLIENT_SUBNET, 4 + bytes.len() as u16, family] {
        out.put_u16(field);
    }
    out.extend([bits, 0]);
    out.extend(bytes);
}

/// RFC 1035 4.1.1.
fn code_text(code: u16) -> &'static str {
    match code {
        1 => "the question is malformed",
        2 => "server failure",
        4 => "not implemented",
        5 => "refused",
        _ => "error",
    }
}

struct Record<'a> {
    kind: u16,
    class: u16,
    ttl: u32,
    data: &'a [u8],
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Fail> {
        let taken = self.message.get(self.at..).and_then(|rest| rest.get(..n));
        self.at += n;
        taken.ok_or_else(|| Fail::protocol("name server: the answer ends too early"))
    }

    fn u16(&mut self) -> Result<u16, Fail> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// As [`encode`] makes it; the reader is behind it then, not where it points to.
    fn name(&mut self) -> Result<Vec<u8>, Fail> {
        let wrong = || Fail::protocol("name server: a name in the answer is malformed");
        let mut name = Vec::new();
        let mut behind = None;
        loop {
            let start = self.at;
            let len = self.take(1)?[0];
            match len {
                0 => break,
                1..=63 => {
                    name.push(len);
                    name.extend_from_slice(self.take(usize::from(len))?);
                    if name.len() >= MAX_NAME {
                        return Err(wrong());
                    }
                }
                192..=255 => {
                    let low = self.take(1)?[0];
                    behind.get_or_insert(self.at);
                    let to = usize::from(u16::from_be_bytes([len & 0x3f, low]));
                    // Only backwards, so that it comes to an end.
                    if to >= start || to < HEADER {
                        return Err(wrong());
                    }
                    self.at = to;
                }
                _ => return Err(wrong()),
            }
        }
        self.at = behind.unwrap_or(self.at);
        name.push(0);
        Ok(name)
    }

    fn record(&mut self) -> Result<Record<'a>, Fail> {
        self.name()?;
        let (kind, class) = (self.u16()?, self.u16()?);
        let ttl = u32::from(self.u16()?) << 16 | u32::from(self.u16()?);
        let len = usize::from(self.u16()?);
        let data = self.take(len)?;
        Ok(Record {
            kind,
            class,
            ttl,
            data,
        })
    }
}

#[cfg(test)]
mod tests;
