//! What stands between two engines and does to their connections what they did not ask for.

use super::World;
use crate::weather::Cargo;

/// Its offer and its answer say that directions end by messages.
const FIELD: &[u8] = b"X-Websocket-Half-Close";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Middlebox {
    None,
    /// The field arrives under another name, so that each engine has a stranger for its peer, such as gost.
    Spoils,
    /// The end of either direction ends both, as with web servers.
    EndsBoth,
}

impl Middlebox {
    /// In one run of three everybody is a stranger.
    pub fn of(seed: u64) -> Self {
        match seed % 3 {
            0 => Self::Spoils,
            _ => Self::None,
        }
    }
}

impl World {
    /// On a connection that is not encrypted.
    pub fn spoil(&mut self, c: usize, to: usize, cargo: &mut Cargo) {
        let (Cargo::Bytes(bytes), Middlebox::Spoils) = (cargo, self.middlebox) else {
            return;
        };
        let passed = &mut self.connections[c].spoiled[to];
        for byte in bytes {
            // Its first letter comes once in it.
            *passed = match *byte {
                byte if byte == FIELD[*passed] => *passed + 1,
                byte => usize::from(byte == FIELD[0]),
            };
            if *passed == FIELD.len() {
                *byte = b'X';
                *passed = 0;
            }
        }
    }

    /// It ends all connections between two engines in order, wherever they are.
    pub fn end_tunnels(&mut self) {
        for c in 0..self.connections.len() {
            if self.connections[c].is_between() {
                self.send(c, 0, Cargo::Fin);
                self.send(c, 1, Cargo::Fin);
            }
        }
    }
}
