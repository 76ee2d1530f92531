//! Memory goes back to the system after many connections.
//!
//! glibc keeps what was freed unless it lies at the very end of an arena, where something always is: a thousand tunnels
//! that have ended held as much as before. While connections come and go that memory is used again; when it has
//! become quiet, it is given back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

/// Ends of connections that are worth a look at all free memory. They held a quarter of a megabyte or more.
const MANY: usize = 128;
/// No other connection has ended for so long.
const QUIET: Duration = Duration::from_millis(500);

/// Counts the ends of connections, and acts on them in a thread of its own, which sleeps otherwise.
pub struct Heap {
    ended: Arc<AtomicUsize>,
    thread: Thread,
}

impl Heap {
    pub fn new() -> io::Result<Self> {
        let ended = Arc::new(AtomicUsize::new(0));
        let counted = ended.clone();
        let thread = thread::Builder::new()
            .name("memory".to_owned())
            .spawn(move || {
                loop {
                    thread::park();
                    if settles(&counted) {
                        give_back();
                    }
                }
            })?;
        Ok(Self {
            ended,
            thread: thread.thread().clone(),
        })
    }

    pub fn connection_ended(&self) {
        if self.ended.fetch_add(1, Ordering::Relaxed) + 1 == MANY {
            self.thread.unpark();
        }
    }
}

/// Waits until no more end, and counts anew. False if there were not many: the thread was woken for nothing.
#[allow(clippy::disallowed_methods)] // That nothing happens for a while is the event.
fn settles(ended: &AtomicUsize) -> bool {
    let mut seen = ended.load(Ordering::Relaxed);
    while seen >= MANY {
        thread::sleep(QUIET);
        // One that ends now is counted, or is the first of the next ones.
        match ended.compare_exchange(seen, 0, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(more) => seen = more,
        }
    }
    false
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
fn give_back() {
    // SAFETY: it takes no pointers, and locks the arenas that it looks through.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators give memory back by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn give_back() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_ends_count_once_when_it_is_quiet() {
        let ended = AtomicUsize::new(MANY - 1);
        assert!(!settles(&ended));
        ended.fetch_add(1, Ordering::Relaxed);
        assert!(settles(&ended));
        assert_eq!(ended.load(Ordering::Relaxed), 0);
        assert!(!settles(&ended));
    }
}
