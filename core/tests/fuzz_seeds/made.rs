//! Seeds: the reference vectors, and scripts of whole connections.

mod engine;
mod handlers;
mod http1;
mod smux;
mod ws;

type Seed = (String, Vec<u8>);

pub fn seeds(target: &str) -> Vec<Seed> {
    match target {
        "deflate" => under(&[0], DEFLATE),
        "engine" => engine::seeds(),
        "handlers" => handlers::seeds(),
        "http1" => http1::seeds(),
        "proxy_protocol" => proxy_protocol(),
        "relay" => [under(&[0], RELAY_REQUESTS), under(&[1], RELAY_RESPONSES)].concat(),
        "smux" => smux::seeds(),
        "socks" => SOCKS
            .iter()
            .flat_map(|(kind, wires)| under(&[*kind], wires))
            .collect(),
        "ws" => ws::seeds(),
        _ => Vec::new(),
    }
}

/// Wires in hexadecimal behind the options of their target, named by both.
fn under(options: &[u8], wires: &[&str]) -> Vec<Seed> {
    wires
        .iter()
        .enumerate()
        .map(|(number, wire)| {
            let head: Vec<String> = options.iter().map(|byte| format!("{byte:02x}")).collect();
            let name = format!("{}-{number:02}", head.concat());
            (name, [options, &hex(wire)].concat())
        })
        .collect()
}

fn named(name: &str, parts: &[&[u8]]) -> Seed {
    (name.to_owned(), parts.concat())
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b" |".contains(b)).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// RFC 7692, 7.2.3, behind the option of single bytes.
const DEFLATE: &[&str] = &[
    "f248cdc9c90700",
    "f248cdc9c907004800",
    "000500faff48656c6c6f00",
    "f348cdc9c9070000",
    "f24805000000ffffcac9c90700",
    "00",
];

/// Kind of message (see the target), and captures of it.
const SOCKS: &[(u8, &[&str])] = &[
    (
        0,
        &["050100", "05020080", "050400028082", "05020002", "0500"],
    ),
    (1, &["0500", "0580", "05ff"]),
    (2, &["0104757365720470617373", "010000"]),
    (3, &["0100", "0101", "0500"]),
    (
        4,
        &[
            "05010001c00002010050",
            "050100030b6578616d706c652e636f6d01bb",
            "0501000420010db800000000000000000000000101bb",
            "05f3000100000000 14e9",
            "05f000030b6578616d706c652e636f6d0000",
            "0501000300 0050",
            "05010003093132372e302e302e310050",
        ],
    ),
    (5, &["05000001000000000000", "05050001000000000000"]),
    (
        6,
        &[
            "04010050c000020100",
            "04010050c00002016f70656e00",
            "0401005000000001006578616d706c652e636f6d00",
            "04010050000000016f70656e00302e302e302e3500",
        ],
    ),
    (7, &["005a000000000000", "005b000000000000"]),
    (8, &["01c00002010050", "030b6578616d706c652e636f6d01bb"]),
];

const RELAY_REQUESTS: &[&str] = &[
    "0101000a02000701c00002010050",
    "0101001202000f030b6578616d706c652e636f6d01bb",
    "0101001602001304 20010db8000000000000000000000001 01bb",
    "0101001f01000a0475736572047061737302000f030b6578616d706c652e636f6d01bb",
    "01010000",
    "0181000f040002000102000701080808080035",
    "01010017040002001002000f030b2f72756e2f782e736f636b0000",
    "01010017030014000102030405060708090a0b0c0d0e0f80000005",
    "0102000c0400020000020004030008ae",
];

const RELAY_RESPONSES: &[&str] = &["01000000", "01050000", "0100000a02000701c0000201 0050"];

/// Lines and binary headers of HAProxy's specification, each with what follows it, in pieces.
fn proxy_protocol() -> Vec<Seed> {
    let lines: [&[u8]; 4] = [
        b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET / HTTP/1.1\r\n",
        b"PROXY TCP6 2001:db8::1 ::ffff:10.0.0.1 0 80\r\n\x16\x03\x01",
        b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n",
        b"PROXY TCP4 10.0.0.01 10.0.0.2 1 65536\r\n",
    ];
    let lines = lines
        .iter()
        .enumerate()
        .map(|(n, line)| named(&format!("line-{n}"), &[&[2], *line]));
    lines.chain(under(&[1], PROXY_V2)).collect()
}

/// IPv4 with an extension, IPv6, a health check, a socket file, one that is too long.
const PROXY_V2: &[&str] = &[
    "0d0a0d0a000d0a515549540a 21110010 cb007107c0000201c7381f90 04000100 474554",
    "0d0a0d0a000d0a515549540a 21210024 20010db8000000000000000000000001 20010db8000000000000000000000002 000101bb",
    "0d0a0d0a000d0a515549540a 20000000 050100",
    "0d0a0d0a000d0a515549540a 21310000",
    "0d0a0d0a000d0a515549540a 21111001",
    "0d0a0d0a000d0a515549540a 21110004 01020304",
];
