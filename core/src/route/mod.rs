//! Which way a connection takes: one node a hop, one target of a forwarding service; and who asks for it.

pub mod client;
mod net;
mod select;

pub use net::Net;
pub use select::{Candidate, Pool};
