//! Frames as they come: in pieces, each payload passed on at once.

use bytes::{Buf, BytesMut};

use super::{Event, Smux};
use crate::error::{Cause, Fail};
use crate::flood;
use crate::time::Time;
use crate::wire::smux::{Command, HEADER, Header, UPDATE, Update, unexpected};

impl<K: Copy + PartialEq> Smux<K> {
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
}
