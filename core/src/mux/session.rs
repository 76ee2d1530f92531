//! One smux session: streams, their windows, the shared receive budget, keep-alive, and whose turn it is.
//!
//! Payload is not kept here. Received pieces are passed on as they arrive; what is to be sent stays
//! with the stream's owner until the session has room for a frame ([`Smux::poll`]).
//!
//! ```text
//! stream: open ── our FIN sent ──► half-closed (local) ── their FIN ──► gone
//!           └──── their FIN ─────► half-closed (remote) ── our FIN ───► gone
//!         at any time ─────────── RST of either side ─────────────────► gone
//! ```

mod keepalive;
mod receive;
mod send;
mod share;
mod signals;
mod window;

use std::collections::{BTreeMap, VecDeque};

use bytes::BytesMut;

use crate::error::{Cause, Fail};
use crate::flood::Flood;
use crate::plan::Mux;
use crate::time::Time;
use crate::wire::smux::{HEADER, INITIAL_WINDOW, UPDATE};

/// What arrived, by stream id.
#[derive(Debug)]
pub enum Event {
    /// The peer opened a stream: adopt it with [`Smux::adopt`], or [`Smux::release`] it.
    Open(u32),
    Data(u32, BytesMut),
    Fin(u32),
    /// The peer has given up this stream; what came of it may be incomplete.
    Reset(u32),
    /// The peer wants no new streams.
    Away,
}

/// A session in either role, generic over the owner's key.
pub struct Smux<K> {
    plan: Mux,
    client: bool,
    max_streams: usize,
    /// The peer knows RST and AWAY.
    signals: bool,
    /// AWAY is to be sent; it came.
    says_away: bool,
    is_away: bool,
    /// New streams are refused.
    refuses: bool,
    /// An unfinished header or UPD payload.
    partial: [u8; HEADER + UPDATE],
    partial_len: usize,
    /// Payload of a PSH frame still to come, and whose it is.
    payload: usize,
    payload_of: Option<u32>,
    streams: BTreeMap<u32, Box<Stream<K>>>,
    /// 64 bits: the last id must not wrap.
    next_id: u64,
    /// Small frames that go before data; each stream has at most one of a kind in here.
    control: VecDeque<(u32, Control)>,
    /// Streams with something to send, in turn.
    ready: VecDeque<u32>,
    nop: bool,
    /// Room for unread bytes of all streams; may go below zero by one read.
    budget: i64,
    share: share::Share,
    flood: Flood,
    last_rx: Time,
    last_tx: Time,
    paused: bool,
}

struct Stream<K> {
    /// `None` until it is adopted.
    owner: Option<K>,
    /// The owner is gone; removed once its FIN is sent.
    abandoned: bool,
    ready: bool,
    fin: Fin,
    fin_received: bool,
    /// An RST is sent in place of the FIN.
    reset: bool,
    /// Version 2, our data: sent, acknowledged, and the peer's window.
    sent: u32,
    acked: u32,
    window: u32,
    /// Version 2, their data: handed on, and how much of it since the last UPD.
    read: u32,
    unreported: u32,
    update: bool,
    /// Received and not yet consumed.
    unread: usize,
    /// Unread bytes exceed the stream's share.
    over: bool,
    /// When the owner last took something, or the stream went over its share.
    moved: Time,
    /// Version 2: the window that the peer knows.
    granted: u32,
    /// The largest one it was ever told.
    ceiling: u32,
    /// As far as it was ever allowed to send. A smaller window than the last one takes nothing back: what is on
    /// its way comes.
    end: u32,
    growth: window::Growth,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fin {
    None,
    Wanted,
    Sent,
    /// Not to be sent: the peer has forgotten the stream.
    Void,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Control {
    Syn,
    Upd,
}

impl<K: Copy + PartialEq> Smux<K> {
    /// Bytes of a stream's state.
    #[cfg(test)]
    pub(crate) const STREAM: usize = size_of::<Stream<K>>();

    pub fn new(plan: Mux, client: bool, max_streams: usize, now: Time) -> Self {
        Self {
            budget: plan.max_receive as i64,
            share: share::Share::default(),
            flood: Flood::default(),
            plan,
            client,
            max_streams,
            signals: false,
            says_away: false,
            is_away: false,
            refuses: false,
            partial: [0; HEADER + UPDATE],
            partial_len: 0,
            payload: 0,
            payload_of: None,
            streams: BTreeMap::new(),
            next_id: if client { 3 } else { 2 },
            control: VecDeque::new(),
            ready: VecDeque::new(),
            nop: false,
            last_rx: now,
            last_tx: now,
            paused: false,
        }
    }

    /// Streams in use.
    pub fn streams(&self) -> usize {
        self.streams
            .values()
            .filter(|stream| !stream.abandoned)
            .count()
    }

    pub fn owner(&self, id: u32) -> Option<K> {
        self.streams.get(&id)?.owner
    }

    pub fn owners(&self) -> impl Iterator<Item = K> {
        self.streams.values().filter_map(|stream| stream.owner)
    }

    /// Whether another stream may be opened here; ids are not reused.
    pub fn can_open(&self) -> bool {
        !self.is_away
            && self.next_id <= u64::from(u32::MAX)
            && self.streams.len() < self.max_streams
    }

    /// Opens a stream. It is registered before its SYN leaves: an acceptor that speaks first loses nothing.
    pub fn open(&mut self, owner: K) -> Result<u32, Fail> {
        if !self.can_open() {
            return Err(Fail::new(
                Cause::Limit,
                format!("mux session is full: {} streams", self.streams.len()),
            ));
        }
        let id = self.next_id as u32;
        self.next_id += 2;
        let stream = self.stream(Some(owner));
        self.streams.insert(id, stream);
        self.control.push_back((id, Control::Syn));
        self.greet(id);
        Ok(id)
    }

    pub fn adopt(&mut self, id: u32, owner: K) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.owner = Some(owner);
        }
        self.greet(id);
    }

