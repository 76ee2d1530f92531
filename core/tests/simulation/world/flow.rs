//! Bytes and ends on their way through the pipes.

use std::io::IoSlice;

use ginnel_core::bytes::BytesMut;
use ginnel_core::engine::Splice;
use ginnel_core::error::Eof;

use super::{Owner, World};
use crate::program::Said;
use crate::weather::{Cargo, PAUSE};

impl World {
    pub fn step_end(&mut self, c: usize, end: usize) -> bool {
        if matches!(self.connections[c].owners[end], Owner::Engine(e, _) if self.sleeps(e)) {
            return false;
        }
        if self.connections[c].reset_news[end] && !self.is_dark(c) {
            // A write may be the first to find out.
            if let Owner::Engine(e, id) = self.connections[c].owners[end]
                && self.random.chance(2)
            {
                self.engines[e].handle_broken(id, self.now);
                self.act(e);
            }
            self.connections[c].reset_news[end] = false;
            self.deliver_end(c, end, Eof::Reset);
            return true;
        }
        if self.connections[c].reset || self.connections[c].owners[end] == Owner::Nobody {
            return false;
        }
        if end == 1 && self.accept(c) {
            return true;
        }
        if self.connections[c].hole || self.connections[c].stopped {
            return self.write(c, end);
        }
        let reads_first = self.random.below(2) == 0;
        if reads_first && self.read(c, end) {
            return true;
        }
        self.write(c, end) || (!reads_first && self.read(c, end))
    }

    fn read(&mut self, c: usize, end: usize) -> bool {
        let random = &mut self.random;
        let connection = &mut self.connections[c];
        let pipe = &mut connection.pipes[end];
        if pipe.stalled || pipe.paused.is_some() {
            return false;
        }
        // What comes before it is accepted waits in the system, the end as well.
        if let Owner::Backlog(..) = connection.owners[end] {
            return false;
        }
        if pipe.bytes.is_empty() {
            if !pipe.fin || pipe.fin_delivered {
                if let (true, Owner::Engine(e, id)) = (pipe.fin_delivered, connection.owners[end]) {
                    let read = self.engines[e].interest(id).read;
                    assert_eq!(
                        read, 0,
                        "reading is wanted behind the end: a driver would spin"
                    );
                }
                return false;
            }
            if let Owner::Engine(e, id) = connection.owners[end] {
                connection.asleep[end] |= self.engines[e].interest(id).read == 0;
                if connection.asleep[end] {
                    return false;
                }
            }
            pipe.fin_delivered = true;
            self.deliver_end(c, end, Eof::Fin);
            return true;
        }
        if random.below(200) == 0 {
            pipe.stalled = true;
            return true;
        }
        if matches!(connection.owners[end], Owner::Program(_)) && self.sky.weather.pauses(random) {
            pipe.paused = Some(self.now + PAUSE);
            return true;
        }
        let cut = match random.below(4) {
            0 => 1,
            1 => 1 + random.below(20),
            2 => 1 + random.below(1500),
            _ => usize::MAX,
        };
        match connection.owners[end] {
            Owner::Engine(e, id) => {
                let max = self.engines[e].interest(id).read;
                connection.asleep[end] |= max == 0;
                if connection.asleep[end] {
                    return false;
                }
                // A driver that has no pipe reads instead.
                if let Some(Splice { to, max }) = self.engines[e].splice(id)
                    && !random.chance(5)
                {
                    let n = pipe.bytes.len().min(cut).min(max);
                    let piped = self.piped.entry((e, to)).or_default();
                    assert!(piped.is_empty(), "something waits in the pipe");
                    piped.extend(pipe.bytes.drain(..n));
                    self.spliced += n as u64;
                    self.engines[e].handle_spliced(id, n, self.now);
                    self.act(e);
                    return true;
                }
                let n = pipe.bytes.len().min(cut).min(max);
                let chunk: Vec<u8> = pipe.bytes.drain(..n).collect();
                self.engines[e].handle_input(id, BytesMut::from(&chunk[..]), self.now);
                self.act(e);
            }
            Owner::Program(p) => {
                let n = pipe.bytes.len().min(cut);
                let chunk: Vec<u8> = pipe.bytes.drain(..n).collect();
                self.programs[p].received(&chunk);
            }
            Owner::Backlog(..) => return false,
            Owner::Nobody => pipe.bytes.clear(),
        }
        true
    }

    fn write(&mut self, c: usize, end: usize) -> bool {
        let mut room = self
            .capacity
            .saturating_sub(self.connections[c].pipes[1 - end].holds());
        // A slow path would soon be full of single bytes; systems wait for a third of their buffer, too.
        if self.sky.weather.rate.is_some() && room < self.capacity / 3 {
            room = 0;
        }
        match self.connections[c].owners[end] {
            Owner::Engine(e, id) => {
                let mut slices = [IoSlice::new(&[]); 4];
                let used = self.engines[e].transmit(id, &mut slices);
                let mut offered: Vec<u8> = slices[..used]
                    .iter()
                    .flat_map(|slice| slice.iter().copied())
                    .collect();
                let outside = match used {
                    0 => self.engines[e].outside(id),
                    _ => 0,
                };
                if outside > 0 {
                    offered.extend(self.piped[&(e, id)].range(..outside));
                }
                if offered.is_empty() {
                    let fin = self.engines[e].interest(id).fin;
                    return fin && self.send(c, 1 - end, Cargo::Fin);
                }
                if room == 0 {
                    return false;
                }
                let n = offered.len().min(room).min(1 + self.random.below(40_000));
                if outside > 0 {
                    let piped = self.piped.get_mut(&(e, id)).expect("a pipe");
                    piped.drain(..n);
                }
                self.send(c, 1 - end, Cargo::Bytes(offered[..n].to_vec()));
                self.engines[e].handle_sent(id, n, self.now);
                self.act(e);
                true
            }
            Owner::Program(p) => {
                if self.has_fin(c, 1 - end) || room == 0 {
                    return false;
                }
                match self.programs[p].says(&mut self.random, room) {
                    Said::Nothing => false,
                    Said::Bytes(bytes) => self.send(c, 1 - end, Cargo::Bytes(bytes)),
                    Said::Fin => self.send(c, 1 - end, Cargo::Fin),
                    Said::Reset => {
                        self.resets += 1;
                        self.reset(c, end);
                        true
                    }
                }
            }
            Owner::Nobody | Owner::Backlog(..) => false,
        }
    }

    pub(super) fn unstall(&mut self) -> bool {
        let mut any = false;
        for connection in &mut self.connections {
            for pipe in &mut connection.pipes {
                any |= std::mem::take(&mut pipe.stalled);
            }
        }
        any
    }

    fn deliver_end(&mut self, c: usize, end: usize, how: Eof) {
        match self.connections[c].owners[end] {
            Owner::Engine(e, id) => {
                self.engines[e].handle_eof(id, how, self.now);
                self.act(e);
            }
            Owner::Program(p) => self.programs[p].ended(how),
            Owner::Nobody | Owner::Backlog(..) => {}
        }
    }

    /// The end `by` resets the connection: what is under way is lost.
    pub fn reset(&mut self, c: usize, by: usize) {
        let connection = &mut self.connections[c];
        connection.reset = true;
        connection.owners[by] = Owner::Nobody;
        let told = !connection.hole && connection.owners[1 - by] != Owner::Nobody;
        connection.reset_news[1 - by] = told;
        for pipe in &mut connection.pipes {
            pipe.bytes.clear();
            pipe.transit.clear();
        }
    }
}
