//! Multiplexing: many streams on one link.

mod session;

pub use session::{Event, Smux};
