//! smux frames, versions 1 and 2 (xtaci/smux): an 8-byte little-endian header and a payload.
//!
//! RST and AWAY are not smux's: they are sent only to a peer that agreed to them in the upgrade.

use crate::error::Fail;

pub const HEADER: usize = 8;
/// Payload of an UPD frame.
pub const UPDATE: usize = 8;
/// The window assumed before the first UPD, whatever either side is configured to.
pub const INITIAL_WINDOW: u32 = 262_144;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Opens a stream; not acknowledged.
    Syn = 0,
    /// The sender's data ends.
    Fin = 1,
    Psh = 2,
    /// Keep-alive on stream 0; never answered.
    Nop = 3,
    /// Version 2: how much was consumed, and the window.
    Upd = 4,
    /// Both directions of a stream end at once, and what was sent may be incomplete.
    Rst = 5,
    /// On stream 0: the sender wants no new streams; those that are open go on.
    Away = 6,
}

impl Command {
    /// Whether it takes an agreement to send it.
    pub fn is_signal(self) -> bool {
        matches!(self, Self::Rst | Self::Away)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub version: u8,
    pub command: Command,
    /// Payload bytes that follow.
    pub len: u16,
    pub stream: u32,
}

impl Header {
    /// Reads a header of a session of this `version`. UPD carries eight bytes, all others but PSH nothing:
    /// with another length the rest of the session could not be understood.
    pub fn parse(bytes: [u8; HEADER], version: u8) -> Result<Self, Fail> {
        let [v, command, l0, l1, s0, s1, s2, s3] = bytes;
        let command = Self::begin(v, command, version)?;
        let len = u16::from_le_bytes([l0, l1]);
        let expected = match command {
            Command::Psh => len,
            Command::Upd => UPDATE as u16,
            _ => 0,
        };
        if len != expected {
            return Err(Fail::protocol(format!(
                "smux {command:?} frame with {len} bytes of payload, expected {expected}"
            )));
        }
        Ok(Self {
            version: v,
            command,
            len,
            stream: u32::from_le_bytes([s0, s1, s2, s3]),
        })
    }

    /// The first bytes of a header, which tell whether the peer speaks smux at all: one that does not
    /// may wait for our answer before it sends the rest. A command that has not come yet is passed as 0.
    pub fn begin(v: u8, command: u8, version: u8) -> Result<Command, Fail> {
        if v != version {
            let cure = match v {
                1 | 2 => "mux.version must be the same on both ends",
                _ => "the peer does not multiplex (ws instead of mws), or its mux.version differs",
            };
            return Err(Fail::protocol(format!(
                "expected smux version {version}, got byte {v}: {cure}"
            )));
        }
        Ok(match command {
            0 => Command::Syn,
            1 => Command::Fin,
            2 => Command::Psh,
            3 => Command::Nop,
            4 => Command::Upd,
            5 => Command::Rst,
            6 => Command::Away,
            other => return Err(unexpected(other)),
        })
    }

    pub fn encode(self) -> [u8; HEADER] {
        let [l0, l1] = self.len.to_le_bytes();
        let [s0, s1, s2, s3] = self.stream.to_le_bytes();
        [self.version, self.command as u8, l0, l1, s0, s1, s2, s3]
    }
}

/// A command that the peer has no business to send.
pub fn unexpected(command: u8) -> Fail {
    Fail::protocol(format!(
        "expected smux command 0 to 4, got {command}: does the peer multiplex (mws, not ws)?"
    ))
}

/// The payload of an UPD frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// Bytes of the stream handed to the application since it was opened, modulo 2^32.
    pub consumed: u32,
    /// The receiver's window.
    pub window: u32,
}

impl Update {
    pub fn parse(bytes: [u8; UPDATE]) -> Self {
        let [c0, c1, c2, c3, w0, w1, w2, w3] = bytes;
        Self {
            consumed: u32::from_le_bytes([c0, c1, c2, c3]),
            window: u32::from_le_bytes([w0, w1, w2, w3]),
        }
    }

    pub fn encode(self) -> [u8; UPDATE] {
        let mut bytes = [0; UPDATE];
        bytes[..4].copy_from_slice(&self.consumed.to_le_bytes());
        bytes[4..].copy_from_slice(&self.window.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_those_of_the_reference() {
        let header = |version, command, len, stream| Header {
            version,
            command,
            len,
            stream,
        };
        for (header, bytes) in [
            (header(1, Command::Syn, 0, 3), [1, 0, 0, 0, 3, 0, 0, 0]),
            (header(1, Command::Psh, 5, 3), [1, 2, 5, 0, 3, 0, 0, 0]),
            (
                header(1, Command::Psh, 32768, 3),
                [1, 2, 0, 0x80, 3, 0, 0, 0],
            ),
            (header(1, Command::Fin, 0, 3), [1, 1, 0, 0, 3, 0, 0, 0]),
            (header(1, Command::Nop, 0, 0), [1, 3, 0, 0, 0, 0, 0, 0]),
            (header(2, Command::Upd, 8, 7), [2, 4, 8, 0, 7, 0, 0, 0]),
            (header(1, Command::Rst, 0, 3), [1, 5, 0, 0, 3, 0, 0, 0]),
            (header(2, Command::Away, 0, 0), [2, 6, 0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(header.encode(), bytes);
            assert_eq!(Header::parse(bytes, header.version), Ok(header));
        }
        let update = Update {
            consumed: 33768,
            window: 65536,
        };
        assert_eq!(update.encode(), [0xe8, 0x83, 0, 0, 0, 0, 1, 0]);
        assert_eq!(Update::parse(update.encode()), update);
    }

    #[test]
    fn frames_that_desynchronise_are_refused() {
        for bytes in [
            [2, 0, 0, 0, 3, 0, 0, 0],
            [0, 0, 0, 0, 3, 0, 0, 0],
            [1, 7, 0, 0, 3, 0, 0, 0],
            [1, 5, 1, 0, 3, 0, 0, 0],
            [1, 0, 2, 0, 3, 0, 0, 0],
            [1, 3, 1, 0, 0, 0, 0, 0],
            [1, 4, 7, 0, 0, 0, 0, 0],
        ] {
            assert!(Header::parse(bytes, 1).is_err(), "{bytes:?}");
        }
    }
}
