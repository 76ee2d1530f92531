//! Seeds: the reference vectors, and scripts of whole connections.

use ginnel_core::fuzzing::RAW;

type Seed = (String, Vec<u8>);

pub fn seeds(target: &str) -> Vec<Seed> {
    match target {
        "deflate" => under(&[0], DEFLATE),
        "engine" => engine(),
        "handlers" => handlers(),
        "http1" => http1(),
        "proxy_protocol" => proxy_protocol(),
        "relay" => [under(&[0], RELAY_REQUESTS), under(&[1], RELAY_RESPONSES)].concat(),
        "smux" => smux(),
        "socks" => SOCKS
            .iter()
            .flat_map(|(kind, wires)| under(&[*kind], wires))
            .collect(),
        "ws" => ws(),
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

fn ws() -> Vec<Seed> {
    const PLAIN: &[&str] = &[
        "828537fa213d5f9f4d5158",
        "818237fa213dc804",
        "028337fa213d5f9f4d|898237fa213d5f93|808237fa213d5b95",
        "898037fa213d",
        "8a8037fa213d828137fa213d4f",
        "828037fa213d828137fa213d4f",
        "82fe000537fa213d5f9f4d5158",
        "82ff000000000000000537fa213d5f9f4d5158",
        "820568656c6c6f",
        "888237fa213d3412",
        "888537fa213d3412434452",
        "888037fa213d",
        "888137fa213d34",
        "888237fa213d3417",
        "c28537fa213d5f9f4d5158",
        "838537fa213d5f9f4d5158",
        "808537fa213d5f9f4d5158",
        "028337fa213d5f9f4d|828237fa213d5b95",
        "098237fa213d5f93",
        "82ff800000000000000537fa213d5f9f4d5158",
        "7b0568656c6c6f",
    ];
    const COMPRESSED: &[&str] = &[
        "c28700000000f248cdc9c90700",
        "428300000000f248cd|808400000000c9c90700",
        "82850000000068656c6c6f",
        "c2810000000000",
    ];
    const TO_CLIENT: &[&str] = &[
        "820568656c6c6f",
        "8900|8a00|880203e8",
        "010268 65|8903616263|80016c",
    ];
    const ENDS: &[&str] = &[
        "818037fa213d",
        "828537fa213d5f9f4d5158|018037fa213d|808037fa213d",
        "818037fa213d|898037fa213d|888237fa213d3412",
        "818037fa213d|828037fa213d",
        "818137fa213d4f",
        "888237fa213d3412",
    ];
    let request: &[u8] =
        b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let other: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let frame = hex("828537fa213d5f9f4d5158");
    let switching: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let mut seeds = [
        under(&[0, 1], PLAIN),
        under(&[2, 2], COMPRESSED),
        under(&[1, 3], TO_CLIENT),
        under(&[3, 3], &["c107f248cdc9c90700"]),
        under(&[0x20, 1], ENDS),
        under(&[0x21, 3], &["820161|8100|880203e8"]),
    ]
    .concat();
    seeds.push(named("upgrade", &[&[16, 2], request, &frame]));
    seeds.push(named("upgrade-second", &[&[20, 3], other, request, &frame]));
    seeds.push(named("upgrade-response", &[&[17, 2], switching]));
    seeds.push(named("fragments", &[&[8, 2], &[b'a'; 100]]));
    seeds
}

fn http1() -> Vec<Seed> {
    let wires: &[(&str, &[u8])] = &[
        (
            "get",
            b"GET http://h/a?b HTTP/1.1\r\nHost: h\r\nX-A: \xff b\r\n\r\nrest",
        ),
        ("legacy", b"GET / HTTP/1.0\r\n\r\n"),
        (
            "connect",
            b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n\x16\x03\x01",
        ),
        (
            "chunked",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
              3;a=b\r\nabc\r\n00a \r\n0123456789\r\n0\r\nT: 1\r\n\r\nGET",
        ),
        (
            "both",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        ),
        (
            "length",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
        ),
        ("empty-reason", b"HTTP/1.1 204 \r\nA:\r\n\r\n"),
        ("folded", b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n"),
        ("bare-lf", b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
        (
            "fields",
            b"GET / HTTP/1.1\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\n\r\n",
        ),
        ("trailer", b"5\r\nhello\r\n0\r\nContent-Length: 1\r\n\r\n"),
    ];
    let seed =
        |(name, wire): &(&str, &[u8])| named(name, &[&[u8::from(wire.len() < 100), 2], wire]);
    wires.iter().map(seed).collect()
}

fn smux() -> Vec<Seed> {
    const SERVER: &[&str] = &[
        "0100000003000000 010205000300000068656c6c6f 0101000003000000",
        "0103000000000000 0100000005000000 01020000 05000000",
        "01040800030000000000000000000000",
        "0105000003000000",
        "0200000003000000",
    ];
    const VERSION_2: &[&str] =
        &["0200000003000000 020201000300000061 0204080003000000 0100000000000100"];
    let mut seeds = [
        under(&[0x0c, 2], SERVER),
        under(&[0x0d, 2], VERSION_2),
        under(&[0x4c, 1], &["010203000300000061626301010000 03000000"]),
    ]
    .concat();
    // Open, write, both directions, read, end; see the target for the operations.
    let talk = [
        &[0, 1, 5][..],
        b"hello",
        &[5, 5, 6, 200, 0x81, 3],
        b"yes",
        &[0x85, 0x86, 200, 4, 9, 2, 5, 6, 99, 0x82, 3],
    ]
    .concat();
    for flags in [0x0e, 0x0f, 0x22, 0x23, 0x33] {
        seeds.push(named(&format!("pair-{flags:02x}"), &[&[flags], &talk]));
    }
    // More than any window, then more streams than there may be.
    let load = [
        0, 7, 5, 5, 6, 255, 0x87, 0x85, 0x86, 255, 0, 0, 0, 0, 0, 0, 0, 3, 0x83,
    ];
    seeds.push(named("pair-load", &[&[0x2b], &load]));
    seeds
}

/// A turn of the handlers' target: of the client if `who` is 0, else of the origin.
fn turn(who: u8, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in text.chunks(126) {
        out.push((piece.len() as u8) << 1 | who);
        out.extend_from_slice(piece);
    }
    out
}

fn handlers() -> Vec<Seed> {
    let request: &[u8] = b"GET http://h/1 HTTP/1.1\r\nHost: h\r\n\r\n";
    let post: &[u8] =
        b"POST http://h/2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: 1\r\n\r\n";
    let answer: &[u8] = b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let chunked: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n00a \r\n0123456789\r\n0\r\nX: y\r\n\r\n";
    let legacy: &[u8] = b"GET http://h/ HTTP/1.0\r\n\r\n";
    let upgrade: &[u8] = b"GET http://h/ HTTP/1.1\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
    let switched: &[u8] = b"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw";
    let until_end: &[u8] = b"HTTP/1.1 200 OK\r\n\r\nuntil the end";
    let connect: &[u8] = b"CONNECT h:1 HTTP/1.1\r\n\r\nearly";
    let socks5: &[u8] = b"\x05\x01\x00\x05\x01\x00\x03\x06a.test\x00\x50data";
    let socks4: &[u8] = b"\x04\x01\x00\x50\x00\x00\x00\x01u\x00a.test\x00data";
    let relay: &[u8] = b"\x01\x01\x00\x0d\x02\x00\x0a\x03\x06a.test\x00\x50data";
    let talks: &[(&str, u8, &[&[u8]])] = &[
        ("http-get", 1, &[request, answer]),
        ("http-keep", 1, &[request, answer, post, chunked]),
        ("http-post", 1, &[post, chunked]),
        ("http-legacy", 1, &[legacy, chunked]),
        ("http-upgrade", 1, &[upgrade, switched, b"more"]),
        ("http-until-end", 1, &[request, until_end]),
        ("http-connect", 1, &[connect, b"banner", b"more"]),
        ("auto-http", 0, &[request, answer]),
        ("auto-socks5", 0, &[socks5, b"answer"]),
        ("auto-socks4", 0, &[socks4, b"answer"]),
        ("socks4", 2, &[socks4, b"answer"]),
        ("socks5", 3, &[socks5, b"answer"]),
        (
            "socks5-users",
            3 | 0x20,
            &[b"\x05\x01\x02\x01\x01u\x01p", b"", &socks5[3..], b"answer"],
        ),
        ("relay", 4, &[relay, b"answer"]),
        (
            "relay-users",
            4 | 0x20,
            &[
                b"\x01\x01\x00\x14\x01\x00\x04\x01u\x01p\x02\x00\x0a\x03\x06a.test\x00\x50",
                b"",
            ],
        ),
        ("forward", 5, &[b"hello", b"answer"]),
    ];
    let seed = |(name, options, talk): &(&str, u8, &[&[u8]])| {
        let mut bytes = vec![*options, 2];
        for (number, text) in talk.iter().enumerate() {
            bytes.extend(turn((number % 2) as u8, text));
        }
        bytes.extend([0xff, 0xfe]);
        ((*name).to_owned(), bytes)
    };
    talks.iter().map(seed).collect()
}

const FLUSH: u8 = 8;
const ANSWER: u8 = 16;
const VERSION_2: u8 = 64;
const SMALL: u8 = 128;

/// Services by channel.
const TCP: u8 = 0;
const WS: u8 = 6;
const MWS: u8 = 12;
/// Handlers.
const HTTP: u8 = 1;
const SOCKS5: u8 = 3;
const RELAY: u8 = 4;
const FORWARD: u8 = 5;

/// Messages of the target by number: 2000 and 60 000 bytes.
const LONG: u8 = RAW as u8 - 2;
const LONGER: u8 = RAW as u8 - 1;

const NEWEST: u8 = 0;
const IN_WS: u8 = 1;
const IN_MUX: u8 = 3;

fn accept(service: u8) -> Vec<u8> {
    vec![0, service]
}

fn say(socket: u8, how: u8, text: &[u8]) -> Vec<u8> {
    [&[1, socket, how, RAW as u8 + text.len() as u8], text].concat()
}

fn template(socket: u8, how: u8, number: u8) -> Vec<u8> {
    vec![1, socket, how, number]
}

fn syn(socket: u8) -> Vec<u8> {
    vec![2, socket, IN_WS, 0]
}

fn engine() -> Vec<Seed> {
    const CONNECT: &[u8] = b"\x05\x01\x00\x03\x06a.test\x00\x50";
    const RELAYED: &[u8] = b"\x01\x01\x00\x0d\x02\x00\x0a\x03\x06a.test\x00\x50";
    let greeting: &[u8] = b"\x05\x01\x00";
    let http: &[u8] = b"GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let easy = FLUSH | ANSWER;
    let scripts: &[(&str, u8, u8, &[Vec<u8>])] = &[
        (
            "forward",
            easy,
            0,
            &[
                accept(TCP + FORWARD),
                say(1, 0, b"ping"),
                say(NEWEST, 0, b"pong"),
                vec![12, NEWEST, 12, 1],
            ],
        ),
        (
            "socks5-slow",
            0,
            0x0c,
            &[
                accept(TCP + SOCKS5),
                say(NEWEST, 0, greeting),
                vec![10],
                say(NEWEST, 0, CONNECT),
                vec![6, 2, 4, NEWEST, 0, 3, NEWEST, 10],
                say(NEWEST, 0, b"banner"),
                vec![5, 1, 0, 9, 250, 13, NEWEST, 8, 8],
            ],
        ),
        (
            "http",
            easy,
            0,
            &[
                accept(TCP + HTTP),
                say(NEWEST, 0, http),
                say(NEWEST, 0, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
                say(1, 0, http),
                vec![9, 255, 9, 255],
            ],
        ),
        (
            "ws-socks5",
            easy,
            0x20,
            &[
                accept(WS + SOCKS5),
                template(NEWEST, 0, 0),
                say(NEWEST, IN_WS, greeting),
                say(NEWEST, IN_WS, CONNECT),
                template(NEWEST, 0, LONGER),
                template(1, 0, 6),
                vec![9, 255, 12, 1, 9, 255],
            ],
        ),
        (
            "ws-compressed",
            easy,
            0x81,
            &[
                accept(WS + FORWARD),
                template(NEWEST, 0, 2),
                template(1, 0, 9),
                template(NEWEST, 0, LONG),
                template(1, 0, 7),
            ],
        ),
        (
            "mws-socks5",
            easy,
            0,
            &[
                accept(MWS + SOCKS5),
                template(NEWEST, 0, 1),
                syn(NEWEST),
                say(NEWEST, IN_MUX, greeting),
                say(NEWEST, IN_MUX, CONNECT),
                say(NEWEST, 0, b"answer"),
                vec![2, 1, IN_WS, 1, 12, NEWEST],
            ],
        ),
        (
            "mws-flood",
            SMALL | VERSION_2 | ANSWER,
            0,
            &[
                accept(MWS + FORWARD),
                template(NEWEST, 0, 0),
                syn(NEWEST),
                template(NEWEST, 0, LONGER),
                template(1, IN_MUX, LONG),
                vec![10, 10, 8, 8, 11],
            ],
        ),
        (
            "chain-http",
            easy | 1,
            0x10,
            &[
                accept(TCP + SOCKS5),
                say(NEWEST, 0, greeting),
                say(NEWEST, 0, CONNECT),
                say(NEWEST, 0, b"HTTP/1.1 200 OK\r\n\r\nbanner"),
                say(1, 0, b"hello"),
            ],
        ),
        (
            "chain-ws",
            easy | 2,
            0,
            &[
                accept(TCP + FORWARD),
                template(NEWEST, 0, 3),
                say(NEWEST, IN_WS, b"\x05\x00"),
                say(
                    NEWEST,
                    IN_WS,
                    b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00banner",
                ),
                say(1, 0, b"hello"),
                vec![12, 1, 12, NEWEST],
            ],
        ),
        (
            "chain-mws",
            easy | 3,
            0x02,
            &[
                accept(TCP + FORWARD),
                template(NEWEST, 0, 4),
                say(NEWEST, IN_MUX, b"\x01\x00\x00\x00banner"),
                accept(TCP + FORWARD),
                say(1, IN_MUX | 4, b"\x01\x00\x00\x00"),
                say(NEWEST, 0, b"hello"),
                vec![12, 2, 9, 255, 13, 1],
            ],
        ),
        (
            "chain-lazy",
            easy | 3,
            0x00,
            &[
                accept(TCP + FORWARD),
                say(NEWEST, 0, b"early"),
                template(NEWEST, 0, 3),
                say(NEWEST, IN_MUX, b"\x01\x05\x00\x00"),
            ],
        ),
        (
            "chain-nested",
            easy | 5 | VERSION_2,
            0,
            &[
                accept(TCP + FORWARD),
                template(NEWEST, 0, 3),
                say(NEWEST, IN_WS, b"\x01\x00\x00\x00"),
                template(NEWEST, IN_WS, 3),
                say(NEWEST, 0x80 | IN_MUX, b"\x05\x00"),
                say(
                    NEWEST,
                    0x80 | IN_MUX,
                    b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00banner",
                ),
            ],
        ),
        (
            "chain-mws-ws",
            easy | 6,
            0,
            &[
                accept(TCP + FORWARD),
                template(NEWEST, 0, 4),
                say(NEWEST, IN_MUX, b"HTTP/1.1 200 OK\r\n\r\n"),
                template(NEWEST, IN_MUX, 3),
                vec![8, 8, 8, 13, NEWEST],
            ],
        ),
        (
            "relay-stop",
            0,
            0,
            &[
                accept(TCP + RELAY),
                say(NEWEST, 0, RELAYED),
                vec![6, 1, 3, NEWEST, 11, 14, NEWEST, 0, 8, 8],
            ],
        ),
    ];
    scripts
        .iter()
        .map(|(name, a, b, script)| {
            (
                (*name).to_owned(),
                [&[*a, *b][..], &script.concat()].concat(),
            )
        })
        .collect()
}
