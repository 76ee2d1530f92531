//! smux frames, and scripts of two sessions.

use super::{Seed, named, under};

pub fn seeds() -> Vec<Seed> {
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
