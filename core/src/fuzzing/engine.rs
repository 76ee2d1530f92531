//! Scripts of everything that can happen to an engine, in any order.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::plans::{Choice, SERVICES};
use super::script::Script;
use super::templates::{FIXED, RAW, SPECIAL, frame, special};
use super::world::World;
use crate::error::{Cause, Eof};
use crate::time::Time;
use crate::wire::smux::{Command, Header, Update};
use crate::wire::websocket::{Decoder, Item};

/// Sockets and operations of one script: more only takes time.
const SOCKETS: usize = 24;
const OPERATIONS: usize = 300;

const CAUSES: [Cause; 5] = [
    Cause::Refused,
    Cause::TimedOut,
    Cause::Reset,
    Cause::NetUnreachable,
    Cause::NameNotFound,
];

pub fn engine(data: &[u8]) {
    let mut script = Script::new(data);
    let (a, b) = (script.option(), script.option());
    let choice = Choice::new(a, b);
    let mut world = World::new(choice.plan());
    world.flushing = a & 8 != 0;
    world.answering = a & 16 != 0;
    for _ in 0..OPERATIONS {
        if operation(&mut world, &choice, &mut script).is_none() {
            break;
        }
    }
    world.finish();
}

fn operation(world: &mut World, choice: &Choice, script: &mut Script) -> Option<()> {
    let op = script.byte()? % 15;
    match op {
        0 => {
            let service = usize::from(script.byte()?) % SERVICES;
            if world.sockets.len() < SOCKETS {
                world.accept(service);
            }
            return Some(());
        }
        6 => world.resolved(Ok(addresses(script.byte()?))),
        7 => world.resolved(Err(CAUSES[usize::from(script.byte()?) % CAUSES.len()])),
        8 => drop(world.tick(Time::MAX)),
        9 => world.pass(Duration::from_millis(u64::from(script.byte()?) * 100)),
        10 => {
            for at in 0..world.sockets.len() {
                while world.flush(at, usize::MAX) {}
            }
            world.pump();
        }
        11 => world.stop(),
        _ => {
            let at = pick(world, script.byte()?)?;
            on_socket(world, choice, script, op, at)?;
        }
    }
    Some(())
}

fn on_socket(
    world: &mut World,
    choice: &Choice,
    script: &mut Script,
    op: u8,
    at: usize,
) -> Option<()> {
    match op {
        1 => {
            let how = script.byte()?;
            let bytes = content(world, script, at)?;
            let bytes = wrap(world, choice, at, how, bytes);
            world.feed(at, &bytes);
        }
        2 => {
            let (how, command) = (script.byte()?, script.byte()?);
            let bytes = mux_frame(choice, command, script);
            let bytes = wrap(world, choice, at, how & !2, bytes);
            world.feed(at, &bytes);
        }
        3 => world.connected(at, Ok(())),
        4 => world.connected(at, Err(CAUSES[usize::from(script.byte()?) % CAUSES.len()])),
        5 => {
            let n = 1 + usize::from(script.byte()?) * 20;
            world.flush(at, n);
            world.pump();
        }
        12 => world.end(at, Eof::Fin),
        13 => world.end(at, Eof::Reset),
        _ => world.stale(at, script.byte()?),
    }
    Some(())
}

/// Counted from the newest socket: what was just connected is wanted most. `None` while there is none.
fn pick(world: &World, byte: u8) -> Option<usize> {
    let count = world.sockets.len();
    (count > 0).then(|| count - 1 - usize::from(byte) % count)
}

fn addresses(byte: u8) -> Vec<IpAddr> {
    let one = |n: u8| match n % 2 {
        0 => IpAddr::from([10, 0, 0, n]),
        _ => IpAddr::from(Ipv6Addr::LOCALHOST),
    };
    (0..byte % 4).map(one).collect()
}

/// A message by number, or bytes of the script.
fn content(world: &World, script: &mut Script, at: usize) -> Option<Vec<u8>> {
    let n = usize::from(script.byte()?);
    let socket = &world.sockets[at];
    if n < SPECIAL {
        let views = views(&socket.heard, socket.dialed.is_none());
        let views: Vec<&[u8]> = views.iter().map(Vec::as_slice).collect();
        return Some(special(n, &views, socket.dialed.is_none()));
    }
    if let Some(fixed) = FIXED.get(n - SPECIAL) {
        return Some(fixed.to_vec());
    }
    Some(script.bytes(n - RAW).to_vec())
}

/// What the engine said, and what it said inside of its websocket messages, and inside of those.
fn views(heard: &[u8], server: bool) -> Vec<Vec<u8>> {
    let mut views = vec![heard.to_vec()];
    for _ in 0..2 {
        let Some(view) = views.last().and_then(|view| inside(view, server)) else {
            break;
        };
        views.push(view);
    }
    views
}

fn inside(wire: &[u8], server: bool) -> Option<Vec<u8>> {
    let head = memchr::memmem::find(wire, b"\r\n\r\n")? + 4;
    let mut chunk = bytes::BytesMut::from(&wire[head..]);
    let mut decoder = Decoder::new(!server, true);
    let mut data = Vec::new();
    while let Ok(Some(item)) = decoder.next(&mut chunk) {
        if let Item::Data(piece) = item {
            data.extend_from_slice(&piece);
        }
    }
    Some(data)
}

/// Bits of `how`: 0 in a websocket message, 1 in an smux data frame inside of it, 2 to 4 the stream,
/// 5 as a first fragment, 6 as a last one, 7 in another websocket message around all.
fn wrap(world: &World, choice: &Choice, at: usize, how: u8, mut bytes: Vec<u8>) -> Vec<u8> {
    let masked = world.sockets[at].dialed.is_none();
    if how & 2 != 0 {
        let header = Header {
            version: choice.mux_version,
            command: Command::Psh,
            len: bytes.len().min(0xffff) as u16,
            stream: stream(how),
        };
        bytes.splice(0..0, header.encode());
    }
    if how & 1 != 0 {
        let first = match how >> 5 & 3 {
            0 => 0x82,
            1 => 0x02,
            2 => 0x80,
            _ => 0x81,
        };
        bytes = frame(first, &bytes, masked);
    }
    if how & 0x80 != 0 {
        bytes = frame(0x82, &bytes, masked);
    }
    bytes
}

fn stream(byte: u8) -> u32 {
    3 + 2 * u32::from(byte >> 2 & 7)
}

fn mux_frame(choice: &Choice, command: u8, script: &mut Script) -> Vec<u8> {
    let (kind, len) = match command & 3 {
        0 => (Command::Syn, 0),
        1 => (Command::Fin, 0),
        2 => (Command::Nop, 0),
        _ => (Command::Upd, 8),
    };
    let header = Header {
        version: choice.mux_version,
        command: kind,
        len,
        stream: stream(command),
    };
    let mut bytes = header.encode().to_vec();
    if kind == Command::Upd {
        let update = Update {
            consumed: u32::from(script.option()),
            window: u32::from(script.option()) << (command >> 5),
        };
        bytes.extend_from_slice(&update.encode());
    }
    bytes
}
