//! Bytes a second of a service's clients: those of their sockets, below all layers. What may be read is told by
//! `interest`, what may be written by `transmit`. Whoever has to wait is woken by one timer a service, which
//! runs only while a bucket is empty.

use std::time::Duration;

use super::{Admission, IN, OUT, TICK};
use crate::engine::{Engine, Key, LinkId};
use crate::route::limiter::Bucket;
use crate::time::Time;

/// Less than what comes in this time is not worth a system call.
const LEAST: Duration = Duration::from_millis(10);

impl Admission {
    fn buckets(&self, id: LinkId, side: usize) -> impl Iterator<Item = &Bucket> {
        let pass = self.links.get(id);
        let tally = pass.and_then(|pass| self.services.get(&pass.service));
        let client = tally.and_then(|tally| tally.clients.get(&pass?.client?));
        let all = [
            pass.map(|pass| &pass.traffic),
            tally.map(|tally| &tally.traffic),
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
        let Some(pass) = self.admission.links.get_mut(id) else {
            return;
        };
        let service = pass.service;
        let Some(tally) = self.admission.services.get_mut(&service) else {
            return;
        };
        let client = pass.client.and_then(|ip| tally.clients.get_mut(&ip));
        let all = [
            Some(&mut pass.traffic),
            Some(&mut tally.traffic),
            client.map(|client| &mut client.traffic),
        ];
        for buckets in all.into_iter().flatten() {
            if let Some(bucket) = &mut buckets[side] {
                bucket.take(n as u64, now);
            }
        }
        if self.admission.room(id, side, now) == 0 {
            self.traffic_timer(service);
        }
    }

    fn traffic_timer(&mut self, service: usize) {
        if let Some(tally) = self.admission.services.get_mut(&service)
            && tally.armed.is_none()
        {
            let at = Some(self.now + TICK);
            self.timers.arm(Key::Traffic(service), &mut tally.armed, at);
        }
    }

    /// Everybody may look again, each time another one first: whoever is first takes most.
    pub(in crate::engine) fn traffic_timeout(&mut self, service: usize) {
        let Some(tally) = self.admission.services.get_mut(&service) else {
            return;
        };
        tally.armed = None;
        tally.turn = tally.turn.wrapping_add(1);
        let turn = tally.turn;
        let links = self.admission.links.iter();
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
            let admission = &self.admission;
            short |=
                admission.room(id, IN, self.now) == 0 || admission.room(id, OUT, self.now) == 0;
            self.wake(id);
        }
        if short {
            self.traffic_timer(service);
        }
    }
}
