//! What both drivers need and neither should write: the clock's zero, listeners by thread, read results.

use std::io;
use std::net::TcpListener;

use crate::error::{Cause, Fail};
use crate::plan::Plan;

/// A listener with its service's index.
pub type Listening = (usize, TcpListener);

/// The listeners that thread `index` of `threads` serves: all of them, but for services that belong to one
/// thread. Threads that share a listener take turns by being idle.
pub fn deal(
    plan: &Plan,
    listeners: &[TcpListener],
    index: usize,
    threads: usize,
) -> io::Result<Vec<Listening>> {
    let mut mine = Vec::new();
    for (service, listener) in listeners.iter().enumerate() {
        if plan
            .pinned(service, threads)
            .is_none_or(|pinned| pinned == index)
        {
            mine.push((service, listener.try_clone()?));
        }
    }
    Ok(mine)
}

/// Whether accept failed for want of descriptors or memory: it would fail again at once.
pub fn is_exhausted(error: &io::Error) -> bool {
    // EMFILE, ENFILE, ENOBUFS, ENOMEM on Linux and the BSDs.
    matches!(error.raw_os_error(), Some(24 | 23 | 105 | 55 | 12))
}

/// The failure of a system resolver, with the name in it.
pub fn unresolved(host: &str, error: &io::Error) -> Fail {
    let text = error.to_string();
    let text = text.split(": ").last().unwrap_or_default();
    Fail::new(
        Cause::NameNotFound,
        format!("cannot resolve {host}: {text}"),
    )
}
