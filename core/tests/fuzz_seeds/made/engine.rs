//! Scripts of the engine: sockets that come, what is said on them, and time.

use ginnel_core::fuzzing::RAW;

use super::Seed;

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

pub fn seeds() -> Vec<Seed> {
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
