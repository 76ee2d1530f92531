//! A handler with its clients and targets: the same bytes in any pieces give the same conversation.

use std::net::SocketAddr;

use super::plans::{Choice, HANDLERS};
use super::script::{Cuts, Script, WHOLE};
use super::world::{State, World};
use crate::error::Eof;
use crate::plan::HandlerKind;

/// Turns of one conversation.
const TURNS: usize = 40;

/// What one side says at once.
enum Turn<'a> {
    Client(&'a [u8]),
    /// On the connection that the engine made last.
    Target(&'a [u8]),
    ClientEnd,
    TargetEnd,
}

pub fn handlers(data: &[u8]) {
    let mut script = Script::new(data);
    let (options, seed) = (script.option(), script.option());
    let service = usize::from(options & 7) % HANDLERS.len();
    let choice = Choice {
        chain: 0,
        ..Choice::new(options & 0xa0, 0)
    };
    let turns = turns(script);
    let cuts = Cuts::new(seed);
    let whole = converse(&choice, service, &turns, [WHOLE; 2]);
    // Whether a target's bytes are an answer or come too early may depend on when they come.
    let target = match HANDLERS[service] {
        HandlerKind::Auto | HandlerKind::Http if requests(&turns) > 1 => WHOLE,
        _ => cuts,
    };
    let cut = converse(&choice, service, &turns, [cuts, target]);
    assert_eq!(cut, whole);
}

fn turns(mut script: Script) -> Vec<Turn> {
    let mut turns = Vec::new();
    while turns.len() < TURNS
        && let Some(kind) = script.byte()
    {
        let n = usize::from(kind >> 1);
        turns.push(match kind {
            0xfe => Turn::ClientEnd,
            0xff => Turn::TargetEnd,
            _ if kind & 1 == 0 => Turn::Client(script.bytes(n)),
            _ => Turn::Target(script.bytes(n)),
        });
    }
    turns
}

fn requests(turns: &[Turn]) -> usize {
    let said = turns.iter().filter_map(|turn| match turn {
        Turn::Client(bytes) => Some(*bytes),
        _ => None,
    });
    memchr::memmem::find_iter(&said.collect::<Vec<_>>().concat(), b"HTTP/1").count()
}

/// Each connection: where to, what the engine said on it, whether it ended its direction, how it is now.
type Transcript = Vec<(Option<SocketAddr>, String, bool, State)>;

fn converse(choice: &Choice, service: usize, turns: &[Turn], cuts: [Cuts; 2]) -> Transcript {
    let mut world = World::new(choice.plan());
    (world.flushing, world.answering, world.recording) = (true, true, true);
    world.accept(service);
    let [mut client, mut target] = cuts;
    for turn in turns {
        match turn {
            Turn::Client(bytes) => client.feed(bytes, |piece| {
                world.feed(0, piece);
                true
            }),
            Turn::Target(bytes) => {
                let at = world.sockets.len() - 1;
                if at > 0 {
                    target.feed(bytes, |piece| {
                        world.feed(at, piece);
                        true
                    });
                }
            }
            Turn::ClientEnd => world.end(0, Eof::Fin),
            Turn::TargetEnd => {
                let at = world.sockets.len() - 1;
                if at > 0 {
                    world.end(at, Eof::Fin);
                }
            }
        }
    }
    let said = world.sockets.iter().map(|socket| {
        let heard = socket.heard.escape_ascii().to_string();
        (socket.dialed, heard, socket.shut, socket.state)
    });
    let transcript = said.collect();
    world.finish();
    transcript
}
