//! What the scenarios on real sockets are made of.
//!
//! Nothing here uses the engine: the clients, targets and frames are written a second time, plainly
//! on `std::net`, so that a mistake of the product is not repeated by its test. Every wait is a
//! blocking read or a condition with a deadline; ports are chosen by the system.
//!
//! `GINNEL_BIN` names another program to test. With the gost that the interoperation tests build
//! (`target/gost/`), the scenarios show what is the product's own: those that fail there are gost's
//! known defects, status codes of ours, spellings that gost dropped, and messages.

pub mod certificate;
pub mod check;
pub mod client;
pub mod config;
pub mod datagram;
pub mod folder;
pub mod frames;
pub mod gost;
pub mod names;
pub mod origin;
pub mod pair;
pub mod payload;
pub mod process;
pub mod program;
pub mod target;
pub mod valve;

pub use client::{Dest, Proxy, Refused, Speak};
pub use config::{Node, Service};
pub use folder::Folder;
pub use process::Proc;
pub use program::{Program, Runtime};
pub use target::Target;
pub use valve::Valve;

use std::time::Duration;

/// Longest silence on a socket before a test calls it stuck.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Event loops of a program that is told nothing: each of them learns by itself what is out, and asks for itself.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The runtimes of the product. Scenarios are written once and become one test for each.
///
/// ```ignore
/// on_both_runtimes! {
///     fn it_starts(ginnel: &Program) { ... }
/// }
/// ```
#[macro_export]
macro_rules! on_both_runtimes {
    ($($(#[$meta:meta])* fn $name:ident($ginnel:ident: &$program:ty) $body:block)*) => {
        $($(#[$meta])* fn $name($ginnel: &$program) $body)*

        mod smol {
            $(#[test] fn $name() { super::$name(&$crate::Program::ginnel($crate::Runtime::Smol)) })*
        }
        mod mio {
            $(#[test] fn $name() { super::$name(&$crate::Program::ginnel($crate::Runtime::Mio)) })*
        }
    };
}
