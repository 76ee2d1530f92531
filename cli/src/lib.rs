//! The command line of Ginnel: what was typed, what it means, and what to run.

pub mod config;
pub mod duration;
pub mod flags;
pub mod report;
pub mod url;
