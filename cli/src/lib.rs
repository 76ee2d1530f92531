//! The command line of Ginnel: what was typed, what it means, and what to run.

pub mod command;
pub mod config;
mod descriptors;
pub mod duration;
pub mod explain;
pub mod flags;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod heap;
pub mod help;
pub mod listen;
pub mod log;
pub mod prepare;
pub mod profile;
pub mod reload;
pub mod report;
pub mod run;
pub mod secrets;
pub mod signals;
pub mod site;
pub mod size;
pub mod tls;
pub mod url;
pub mod workers;
