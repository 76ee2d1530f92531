//! SOCKS4, SOCKS5 and relay messages: where a unit ends does not depend on what follows it, and what was
//! read can be written and read again.

use bytes::BytesMut;

use super::script::Script;
use crate::error::Fail;
use crate::wire::{relay as wire, socks4, socks5};

/// Prefixes are tried up to here: no unit of SOCKS is longer.
const LONGEST: usize = 600;

/// Features of a relay message.
const FEATURES: usize = 1000;

/// The first unit of the buffer is the same however much of the rest is there; written, it reads as itself.
/// A macro, because values borrow from what they were read from.
macro_rules! unit {
    ($buf:expr, $parse:expr, $write:expr) => {{
        let buf: &[u8] = $buf;
        let whole = $parse(buf);
        for n in 0..buf.len().min(LONGEST) {
            let early = $parse(&buf[..n]);
            assert!(
                early == Ok(None) || early == whole,
                "{n} bytes gave {early:?}, all {whole:?}"
            );
        }
        if let Ok(Some((value, used))) = whole {
            assert!((1..=buf.len()).contains(&used));
            assert_eq!($parse(&buf[..used - 1]), Ok(None));
            let mut out = BytesMut::new();
            let written: Result<(), Fail> = $write(&value, &mut out);
            match written {
                Ok(()) => assert_eq!($parse(&out), Ok(Some((value, out.len())))),
                Err(fail) => assert!(out.is_empty(), "{fail}: written in part"),
            }
        }
    }};
}

pub fn socks(data: &[u8]) {
    let mut script = Script::new(data);
    let kind = script.option();
    let buf = script.rest();
    match kind % 9 {
        0 => unit!(
            buf,
            socks5::Greeting::parse,
            |greeting: &socks5::Greeting, out: &mut BytesMut| {
                let methods: Vec<_> = greeting.methods.iter().map(|code| (*code).into()).collect();
                socks5::write_greeting(&methods, out);
                Ok(())
            }
        ),
        1 => unit!(buf, socks5::parse_method, |method: &_, out: &mut _| {
            socks5::write_method(*method, out);
            Ok(())
        }),
        2 => unit!(buf, socks5::Credentials::parse, socks5::Credentials::write),
        3 => unit!(
            buf,
            socks5::parse_password_status,
            |accepted: &bool, out: &mut _| {
                socks5::write_password_status(*accepted, out);
                Ok(())
            }
        ),
        4 => unit!(buf, socks5::Request::parse, socks5::Request::write),
        5 => unit!(buf, socks5::Reply::parse, socks5::Reply::write),
        6 => unit!(buf, socks4::Request::parse, socks4::Request::write),
        7 => unit!(buf, socks4::parse_reply, |code: &_, out: &mut _| {
            socks4::write_reply(*code, out);
            Ok(())
        }),
        _ => unit!(buf, socks5::parse_address, socks5::write_address),
    }
}

pub fn relay(data: &[u8]) {
    let mut script = Script::new(data);
    let kind = script.option();
    let buf = script.rest();
    match kind % 2 {
        0 => unit!(
            buf,
            |buf| wire::Request::parse(buf, FEATURES),
            wire::Request::write
        ),
        _ => unit!(
            buf,
            |buf| wire::Response::parse(buf, FEATURES),
            wire::Response::write
        ),
    }
}
