//! The `auto` handler: the first byte tells the protocol.

use crate::plan::HandlerKind;
use crate::wire::{socks4, socks5};

/// What a client speaks whose first byte is `first`. TLS inside the channel is not forwarded by its
/// server name, as gost does without asking for a user: it ends as a broken HTTP request.
pub fn detect(first: u8) -> HandlerKind {
    match first {
        socks4::VERSION => HandlerKind::Socks4,
        socks5::VERSION => HandlerKind::Socks5,
        _ => HandlerKind::Http,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_tells_the_protocol() {
        assert_eq!(detect(4), HandlerKind::Socks4);
        assert_eq!(detect(5), HandlerKind::Socks5);
        for first in [b'G', b'C', b'p', 0x16, 0, 1, 6] {
            assert_eq!(detect(first), HandlerKind::Http);
        }
    }
}
