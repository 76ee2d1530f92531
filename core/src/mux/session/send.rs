//! Frames as they go: control first, then a frame of each stream in turn.

use super::{Control, Fin, Smux};
use crate::buffer::Seg;
use crate::time::Time;
use crate::wire::smux::{Command, Header};

impl<K: Copy + PartialEq> Smux<K> {
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
}
