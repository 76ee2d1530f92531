//! The command line of Ginnel: what was typed, what it means, and what to run.

pub mod config;
pub mod duration;
pub mod flags;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod help;
pub mod listen;
pub mod log;
pub mod report;
pub mod run;
pub mod tls;
pub mod url;
