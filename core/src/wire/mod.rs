//! Pure codecs: functions on values, one file per message family. `None` means that more bytes are
//! needed and nothing was taken.

pub mod deflate;
pub mod http1;
pub mod http1_body;
pub mod relay;
pub mod smux;
pub mod socks4;
pub mod socks5;
pub mod websocket;

use crate::error::Fail;

/// A value and how many bytes it took. `None`: more bytes are needed, nothing was taken.
pub type Parsed<T> = Result<Option<(T, usize)>, Fail>;

#[cfg(test)]
pub(crate) mod testing {
    use std::fmt::Debug;

    use super::Parsed;

    /// Reads `05 01 00`, as captures are written.
    pub(crate) fn hex(text: &str) -> Vec<u8> {
        text.split_whitespace()
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect()
    }

    /// `bytes` are exactly one unit: every shorter piece is incomplete, the whole is taken whole.
    pub(crate) fn unit<'a, T: Debug>(bytes: &'a [u8], parse: impl Fn(&'a [u8]) -> Parsed<T>) -> T {
        for n in 0..bytes.len() {
            let early = parse(&bytes[..n]).unwrap();
            assert!(early.is_none(), "{n} bytes gave {early:?}");
        }
        let (value, used) = parse(bytes).unwrap().expect("a whole unit");
        assert_eq!(used, bytes.len());
        value
    }
}
