//! Decisions, without a clock or chance of their own: who may come in and where to, at which speed, which way a
//! connection takes, and who asks for it.

pub mod access;
pub mod client;
pub mod families;
pub mod hosts;
pub mod limiter;
pub mod matcher;
mod net;
pub mod rule;
mod select;
pub mod sniff;

pub use net::Net;
pub use select::{Candidate, Pool};
