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
mod signals;

use std::collections::{BTreeMap, VecDeque};

use bytes::{Buf, BytesMut};

use crate::buffer::Seg;
use crate::error::{Cause, Fail};
use crate::flood::{self, Flood};
use crate::plan::Mux;
use crate::time::Time;
use crate::wire::smux::{Command, HEADER, Header, INITIAL_WINDOW, UPDATE, Update, unexpected};

mod share;
mod window;

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
    /// What was read when the peer was told last.
    told: u32,
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

    /// Takes a piece of the session's byte stream.
    pub fn recv(
        &mut self,
        mut wire: BytesMut,
        now: Time,
        events: &mut Vec<Event>,
    ) -> Result<(), Fail> {
        self.last_rx = now;
        while !wire.is_empty() {
            if self.payload > 0 {
                let piece = wire.split_to(self.payload.min(wire.len()));
                self.payload -= piece.len();
                if let Some(id) = self.payload_of
                    && self
                        .streams
                        .get(&id)
                        .is_some_and(|stream| !stream.abandoned)
                {
                    events.push(Event::Data(id, piece));
                    self.share.carried(id, now);
                    self.arrived(id, now);
                }
                continue;
            }
            let wanted = if self.partial_len >= HEADER {
                HEADER + UPDATE
            } else {
                HEADER
            };
            let n = (wanted - self.partial_len).min(wire.len());
            self.partial[self.partial_len..self.partial_len + n].copy_from_slice(&wire[..n]);
            self.partial_len += n;
            wire.advance(n);
            if self.partial_len < wanted {
                let command = if self.partial_len > 1 {
                    self.partial[1]
                } else {
                    0
                };
                Header::begin(self.partial[0], command, self.plan.version)?;
                continue;
            }
            let mut header = [0; HEADER];
            header.copy_from_slice(&self.partial[..HEADER]);
            let header = Header::parse(header, self.plan.version)?;
            if header.command == Command::Upd && wanted == HEADER {
                continue;
            }
            self.partial_len = 0;
            self.frame(header, events)?;
        }
        Ok(())
    }

    fn frame(&mut self, header: Header, events: &mut Vec<Event>) -> Result<(), Fail> {
        let id = header.stream;
        let idle = match header.command {
            Command::Nop => true,
            Command::Psh => header.len == 0,
            // Told once a session.
            Command::Away => true,
            Command::Syn | Command::Upd | Command::Fin | Command::Rst => {
                !self.streams.contains_key(&id)
            }
        } && (self.client || header.command != Command::Syn);
        if idle && self.flood.idle_frame(self.last_rx) {
            let text = format!(
                "more than {} smux frames without a use in a second",
                flood::MOST
            );
            return Err(Fail::new(Cause::Limit, text));
        }
        match header.command {
            command if command.is_signal() && !self.signals => {
                return Err(unexpected(command as u8));
            }
            Command::Nop => {}
            Command::Rst | Command::Away => self.signal(header, events),
            Command::Syn if self.client => {
                // Nothing on the dialing side accepts streams: refuse it, as gost never does.
                if !self.streams.contains_key(&id) && self.streams.len() < self.max_streams {
                    let stream = self.stream(None);
                    self.streams.insert(id, stream);
                    self.release(id);
                }
            }
            Command::Syn => {
                if self.streams.contains_key(&id) {
                    return Ok(());
                }
                if self.streams.len() >= 2 * self.max_streams {
                    return Err(Fail::new(
                        Cause::Limit,
                        format!(
                            "peer opened more than {} mux streams at once",
                            self.max_streams
                        ),
                    ));
                }
                let stream = self.stream(None);
                self.streams.insert(id, stream);
                if self.refuses || self.streams.len() > self.max_streams {
                    self.reset(id);
                } else {
                    events.push(Event::Open(id));
                }
            }
            Command::Psh => {
                self.payload = usize::from(header.len);
                self.payload_of = None;
                if let Some(stream) = self.streams.get(&id)
                    && !stream.abandoned
                {
                    self.payload_of = Some(id);
                    self.announced(id, self.payload);
                }
            }
            Command::Fin => {
                if let Some(stream) = self.streams.get_mut(&id)
                    && !stream.fin_received
                {
                    stream.fin_received = true;
                    if !stream.abandoned {
                        events.push(Event::Fin(id));
                    }
                }
            }
            Command::Upd => {
                let mut payload = [0; UPDATE];
                payload.copy_from_slice(&self.partial[HEADER..]);
                let update = Update::parse(payload);
                let Some(stream) = self.streams.get_mut(&id) else {
                    return Ok(());
                };
                if self.plan.version < 2 {
                    return Ok(());
                }
                if (stream.sent.wrapping_sub(update.consumed) as i32) < 0 {
                    return Err(Fail::protocol(format!(
                        "smux stream {id}: peer consumed more than was sent"
                    )));
                }
                stream.acked = update.consumed;
                stream.window = update.window;
                self.wants_send(id);
            }
        }
        Ok(())
    }

    /// The next frame to send, control first, then one data frame a stream in turn.
    ///
    /// `pull(owner, max)` gives up to `max` bytes of what the owner has waiting, and whether more waits.
    pub fn poll(
        &mut self,
        now: Time,
        mut pull: impl FnMut(K, usize) -> (Option<Seg>, bool),
    ) -> Option<Seg> {
        let seg = self.poll_frame(now, &mut pull)?;
        self.last_tx = now;
        Some(seg)
    }

    fn poll_frame(
        &mut self,
        now: Time,
        pull: &mut impl FnMut(K, usize) -> (Option<Seg>, bool),
    ) -> Option<Seg> {
        if std::mem::take(&mut self.nop) {
            return Some(self.control_frame(Command::Nop, 0, &[]));
        }
        if std::mem::take(&mut self.says_away) {
            return Some(self.control_frame(Command::Away, 0, &[]));
        }
        while let Some((id, control)) = self.control.pop_front() {
            if !self.streams.contains_key(&id) {
                continue;
            }
            match control {
                Control::Syn => return Some(self.control_frame(Command::Syn, id, &[])),
                Control::Upd => {
                    if let Some(update) = self.update(id, now) {
                        return Some(self.control_frame(Command::Upd, id, &update.encode()));
                    }
                }
            }
        }
        while let Some(id) = self.ready.pop_front() {
            let Some(stream) = self.streams.get_mut(&id) else {
                continue;
            };
            stream.ready = false;
            let room = stream.room(self.plan.version).min(self.plan.max_frame);
            let (seg, more) = match stream.owner {
                // A stream without room waits for its UPD, with its FIN behind the data.
                Some(owner) if room == 0 => (None, pull(owner, 0).1),
                Some(owner) => pull(owner, room),
                None => (None, false),
            };
            if let Some(mut seg) = seg {
                stream.sent = stream.sent.wrapping_add(seg.len() as u32);
                self.share.carried(id, now);
                if !more {
                    self.share.said_all(seg.len(), now);
                }
                if more || stream.fin == Fin::Wanted {
                    stream.ready = true;
                    self.ready.push_back(id);
                }
                let header = Header {
                    version: self.plan.version,
                    command: Command::Psh,
                    len: seg.len() as u16,
                    stream: id,
                };
                seg.push_front(&header.encode());
                return Some(seg);
            }
            if !more && stream.fin == Fin::Wanted {
                stream.fin = Fin::Sent;
                let end = match stream.reset {
                    true => Command::Rst,
                    false => Command::Fin,
                };
                if stream.abandoned {
                    self.streams.remove(&id);
                }
                return Some(self.control_frame(end, id, &[]));
            }
        }
        None
    }

    fn control_frame(&self, command: Command, id: u32, payload: &[u8]) -> Seg {
        let header = Header {
            version: self.plan.version,
            command,
            len: payload.len() as u16,
            stream: id,
        };
        let mut seg = Seg::default();
        seg.push_front(payload);
        seg.push_front(&header.encode());
        seg
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
            told: 0,
            update: false,
            unread: 0,
            over: false,
            moved: Time::ZERO,
            granted: window,
            ceiling: window,
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
