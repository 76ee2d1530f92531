//! PROXY headers: where one ends does not depend on what follows it, in any pieces it is read as in one, and what was
//! read is what is written.

use bytes::BytesMut;

use super::script::{Cuts, Script, WHOLE};
use crate::buffer::Rope;
use crate::entropy::Entropy;
use crate::error::Cause;
use crate::layer::proxied::Proxied;
use crate::layer::{Cx, Found, Io, Layer, Up};
use crate::limits::Limits;
use crate::time::Time;
use crate::wire::deflate::Pool;
use crate::wire::proxy_protocol::{Header, Version, parse, write};

/// No header is longer: 16 bytes, and 4096 of addresses and extensions.
const LONGEST: usize = 16 + 4096;

pub fn proxy_protocol(data: &[u8]) {
    let mut script = Script::new(data);
    let cuts = Cuts::new(script.option());
    let buf = script.rest();
    prefixes(buf);
    assert_eq!(layer(buf, cuts), layer(buf, WHOLE), "other pieces");
    let Ok(Some((header, _))) = parse(buf) else {
        return;
    };
    let Header::Proxied {
        source,
        destination,
    } = header
    else {
        return;
    };
    for version in [Version::V1, Version::V2] {
        let mut out = Vec::new();
        write(version, source, destination, &mut out);
        assert_eq!(parse(&out), Ok(Some((header, out.len()))));
    }
}

/// The text of an error may tell of bytes that have come since; its cause may not change.
fn prefixes(buf: &[u8]) {
    let read = |n: usize| parse(&buf[..n]).map_err(|fail| fail.cause);
    let whole = read(buf.len());
    for n in 0..buf.len().min(LONGEST + 2) {
        let early = read(n);
        assert!(
            early == Ok(None) || early == whole,
            "{n} bytes gave {early:?}, all {whole:?}"
        );
    }
    match whole {
        Ok(Some((_, used))) => {
            assert!((1..=buf.len().min(LONGEST)).contains(&used));
            assert_eq!(read(used - 1), Ok(None));
        }
        Ok(None) => assert!(buf.len() < LONGEST, "{} bytes are not enough", buf.len()),
        Err(cause) => assert!(matches!(cause, Cause::Protocol | Cause::Limit)),
    }
}

/// What the layer finds, and what is left for the next one.
fn layer(bytes: &[u8], mut cuts: Cuts) -> Result<(Option<Found>, Vec<u8>), Cause> {
    let (mut entropy, limits, mut pool) =
        (Entropy::new([1; 32]), Limits::default(), Pool::default());
    let (mut found, mut rest, mut failed) = (None, Vec::new(), None);
    let mut layer = Proxied::default();
    cuts.feed(bytes, |piece| {
        if found.is_some() {
            // It is taken away then.
            rest.extend_from_slice(piece);
            return true;
        }
        let mut cx = Cx {
            now: Time::ZERO,
            entropy: &mut entropy,
            limits: &limits,
            deflate: &mut pool,
            room: usize::MAX,
        };
        let (mut up, mut down) = (Vec::new(), Rope::default());
        let mut io = Io {
            up: &mut up,
            down: &mut down,
        };
        let result = layer.recv(&mut cx, BytesMut::from(piece), &mut io);
        assert!(down.is_empty(), "it says something");
        for up in up {
            match up {
                Up::Ready(info) => found = info.found,
                Up::Data(data) => rest.extend_from_slice(&data),
                other => panic!("{other:?}"),
            }
        }
        failed = result.err().map(|fail| fail.cause);
        failed.is_none()
    });
    failed.map_or(Ok((found, rest)), Err)
}
