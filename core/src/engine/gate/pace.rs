//! Bytes a second of a service's clients: those of their sockets, below all layers. What may be read is told by
//! `interest`, what may be written by `transmit`. Whoever has to wait is woken by one timer a service, which
//! runs only while a bucket is empty.

use std::time::Duration;

use super::{Gates, IN, OUT, TICK};
use crate::engine::{Engine, Key, LinkId};
use crate::route::limiter::Bucket;
use crate::time::Time;

/// Less than what comes in this time is not worth a system call.
const LEAST: Duration = Duration::from_millis(10);

impl Gates {
    fn buckets(&self, id: LinkId, side: usize) -> impl Iterator<Item = &Bucket> {
        let pass = self.links.get(id);
        let gate = pass.and_then(|pass| self.services.get(&pass.service));
        let client = gate.and_then(|gate| gate.clients.get(&pass?.client?));
        let all = [
            pass.map(|pass| &pass.traffic),
            gate.map(|gate| &gate.traffic),
            client.map(|client| &client.traffic),
        ];
        all.into_iter()
            .flatten()
            .filter_map(move |buckets| buckets[side].as_ref())
    }

    /// Bytes that may be taken now; 0 while it is little.
    fn room(&self, id: LinkId, side: usize, now: Time) -> usize {
        let rooms = self.buckets(id, side).map(|bucket| {
            let room = bucket.available(now);
            if room < bucket.share(LEAST) { 0 } else { room }
        });
        rooms.min().map_or(usize::MAX, |room| {
            usize::try_from(room).unwrap_or(usize::MAX)
        })
    }

    pub(in crate::engine) fn room_in(&self, id: LinkId, now: Time) -> usize {
        match self.links.is_empty() {
            true => usize::MAX,
            false => self.room(id, IN, now),
        }
    }

    pub(in crate::engine) fn room_out(&self, id: LinkId, now: Time) -> usize {
        match self.links.is_empty() {
            true => usize::MAX,
            false => self.room(id, OUT, now),
        }
    }
}

impl Engine {
    pub(in crate::engine) fn count_in(&mut self, id: LinkId, n: usize) {
        self.spend(id, IN, n);
    }

    pub(in crate::engine) fn count_out(&mut self, id: LinkId, n: usize) {
        self.spend(id, OUT, n);
    }

    fn spend(&mut self, id: LinkId, side: usize, n: usize) {
        let now = self.now;
        let Some(pass) = self.gates.links.get_mut(id) else {
            return;
        };
        let service = pass.service;
        let Some(gate) = self.gates.services.get_mut(&service) else {
            return;
        };
        let client = pass.client.and_then(|ip| gate.clients.get_mut(&ip));
        let all = [
            Some(&mut pass.traffic),
            Some(&mut gate.traffic),
            client.map(|client| &mut client.traffic),
        ];
        for buckets in all.into_iter().flatten() {
            if let Some(bucket) = &mut buckets[side] {
                bucket.take(n as u64, now);
            }
        }
        if self.gates.room(id, side, now) == 0 {
            self.gate_timer(service);
        }
    }

    fn gate_timer(&mut self, service: usize) {
        if let Some(gate) = self.gates.services.get_mut(&service)
            && gate.armed.is_none()
        {
            let at = Some(self.now + TICK);
            self.timers.arm(Key::Gate(service), &mut gate.armed, at);
        }
    }

    /// Everybody may look again, each time another one first: whoever is first takes most.
    pub(in crate::engine) fn gate_timeout(&mut self, service: usize) {
        let Some(gate) = self.gates.services.get_mut(&service) else {
            return;
        };
        gate.armed = None;
        gate.turn = gate.turn.wrapping_add(1);
        let turn = gate.turn;
        let links = self.gates.links.iter();
        let mut ids: Vec<LinkId> = links
            .filter(|(_, pass)| pass.service == service)
            .map(|(id, _)| id)
            .collect();
        let Some(first) = turn.checked_rem(ids.len()) else {
            return;
        };
        ids.rotate_left(first);
        let mut short = false;
        for id in ids {
            let gates = &self.gates;
            short |= gates.room(id, IN, self.now) == 0 || gates.room(id, OUT, self.now) == 0;
            self.wake(id);
        }
        if short {
            self.gate_timer(service);
        }
    }
}