    /// The owner of `id` has data waiting.
    pub fn wants_send(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id)
            && !stream.ready
        {
            stream.ready = true;
            self.ready.push_back(id);
        }
    }

    /// A FIN follows the data that waits.
    pub fn finish(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id)
            && stream.fin == Fin::None
        {
            stream.fin = Fin::Wanted;
            self.wants_send(id);
        }
    }

    /// The owner is gone: what it had not read is dropped, a FIN is sent if none was.
    pub fn release(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.owner = None;
        stream.abandoned = true;
        self.returned(id, usize::MAX);
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        match stream.fin {
            Fin::Sent | Fin::Void => {
                self.streams.remove(&id);
            }
            Fin::None | Fin::Wanted => {
                stream.fin = Fin::Wanted;
                self.wants_send(id);
            }
        }
    }

    /// The owner took `n` received bytes.
    pub fn consumed(&mut self, id: u32, n: usize, now: Time) {
        self.returned(id, n);
        let window = self.window();
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.moved = now;
        if self.plan.version < 2 || n == 0 {
            return;
        }
        let first = stream.read == 0;
        stream.read = stream.read.wrapping_add(n as u32);
        stream.unreported = stream.unreported.saturating_add(n as u32);
        let window = window.min(stream.granted as usize);
        let part = match self.share.is_agreed() {
            true => stream.growth.news(window),
            false => window / 2,
        };
        if (first || stream.unreported as usize >= part) && !stream.update {
            stream.update = true;
            self.control.push_back((id, Control::Upd));
        }
    }

    /// Whether the session may be read: there is room for more unread bytes.
    pub fn readable(&self) -> bool {
        // What has been announced is not here yet, and can only come if it is read.
        self.budget + self.to_come() as i64 > 0 && self.share.is_kept()
    }

    /// The invariants that the simulation relies on.
    pub fn check(&self) {
        let unread: usize = self.streams.values().map(|stream| stream.unread).sum();
        assert_eq!(
            self.budget,
            self.capacity() as i64 - unread as i64,
            "budget"
        );
        self.check_shares();
        for id in &self.ready {
            if let Some(stream) = self.streams.get(id) {
                assert!(
                    stream.ready,
                    "stream {id} is in the ready list without its mark"
                );
            }
        }
    }
}

impl<K> Stream<K> {
    fn new(owner: Option<K>, window: u32) -> Self {
        Self {
            owner,
            abandoned: false,
            ready: false,
            fin: Fin::None,
            fin_received: false,
            reset: false,
            sent: 0,
            acked: 0,
            window,
            read: 0,
            unreported: 0,
            update: false,
            unread: 0,
            over: false,
            moved: Time::ZERO,
            granted: window,
            ceiling: window,
            end: window,
            growth: window::Growth::new(),
        }
    }

    /// Bytes that may be sent now.
    fn room(&self, version: u8) -> usize {
        if version < 2 {
            return usize::MAX;
        }
        let flying = self.sent.wrapping_sub(self.acked);
        self.window.saturating_sub(flying) as usize
    }
}

#[cfg(test)]
mod tests;
