//! What is measured of the codecs: by `benches/codecs.rs` in time, by `main.rs` in instructions.

use std::hint::black_box;

use ginnel_core::addr::Target;
use ginnel_core::buffer::{Rope, Seg};
use ginnel_core::bytes::BytesMut;
use ginnel_core::limits::Limits;
use ginnel_core::wire::http1::{self, HeadLimits, HeadSearch};
use ginnel_core::wire::tls_record::{self, Opener, Sealer, Version};
use ginnel_core::wire::websocket::{DataFrame, Decoder, mask};
use ginnel_core::wire::{relay, smux, socks4, socks5};
use rustls::ConnectionTrafficSecrets;
use rustls::crypto::cipher::{AeadKey, Iv};

/// Payloads, in bytes.
const SIZES: [usize; 4] = [64, 1024, 16 * 1024, 64 * 1024];
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Does the work once. Made for a number of calls: what it uses up is ready before the first.
pub type Work = Box<dyn FnMut()>;

pub struct Case {
    pub name: String,
    /// Payload of one call; 0 where there is none to speak of.
    pub bytes: usize,
    setup: Box<dyn Fn(usize) -> Work>,
}

impl Case {
    fn new(name: &str, bytes: usize, setup: impl Fn(usize) -> Work + 'static) -> Self {
        Self {
            name: name.to_owned(),
            bytes,
            setup: Box::new(setup),
        }
    }

    /// For at most so many calls.
    pub fn work(&self, calls: usize) -> Work {
        (self.setup)(calls)
    }
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in SIZES {
        let mut add = |name: &str, setup: fn(usize, usize) -> Work| {
            let name = format!("{name}, {size} B");
            cases.push(Case::new(&name, size, move |calls| setup(size, calls)));
        };
        add("mask", masking);
        add("websocket, read a frame", ws_read);
        add("websocket, write a frame", ws_write);
        add("TLS record, seal", tls_seal);
        add("TLS record, open", tls_open);
    }
    for (name, setup) in [
        ("smux header, read", smux_read as fn() -> Work),
        ("smux header, write", smux_write),
        ("HTTP request head, read", http_read),
        ("HTTP response head, write", http_write),
        ("SOCKS5 greeting and request, read", socks5_read),
        ("SOCKS5 reply, write", socks5_write),
        ("SOCKS4a request, read", socks4_read),
        ("relay request, read", relay_read),
        ("relay request, write", relay_write),
    ] {
        cases.push(Case::new(name, 0, move |_| setup()));
    }
    cases
}

/// One input for each call.
fn with<T: 'static>(calls: usize, make: impl FnMut() -> T, run: impl Fn(T) + 'static) -> Work {
    let mut inputs: Vec<T> = std::iter::repeat_with(make).take(calls).collect();
    inputs.reverse();
    Box::new(move || run(inputs.pop().expect("an input for each call")))
}

fn payload(size: usize) -> BytesMut {
    (0..size).map(|at| at as u8).collect()
}

fn masking(size: usize, _calls: usize) -> Work {
    let mut bytes = payload(size);
    Box::new(move || {
        black_box(mask(black_box(&mut bytes), KEY));
    })
}

fn frame(size: usize) -> DataFrame {
    DataFrame {
        first: true,
        last: true,
        text: false,
        compressed: false,
        len: size,
    }
}

fn ws_read(size: usize, calls: usize) -> Work {
    let wire = move || {
        let mut wire = BytesMut::from(frame(size).head(Some(KEY)).as_ref());
        let mut body = payload(size);
        mask(&mut body, KEY);
        wire.unsplit(body);
        wire
    };
    with(calls, wire, |mut wire| {
        let mut decoder = Decoder::new(true, false);
        while let Some(item) = decoder.next(&mut wire).expect("a frame") {
            black_box(item);
        }
    })
}

fn ws_write(size: usize, calls: usize) -> Work {
    with(
        calls,
        move || payload(size),
        |body| {
            let mut seg = Seg::new(body);
            let head = frame(seg.len()).head(Some(KEY));
            mask(&mut seg.body, KEY);
            seg.push_front(head.as_ref());
            let mut out = Rope::default();
            out.push(seg);
            black_box(out);
        },
    )
}

fn secrets() -> (u64, ConnectionTrafficSecrets) {
    let secrets = ConnectionTrafficSecrets::Aes256Gcm {
        key: AeadKey::from([7; 32]),
        iv: Iv::new([9; 12]),
    };
    (0, secrets)
}

fn sealer() -> Sealer {
    Sealer::new(Version::Tls13, secrets()).expect("a known cipher")
}

fn sealed(sealer: &mut Sealer, body: BytesMut) -> Rope {
    let (mut data, mut records) = (Rope::default(), Rope::default());
    data.push(Seg::new(body));
    let done = sealer.seal_all(&mut data, &mut records);
    done.expect("the cipher takes it");
    records
}

fn tls_seal(size: usize, calls: usize) -> Work {
    let sealer = std::cell::RefCell::new(sealer());
    with(
        calls,
        move || payload(size),
        move |body| {
            black_box(sealed(&mut sealer.borrow_mut(), body));
        },
    )
}

