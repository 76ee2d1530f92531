//! Which way a connection takes: one node a hop, one target of a forwarding service.

mod select;

pub use select::{Candidate, Pool};
