//! Websocket frames, compressed ones, and upgrades.

use super::{Seed, hex, named, under};

pub fn seeds() -> Vec<Seed> {
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