fn tls_open(size: usize, calls: usize) -> Work {
    let mut sealer = sealer();
    let wire = move || sealed(&mut sealer, payload(size)).to_vec();
    let opener = Opener::new(Version::Tls13, secrets()).expect("a known cipher");
    let opener = std::cell::RefCell::new(opener);
    with(calls, wire, move |mut wire| {
        let mut rest = &mut wire[..];
        while let Some(len) = tls_record::record_len(rest).expect("a record") {
            let (record, behind) = rest.split_at_mut(len);
            let opened = opener.borrow_mut().open(record);
            black_box(opened.expect("a record with a right tag"));
            rest = behind;
        }
    })
}

fn smux_read() -> Work {
    let bytes = [1, smux::Command::Psh as u8, 0, 0x40, 3, 0, 0, 0];
    Box::new(move || {
        let header = smux::Header::parse(black_box(bytes), 1);
        black_box(header.expect("a header"));
    })
}

fn smux_write() -> Work {
    Box::new(|| {
        let header = smux::Header {
            version: 1,
            command: smux::Command::Psh,
            len: 0x4000,
            stream: black_box(3),
        };
        black_box(header.encode());
    })
}

const REQUEST: &[u8] = b"GET /ws HTTP/1.1\r\n\
    Host: example.com:8443\r\n\
    User-Agent: Go-http-client/1.1\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Upgrade: websocket\r\n\
    \r\n";

fn head_limits() -> HeadLimits {
    let limits = Limits::default();
    HeadLimits {
        bytes: limits.head,
        fields: limits.fields,
    }
}

fn http_read() -> Work {
    Box::new(|| {
        let mut search = HeadSearch::default();
        let end = search.find(black_box(REQUEST), head_limits());
        let end = end.expect("a head").expect("a whole head");
        let request = http1::Request::parse(&REQUEST[..end], head_limits());
        black_box(request.expect("a request"));
    })
}

fn http_write() -> Work {
    let fields = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ];
    let response = http1::Response {
        status: 101,
        reason: "Switching Protocols".to_owned(),
        minor: 1,
        fields: http1::Fields(
            fields
                .map(|(name, value)| (name.to_owned(), value.into()))
                .to_vec(),
        ),
    };
    Box::new(move || {
        let mut out = Vec::new();
        response.write(&mut out);
        black_box(out);
    })
}

fn target() -> Target {
    Target::parse("example.com:443").expect("a target")
}

fn socks5_read() -> Work {
    let greeting = [5, 1, 0];
    let mut request = BytesMut::new();
    let asked = socks5::Request {
        command: socks5::Command::Connect,
        target: target(),
    };
    asked.write(&mut request).expect("a short name");
    Box::new(move || {
        let greeting = socks5::Greeting::parse(black_box(&greeting));
        black_box(greeting.expect("a greeting"));
        let request = socks5::Request::parse(black_box(&request));
        black_box(request.expect("a request"));
    })
}

fn socks5_write() -> Work {
    let reply = socks5::Reply {
        rep: socks5::Rep::Succeeded,
        bound: Target::parse("192.0.2.1:40000").expect("a target"),
    };
    Box::new(move || {
        let mut out = BytesMut::new();
        reply.write(&mut out).expect("an address");
        black_box(out);
    })
}

fn socks4_read() -> Work {
    let request = b"\x04\x01\x01\xbb\x00\x00\x00\x01user\0example.com\0";
    Box::new(move || {
        let request = socks4::Request::parse(black_box(request));
        black_box(request.expect("a request"));
    })
}

fn relay_request() -> relay::Request<'static> {
    relay::Request {
        auth: Some(socks5::Credentials {
            user: b"user",
            password: b"password",
        }),
        target: Some(target()),
        ..relay::Request::new(relay::Command::Connect)
    }
}

fn relay_read() -> Work {
    let mut wire = BytesMut::new();
    relay_request().write(&mut wire).expect("short names");
    Box::new(move || {
        let request = relay::Request::parse(black_box(&wire), 4096);
        black_box(request.expect("a request"));
    })
}

fn relay_write() -> Work {
    let request = relay_request();
    Box::new(move || {
        let mut out = BytesMut::new();
        request.write(&mut out).expect("short names");
        black_box(out);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened() {
        for version in [Version::Tls12, Version::Tls13] {
            let mut sealer = Sealer::new(version, secrets()).expect("a known cipher");
            let mut opener = Opener::new(version, secrets()).expect("a known cipher");
            for size in [1, 4095, 4096, 16384, 16385, 100_000] {
                let mut wire = sealed(&mut sealer, payload(size)).to_vec();
                let mut rest = &mut wire[..];
                let mut content = Vec::new();
                while let Some(len) = tls_record::record_len(rest).expect("a record") {
                    let (record, behind) = rest.split_at_mut(len);
                    let (_, range) = opener.open(record).expect("a record with a right tag");
                    content.extend_from_slice(&record[range]);
                    rest = behind;
                }
                assert!(content == payload(size), "{version:?}, {size} bytes");
            }
        }
    }

    #[test]
    fn every_case_works_as_often_as_it_says() {
        for case in cases() {
            let mut work = case.work(3);
            (0..3).for_each(|_| work());
        }
    }
}
