use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::error::Cause;
use crate::wire::testing::{hex, unit};

fn target(text: &str) -> Target {
    Target::parse(text).unwrap()
}

fn written(write: impl FnOnce(&mut BytesMut) -> Result<(), Fail>) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut out).unwrap();
    out.to_vec()
}

/// Bytes of the real gost, but for the IPv6 ones.
#[test]
fn packets_of_socks5() {
    for (bytes, addr) in [
        ("00 00 00 01 08 08 08 08 00 35 70 69 6e 67", "8.8.8.8:53"),
        (
            "00 00 00 03 0b 65 78 61 6d 70 6c 65 2e 63 6f 6d 00 35 70 69 6e 67",
            "example.com:53",
        ),
        (
            "00 00 00 04 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 00 35 70 69 6e 67",
            "[2001:db8::1]:53",
        ),
    ] {
        let bytes = hex(bytes);
        let packet = Packet {
            addr: target(addr),
            data: b"ping",
        };
        assert_eq!(Packet::parse(&bytes).unwrap(), packet);
        assert_eq!(written(|out| packet.write(out)), bytes);
    }
}

#[test]
fn frames_of_tunnels() {
    for (bytes, addr) in [
        ("00 04 ff 01 08 08 08 08 00 35 70 69 6e 67", "8.8.8.8:53"),
        (
            "00 04 ff 03 0b 65 78 61 6d 70 6c 65 2e 63 6f 6d 00 35 70 69 6e 67",
            "example.com:53",
        ),
        (
            "00 04 ff 04 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 00 35 70 69 6e 67",
            "[2001:db8::1]:53",
        ),
    ] {
        let bytes = hex(bytes);
        let packet = Packet {
            addr: target(addr),
            data: b"ping",
        };
        assert_eq!(unit(&bytes, Packet::parse_tunnel), packet);
        assert_eq!(written(|out| packet.write_tunnel(out)), bytes);
    }
}

/// gost does not look at it either.
#[test]
fn the_fragment_byte_of_a_frame_means_nothing() {
    let bytes = hex("00 01 00 01 7f 00 00 01 00 35 61");
    assert_eq!(unit(&bytes, Packet::parse_tunnel).data, b"a");
}

/// What a gost loses its place with.
#[test]
fn an_empty_frame_is_an_empty_datagram() {
    let stream = hex("00 00 ff 01 7f 00 00 01 52 0d 00 05 ff 01 7f 00 00 01 52 0d 61 66 74 65 72");
    let (first, used) = Packet::parse_tunnel(&stream).unwrap().unwrap();
    assert_eq!(first.data, b"");
    let (second, rest) = Packet::parse_tunnel(&stream[used..]).unwrap().unwrap();
    assert_eq!((second.data, used + rest), (&b"after"[..], stream.len()));
}

#[test]
fn counted_frames() {
    let bytes = hex("00 04 70 69 6e 67");
    assert_eq!(unit(&bytes, parse_counted), b"ping");
    assert_eq!(written(|out| write_counted(b"ping", out)), bytes);
    assert_eq!(unit(&[0, 0], parse_counted), b"");
}

#[test]
fn a_header_tells_the_length_of_its_frame() {
    let tunnel = hex("00 04 ff 01 08 08 08 08 00 35 70 69 6e 67");
    for (framing, frame, header) in [
        (Framing::Tunnel { empties: false }, &tunnel[..], 10),
        (Framing::Tunnel { empties: true }, &tunnel, 10),
        (Framing::Counted, &[0, 4, 1, 2, 3, 4], 2),
    ] {
        for n in 0..frame.len() {
            let expected = (n >= header).then_some(frame.len());
            assert_eq!(framing.frame_len(&frame[..n]), expected, "{framing:?} {n}");
        }
    }
    assert_eq!(Framing::Counted.frame_len(&[1, 2]), Some(2 + 0x102));
    for framing in [Framing::Plain, Framing::Addressed, Framing::Packet] {
        assert_eq!(framing.frame_len(&tunnel), None, "{framing:?}");
    }
}

#[test]
fn junk_is_no_packet() {
    for (bytes, cause) in [
        ("", Cause::Protocol),
        ("00 00", Cause::Protocol),
        ("00 00 00", Cause::Protocol),
        ("00 00 01 01 08 08 08 08 00 35 61", Cause::Protocol),
        ("00 00 00 01 08 08 08 08 00", Cause::Protocol),
        ("00 00 00 03 0b 65 78", Cause::Protocol),
        ("00 00 00 02 08 08 08 08 00 35 61", Cause::Unsupported),
    ] {
        let fail = Packet::parse(&hex(bytes)).unwrap_err();
        assert_eq!(fail.cause, cause, "{bytes}: {fail}");
    }
    let fail = Packet::parse_tunnel(&hex("00 01 ff 02 08 08")).unwrap_err();
    assert_eq!(fail.cause, Cause::Unsupported);
}

#[test]
fn what_does_not_fit_is_not_written() {
    let mut out = BytesMut::from(&b"before"[..]);
    let long = Packet {
        addr: Target::new(crate::addr::Host::Name("n".repeat(256)), 53),
        data: b"",
    };
    let big = Packet {
        addr: target("8.8.8.8:53"),
        data: &[0; 65_536],
    };
    assert!(long.write(&mut out).is_err());
    assert!(long.write_tunnel(&mut out).is_err());
    assert!(big.write_tunnel(&mut out).is_err());
    assert!(write_counted(big.data, &mut out).is_err());
    assert_eq!(&out[..], b"before");
}

proptest! {
    #[test]
    fn what_is_written_is_read(port: u16, name in "[a-z.]{0,255}", data: Vec<u8>) {
        let addr = Target::new(crate::addr::Host::parse(&name), port);
        let packet = Packet { addr, data: &data };
        let alone = written(|out| packet.write(out));
        prop_assert_eq!(&Packet::parse(&alone).unwrap(), &packet);
        let frame = written(|out| packet.write_tunnel(out));
        prop_assert_eq!(Packet::parse_tunnel(&frame).unwrap().unwrap(), (packet, frame.len()));
        let frame = written(|out| write_counted(&data, out));
        prop_assert_eq!(parse_counted(&frame).unwrap().unwrap(), (&data[..], frame.len()));
    }
}
