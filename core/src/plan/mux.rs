//! Many streams in one connection: smux.

use std::time::Duration;

/// smux settings (`mux.*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mux {
    /// Used unless both ends `agree` on version 2.
    pub version: u8,
    /// Offer version 2 to the peer, or take it when offered (`X-Mux-Version`).
    pub agree: bool,
    /// A NOP frame is sent when nothing was for this long, less up to a fifth by chance; `None` sends none and
    /// expects no frame.
    pub keepalive: Option<Duration>,
    /// A session is dead when nothing at all came for this long, not even a websocket pong.
    pub keepalive_timeout: Duration,
    /// Payload bytes of one data frame, 1 to 65535.
    pub max_frame: usize,
    /// Unread bytes of all streams of the session.
    pub max_receive: usize,
    /// The same for peers that agreed on version 2: their windows follow bandwidth times delay.
    pub max_agreed: usize,
    /// Version 2: the window announced for each stream.
    pub max_stream: usize,
    /// Streams at once.
    pub max_streams: usize,
}

impl Default for Mux {
    fn default() -> Self {
        Self {
            version: 1,
            agree: true,
            keepalive: Some(Duration::from_secs(10)),
            keepalive_timeout: Duration::from_secs(30),
            max_frame: 32768,
            max_receive: 4_194_304,
            max_agreed: 128 * 1024 * 1024,
            max_stream: 65536,
            max_streams: 4096,
        }
    }
}
