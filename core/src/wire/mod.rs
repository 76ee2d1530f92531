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
