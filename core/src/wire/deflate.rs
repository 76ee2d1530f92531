//! permessage-deflate payloads (RFC 7692, 7.2).

/// Compressors for one thread: no context is kept between messages, so none belongs to a connection.
#[derive(Default)]
pub struct Pool {}
