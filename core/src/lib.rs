//! Ginnel's protocol engine: the whole proxy as one machine without a clock, chance, sockets or threads.

pub use bytes;

pub mod addr;
pub mod buffer;
pub mod connector;
pub mod driver;
pub mod engine;
pub mod entropy;
pub mod error;
pub mod event;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod handler;
pub mod layer;
pub mod limits;
pub mod mux;
pub mod plan;
pub mod route;
pub mod time;
pub mod wire;
