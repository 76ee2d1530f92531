//! smux: any bytes mean the same in any pieces, and two sessions lose nothing between them.

use std::collections::HashMap;

use bytes::BytesMut;

use super::script::{Cuts, Script, WHOLE};
use crate::buffer::{Rope, Seg};
use crate::error::Cause;
use crate::mux::{Event, Smux};
use crate::plan::Mux;
use crate::time::Time;

/// Streams of the client; the server never has a reason to refuse one.
const STREAMS: usize = 6;

pub fn smux(data: &[u8]) {
    let mut script = Script::new(data);
    let flags = script.option();
    let plan = Mux {
        version: 1 + (flags & 1),
        agree: false,
        max_frame: [1, 9, 100, 65535][usize::from(flags >> 2 & 3)],
        max_receive: [50, 1_000_000][usize::from(flags >> 4 & 1)],
        max_agreed: 1_000_000,
        max_stream: [20, 65536][usize::from(flags >> 5 & 1)],
        ..Mux::default()
    };
    match flags & 2 {
        0 => wire(plan, flags & 0x40 != 0, script),
        _ => pair(plan, script),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Said {
    Open(u32),
    Data(u32, Vec<u8>),
    Fin(u32),
    Failed(Cause),
}

fn wire(plan: Mux, client: bool, mut script: Script) {
    let cuts = Cuts::new(script.option());
    let bytes = script.rest();
    assert_eq!(
        read(plan.clone(), client, bytes, cuts),
        read(plan, client, bytes, WHOLE)
    );
}

/// What a session says that adopts what it is offered and takes what it gets.
fn read(plan: Mux, client: bool, bytes: &[u8], mut cuts: Cuts) -> Vec<Said> {
    let mut mux = Smux::new(plan, client, usize::MAX / 4, Time::ZERO);
    if client {
        for _ in 0..3 {
            let _ = mux.open(0);
        }
    }
    let mut said: Vec<Said> = Vec::new();
    cuts.feed(bytes, |piece| {
        let mut events = Vec::new();
        let result = mux.recv(BytesMut::from(piece), Time::ZERO, &mut events);
        for event in events {
            match event {
                Event::Open(id) => {
                    mux.adopt(id, id);
                    said.push(Said::Open(id));
                }
                Event::Data(id, data) => {
                    assert!(!data.is_empty());
                    mux.consumed(id, data.len(), Time::ZERO);
                    match said.last_mut() {
                        Some(Said::Data(last, joined)) if *last == id => {
                            joined.extend_from_slice(&data);
                        }
                        _ => said.push(Said::Data(id, data.to_vec())),
                    }
                }
                Event::Fin(id) => said.push(Said::Fin(id)),
                Event::Reset(_) | Event::Away => panic!("a signal without agreement"),
            }
        }
        if let Err(fail) = &result {
            said.push(Said::Failed(fail.cause));
        } else {
            mux.check();
        }
        result.is_ok()
    });
    said
}

/// One end of a pair, with what its streams have to say and what was heard on them.
struct End {
    mux: Smux<u32>,
    waiting: HashMap<u32, Rope>,
    sent: HashMap<u32, Vec<u8>>,
    heard: HashMap<u32, Vec<u8>>,
    unread: HashMap<u32, usize>,
    finished: Vec<u32>,
    told: Vec<u32>,
    wire: Vec<u8>,
}

impl End {
    fn new(plan: Mux, client: bool) -> Self {
        Self {
            mux: Smux::new(
                plan,
                client,
                if client { STREAMS } else { 1000 },
                Time::ZERO,
            ),
            waiting: HashMap::new(),
            sent: HashMap::new(),
            heard: HashMap::new(),
            unread: HashMap::new(),
            finished: Vec::new(),
            told: Vec::new(),
            wire: Vec::new(),
        }
    }

    fn write(&mut self, id: u32, bytes: &[u8]) {
        if self.mux.owner(id).is_none() || self.finished.contains(&id) {
            return;
        }
        let waiting = self.waiting.entry(id).or_default();
        waiting.push(Seg::copy_from(bytes));
        self.sent.entry(id).or_default().extend_from_slice(bytes);
        self.mux.wants_send(id);
    }

    /// Encodes one frame, if there is any.
    fn pump(&mut self) -> bool {
        let waiting = &mut self.waiting;
        let frame = self.mux.poll(Time::ZERO, |owner, max| {
            let Some(rope) = waiting.get_mut(&owner) else {
                return (None, false);
            };
            let seg = if max == 0 { None } else { rope.pop(max) };
            (seg, !rope.is_empty())
        });
        let Some(frame) = frame else {
            return false;
        };
        self.wire.extend(frame.parts().concat());
        true
    }

    fn receive(&mut self, bytes: &[u8]) {
        let mut events = Vec::new();
        self.mux
            .recv(BytesMut::from(bytes), Time::ZERO, &mut events)
            .unwrap_or_else(|fail| panic!("refused its like: {fail}"));
        for event in events {
            match event {
                Event::Open(id) => self.mux.adopt(id, id),
                Event::Data(id, data) => {
                    assert!(!self.told.contains(&id), "data behind the end");
                    self.heard.entry(id).or_default().extend_from_slice(&data);
                    *self.unread.entry(id).or_default() += data.len();
                }
                Event::Fin(id) => {
                    assert!(!self.told.contains(&id), "a second end");
                    self.told.push(id);
                }
                Event::Reset(_) | Event::Away => panic!("a signal without agreement"),
            }
        }
    }

    fn consume(&mut self, id: u32, n: usize) {
        let unread = self.unread.entry(id).or_default();
        let n = n.min(*unread);
        *unread -= n;
        self.mux.consumed(id, n, Time::ZERO);
    }

    fn release(&mut self, id: u32) {
        // What waits is not sent any more, and what comes is nobody's.
        self.waiting.remove(&id);
        self.unread.remove(&id);
        self.finished.push(id);
        self.mux.release(id);
    }
}

fn pair(plan: Mux, mut script: Script) {
    let mut ends = [End::new(plan.clone(), true), End::new(plan, false)];
    let mut released = Vec::new();
    while let Some(op) = script.byte() {
        let (who, id) = (usize::from(op >> 7), 3 + 2 * u32::from(op >> 3 & 7));
        match op & 7 {
            0 => {
                if let Ok(id) = ends[0].mux.open(0) {
                    ends[0].mux.adopt(id, id);
                }
            }
            1 => {
                let n = usize::from(script.option());
                ends[who].write(id, script.bytes(n));
            }
            2 => {
                if ends[who].mux.owner(id).is_some() {
                    ends[who].finished.push(id);
                    ends[who].mux.finish(id);
                }
            }
            3 => {
                if ends[who].mux.owner(id).is_some() {
                    released.push(id);
                    ends[who].release(id);
                }
            }
            4 => ends[who].consume(id, usize::from(script.option())),
            5 => drop(ends[who].pump()),
            6 => deliver(&mut ends, who, usize::from(script.option())),
            _ => ends[who].write(id, &[0x61; 5000]),
        }
        for end in &ends {
            end.mux.check();
        }
    }
    settle(&mut ends);
    for (from, to) in [(0, 1), (1, 0)] {
        for (id, sent) in &ends[from].sent {
            if released.contains(id) {
                continue;
            }
            let heard = ends[to].heard.get(id).map_or(&[][..], Vec::as_slice);
            assert_eq!(heard.len(), sent.len(), "stream {id}");
            assert_eq!(heard, sent, "stream {id}");
        }
        for id in ends[from]
            .finished
            .iter()
            .filter(|id| !released.contains(id))
        {
            assert!(ends[to].told.contains(id), "the end of stream {id} is lost");
        }
    }
}

fn deliver(ends: &mut [End; 2], from: usize, n: usize) {
    let n = n.min(ends[from].wire.len());
    let bytes: Vec<u8> = ends[from].wire.drain(..n).collect();
    ends[1 - from].receive(&bytes);
}

/// Everybody reads until nothing moves.
fn settle(ends: &mut [End; 2]) {
    for _ in 0..1_000_000 {
        let mut moved = false;
        for who in 0..2 {
            moved |= ends[who].pump() || !ends[who].wire.is_empty();
            deliver(ends, who, usize::MAX);
            let unread: Vec<(u32, usize)> = ends[1 - who].unread.drain().collect();
            for (id, n) in unread {
                ends[1 - who].mux.consumed(id, n, Time::ZERO);
            }
        }
        if !moved {
            return;
        }
    }
    panic!("two sessions do not come to rest");
}
